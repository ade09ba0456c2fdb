/**
 * How responsive a server process stays while 1,000 requests compute or wait: lateness of a 10 ms timer, and the time of fs.readFile
 * of a small file and of dns.lookup('localhost'), beside the same without load and beside a peer of the same load whose work runs on
 * libuv's pool (asynchronous crypto.pbkdf2). The server is examples/server.mjs; its clients are another process. Run with
 * `npx tsx benchmarks/server-responsiveness.ts [seconds of each measurement, default 5]` after `npm run build:ts`.
 *
 * Checks: every answer is 200 and has the error of a direct call.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { simulate } from '../lib/index.js';
import { check, record } from './support/harness.js';

const kConcurrent = 1000;
const kPeriod = 10;
const mixture = { tokens: 16, dimension: 200, relevantTokens: 4, contextNorm: 1, signalNorm: 1 };
const head = { kind: 'least-squares' } as const;
const experiment = { kind: 'known-prompt', mixture, examples: 400, inverseTemperature: 0.5, head } as const;
const call = { trials: 4, seed: 1 };

if (process.argv[2] === 'clients') await clients(Number(process.argv[3]));
else await measureAll(Number(process.argv[2] ?? 5));

/** Keeps 1,000 requests under way, and tells how many have been answered. */
async function clients(port: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: kConcurrent });
  const body = JSON.stringify({ ...call, experiment });
  let answered = 0;
  const send = () =>
    new Promise<string>((resolve, reject) => {
      const outgoing = request({ agent, port, method: 'POST', path: '/simulate' }, async (response) => {
        let text = '';
        for await (const part of response.setEncoding('utf8')) text += part;
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${response.statusCode}: ${text}`));
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  const first = await send();
  process.send?.({ answer: first });
  const lane = async () => {
    for (;;) {
      if ((await send()) !== first) throw new Error('an answer differs from the first');
      answered += 1;
    }
  };
  setInterval(() => process.send?.({ answered }), 100);
  await Promise.all(Array.from({ length: kConcurrent }, lane));
}

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  return { p50: at(0.5), p99: at(0.99), most: at(1) };
}

type Responsiveness = Readonly<Record<'timer' | 'readFile' | 'lookup', Percentiles>>;

async function repeated(seconds: number, work: () => Promise<unknown>): Promise<Percentiles> {
  const times: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    const begin = performance.now();
    await work();
    times.push(performance.now() - begin);
    await sleep(kPeriod);
  }
  return percentiles(times);
}

/** Lateness of the timer, and how long reading a small file and finding an address take, in milliseconds. */
async function measure(seconds: number): Promise<Responsiveness> {
  const file = fileURLToPath(new URL('../package.json', import.meta.url));
  const [timer, read, found] = await Promise.all([
    repeated(seconds, () => sleep(kPeriod)),
    repeated(seconds, () => readFile(file)),
    repeated(seconds, () => lookup('localhost')),
  ]);
  const late = (time: number) => Math.max(0, time - kPeriod);
  return {
    timer: { p50: late(timer.p50), p99: late(timer.p99), most: late(timer.most) },
    readFile: read,
    lookup: found,
  };
}

async function underLoad(port: number, seconds: number): Promise<Responsiveness & { readonly perSecond: number }> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ['clients', String(port)]);
  try {
    const [{ answer }] = (await once(child, 'message')) as [{ answer: string }];
    const expected = await simulate(experiment, call);
    const { metrics } = JSON.parse(answer) as { metrics?: { error: number[] } };
    if (metrics !== undefined)
      check(
        metrics.error.every((error, i) => error === expected.metrics.error[i]),
        'an answer of the server',
      );
    let answered = 0;
    child.on('message', (message: { answered: number }) => {
      answered = message.answered;
    });
    await sleep(1000);
    const [before, begin] = [answered, performance.now()];
    const result = await measure(seconds);
    check(child.exitCode === null, 'the clients have failed');
    return { ...result, perSecond: (1000 * (answered - before)) / (performance.now() - begin) };
  } finally {
    child.kill();
  }
}

/** A server whose work, as long as a call's, runs on libuv's pool. */
async function startPeer(): Promise<number> {
  const derive = promisify(pbkdf2);
  const time = async (iterations: number) => {
    const begin = performance.now();
    await derive('password', 'salt', iterations, 32, 'sha256');
    return performance.now() - begin;
  };
  const begin = performance.now();
  for (let i = 0; i < 20; ++i) await simulate(experiment, { ...call, threads: 1 });
  const target = (performance.now() - begin) / 20;
  const iterations = Math.max(1, Math.round((10_000 * target) / (await time(10_000))));
  const server = createServer(async (_, response) => {
    await derive('password', 'salt', iterations, 32, 'sha256');
    response.end('{}');
  });
  server.listen(0);
  await once(server, 'listening');
  server.unref();
  return (server.address() as AddressInfo).port;
}

async function measureAll(seconds: number): Promise<void> {
  const idle = await measure(seconds);
  // The example listens in this process, so that this process's event loop is the server's.
  process.env.PORT = '0';
  process.env.MAX_WAITING = String(kConcurrent);
  const { server } = (await import('../examples/server.mjs' as string)) as { server: Server };
  const loaded = await underLoad((server.address() as AddressInfo).port, seconds);
  const peer = await underLoad(await startPeer(), seconds);
  const requests = `${kConcurrent.toLocaleString('en')} requests to the example server`;
  record({ workload: requests, value: loaded.perSecond, unit: 'answers a second' });
  record({ workload: `${requests}, on libuv's pool instead`, value: peer.perSecond, unit: 'answers a second' });
  const names = { timer: 'lateness of a 10 ms timer', readFile: 'fs.readFile', lookup: 'dns.lookup' } as const;
  for (const [key, name] of Object.entries(names) as [keyof Responsiveness, string][]) {
    for (const [label, result] of [
      ['idle', idle],
      [`${kConcurrent.toLocaleString('en')} requests`, loaded],
      [`the same on libuv's pool`, peer],
    ] as const) {
      const { p50, p99, most } = result[key];
      record({
        workload: `${name}, ${label}`,
        value: p99,
        unit: `ms at the 99th percentile (median ${p50.toPrecision(3)}, most ${most.toPrecision(3)})`,
      });
    }
    const ratio = peer[key].p99 / loaded[key].p99;
    record({
      workload: `${name}: libuv's pool beside the addon's`,
      value: ratio,
      unit: '× as long at the 99th percentile',
    });
  }
  console.log(`(${availableParallelism()} processors, which the clients share)`);
  process.exit(0);
}
