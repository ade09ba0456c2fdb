import { getEventListeners, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { OptionRangeError, StoreError } from '../../lib/base/errors.js';
import { connectCluster, type SqlRunner } from '../../lib/cluster/connection.js';
import { collect, list, read, remove, submit, work } from '../../lib/cluster/index.js';
import { isPassing } from '../../lib/cluster/reasons.js';
import { run } from '../../lib/study/index.js';
import { command, start } from '../cli/support.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { count, kJobs, overlaps, slowStudy, testsWithPostgres, until } from './support.js';

const test = testsWithPostgres();

test('submitted, detached, worked on and collected, a study has the rows of the local run', async (t) => {
  const { url } = t.context.postgres;
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(smallStudy));
  const local = await run(smallStudy, { out: join(directory, 'local.sqlite') });
  const cli = (...args: string[]) => command([...args, '--cluster', url], directory);
  const submitted = await cli('run', 'study.yaml', '--detach');
  t.is(submitted.code, 0, submitted.stderr);
  t.regex(submitted.stdout, /^study small \([0-9a-f]{16}\): 4 jobs wait; /);
  t.regex((await cli('status')).stdout, /study small \(\w+\): 0 of 4 cells finished, 0 trials, 4 jobs left/);
  const worked = await cli('worker', '--until-done');
  t.is(worked.code, 0, worked.stderr);
  t.regex(worked.stderr, /"msg":"small: \d+ trials in [\d.]+ s"/);
  t.regex((await cli('status')).stdout, /study small \(\w+\): 4 of 4 cells finished, \d+ trials, 0 jobs left/);
  const collected = await cli('run', 'study.yaml', '--progress', 'json');
  t.is(collected.code, 0, collected.stderr);
  t.regex(collected.stdout, /results: small.sqlite\nfigure: +small.svg\n$/);
  const result = await run(smallStudy, { out: join(directory, 'small.sqlite') });
  t.deepEqual(timeless(result.rows), timeless(local.rows));
  const [id = ''] = /[0-9a-f]{16}/.exec(submitted.stdout) ?? [];
  const shown = start(['explore', '--cluster', url, id], directory);
  const [said] = await once(shown.child.stdout as Readable, 'data');
  const [, page = ''] = /page: (\S+)/.exec(String(said)) ?? [];
  const looked = await fetch(`${page}look-all`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"version":""}',
  });
  t.regex(
    ((await looked.json()) as { readonly html: string }).html,
    /<p role="status" class="progress-text">4 of 4 cells finished, /,
  );
  shown.child.kill('SIGINT');
  t.is((await shown.finished).code, 0);
  for (const output of [submitted, worked, collected])
    for (const secret of t.context.postgres.secrets) t.false((output.stdout + output.stderr).includes(secret));
});

test('a worker that is aborted at any moment ends, and what it has stored is part of the rows of the local run', async (t) => {
  const { url } = t.context.postgres;
  const directory = temporaryDirectory(t);
  const spec = { ...slowStudy, name: 'aborted' };
  const local = await run(spec, { out: join(directory, 'local.sqlite') });
  await submit(spec, { url });
  for (const milliseconds of [0, 20, 150, 600, 1500]) {
    const controller = new AbortController();
    const { signal } = controller;
    if (milliseconds === 0) controller.abort();
    const ended = work({ url, signal });
    await sleep(milliseconds);
    controller.abort();
    await ended;
    t.is(getEventListeners(signal, 'abort').length, 0);
  }
  await work({ url, untilDone: true });
  const collected = await collect(spec, { url, out: join(directory, 'collected.sqlite') });
  t.deepEqual(timeless(collected.rows), timeless(local.rows));
});

test('four workers, two killed in the middle of a job, the server restarted: the rows of the local run, nothing lost or counted twice', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const directory = temporaryDirectory(t);
  const local = await run(slowStudy, { out: join(directory, 'local.sqlite') });
  const { id } = await submit(slowStudy, { url, expireSeconds: 5 });
  const two = () => [0, 1].map(() => start(['worker', '--cluster', url, '--threads', '1'], directory));
  const killed = two();
  const active = () => count(postgres, `select count(*) from ${kJobs} where name = 'study-${id}' and state = 'active'`);
  // Both have a job: there are more cells than workers, so that none of them waits for long.
  await until(async () => (await active()) === 2);
  for (const { child } of killed) child.kill('SIGKILL');
  const staying = two();
  const workers = [...killed, ...staying];
  // Each has done a job, so that it is connected; work is left, that of the killed ones at least.
  const firstJobs = Promise.all(staying.map(({ child }) => once(child.stderr as Readable, 'data')));
  await Promise.race([firstJobs, sleep(20_000)]);
  await postgres.down();
  await sleep(700);
  await postgres.up();
  const collected = await collect(slowStudy, { url, out: join(directory, 'collected.sqlite') });
  t.deepEqual(timeless(collected.rows), timeless(local.rows));
  t.is(collected.finishedCells, 6);
  t.is(await overlaps(postgres), 0);
  const retried = `select count(*) from ${kJobs} where name = 'study-${id}' and retry_count > 0`;
  t.true((await count(postgres, retried)) >= 2);
  for (const { child } of workers) child.kill('SIGTERM');
  const ends = await Promise.all(workers.map(({ finished }) => finished));
  t.deepEqual(
    ends.map(({ code, signal }) => signal ?? code),
    ['SIGKILL', 'SIGKILL', 0, 0],
    ends.map(({ stderr }) => stderr).join('\n'),
  );
});

test('a connection that the server ends between two statements fails that transaction only', async (t) => {
  const { postgres } = t.context;
  const connection = await connectCluster(postgres.url);
  const pid = async (runner: SqlRunner) =>
    Number(((await runner.executeSql('select pg_backend_pid() as pid', [])).rows[0] as { pid: number }).pid);
  const broken = connection.transaction(async (_, runner) => {
    const backend = await pid(runner);
    await postgres.query(`select pg_terminate_backend(${backend})`);
    await until(
      async () => (await count(postgres, `select count(*) from pg_stat_activity where pid = ${backend}`)) === 0,
    );
    await sleep(100);
    await pid(runner);
  });
  t.true(isPassing(await t.throwsAsync(broken)));
  t.true((await connection.transaction((_, runner) => pid(runner))) > 0);
  await connection.close();
});

test('a worker that is asked to stop stores what it has and leaves the rest to others', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const directory = temporaryDirectory(t);
  const study = { ...slowStudy, name: 'stopped', factors: { inverseTemperature: [0.5] }, trials: 3000 };
  const experiment = { ...study.experiment, examples: 400 };
  const { id } = await submit({ ...study, experiment }, { url });
  const { child, finished } = start(['worker', '--cluster', url, '--threads', '1'], directory);
  await until(async () => (await count(postgres, `select count(*) from ${kJobs} where state = 'active'`)) === 1);
  await sleep(500);
  child.kill('SIGTERM');
  const { code, stderr } = await finished;
  t.is(code, 0, stderr);
  const partial = await read({ url, id });
  const trials = partial.rows[0]?.trials ?? 0;
  t.true(trials > 0 && trials < 3000, `${trials} trials`);
  t.true(partial.runs[0]?.finished !== null);
  t.is((await list({ url })).find((one) => one.id === id)?.failedJobs, 0);
  await remove({ url, id });
  t.false((await list({ url })).some((one) => one.id === id));
});

test('results of workers with different engines are not mixed unless allowed', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const out = join(temporaryDirectory(t), 'mixed.sqlite');
  const study = { ...smallStudy, name: 'mixed', trials: 5 };
  await submit(study, { url });
  await work({ url, untilDone: true });
  await postgres.query(
    "insert into prompt_attention.run select (jsonb_populate_record(r, jsonb_build_object('id', 'other', 'engine', '0/NEON/ARMV8'))).* " +
      `from prompt_attention.run r join prompt_attention.study s on r.study = s.id where s.name = 'mixed' limit 1`,
  );
  await t.throwsAsync(collect(study, { url, out }), { instanceOf: StoreError, message: /different engines.*NEON/ });
  t.is((await collect(study, { url, out, mixedEngines: true })).finishedCells, 4);
});

test('a worker that is asked to stop while the server is away ends', async (t) => {
  const { postgres } = t.context;
  const directory = temporaryDirectory(t);
  const connections = () =>
    count(postgres, "select count(*) from pg_stat_activity where application_name = 'prompt-attention'");
  const before = await connections();
  const { child, finished } = start(['worker', '--cluster', postgres.url, '--threads', '1'], directory);
  await until(async () => (await connections()) > before);
  // Connected, and looking for work.
  await sleep(2000);
  await postgres.down();
  await Promise.race([once(child.stderr as Readable, 'data'), finished]);
  child.kill('SIGTERM');
  const begin = performance.now();
  const { code, stderr } = await finished;
  await postgres.up();
  t.is(code, 0, stderr);
  t.true(performance.now() - begin < 25_000);
});

test('a study may grow on the cluster as in a file', async (t) => {
  const { url } = t.context.postgres;
  const directory = temporaryDirectory(t);
  const study = { ...smallStudy, name: 'growing' };
  const out = join(directory, 'growing.sqlite');
  for (const trials of [10, 100]) {
    await submit({ ...study, trials }, { url });
    await work({ url, untilDone: true });
    const { rows } = await collect({ ...study, trials }, { url, out: `${out}-${trials}` });
    t.true(rows.every((row) => row.trials === trials));
  }
  const local = await run({ ...study, trials: 100 }, { out });
  const collected = await collect({ ...study, trials: 100 }, { url, out: `${out}-100` });
  t.deepEqual(timeless(collected.rows), timeless(local.rows));
  await t.throwsAsync(submit({ ...study, trials: 50 }, { url }), { instanceOf: StoreError, message: /only grow/ });
});

test('laws without trials are computed too', async (t) => {
  const { url } = t.context.postgres;
  const directory = temporaryDirectory(t);
  const study = { ...smallStudy, name: 'laws', trials: 'theory-only', theory: { draws: 500 } } as const;
  await submit(study, { url });
  await work({ url, untilDone: true });
  const collected = await collect(study, { url, out: join(directory, 'cluster.sqlite') });
  const local = await run(study, { out: join(directory, 'local.sqlite') });
  t.is(local.rows.length, 4);
  t.deepEqual(collected.rows, local.rows);
});

test('a payload from a stranger is refused, and nothing else stops', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const study = { ...smallStudy, name: 'strange', trials: 5 };
  const { id } = await submit(study, { url });
  const payloads = ['{"items": [["process.exit()", 0, 1]]}', '{"items": []}', '{"items": [[99, 0, 1]]}'];
  for (const payload of payloads)
    await postgres.query(`insert into ${kJobs} (name, data, retry_limit) values ('study-${id}', '${payload}', 0)`);
  const failures: string[] = [];
  await work({
    url,
    untilDone: true,
    onEvent: (event) => {
      if (event.kind === 'failure') failures.push(event.reason);
    },
  });
  t.is(failures.length, 3);
  t.is(failures.filter((reason) => /: its payload is not one of prompt-attention/.test(reason)).length, 2);
  t.true(failures.some((reason) => reason.endsWith(': there is no cell 99')));
  t.is((await collect(study, { url, out: join(temporaryDirectory(t), 'x.sqlite') })).finishedCells, 4);
  t.is((await list({ url })).find((one) => one.id === id)?.failedJobs, 3);
});

test('what is wrong with a cluster is said in one line, without the password', async (t) => {
  const { postgres } = t.context;
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(smallStudy));
  const wrong = postgres.url.replace(/:[^:@]*@/, ':wrong-secret@');
  const faults: readonly (readonly [string, RegExp])[] = [
    [wrong, /127.0.0.1:\d+\/postgres: the server refuses the user or the password\n$/],
    [postgres.url.replace(`${postgres.port}`, '1'), /: no PostgreSQL server answers there\n$/],
    [postgres.url.replace(/\/postgres$/, '/nothing'), /nothing: there is no such database; create it with createdb\n$/],
    ['mysql://me:wrong-secret@host/x', /url must be postgres:\/\/USER@HOST:PORT\/DATABASE; got "mysql:"\n$/],
  ];
  const commands = [['run', 'study.yaml'], ['worker']];
  const runs = faults.flatMap(([url, message]) =>
    commands.map((args) => ({ args: [...args, '--cluster', url], message })),
  );
  await Promise.all(
    runs.map(async ({ args, message }) => {
      const { code, stdout, stderr } = await command(args, directory);
      t.true(code === 1 || code === 2);
      t.is(stdout, '');
      t.regex(stderr, /^prompt-attention: [^\n]*\n$/);
      t.regex(stderr, message);
      for (const secret of ['wrong-secret', ...postgres.secrets]) t.false(stderr.includes(secret), stderr);
    }),
  );
  await t.throwsAsync(submit(smallStudy, { url: postgres.url, expireSeconds: 1 }), { instanceOf: OptionRangeError });
});

test('the password may come from the environment, where other users do not see it', async (t) => {
  const { postgres } = t.context;
  const [secret] = postgres.secrets as [string];
  const url = `postgres://tester@127.0.0.1:${postgres.port}/postgres`;
  const status = await command(['status', '--cluster', url], temporaryDirectory(t), { PGPASSWORD: secret });
  t.is(status.code, 0, status.stderr);
  t.regex(status.stdout, /study small /);
});
