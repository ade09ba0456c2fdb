/**
 * Calls everything again and again and looks for growth: `npm run soak -- [--minutes 60] [--cycles N] [--plant LEAK]`.
 *
 * A cycle makes every call of calls.ts (some aborted at a random moment), bad calls, examples held, released and forgotten, worker
 * threads that answer and that are terminated, a study that is run and deleted, and a thousand trivial calls. After it, and after a
 * full garbage collection, memory, threads, files, handles and listeners are counted.
 *
 * The first third of the cycles is not looked at: caches, the heaps of the C library and those of V8 find their size. Over the rest
 * the Theil–Sen slope of every count is multiplied by the number of cycles. More than `allowed` is growth, whatever its cause: so a
 * leak of b bytes per call is found once b times the calls of those cycles exceeds what is allowed, and the least such b is printed.
 * The slope is a median over pairs of cycles, so single cycles in which the C library keeps a page more or less do not matter.
 *
 * `--plant` leaks on purpose, 1,000 times a cycle: `held` (2 KiB of the addon's memory), `listener` (an abort listener), `closure`
 * (2 KiB of the JavaScript heap), `buffer` (a 2 KiB array), or once a cycle `file`, `timer`, `worker`.
 */
import { createHash } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { native } from '../../lib/base/native.js';
import { holdExamples, promptAttention, sampleExamples, simulate, study, testError } from '../../lib/index.js';
import { calls, requestsOf } from './calls.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, cycles: { type: 'string' }, plant: { type: 'string' } },
});
const most = Number(values.cycles ?? Number.POSITIVE_INFINITY);
const minutes = Number(values.minutes ?? (values.cycles === undefined ? 60 : Number.POSITIVE_INFINITY));
const kTrivialCalls = 1000;
const kLeaks = 1000;
const kMebibyte = 2 ** 20;

/** Growth over the cycles that are looked at. The heap holds compiled code too, of which V8 makes more for a long time. */
const allowed = {
  residentBytes: 12 * kMebibyte,
  heapBytes: 3 * kMebibyte,
  externalBytes: kMebibyte / 4,
  arrayBufferBytes: kMebibyte / 4,
  threads: 0.9,
  files: 0.9,
  handles: 0.9,
  listeners: 0.9,
} as const;
type Counts = Record<keyof typeof allowed, number>;

const gc = globalThis.gc;
if (gc === undefined) throw new Error('the soak needs node --expose-gc');

let random = 0;
/** A number in [0, 1), the next of a fixed sequence. */
function fraction(): number {
  return createHash('sha256').update(String(random++)).digest().readUInt32LE() / 2 ** 32;
}

const lasting = new AbortController();
const mixture = { tokens: 2, dimension: 5, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const trivial = { kind: 'three-step', mixture, examples: 1, stepSizes: [1, 1, 1] } as const;
const trivialOptions = { trials: 1, seed: 1, testDraws: 1, threads: 1, signal: lasting.signal };
const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;
const worker = fileURLToPath(new URL('worker.cjs', import.meta.url));
const requests = [
  ...(await requestsOf(() => call('simulate known-prompt'))),
  ...(await requestsOf(() => call('fit with transfer'))),
];

function call(name: string, options: { readonly signal?: AbortSignal } = {}): Promise<unknown> {
  return (calls[name] as (typeof calls)[string])(options);
}

let made = 0;
const expected: Record<string, unknown> = {};

/** One call, aborted or not; if it answers, it answers what it did before. */
async function oneCall(name: string, aborts: boolean): Promise<void> {
  const controller = new AbortController();
  const timer = aborts ? setTimeout(() => controller.abort(), 5 * fraction()) : undefined;
  made += 1;
  try {
    const answer = await call(name, { signal: controller.signal });
    expected[name] ??= answer;
    if (!isDeepStrictEqual(answer, expected[name])) throw new Error(`${name} answers otherwise than before`);
  } catch (error) {
    if (error !== controller.signal.reason) throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function refused(promise: Promise<unknown>): Promise<void> {
  made += 1;
  const failed = await promise.then(
    () => false,
    () => true,
  );
  if (!failed) throw new Error('a bad call was answered');
}

async function badCalls(): Promise<void> {
  await refused(simulate({ ...trivial, examples: -1 }, { trials: 1, seed: 1 }));
  await refused(sampleExamples({ ...mixture, dimension: 2 ** 30 }, { examples: 2 ** 30, seed: 1 }));
  await refused(testError({ mixture, prompt: new Float64Array(3), head: new Float64Array(5) }));
  await refused(promptAttention.scores({ prompt: new Float64Array(5), head: new Float64Array(4) }, {} as never));
}

async function heldExamples(): Promise<void> {
  for (let i = 0; i < 6; ++i) {
    const data = await sampleExamples(mixture, { examples: 1 + Math.floor(3000 * fraction()), seed: i });
    const held = holdExamples(data);
    await promptAttention.scores({ prompt: new Float64Array(5).fill(1), head: new Float64Array(5).fill(1) }, held);
    if (i % 2 === 0) held.release();
    made += 2;
  }
}

function startWorker(role: 'answer' | 'work'): Promise<void> {
  const started = new Worker(worker, { workerData: { addon, requests, role }, execArgv: [] });
  const ended = new Promise<void>((resolve, reject) => {
    started.once('error', reject);
    started.once('exit', () => resolve());
  });
  if (role === 'work') setTimeout(() => started.terminate(), 80 * fraction());
  made += requests.length;
  return ended;
}

async function smallStudy(folder: string, name: string): Promise<void> {
  const out = join(folder, `${name}.sqlite`);
  const spec = {
    name,
    seed: 1,
    experiment: { kind: 'known-prompt', mixture, examples: 20, head: { kind: 'least-squares' } },
    factors: { inverseTemperature: [0, 1] },
    trials: 64,
  } as const;
  await study.run(spec, { out });
  for (const file of readdirSync(folder)) rmSync(join(folder, file));
  made += 1;
}

const leaked: unknown[] = [];
async function plantLeak(): Promise<void> {
  for (let i = 0; i < kLeaks; ++i) {
    if (values.plant === 'held') native.holdTokens({ tokens: new Float64Array(256) });
    if (values.plant === 'listener') lasting.signal.addEventListener('abort', () => leaked.push(i));
    if (values.plant === 'closure') leaked.push(Array.from({ length: 256 }, () => i + 0.5));
    if (values.plant === 'buffer') leaked.push(new Float64Array(256));
  }
  if (values.plant === 'file') leaked.push(openSync(addon, 'r'));
  if (values.plant === 'timer') leaked.push(setInterval(() => {}, 1e6));
  if (values.plant === 'worker') leaked.push(new Worker('setInterval(() => {}, 1e6)', { eval: true }));
}

async function cycle(folder: string, index: number): Promise<void> {
  const names = Object.keys(calls);
  const lanes = Array.from({ length: 4 }, async (_, lane) => {
    for (let i = lane; i < names.length; i += 4) {
      await oneCall(names[i] as string, false);
      await oneCall(names[Math.floor(names.length * fraction())] as string, true);
    }
  });
  await Promise.all(lanes);
  await badCalls();
  await heldExamples();
  await Promise.all([startWorker('answer'), startWorker('work'), smallStudy(folder, `study-${index}`)]);
  for (let i = 0; i < kTrivialCalls; i += 50)
    await Promise.all(Array.from({ length: 50 }, () => simulate(trivial, trivialOptions)));
  made += kTrivialCalls;
  await plantLeak();
}

function emitterListeners(): number {
  const ofProcess = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  return ofProcess + getEventListeners(lasting.signal, 'abort').length;
}

async function count(): Promise<Counts> {
  // Finalizers run after a collection, and may free what the next one finds; threads that have ended take a moment to go.
  for (let i = 0; i < 4; ++i) {
    gc?.();
    await nextTurn();
  }
  await sleep(20);
  gc?.();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return {
    residentBytes: rss,
    heapBytes: heapUsed,
    externalBytes: external,
    arrayBufferBytes: arrayBuffers,
    threads: Number(/^Threads:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]),
    files: readdirSync('/proc/self/fd').length,
    handles: process.getActiveResourcesInfo().length,
    listeners: emitterListeners(),
  };
}

/** Median of the slopes of all pairs of points, per step. */
function theilSen(y: readonly number[]): number {
  const slopes: number[] = [];
  for (let i = 0; i < y.length; ++i)
    for (let j = i + 1; j < y.length; ++j) slopes.push(((y[j] as number) - (y[i] as number)) / (j - i));
  slopes.sort((a, b) => a - b);
  return ((slopes[(slopes.length - 1) >> 1] as number) + (slopes[slopes.length >> 1] as number)) / 2;
}

const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-soak-'));
const counts: Counts[] = [];
const calledBy: number[] = [];
const begin = performance.now();
try {
  while (counts.length < most && performance.now() - begin < 60_000 * minutes) {
    await cycle(folder, counts.length);
    counts.push(await count());
    calledBy.push(made);
  }
} finally {
  rmSync(folder, { recursive: true });
}
const first = Math.floor(counts.length / 3);
const looked = counts.slice(first);
const callsLooked = made - (calledBy[first] as number);
const seconds = Math.round((performance.now() - begin) / 1000);
console.log(
  `${counts.length} cycles, ${made} calls, ${seconds} s; looked at ${looked.length} cycles, ${callsLooked} calls`,
);
let grown = 0;
for (const [name, most] of Object.entries(allowed) as [keyof Counts, number][]) {
  const series = looked.map((entry) => entry[name]);
  const growth = theilSen(series) * (series.length - 1);
  const unit = name.endsWith('Bytes') ? kMebibyte : 1;
  const show = (value: number) => (value / unit).toFixed(unit === 1 ? 1 : 2);
  const [start, end] = [series[0] as number, series.at(-1) as number];
  const least = unit === 1 ? '' : `; finds a leak of ${Math.ceil(most / callsLooked)} bytes a call`;
  console.log(
    `${growth > most ? 'GROWS ' : 'steady'} ${name.replace('Bytes', ' (MiB)')}: ${show(start)} to ${show(end)}, by its slope ` +
      `${show(growth)}, allowed ${show(most)}${least}`,
  );
  if (growth > most) grown += 1;
}
process.exit(grown === 0 ? 0 : 1);
