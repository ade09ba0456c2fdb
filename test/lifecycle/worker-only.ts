/** Loads the addon in one worker thread after the other, never in the main thread; the first says what the others must answer. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import { requests } from '../boundary/requests.js';

const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;
const script = fileURLToPath(new URL('worker.cjs', import.meta.url));
const small = requests.simulateKnownPrompt;
const request = {
  ...small,
  mixture: { ...small.mixture, tokens: 8, dimension: 40 },
  examples: 200,
  trials: 30,
  threads: 2,
};
const sent = [{ function: 'simulateKnownPrompt', request }];

function answer(): Promise<unknown> {
  const worker = new Worker(script, { workerData: { addon, requests: sent, role: 'answer' }, execArgv: [] });
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
