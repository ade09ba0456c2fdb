// What operators do: look, try again, cancel, remove, bring tables to another version, grant.
import { join } from 'node:path';
import { OptionRangeError, StoreError } from '../../lib/base/errors.js';
import {
  cancel,
  collect,
  failures,
  list,
  migrate,
  read,
  remove,
  retry,
  submit,
  type WorkerEvent,
  work,
  workers,
} from '../../lib/cluster/index.js';
import { run } from '../../lib/study/index.js';
import { command, start } from '../cli/support.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { count, jobsIn, kJobs, slowStudy, testsWithPostgres, until } from './support.js';

const test = testsWithPostgres();

test('where there are no tables, reading finds nothing and changes nothing', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  t.deepEqual(await list({ url }), []);
  t.deepEqual(await workers({ url }), []);
  t.deepEqual(await failures({ url }), []);
  await t.throwsAsync(read({ url, id: 'x' }), { instanceOf: StoreError, message: /has no tables of prompt-attention/ });
  t.is(await count(postgres, "select count(*) from pg_namespace where nspname like 'prompt%'"), 0);
});

test('readers, submitters and workers do their part with what migrate grants them, and no more', async (t) => {
  const { postgres } = t.context;
  const directory = temporaryDirectory(t);
  for (const role of ['owner', 'reader', 'submitter', 'worker']) await postgres.makeRole(role);
  await postgres.query('grant create on database postgres to owner');
  const [owner, reader, submitter, worker] = ['owner', 'reader', 'submitter', 'worker'].map((role) =>
    postgres.urlOf(role),
  ) as [string, string, string, string];
  const study = { ...smallStudy, name: 'parts' };
  await t.throwsAsync(submit(study, { url: submitter }), { message: /permission denied.*cluster migrate/ });
  const parts = ['--reader', 'reader', '--submitter', 'submitter', '--worker', 'worker'];
  const migrated = await command(['cluster', 'migrate', '--cluster', owner, ...parts], directory);
  t.is(migrated.stdout, 'tables brought from version 0 to 2; granted to reader, submitter, worker\n', migrated.stderr);
  await t.throwsAsync(migrate({ url: owner, workers: ['nobody-of-this-name'] }), {
    instanceOf: OptionRangeError,
    message: /^workers\[0\] must be a role of /,
  });
  const { id } = await submit(study, { url: submitter });
  await cancel({ url: submitter, id });
  await retry({ url: submitter, id });
  // A job of a worker that was killed, which maintenance has to give out again, with the privileges of a worker.
  await postgres.query(
    `update ${kJobs} set state = 'active', started_on = now() - interval '1 day' where id = (select id from ${kJobs} limit 1)`,
  );
  const away: string[] = [];
  const onEvent = (event: WorkerEvent) => event.kind === 'server-away' && away.push(event.reason);
  await work({ url: worker, untilDone: true, onEvent });
  t.deepEqual(away, []);
  t.is((await list({ url: reader }))[0]?.finishedCells, 4);
  t.deepEqual(await failures({ url: reader }), []);
  t.deepEqual(await workers({ url: reader }), []);
  const local = await run(study, { out: join(directory, 'local.sqlite') });
  t.deepEqual(timeless((await read({ url: reader, id })).rows), timeless(local.rows));
  const collected = await collect(study, { url: reader, out: join(directory, 'x.sqlite') });
  t.deepEqual(timeless(collected.rows), timeless(local.rows));
  const denied = { message: /permission denied/ };
  await t.throwsAsync(submit({ ...study, name: 'no' }, { url: reader }), denied);
  await t.throwsAsync(submit({ ...study, name: 'no' }, { url: worker }), denied);
  await t.throwsAsync(work({ url: reader, untilDone: true }), denied);
  await t.throwsAsync(work({ url: submitter, untilDone: true }), denied);
  await t.throwsAsync(cancel({ url: reader, id }), denied);
  for (const url of [reader, worker]) await t.throwsAsync(remove({ url, id }), denied);
  await t.throwsAsync(migrate({ url: submitter, readers: ['submitter'] }), {
    message: /only the owner of the tables grants/,
  });
  const [{ can }] = (await postgres.query(
    "select has_table_privilege('worker', 'prompt_attention.batch', 'delete') or has_table_privilege('submitter', 'prompt_attention.batch', 'insert') " +
      "or has_schema_privilege('submitter', 'prompt_attention_jobs', 'create') or has_any_column_privilege('worker', 'prompt_attention.study', 'update') as can",
  )) as [{ can: boolean }];
  t.false(can);
  // The job engine would take a server that refuses for one without jobs.
  await submit({ ...study, name: 'revoked' }, { url: submitter });
  await postgres.query(`revoke update on ${kJobs} from worker`);
  await t.throwsAsync(work({ url: worker, untilDone: true }), denied);
  for (const { id } of await list({ url: reader })) await remove({ url: submitter, id });
  await postgres.query('drop schema prompt_attention, prompt_attention_jobs cascade');
});

/** Make the tables what they were in version 1. */
const kToVersion1 = `
  drop table prompt_attention.version, prompt_attention.worker, prompt_attention.submission;
  alter function prompt_attention_jobs.create_queue(text, json) security invoker reset search_path;
  alter function prompt_attention_jobs.delete_queue(text) security invoker reset search_path;
  update prompt_attention_jobs.job set keep_until = now() + interval '14 days'`;

test('tables of version 1 are refused, brought to the present version with what is in them, and go on', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const directory = temporaryDirectory(t);
  const study = { ...slowStudy, name: 'migrated' };
  const { id } = await submit(study, { url });
  const controller = new AbortController();
  await work({ url, signal: controller.signal, onEvent: ({ kind }) => kind === 'job' && controller.abort() });
  await postgres.query(kToVersion1);
  const refused = {
    instanceOf: StoreError,
    message: /has tables of version 1, .* uses version 2; .* cluster migrate brings/,
  };
  await t.throwsAsync(list({ url }), refused);
  await t.throwsAsync(submit(study, { url }), refused);
  await t.throwsAsync(work({ url, untilDone: true }), refused);
  t.deepEqual(await migrate({ url }), { from: 1, to: 2 });
  t.deepEqual(await migrate({ url }), { from: 2, to: 2 });
  t.is(
    await count(postgres, `select count(*) from ${kJobs} where state < 'completed' and keep_until <> 'infinity'`),
    0,
  );
  t.truthy((await list({ url })).find((one) => one.id === id)?.engine);
  await work({ url, untilDone: true });
  const local = await run(study, { out: join(directory, 'local.sqlite') });
  const collected = await collect(study, { url, out: join(directory, 'collected.sqlite') });
  t.deepEqual(timeless(collected.rows), timeless(local.rows));
});

test('tables of a later version are refused by all, also by a worker that is at work when they come', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const ended = work({ url });
  await until(async () => (await workers({ url })).length === 1);
  await postgres.query("insert into prompt_attention.version (version, package) values (99, 'x')");
  const refused = { instanceOf: StoreError, message: /has tables of version 99, .*; use a newer version/ };
  await t.throwsAsync(ended, refused);
  await t.throwsAsync(list({ url }), refused);
  await t.throwsAsync(submit(smallStudy, { url }), refused);
  await t.throwsAsync(migrate({ url }), refused);
  await postgres.query('delete from prompt_attention.version where version = 99');
});

test('a study of another version of this package is left alone, and others are computed', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const old = await submit({ ...smallStudy, name: 'other-version' }, { url });
  const { id } = await submit({ ...smallStudy, name: 'this-version', trials: 5 }, { url });
  await postgres.query(`update prompt_attention.study set format = 99 where id = '${old.id}'`);
  const refusals: string[] = [];
  const error = await t.throwsAsync(
    work({ url, untilDone: true, onEvent: (event) => event.kind === 'refusal' && refusals.push(event.reason) }),
    { instanceOf: StoreError, message: /has format 99; this version of prompt-attention reads/ },
  );
  t.deepEqual(refusals, [error.message]);
  t.is(await jobsIn(postgres, id, 'completed'), 4);
  await postgres.query(`update prompt_attention.study set format = 3 where id = '${old.id}'`);
  await remove({ url, id: old.id });
});

test('the commands of operators print studies, workers and failures, and act on them', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const directory = temporaryDirectory(t);
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await command(['cluster', ...args, '--cluster', url], directory);
    t.is(stderr, '');
    t.is(code, 0);
    return stdout;
  };
  const study = { ...slowStudy, name: 'operated' };
  const { id } = await submit(study, { url, expireSeconds: 3600 });
  await postgres.query(
    `insert into ${kJobs} (name, data, retry_limit) values ('study-${id}', '{"items": [[99, 0, 8]]}', 0)`,
  );
  const { child, finished } = start(['worker', '--cluster', url, '--threads', '1'], directory);
  t.teardown(() => child.kill('SIGKILL'));
  await until(async () => (await failures({ url, id })).length === 1);
  await until(async () => (await workers({ url })).some(({ job, study }) => job !== null && study === id));
  t.regex(
    await cli('workers'),
    /^worker [0-9a-f]{16} on \S+, process \d+: alive, heard of \d+ s ago; (no job|job [-0-9a-f]{36} of study [0-9a-f]{16}); \d+ jobs and \d+ trials done; engine \S+, 1 threads\n$/,
  );
  child.kill('SIGKILL');
  await finished;
  await postgres.query("update prompt_attention.worker set seen = now() - interval '50 s'");
  t.regex(await cli('workers'), /: silent, heard of \d+ s ago; /);
  t.regex(
    await cli('status'),
    new RegExp(`study operated \\(${id}\\): \\d of 6 cells finished, .* jobs left, 1 jobs failed`),
  );
  t.regex(
    await cli('failures', id),
    new RegExp(
      `^study ${id}, job [-0-9a-f]{36}: cell 99, trials 0 to 7; failed \\S+Z after 1 attempts: .*there is no cell 99\n$`,
    ),
  );
  const [failure] = JSON.parse(await cli('failures', '--json'));
  t.deepEqual(failure.items, [{ cell: 99, firstTrial: 0, trials: 8 }]);
  t.is(await cli('retry', id), '1 jobs wait again\n');
  t.regex(await cli('cancel', id), /^\d+ jobs cancelled\n$/);
  t.regex(await cli('status'), /0 jobs left, \d+ jobs cancelled/);
  t.is(await cli('remove', id), `study ${id} removed\n`);
  t.is(await cli('failures'), 'no failed jobs\n');
  for (const name of ['failures', 'retry', 'cancel', 'remove']) {
    const { code, stderr } = await command(['cluster', name, id, '--cluster', url], directory);
    t.is(code, 2);
    t.regex(
      stderr,
      /^prompt-attention: id must be the id of a study of postgresq?l?:\/\/tester@127.0.0.1:\d+\/postgres; got/,
    );
  }
  t.is(await cli('migrate'), 'tables are of version 2\n');
});

test('workers of another engine leave a study alone unless it is allowed, and say so', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  const directory = temporaryDirectory(t);
  const study = { ...smallStudy, name: 'engines', trials: 5 };
  const { id } = await submit(study, { url });
  await postgres.query(`update prompt_attention.submission set engine = '0/NEON/ARMV8' where study = '${id}'`);
  const controller = new AbortController();
  const reasons: string[] = [];
  const ended = work({
    url,
    signal: controller.signal,
    onEvent: (event) => event.kind === 'refusal' && reasons.push(event.reason),
  });
  await until(async () => (await workers({ url })).some(({ refusal }) => refusal !== null));
  t.regex(
    reasons[0] ?? '',
    /study engines \([0-9a-f]{16}\) is computed by the engine 0\/NEON\/ARMV8, and this worker has /,
  );
  t.is(await jobsIn(postgres, id, 'created'), 4);
  // Nobody has stored anything yet, so that submitting again lets the next worker decide.
  await submit(study, { url });
  await until(async () => (await list({ url })).find((one) => one.id === id)?.finishedCells === 4);
  controller.abort();
  await ended;
  const grown = { ...study, trials: 10 };
  await postgres.query(`update prompt_attention.submission set engine = '0/NEON/ARMV8' where study = '${id}'`);
  await submit(grown, { url });
  await t.throwsAsync(work({ url, untilDone: true }), { instanceOf: StoreError, message: /is computed by the engine/ });
  await submit(grown, { url, mixedEngines: true });
  await work({ url, untilDone: true });
  const { mixedEngines } = (await list({ url })).find((one) => one.id === id) ?? {};
  t.true(mixedEngines);
  t.is((await collect(grown, { url, out: join(directory, 'x.sqlite') })).finishedCells, 4);
});
