// Prints, as JSON, what the package beside it answers on this processor: `npm run check:arm64` compares two of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineInfo, fitHead, risk, simulate, study, testError } from 'prompt-attention';

const { native } = await import(new URL('base/native.js', import.meta.resolve('prompt-attention')).href);

const confusion = [
  { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
];
const plain = { tokens: 6, dimension: 12, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 };
const rich = { ...plain, correlation: 0.4, noiseLevel: 0.9, positiveRate: 0.6, confusion, relevance: 'random' };
const heads = [
  { kind: 'averaging' },
  { kind: 'least-squares' },
  { kind: 'least-squares', ridge: 0.3 },
  { kind: 'logistic', ridge: 0.2 },
  { kind: 'hinge', ridge: 0.3 },
];
const threeStep = { kind: 'three-step', mixture: rich, examples: [30, 40, 50], stepSizes: [1, 2, 1] };
const descent = {
  kind: 'gradient-descent',
  mixture: rich,
  examples: 15,
  model: 'prompt-attention',
  steps: 5,
  stepSizes: { head: 0.2, prompt: 0.3 },
  initial: { scale: 0.3 },
};
const knownPrompt = (head) => ({ kind: 'known-prompt', mixture: rich, examples: 40, inverseTemperature: 0.7, head });

/** Philox4x32-10 on the counters and keys of Random123's known answers. */
const blocks = [
  [
    [0, 0, 0, 0],
    [0, 0],
  ],
  [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff)],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
  ],
].map(([counter, key]) => [...native.philox4x32(Uint32Array.from(counter), Uint32Array.from(key))]);

const stream = { seed: 20230606n, cellKey: Uint32Array.of(1, 2, 3, 4), purpose: 3, trial: 7, first: 5, count: 1000 };
const numbers = Object.fromEntries(
  ['uniform', 'sign', 'normal', 'single-normal'].map((kind) => [kind, [...native.randomNumbers({ ...stream, kind })]]),
);

const dimension = 8;
const examples = 60;
const features = Float64Array.from({ length: examples * dimension }, (_, i) =>
  Math.fround(((i * i * 37) % 101) / 50 - 1),
);
const labels = Float64Array.from({ length: examples }, (_, i) => ((i * 7) % 3 === 0 ? -1 : 1));
const vector = (seed) => Float64Array.from({ length: plain.dimension }, (_, i) => (((seed + i) * 29) % 17) / 16 - 0.5);

const draws = { draws: 400, seed: 3 };
const law = { mixture: rich, inverseTemperature: 0.7, sampleRatio: 4, ...draws };
const laws = {
  longContext: risk.longContext({ mixture: plain, sampleRatio: 3, inverseTemperature: 0.5, head: heads[0] }),
  threeStep: await risk.threeStep({ ...threeStep, ...draws }),
  populationGradient: risk.populationGradient({ mixture: rich, head: vector(1) }),
  separation: risk.separation({ mixture: plain }),
  testError: await testError({ mixture: rich, prompt: vector(1), head: vector(2), intercept: 0.1, ...draws }),
};
for (const head of heads) laws[`knownPrompt ${JSON.stringify(head)}`] = await risk.knownPrompt({ ...law, head });

const fitted = {};
for (const head of heads) fitted[JSON.stringify(head)] = await fitHead(features, labels, head);

const trials = {};
const repeated = {};
const experiments = [...heads.map(knownPrompt), threeStep, descent];
for (const experiment of experiments)
  for (const method of ['projected', 'dense']) {
    const name = `${experiment.kind} ${JSON.stringify(experiment.head ?? {})} ${method}`;
    const run = (threads) => simulate(experiment, { trials: 100, seed: 11, method, threads });
    trials[name] = [...(await run(1)).metrics.error];
    repeated[name] = [...(await run(3)).metrics.error];
  }

const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
let rows;
try {
  const result = await study.run(
    {
      name: 'processors',
      seed: 1,
      experiment: { ...knownPrompt(heads[2]), mixture: plain },
      factors: { inverseTemperature: [0, 0.5] },
      trials: 200,
      theory: true,
    },
    { out: join(folder, 'study.sqlite') },
  );
  rows = result.rows.map(({ meanError, standardError, theory }) => ({ meanError, standardError, theory }));
} finally {
  rmSync(folder, { recursive: true });
}

const plainJson = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);
console.log(JSON.stringify({ engine: engineInfo(), blocks, numbers, laws, fitted, trials, repeated, rows }, plainJson));
