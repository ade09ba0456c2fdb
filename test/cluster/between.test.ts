// What stands between workers and the server: TLS, a pooler of connections, a slow network; and clocks that differ.
import { spawn } from 'node:child_process';
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import pg from 'pg';
import { StoreError } from '../../lib/base/errors.js';
import { list, migrate, submit, type WorkerEvent, work, workers } from '../../lib/cluster/index.js';
import { smallStudy, temporaryDirectory } from '../study/support.js';
import { freePort } from '../support/port.js';
import type { PostgresServer } from '../support/postgres.js';
import { PostgresProxy } from '../support/proxy.js';
import { hasProgram, kToolEnvironment, shell } from '../support/tools.js';
import { count, eventsOf, isWhole, slowStudy, startWorker, testsIf, testsWithPostgres, until } from './support.js';

const test = testsWithPostgres();

/** A file in the directory of the server, as its user needs it. */
function give({ directory }: PostgresServer, name: string, text: string | Buffer): string {
  const path = join(directory, name);
  const { uid, gid } = statSync(directory);
  writeFileSync(path, text, { mode: 0o600 });
  chownSync(path, uid, gid);
  return path;
}

/** A certificate of an authority of its own for a host, by openssl: paths of both certificates and of the key. */
function certify(directory: string, host: string) {
  const at = (name: string) => join(directory, name);
  shell(`cd '${directory}'
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key -out server.csr
    printf 'subjectAltName=${host}' > names
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt`);
  return { authority: at('ca.crt'), certificate: at('server.crt'), key: at('server.key') };
}

testsIf(hasProgram('openssl', 'openssl'), test)(
  'a server with TLS, and what is said where it is missing or wrong',
  async (t) => {
    const { postgres } = t.context;
    await postgres.makeRole('secure');
    const attempt = (query: string) => list({ url: postgres.urlOf('secure', { query }) });
    const refused = async (query: string, message: RegExp) =>
      t.throwsAsync(attempt(query), { instanceOf: StoreError, message });
    await refused('?sslmode=verify-full', /: the server has no TLS, which the address asks for \(sslmode\)$/);
    const serve = async ({ certificate, key }: ReturnType<typeof certify>) => {
      const cert = give(postgres, 'server.crt', readFileSync(certificate));
      await postgres.query(`alter system set ssl_cert_file = '${cert}'`);
      await postgres.query(`alter system set ssl_key_file = '${give(postgres, 'server.key', readFileSync(key))}'`);
      await postgres.query('alter system set ssl = on');
      await postgres.query('select pg_reload_conf()');
    };
    await postgres.configureAccess('hostnossl all secure all reject');
    const good = certify(temporaryDirectory(t), 'IP:127.0.0.1');
    await serve(good);
    const trusting = `?sslmode=verify-full&sslrootcert=${good.authority}`;
    await until(async () => (await attempt(trusting)).length === 0);
    await refused('', /: the server refuses the user without TLS; add \?sslmode=verify-full to the address$/);
    await refused(
      '?sslmode=verify-full',
      /: the server's certificate is of an authority that is not known here; .*sslrootcert=FILE/,
    );
    await refused('?sslmode=verify-full&sslrootcert=/none', /: ENOENT: no such file or directory, open '\/none'$/);

    const study = { ...smallStudy, name: 'secure' };
    await submit(study, { url: postgres.url });
    await migrate({ url: postgres.url, workers: ['secure'] });
    await work({ url: postgres.urlOf('secure', { query: trusting }), untilDone: true });
    await isWhole(t, postgres, study);

    const other = certify(temporaryDirectory(t), 'IP:127.0.0.2');
    await serve(other);
    const elsewhere = `?sslmode=verify-full&sslrootcert=${other.authority}`;
    await until(async () => /another host/.test(await attempt(elsewhere).then(() => '', String)));
    await refused(elsewhere, /: the server's certificate is for another host$/);
    await refused(trusting, /: the server's certificate is of an authority that is not known here/);
  },
);

/** A pgbouncer in transaction mode before a server; its port. */
async function startPooler(t: ExecutionContext, postgres: PostgresServer, ignored: string): Promise<number> {
  const port = await freePort();
  const users = give(postgres, 'users.txt', `"tester" "${postgres.secrets[0]}"\n`);
  const settings = give(
    postgres,
    'pgbouncer.ini',
    `[databases]
postgres = host=127.0.0.1 port=${postgres.port} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = ${ignored}
`,
  );
  const user = statSync(postgres.directory);
  const child = spawn('pgbouncer', ['-q', settings], {
    uid: user.uid,
    gid: user.gid,
    env: kToolEnvironment,
    stdio: 'ignore',
  });
  t.teardown(() => child.kill('SIGKILL'));
  await until(async () => {
    const client = new pg.Client({ connectionString: postgres.urlOf('tester', { port }) });
    await client.connect();
    await client.end();
    return true;
  });
  return port;
}

testsIf(hasProgram('pgbouncer', 'pgbouncer'), test)('pgbouncer in transaction mode', async (t) => {
  const { postgres } = t.context;
  const strict = await startPooler(t, postgres, 'extra_float_digits');
  await t.throwsAsync(list({ url: postgres.urlOf('tester', { port: strict }) }), {
    instanceOf: StoreError,
    message:
      /: a pooler that stands before the server refuses a setting; tell it ignore_startup_parameters = statement_timeout,/,
  });
  const port = await startPooler(t, postgres, 'statement_timeout,idle_in_transaction_session_timeout');
  const url = postgres.urlOf('tester', { port });
  // More connections of workers than the pool has of the server. They wait for a study when it comes.
  const three = [1, 2, 3].map(() => startWorker(t, url));
  await until(async () => (await workers({ url })).length === 3);
  const study = { ...slowStudy, name: 'pooled' };
  await submit(study, { url });
  await isWhole(t, postgres, study);
  for (const { child } of three) child.kill('SIGTERM');
  for (const { finished } of three) t.is((await finished).code, 0);
});

test('a network of 300 ms there and back', async (t) => {
  const { postgres } = t.context;
  const proxy = await PostgresProxy.start(postgres.port);
  t.teardown(() => proxy.close());
  proxy.slow(150);
  const url = postgres.urlOf('tester', { port: proxy.port });
  // Few jobs: each takes some fifteen statements.
  const study = { ...smallStudy, name: 'far', factors: { examples: [40], inverseTemperature: [0, 0.5] }, trials: 60 };
  await submit(study, { url });
  const events: WorkerEvent[] = [];
  await work({ url, untilDone: true, onEvent: (event) => events.push(event) });
  t.false(events.some(({ kind }) => kind === 'server-away'));
  await isWhole(t, postgres, study);
});

testsIf(hasProgram('faketime', 'faketime'), test)('clocks of workers that are five minutes off', async (t) => {
  const { postgres } = t.context;
  const serverTime = () => count(postgres, 'select extract(epoch from clock_timestamp()) as count');
  const begin = await serverTime();
  const study = { ...slowStudy, name: 'clocks' };
  const { id } = await submit(study, { url: postgres.url });
  const off = ['+5m', '-5m'].map((offset) =>
    startWorker(t, postgres.url, ['--until-done'], { launcher: ['faketime', '-f', offset] }),
  );
  const results = await Promise.all(off.map(({ finished }) => finished));
  for (const { code, stderr } of results) t.is(code, 0, stderr);
  // They were off, by their own logs …
  const [ahead = 0, behind = 0] = results.map((result) => Date.parse(String(eventsOf(result, 'start')[0]?.time)));
  t.true(Math.abs(ahead - behind - 600_000) < 60_000, `${ahead - behind}`);
  // … and what is stored goes by the clock of the server.
  const [stored] = await postgres.query(
    `select min(least(stored, extract(epoch from started::timestamptz))) as first,
       max(greatest(stored, extract(epoch from finished::timestamptz))) as last, count(distinct run.id) as runs
     from prompt_attention.batch join prompt_attention.run on run.id = batch.run where run.study = '${id}'`,
  );
  t.is(Number(stored?.runs), 2);
  // A worker knows that clock within what an answer takes.
  t.true(Number(stored?.first) > begin - 60, `${stored?.first} ${begin}`);
  t.true(Number(stored?.last) < (await serverTime()) + 60, `${stored?.last}`);
  await isWhole(t, postgres, study);
});
