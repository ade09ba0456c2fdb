/** A second copy of the addon and of the package in another folder, beside the first one. Prints what they did as JSON. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import * as first from '../../lib/index.js';
import { calls, requestsOf } from './calls.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bindings = createRequire(import.meta.url)('bindings');
const addon = bindings({ bindings: 'prompt_attention', path: true }) as string;
const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
for (const name of ['lib', 'package.json', 'tsconfig.json'])
  cpSync(join(root, name), join(folder, name), { recursive: true });
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
const copy = join(folder, 'build', 'Release', 'prompt_attention.node');
copyFileSync(addon, copy);
const second = (await import(pathToFileURL(join(folder, 'lib', 'index.ts')).href)) as typeof first;

const mixture = { tokens: 8, dimension: 60, relevantTokens: 2, contextNorm: 1, signalNorm: 1 };
const head = { kind: 'least-squares' } as const;
const experiment = { kind: 'known-prompt', mixture, examples: 300, inverseTemperature: 0.5, head } as const;

async function answers({
  simulate,
  risk,
  sampleExamples,
  fit: train,
  promptAttention,
}: typeof first): Promise<unknown> {
  const examples = await sampleExamples(mixture, { examples: 100, seed: 1 });
  return Promise.all([
    simulate(experiment, { trials: 200, seed: 1 }),
    risk.knownPrompt(experiment),
    train(promptAttention, examples, { loss: 'logistic', steps: 20, learningRate: 0.1 }),
  ]);
}

const [one, two] = await Promise.all([answers(first), answers(second)]);

// One ends its work early while the other goes on.
const controller = new AbortController();
const aborted = second.simulate(experiment, { trials: 1e6, seed: 1, signal: controller.signal });
setTimeout(() => controller.abort(), 20);
const abortion = await aborted.then(
  () => 'not at all',
  ({ name }: Error) => name,
);

const requests = (await requestsOf(() => calls['simulate known-prompt']?.({}) as Promise<unknown>)).map(
  (request) => request,
);
const script = fileURLToPath(new URL('worker.cjs', import.meta.url));
const inWorkers = await Promise.all(
  [addon, copy, addon, copy].map(
    (file) =>
      new Promise((resolve, reject) => {
        const worker = new Worker(script, { workerData: { addon: file, requests, role: 'answer' }, execArgv: [] });
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  ),
);
const images = new Set(
  [...readFileSync('/proc/self/maps', 'utf8').matchAll(/\S+prompt_attention\.node$/gm)].map(String),
);
console.log(
  JSON.stringify({
    images: images.size,
    mainThread: isDeepStrictEqual(one, two) ? 'equal answers' : 'different answers',
    workers: inWorkers.every((found) => isDeepStrictEqual(found, inWorkers[0])) ? 'equal answers' : 'different answers',
    aborted: abortion,
    sameFile: createRequire(import.meta.url)(addon) === createRequire(join(root, 'x.js'))(addon),
  }),
);
// Both have work when the process ends.
for (const { simulate } of [first, second]) simulate(experiment, { trials: 1e6, seed: 1 }).catch(() => {});
setTimeout(() => process.exit(0), 50);
