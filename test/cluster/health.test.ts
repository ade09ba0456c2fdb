// What a worker tells: log, liveness, readiness, metrics, and how it ends.
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { OptionRangeError } from '../../lib/base/errors.js';
import { serveHealth } from '../../lib/cli/cluster/worker-health.js';
import { openWorkerLog } from '../../lib/cli/cluster/worker-log.js';
import { list, submit, work } from '../../lib/cluster/index.js';
import { secretsOf } from '../../lib/cluster/reasons.js';
import { command, start } from '../cli/support.js';
import { smallStudy, temporaryDirectory } from '../study/support.js';
import { jobsIn, testsWithPostgres, until } from './support.js';

const test = testsWithPostgres();

/** Status and text of an address. */
async function get(url: string): Promise<readonly [number, string]> {
  const response = await fetch(url);
  return [response.status, await response.text()];
}

test('a worker logs lines of JSON with levels, and answers whether it lives and is ready', async (t) => {
  const { postgres } = t.context;
  const directory = temporaryDirectory(t);
  const { id } = await submit({ ...smallStudy, name: 'observed' }, { url: postgres.url });
  const args = [
    'worker',
    '--cluster',
    postgres.url,
    '--threads',
    '1',
    '--health',
    '127.0.0.1:0',
    '--log-level',
    'debug',
  ];
  const { child, finished } = start(args, directory);
  t.teardown(() => child.kill('SIGKILL'));
  const [first] = await once(child.stderr as Readable, 'data');
  const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(String(first)) ?? [];
  const at = (path: string) => get(`http://${address}${path}`);
  await until(async () => (await list({ url: postgres.url }))[0]?.finishedCells === 4);
  t.deepEqual(await at('/live'), [200, 'ok\n']);
  t.deepEqual(await at('/ready'), [200, 'ok\n']);
  t.is((await at('/'))[0], 404);
  const [status, metrics] = await at('/metrics');
  t.is(status, 200);
  const jobs = Number(/^prompt_attention_jobs_total\{outcome="stored"\} (\d+)$/m.exec(metrics)?.[1]);
  t.is(jobs, await jobsIn(postgres, id, 'completed'));
  t.regex(metrics, /^prompt_attention_trials_total \d+$/m);
  t.regex(metrics, /^process_cpu_seconds_total /m);
  child.kill('SIGTERM');
  const { code, stderr } = await finished;
  t.is(code, 0, stderr);
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.true(
    lines.every(({ level, time, pid, msg }) => level && !Number.isNaN(Date.parse(time)) && pid === child.pid && msg),
  );
  const kinds = lines.map(({ event }) => event);
  for (const kind of ['start', 'heartbeat', 'job', 'stopping']) t.true(kinds.includes(kind), kind);
  const job = lines.find(({ event }) => event === 'job');
  t.like(job, { level: 'info', study: 'observed', id, kept: true });
  for (const secret of postgres.secrets) t.false(stderr.includes(secret));
});

test('a worker that the server has left is not ready, nor is one that stops', async (t) => {
  const server = await serveHealth('127.0.0.1:0');
  t.teardown(() => server.close());
  const ready = () => get(`http://${server.address}/ready`);
  t.deepEqual(await ready(), [503, 'the server does not answer\n']);
  server.observe({ kind: 'heartbeat' });
  t.deepEqual(await ready(), [200, 'ok\n']);
  server.observe({ kind: 'stopping', seconds: 1 });
  t.deepEqual(await ready(), [503, 'stopping\n']);
  server.observe({ kind: 'server-away', reason: 'x' });
  server.observe({ kind: 'failure', reason: 'x' });
  server.observe({ kind: 'refusal', reason: 'x' });
  const [, metrics] = await get(`http://${server.address}/metrics`);
  for (const line of ['server_away_total 1', 'jobs_total{outcome="failed"} 1', 'refusals_total 1'])
    t.true(metrics.includes(`prompt_attention_${line}\n`), line);
  for (const wrong of ['x', '70000', 'localhost:', '1.2.3.4:5:x'])
    await t.throwsAsync(serveHealth(wrong), {
      instanceOf: OptionRangeError,
      message: /^health must be PORT or HOST:PORT/,
    });
  await t.throwsAsync(serveHealth(server.address), {
    message: /^health must be an address to listen on \(EADDRINUSE\)/,
  });
});

test('a log shows no password, whatever the server says', async (t) => {
  const url = 'postgres://me:a%20secret@db/studies?password=other';
  const secrets = secretsOf(url);
  for (const form of ['a secret', 'a%20secret', 'other']) t.true(secrets.includes(form), form);
  const written: string[] = [];
  const { write } = process.stderr;
  process.stderr.write = ((text: string) => written.push(text) > 0) as typeof write;
  try {
    const log = await openWorkerLog('text', 'info', secrets);
    log.event({ kind: 'server-away', reason: 'no entry for me:a secret' });
    log.event({ kind: 'heartbeat' });
  } finally {
    process.stderr.write = write;
  }
  t.deepEqual(written, ['no entry for me:***\n']);
});

test('a worker whose log nobody can write goes on', async (t) => {
  const { postgres } = t.context;
  const { id } = await submit({ ...smallStudy, name: 'unlogged' }, { url: postgres.url });
  for (const format of ['json', 'text']) {
    const { child, finished } = start(
      ['worker', '--cluster', postgres.url, '--until-done', '--log', format],
      temporaryDirectory(t),
    );
    child.stderr?.destroy();
    t.is((await finished).code, 0);
  }
  t.is(await jobsIn(postgres, id, 'failed'), 0);
  t.is((await list({ url: postgres.url })).find((one) => one.id === id)?.finishedCells, 4);
});

test('a batch that lasts longer than a stopped worker is given is left to others', async (t) => {
  const { postgres } = t.context;
  const { url } = postgres;
  // One trial takes far longer than the test.
  const experiment = { ...smallStudy.experiment, examples: 6000, inverseTemperature: 0.5 };
  const mixture = { ...experiment.mixture, tokens: 64, dimension: 3000 };
  const study = { ...smallStudy, name: 'long', method: 'dense', factors: {}, trials: 50 } as const;
  const { id } = await submit({ ...study, experiment: { ...experiment, mixture } }, { url, expireSeconds: 3600 });
  const controller = new AbortController();
  const ended = work({ url, threads: 1, signal: controller.signal, drainSeconds: 0 });
  await until(async () => (await jobsIn(postgres, id, 'active')) === 1);
  controller.abort();
  await ended;
  t.is(await jobsIn(postgres, id, 'active'), 0);
  t.is(await jobsIn(postgres, id, 'created'), 1);
});

test('an unknown option value of the worker is refused', async (t) => {
  const directory = temporaryDirectory(t);
  const url = 'postgres://me@127.0.0.1:9/x';
  for (const [args, message] of [
    [['--log', 'xml'], /--log <format>/],
    [['--log-level', 'all'], /--log-level <level>/],
    [['--health', 'x'], /health must be PORT or HOST:PORT/],
    [['--drain', '-1'], /drainSeconds must be an integer ≥ 0 and ≤ 3600; got -1/],
  ] as const) {
    const { code, stderr } = await command(['worker', '--cluster', url, ...args], directory);
    t.is(code, 2);
    t.regex(stderr, message);
  }
});
