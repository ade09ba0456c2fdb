// Faults of workers and of the server. At the end the rows are those of a single process, or there is a clear refusal.
import type { ChildProcess } from 'node:child_process';
import pg from 'pg';
import { StoreError } from '../../lib/base/errors.js';
import { list, migrate, submit, type WorkerEvent, work, workers } from '../../lib/cluster/index.js';
import type { CommandResult } from '../cli/support.js';
import {
  count,
  eventsOf,
  expireJobs,
  isWhole,
  jobsIn,
  slowStudy,
  startWorker,
  testsWithPostgres,
  until,
} from './support.js';

const test = testsWithPostgres({ max_connections: 25 });
async function endAll(list: readonly { child: ChildProcess; finished: Promise<CommandResult> }[]) {
  for (const { child } of list) child.kill('SIGTERM');
  return Promise.all(list.map(({ finished }) => finished));
}

test('a worker stopped for longer than its job may last finds it given to another one, and stores nothing of it', async (t) => {
  const { postgres } = t.context;
  const study = { ...slowStudy, name: 'stopped' };
  const { id } = await submit(study, { url: postgres.url, expireSeconds: 3600 });
  const zombie = startWorker(t, postgres.url);
  await until(async () => (await jobsIn(postgres, id, 'active')) === 1);
  zombie.child.kill('SIGSTOP');
  // Not in the middle of a transaction, where the server would wait for it.
  await expireJobs(postgres, id);
  const other = await startWorker(t, postgres.url, ['--until-done']).finished;
  t.is(other.code, 0, other.stderr);
  zombie.child.kill('SIGCONT');
  await until(async () => (await workers({ url: postgres.url })).some(({ silentSeconds }) => silentSeconds < 5));
  const [result] = await endAll([zombie]);
  t.is(result?.code, 0, result?.stderr);
  const kept = eventsOf(result as CommandResult, 'job').map((event) => event.kept);
  t.true(kept.filter((one) => one === false).length <= 1);
  t.is(await jobsIn(postgres, id, 'failed'), 0);
  await isWhole(t, postgres, study);
});

test('workers that are killed, and killed again, cost time only', async (t) => {
  const { postgres } = t.context;
  const study = { ...slowStudy, name: 'killed' };
  const { id } = await submit(study, { url: postgres.url, expireSeconds: 3600 });
  for (let i = 0; i < 5; i++) {
    const victim = startWorker(t, postgres.url);
    await until(async () => (await jobsIn(postgres, id, 'active')) === 1);
    victim.child.kill('SIGKILL');
    await victim.finished;
    await expireJobs(postgres, id);
  }
  await work({ url: postgres.url, untilDone: true });
  await isWhole(t, postgres, study);
});

test('the server ends connections a hundred times', async (t) => {
  const { postgres } = t.context;
  let [terminated, away] = [0, 0];
  for (let i = 0; terminated < 100; i++) {
    const study = { ...slowStudy, name: `terminated-${i}` };
    await submit(study, { url: postgres.url, expireSeconds: 5 });
    let working = true;
    let started = false;
    const onEvent = ({ kind }: WorkerEvent) => {
      away += kind === 'server-away' ? 1 : 0;
      started ||= kind === 'start';
    };
    const ended = work({ url: postgres.url, untilDone: true, onEvent }).finally(() => {
      working = false;
    });
    // Without the server a worker does not begin.
    await until(async () => started);
    // One of its connections at a time, by turns.
    for (let turn = 0; working && terminated < 100; turn++)
      terminated += await count(
        postgres,
        `select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where application_name = 'prompt-attention'
         order by pid offset ${turn % 3} limit 1) as one`,
      );
    await ended;
    await isWhole(t, postgres, study);
  }
  t.log(`${terminated} connections ended, ${away} attempts failed`);
  t.true(away > 0);
});

test('the server is restarted and killed', async (t) => {
  const { postgres } = t.context;
  const study = { ...slowStudy, name: 'restarted' };
  const { id } = await submit(study, { url: postgres.url, expireSeconds: 3600 });
  const list = [startWorker(t, postgres.url), startWorker(t, postgres.url)];
  const begun = `select count(*) from prompt_attention.worker where process in (${list.map(({ child }) => child.pid)})`;
  await until(async () => (await count(postgres, begun)) === 2);
  for (const signal of ['SIGINT', 'SIGKILL', 'SIGKILL'] as const) {
    await until(async () => (await jobsIn(postgres, id, 'active')) > 0);
    await postgres.down(signal);
    await postgres.up();
  }
  // A job that was taken while nobody heard the answer is given out when it expires.
  await until(async () => (await jobsIn(postgres, id, 'completed')) > 3);
  await expireJobs(postgres, id);
  await isWhole(t, postgres, study);
  const results = await endAll(list);
  t.deepEqual(
    results.map(({ code }) => code),
    [0, 0],
    results.map(({ stderr }) => stderr).join('\n'),
  );
  t.true(results.some((result) => eventsOf(result, 'server-away').length > 0));
});

test('the server has no connection left', async (t) => {
  const { postgres } = t.context;
  await postgres.makeRole('crowd');
  const study = { ...slowStudy, name: 'crowded' };
  const { id } = await submit(study, { url: postgres.url });
  const crowd: pg.Client[] = [];
  const error = await t.throwsAsync(async () => {
    for (;;) {
      const client = new pg.Client({ connectionString: postgres.urlOf('crowd') });
      client.on('error', () => {});
      await client.connect();
      crowd.push(client);
    }
  });
  t.regex(error.message, /connection slots|too many clients/);
  // Roles without a reserve are refused at the beginning …
  await t.throwsAsync(list({ url: postgres.urlOf('crowd') }), {
    instanceOf: StoreError,
    message: /the server has no connection left$/,
  });
  await Promise.all(crowd.map((client) => client.end()));
  // … and wait in the middle.
  await migrate({ url: postgres.url, workers: ['crowd'] });
  const events: WorkerEvent[] = [];
  const ended = work({ url: postgres.urlOf('crowd'), untilDone: true, onEvent: (event) => events.push(event) });
  await until(async () => (await jobsIn(postgres, id, 'active')) > 0);
  await postgres.query('alter role crowd connection limit 0');
  await postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'crowd'");
  await until(async () =>
    events.some((event) => event.kind === 'server-away' && /no connection left/.test(event.reason)),
  );
  await postgres.query('alter role crowd connection limit -1');
  await ended;
  await isWhole(t, postgres, study);
});

test('the server is read-only for a while', async (t) => {
  const { postgres } = t.context;
  const study = { ...slowStudy, name: 'read-only' };
  await submit(study, { url: postgres.url });
  const events: WorkerEvent[] = [];
  const ended = work({ url: postgres.url, untilDone: true, onEvent: (event) => events.push(event) });
  await until(async () => events.some(({ kind }) => kind === 'job'));
  const readOnly = async (on: boolean) => {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    // This session itself may go on writing.
    await client.query('set default_transaction_read_only = off');
    await client.query(`alter system set default_transaction_read_only = ${on}`);
    await client.query('select pg_reload_conf()');
    await client.end();
  };
  await readOnly(true);
  await until(async () => events.some(({ kind }) => kind === 'server-away'));
  await readOnly(false);
  await ended;
  t.true(events.some((event) => event.kind === 'server-away' && /the server is read-only/.test(event.reason)));
  await isWhole(t, postgres, study);
});

test('a password that changes in the middle ends a worker that has to connect again, and nothing is lost', async (t) => {
  const { postgres } = t.context;
  await postgres.query('create role renewed superuser login password $$old$$');
  const study = { ...slowStudy, name: 'password' };
  const { id } = await submit(study, { url: postgres.url, expireSeconds: 3600 });
  const url = `postgres://renewed:old@127.0.0.1:${postgres.port}/postgres`;
  const ended = work({ url, untilDone: true });
  await until(async () => (await jobsIn(postgres, id, 'active')) > 0);
  await postgres.query('alter role renewed password $$new$$');
  await postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'renewed'");
  await t.throwsAsync(ended, { instanceOf: StoreError, message: /the server refuses the user or the password$/ });
  await expireJobs(postgres, id);
  await work({ url: url.replace(':old', ':new'), untilDone: true });
  await isWhole(t, postgres, study);
});

test('statements that take longer than the server lets them are tried again', async (t) => {
  const { postgres } = t.context;
  const study = { ...slowStudy, name: 'timeouts' };
  const { id } = await submit(study, { url: postgres.url });
  const events: WorkerEvent[] = [];
  const url = postgres.urlOf('tester', { query: '?statement_timeout=300' });
  const ended = work({ url, untilDone: true, onEvent: (event) => events.push(event) });
  await until(async () => (await jobsIn(postgres, id, 'completed')) > 0);
  // Somebody holds the table of results for longer than that.
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query('begin; lock table prompt_attention.batch in exclusive mode');
  await until(async () => events.some(({ kind }) => kind === 'server-away'));
  await client.query('commit');
  await client.end();
  await ended;
  t.true(events.some((event) => event.kind === 'server-away' && /took longer than it may/.test(event.reason)));
  await isWhole(t, postgres, study);
});
