import { setTimeout as sleep } from 'node:timers/promises';
import anyTest, { type TestFn } from 'ava';
import { smallStudy } from '../study/support.js';
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

/** Tests, one after the other, that share a server; skipped where there is none. */
export function testsWithPostgres(
  settings: Readonly<Record<string, string | number>> = {},
): TestFn<{ postgres: PostgresServer }> | TestFn<{ postgres: PostgresServer }>['skip'] {
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
