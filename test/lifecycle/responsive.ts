/** Reads files and finds addresses while every thread of the addon is busy; prints whether that was over before the work. */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { simulate } from '../../lib/index.js';

const mixture = { tokens: 2, dimension: 5, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const experiment = { kind: 'three-step', mixture, examples: 1, stepSizes: [1, 1, 1] } as const;
const controller = new AbortController();
const request = { trials: 1000, seed: 1, testDraws: 2 ** 31 - 1, threads: 64, signal: controller.signal };
let settled = 0;
const work = Array.from({ length: 20 }, () =>
  simulate(experiment, request).catch(() => {
    settled += 1;
  }),
);
await sleep(200);
const file = fileURLToPath(import.meta.url);
const text = await readFile(file, 'utf8');
for (let i = 0; i < 50; ++i) {
  const [again, { address }] = await Promise.all([readFile(file, 'utf8'), lookup('localhost')]);
  if (again !== text || address === '') throw new Error('a wrong answer');
}
console.log(settled === 0 ? 'before the work' : `after ${settled} jobs`);
controller.abort();
await Promise.all(work);
console.log(`${settled} jobs aborted`);
