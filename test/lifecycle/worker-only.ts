/** Loads the addon in one worker thread after the other, never in the main thread; the first says what the others must answer. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';

const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;
const script = fileURLToPath(new URL('worker.cjs', import.meta.url));
const mixture = {
  tokens: 8,
  relevantTokens: 2,
  dimension: 40,
  contextNorm: 1,
  signalNorm: 1,
  correlation: 0,
  noiseLevel: 1,
  noise: 'gaussian',
  positiveRate: 0.5,
  confusion: Float64Array.of(0, 0, 1),
  randomRelevance: false,
};
const request = {
  mixture,
  examples: 200,
  inverseTemperature: 0.5,
  head: { kind: 'least-squares', ridge: 0 },
  solver: 'direct',
  method: 'projected',
  seed: 1n,
  cellKey: new Uint32Array(4),
  firstTrial: 0,
  trials: 30,
  testDraws: 100,
  memory: 1e9,
  threads: 2,
};
const requests = [{ function: 'simulateKnownPrompt', request }];

function answer(): Promise<unknown> {
  const worker = new Worker(script, { workerData: { addon, requests, role: 'answer' }, execArgv: [] });
  return new Promise((resolve, reject) => {
    let found: unknown;
    worker.once('message', (message) => {
      found = message;
    });
    worker.once('error', reject);
    worker.once('exit', () => resolve(found));
  });
}

const count = Number(process.argv[2]);
const expected = await answer();
let right = 0;
for (let i = 0; i < count; ++i) if (expected !== undefined && isDeepStrictEqual(await answer(), expected)) right += 1;
console.log(`${right} right answers`);
