/**
 * Worker threads that load the addon, work and end in every way, many at a time, while others answer. Prints what became of them as
 * JSON. A program of its own, so that a crash is seen.
 *
 *   node --import=tsx test/lifecycle/worker-storm.ts [workers, default 48] [seed, default 1] [at a time, default 8]
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { native } from '../../lib/base/native.js';
import { calls, examples, type NativeRequest, requestsOf } from './calls.js';

const [count = 48, seed = 1, width = 8] = process.argv.slice(2).map(Number);
const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;
const script = fileURLToPath(new URL('worker.cjs', import.meta.url));

function fraction(...words: (string | number)[]): number {
  return (
    createHash('sha256')
      .update([seed, ...words].join('/'))
      .digest()
      .readUInt32LE() /
    2 ** 32
  );
}

/** Tokens that a request means by a name that only the main thread knows go along. */
interface WorkerRequest extends NativeRequest {
  readonly heldTokens?: Float64Array;
}

async function record(): Promise<WorkerRequest[]> {
  const requests: WorkerRequest[] = [];
  // Searches repeat the same few requests.
  for (const call of Object.values(calls)) requests.push(...(await requestsOf(() => call({}))).slice(0, 2));
  return requests.map((sent) =>
    (sent.request.examples as { held?: number } | undefined)?.held === undefined
      ? sent
      : { ...sent, heldTokens: examples.tokens },
  );
}

type Start = (request: unknown) => { readonly promise: Promise<unknown> };
const requests = await record();
const answer = () =>
  Promise.all(
    requests.map(
      ({ function: name, request }) =>
        (native as unknown as Record<string, Start>)[name]?.(structuredClone(request)).promise,
    ),
  );
const answers = await answer();

/** What a worker does, when it is terminated, and how it must end. */
interface Role {
  readonly role: 'answer' | 'work' | 'exit' | 'forget' | 'throw' | 'fill';
  readonly end: string;
  /** From the start of the worker. */
  readonly terminated?: (i: number) => number;
  readonly options?: WorkerOptions;
}

const roles: readonly Role[] = [
  { role: 'answer', end: 'right answers, 0' },
  { role: 'work', end: '', terminated: (i) => 60 * fraction('load', i) },
  { role: 'exit', end: '7' },
  { role: 'work', end: '', terminated: (i) => 40 + 200 * fraction('work', i) },
  { role: 'forget', end: '0' },
  { role: 'throw', end: 'thrown in a worker, 1' },
  { role: 'work', end: '', terminated: (i) => 40 + 40 * fraction('work', i) },
  { role: 'fill', end: 'ERR_WORKER_OUT_OF_MEMORY, 1', options: { resourceLimits: { maxOldGenerationSizeMb: 16 } } },
];

/** How a worker ended: what it sent or threw, and its exit code. */
async function run(i: number, { role, terminated, options }: Role): Promise<string> {
  const milliseconds = 100 * fraction(role, i);
  const worker = new Worker(script, { workerData: { addon, requests, role, milliseconds }, execArgv: [], ...options });
  const events: (string | number)[] = [];
  worker.on('message', (found) => events.push(isDeepStrictEqual(found, answers) ? 'right answers' : 'wrong answers'));
  worker.on('error', ({ code, message }: NodeJS.ErrnoException) => events.push(code ?? message));
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  if (terminated !== undefined) {
    await sleep(terminated(i));
    await worker.terminate();
  }
  const code = await ended;
  // What Node reports of a thread that was terminated depends on what it was doing.
  return [...events, ...(terminated === undefined ? [code] : [])].join(', ');
}

const ends: Record<string, number> = {};
let next = 0;
let working = true;
async function lane(): Promise<void> {
  while (next < count) {
    const i = next++;
    const role = roles[i % roles.length] as Role;
    const end = await run(i, role);
    const line = `${role.role}: ${end === role.end ? end : `${end} instead of ${role.end}`}`;
    ends[line] = (ends[line] ?? 0) + 1;
  }
}

async function mainThread(): Promise<void> {
  for (let round = 0; working; ++round) {
    const line = `main thread: ${isDeepStrictEqual(await answer(), answers) ? 'right' : 'wrong'} answers`;
    if (round === 0) ends[line] = 1;
    else if (ends[line] === undefined) ends[line] = round;
  }
}

const own = mainThread();
await Promise.all(Array.from({ length: width }, lane));
working = false;
await own;
console.log(JSON.stringify(ends));
