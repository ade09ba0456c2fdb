import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { collect } from '../../lib/cluster/index.js';
import { run, type StudyOptions, type StudyRow } from '../../lib/study/index.js';
import { type CommandResult, start } from '../cli/support.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { hasPostgres, PostgresServer } from '../support/postgres.js';

/** Slow enough that workers are caught in the middle of it, with several looks per cell. */
export const slowStudy = {
  ...smallStudy,
  name: 'slow',
  method: 'dense',
  experiment: { ...smallStudy.experiment, mixture: { ...smallStudy.experiment.mixture, tokens: 32, dimension: 100 } },
  factors: { examples: [200, 300, 400], inverseTemperature: [0, 0.5] },
  trials: { minimum: 64, maximum: 1024, standardError: 0.0012 },
} as const;

/** The job engine's table. */
export const kJobs = 'prompt_attention_jobs.job';

type PostgresTests = TestFn<{ postgres: PostgresServer }> | TestFn<{ postgres: PostgresServer }>['skip'];

/** The same tests if what they need beside it is there, else skipped. */
export function testsIf(needed: boolean, test: PostgresTests): PostgresTests {
  return needed ? test : (anyTest as TestFn<{ postgres: PostgresServer }>).serial.skip;
}

/** Tests, one after the other, that share a server; skipped where there is none. */
export function testsWithPostgres(settings: Readonly<Record<string, string | number>> = {}): PostgresTests {
  const base = anyTest as TestFn<{ postgres: PostgresServer }>;
  if (!hasPostgres()) return base.serial.skip;
  base.serial.before(async (t) => {
    t.context.postgres = await PostgresServer.start(settings);
  });
  base.serial.after.always((t) => t.context.postgres?.remove());
  return base.serial as TestFn<{ postgres: PostgresServer }>;
}

/** The number that a query with a column `count` gives. */
export async function count(postgres: PostgresServer, query: string): Promise<number> {
  return Number((await postgres.query(query))[0]?.count);
}

/** Wait until something holds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition().catch(() => false))) await sleep(20);
}

/** Pairs of batches of one cell that hold the same trial: there must be none. */
export function overlaps(postgres: PostgresServer): Promise<number> {
  return count(
    postgres,
    `select count(*) from prompt_attention.batch a join prompt_attention.batch b on a.study = b.study and a.cell = b.cell
     and a.first_trial < b.first_trial and a.first_trial + a.trials > b.first_trial`,
  );
}

/** Jobs of a study that are in a state. */
export function jobsIn(postgres: PostgresServer, id: string, state: string): Promise<number> {
  return count(postgres, `select count(*) from ${kJobs} where name = 'study-${id}' and state = '${state}'`);
}

/** Let the jobs of a study that workers have expire now, and wait until they are given out again. */
export async function expireJobs(postgres: PostgresServer, id: string): Promise<void> {
  await postgres.query(
    `update ${kJobs} set started_on = now() - interval '1 day' where name = 'study-${id}' and state = 'active'`,
  );
}

const expected = new Map<string, Promise<readonly StudyRow[]>>();

/** The rows of a single process. Studies that differ by name only are computed once. */
function localRows(t: ExecutionContext, study: StudyOptions): Promise<readonly StudyRow[]> {
  const key = JSON.stringify({ ...study, name: '' });
  const known =
    expected.get(key) ?? run(study, { out: join(temporaryDirectory(t), 'local.sqlite') }).then(({ rows }) => rows);
  expected.set(key, known);
  return known;
}

const nameless = (rows: readonly StudyRow[]) =>
  timeless(rows).map((row) => ({ ...row, study: undefined, specHash: undefined }));

/** Collect a study, and compare its rows with those of a single process. */
export async function isWhole(t: ExecutionContext, postgres: PostgresServer, study: StudyOptions): Promise<void> {
  const out = join(temporaryDirectory(t), 'collected.sqlite');
  const collected = await collect(study, { url: postgres.socketUrl, out });
  t.is(collected.finishedCells, collected.rows.length);
  t.deepEqual(nameless(collected.rows), nameless(await localRows(t, study)));
  t.is(await overlaps(postgres), 0);
}

/** Start a worker in a process of its own; it ends with the test. */
export function startWorker(
  t: ExecutionContext,
  url: string,
  args: readonly string[] = [],
  {
    launcher = [],
    environment = {},
  }: { readonly launcher?: readonly string[]; readonly environment?: NodeJS.ProcessEnv } = {},
): ReturnType<typeof start> {
  const command = ['worker', '--cluster', url, '--threads', '1', ...args];
  const worker = start(command, temporaryDirectory(t), environment, launcher);
  t.teardown(() => worker.child.kill('SIGKILL'));
  return worker;
}

/** Events of a kind that a worker logged. */
export function eventsOf({ stderr }: CommandResult, kind: string): readonly Record<string, unknown>[] {
  const lines = stderr.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === kind);
}
