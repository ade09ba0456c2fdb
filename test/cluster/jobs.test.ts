// Whose job it is, and what is stored when answers are lost.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../../lib/base/errors.js';
import { connectCluster } from '../../lib/cluster/connection.js';
import { cancel, collect, list, remove, retry, submit, type WorkerEvent, work } from '../../lib/cluster/index.js';
import { JobQueue } from '../../lib/cluster/queue.js';
import { isPassing } from '../../lib/cluster/reasons.js';
import { run } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { PostgresProxy } from '../support/proxy.js';
import { count, jobsIn, kJobs, testsWithPostgres } from './support.js';

const test = testsWithPostgres();

const kOne = { ...smallStudy.experiment, examples: 40, inverseTemperature: 0.5 };

test('who holds an earlier attempt of a job can neither complete it nor put it back', async (t) => {
  const { postgres } = t.context;
  const { id } = await submit(
    { ...smallStudy, name: 'attempts', factors: {}, experiment: kOne },
    { url: postgres.url },
  );
  const connection = await connectCluster(postgres.url);
  const queue = await JobQueue.open(connection);
  const take = async () => {
    const job = await queue.take(id, 'a');
    if (job === undefined) throw new Error('no job');
    return job;
  };
  const inTransaction = <Result>(work: Parameters<typeof connection.transaction<Result>>[0]) =>
    connection.transaction(work);
  const first = await take();
  // What maintenance does when a job expires.
  await postgres.query(
    `update ${kJobs} set state = 'retry', start_after = now() - interval '1 s' where id = '${first.id}'`,
  );
  const second = await take();
  t.is(second.id, first.id);
  t.is(second.attempt, first.attempt + 1);
  t.false(await inTransaction((_, runner) => queue.fail(id, first, 'zombie', runner)));
  t.false(await inTransaction((_, runner) => queue.complete(id, first, 'a', runner)));
  t.is(await jobsIn(postgres, id, 'active'), 1);
  t.true(await inTransaction((_, runner) => queue.complete(id, second, 'b', runner)));
  t.false(await inTransaction((_, runner) => queue.complete(id, second, 'b', runner)));
  t.true(await inTransaction((_, runner) => queue.hasCompleted(id, second, 'b', runner)));
  t.false(await inTransaction((_, runner) => queue.hasCompleted(id, second, 'a', runner)));
  t.false(await inTransaction((_, runner) => queue.hasCompleted(id, first, 'b', runner)));
  await queue.close();
  await connection.close();
  await remove({ url: postgres.url, id });
});

test('a worker that did not hear which job it was given gets it again', async (t) => {
  const { postgres } = t.context;
  const { id } = await submit({ ...smallStudy, name: 'unheard', trials: 5 }, { url: postgres.url });
  const proxy = await PostgresProxy.start(postgres.port);
  t.teardown(() => proxy.close());
  const connection = await connectCluster(postgres.urlOf('tester', { port: proxy.port, query: '?query_timeout=500' }));
  const queue = await JobQueue.open(connection);
  proxy.muteServer(true);
  t.true(isPassing(await t.throwsAsync(queue.take(id, 'a'))));
  proxy.muteServer(false);
  t.is(await jobsIn(postgres, id, 'active'), 1);
  const again = await queue.take(id, 'a');
  t.is(again?.attempt, 1);
  t.is(await jobsIn(postgres, id, 'active'), 1);
  t.is((await queue.take(id, 'a'))?.attempt, 0);
  t.is(await jobsIn(postgres, id, 'active'), 2);
  await queue.close();
  await connection.close();
  await remove({ url: postgres.url, id });
});

test('a commit whose answer is lost counts as what it is: done', async (t) => {
  const { postgres } = t.context;
  const directory = temporaryDirectory(t);
  const study = { ...smallStudy, name: 'lost-answers' };
  await submit(study, { url: postgres.url });
  const proxy = await PostgresProxy.start(postgres.port);
  t.teardown(() => proxy.close());
  proxy.loseCommits(3);
  const events: WorkerEvent[] = [];
  await work({
    url: postgres.urlOf('tester', { port: proxy.port }),
    untilDone: true,
    onEvent: (event) => events.push(event),
  });
  t.is(proxy.lost, 3);
  const jobs = events.filter((event) => event.kind === 'job');
  t.true(jobs.length >= 4);
  t.true(jobs.every(({ kept }) => kept));
  const collected = await collect(study, { url: postgres.url, out: join(directory, 'collected.sqlite') });
  const local = await run(study, { out: join(directory, 'local.sqlite') });
  t.deepEqual(timeless(collected.rows), timeless(local.rows));
});

test('a study is removed whole or not at all', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const { id, jobs } = await submit({ ...smallStudy, name: 'kept-whole' }, { url });
  await postgres.query(
    `create function refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end'`,
  );
  await postgres.query('create trigger refuse before delete on prompt_attention.study execute function refuse()');
  await t.throwsAsync(remove({ url, id }), { instanceOf: StoreError, message: /: no$/ });
  t.is((await list({ url })).find((one) => one.id === id)?.jobs, jobs);
  await postgres.query('drop trigger refuse on prompt_attention.study');
  await remove({ url, id });
  t.is(
    (await list({ url })).find((one) => one.id === id),
    undefined,
  );
  t.is(await count(postgres, `select count(*) from ${kJobs} where name = 'study-${id}'`), 0);
});

test('a cancelled study stops, keeps what is stored, says so, and goes on when it is told to', async (t) => {
  const { url } = t.context.postgres;
  const directory = temporaryDirectory(t);
  const study = { ...smallStudy, name: 'cancelled' };
  const { id } = await submit(study, { url });
  const ended = work({ url, untilDone: true });
  const cancelled = await cancel({ url, id });
  await ended;
  t.is((await list({ url })).find((one) => one.id === id)?.jobs, 0);
  const out = join(directory, 'cancelled.sqlite');
  if (cancelled > 0)
    await t.throwsAsync(collect(study, { url, out }), {
      message: /\d+ jobs were cancelled, \d of 4 cells are finished/,
    });
  t.is(await retry({ url, id }), cancelled);
  await work({ url, untilDone: true });
  const local = await run(study, { out: join(directory, 'local.sqlite') });
  t.deepEqual(timeless((await collect(study, { url, out })).rows), timeless(local.rows));
});

test('jobs that failed or were cancelled, tried again after the study was submitted again, count once', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const study = { ...smallStudy, name: 'again' };
  const { id } = await submit(study, { url });
  await cancel({ url, id });
  t.is((await submit(study, { url })).jobs, 4);
  t.is(await retry({ url, id }), 0);
  t.is(await jobsIn(postgres, id, 'created'), 4);
  await remove({ url, id });
});

test('a study of which jobs were lost is not taken for finished', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const study = { ...smallStudy, name: 'lost-jobs' };
  const { id } = await submit(study, { url });
  await postgres.query(`delete from ${kJobs} where name = 'study-${id}'`);
  await t.throwsAsync(collect(study, { url, out: join(temporaryDirectory(t), 'x.sqlite') }), {
    instanceOf: StoreError,
    message: /no job is left, 0 of 4 cells are finished.*submitting the study again runs what is missing/,
  });
  await remove({ url, id });
});

test('a job that waits is never forgotten, and one that failed is kept for a year', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const { id } = await submit({ ...smallStudy, name: 'patient', trials: 5 }, { url });
  const kept = `select count(*) from ${kJobs} where name = 'study-${id}' and keep_until = 'infinity'`;
  t.is(await count(postgres, kept), 4);
  await postgres.query(
    `update ${kJobs} set state = 'failed', completed_on = now() - interval '300 days' where name = 'study-${id}'`,
  );
  // Maintenance runs within seconds of a worker's beginning.
  const controller = new AbortController();
  const ended = work({ url, signal: controller.signal });
  await postgres.query(`update prompt_attention_jobs.version set maintained_on = null`);
  const maintained = 'select count(*) from prompt_attention_jobs.version where maintained_on is not null';
  while ((await count(postgres, maintained)) === 0) await sleep(100);
  controller.abort();
  await ended;
  t.is(await jobsIn(postgres, id, 'failed'), 4);
  await remove({ url, id });
});

test('statements that fail outside of a transaction leave no open transaction behind', async (t) => {
  const connection = await connectCluster(t.context.postgres.url);
  await t.throwsAsync(connection.runner.executeSql('begin; select 1 / 0; commit', []), { instanceOf: StoreError });
  for (let i = 0; i < 5; i++) t.is((await connection.runner.executeSql('select 1', [])).rows.length, 1);
  await connection.close();
});

test('connections are looked after, and statements and transactions of a worker have an end', async (t) => {
  const { postgres } = t.context;
  for (const [purpose, statement, idle] of [
    ['worker', '1min', '30s'],
    ['other', '10min', '10min'],
  ] as const) {
    const connection = await connectCluster(postgres.url, purpose);
    const setting = async (name: string) =>
      Object.values((await connection.runner.executeSql(`show ${name}`, [])).rows[0] as object)[0];
    t.is(await setting('statement_timeout'), statement);
    t.is(await setting('idle_in_transaction_session_timeout'), idle);
    await connection.close();
  }
  // A server that says nothing any more is given up.
  const proxy = await PostgresProxy.start(postgres.port);
  t.teardown(() => proxy.close());
  const parted = await connectCluster(postgres.urlOf('tester', { port: proxy.port, query: '?query_timeout=300' }));
  await parted.runner.executeSql('select 1', []);
  proxy.stall(true);
  t.true(isPassing(await t.throwsAsync(parted.runner.executeSql('select 1', []))));
  proxy.stall(false);
  t.is((await parted.runner.executeSql('select 1', [])).rows.length, 1);
  await parted.close();
});

test('errors that pass are told from those that stay', (t) => {
  const error = (code: string) => new StoreError('x', { cause: Object.assign(new Error('y'), { code }) });
  for (const code of [
    '57014',
    '53100',
    '53200',
    '53300',
    '25P03',
    '25006',
    '55P03',
    '40001',
    '57P01',
    '58030',
    '08006',
  ])
    t.true(isPassing(error(code)), code);
  for (const code of ['28P01', '3D000', '42501', '42P01', '23505', '22P02']) t.false(isPassing(error(code)), code);
});
