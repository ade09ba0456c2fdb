import test from 'ava';
import { native } from '../../lib/base/native.js';
import { type KnownPromptExperiment, knownPromptSchema } from '../../lib/experiments/known-prompt.js';
import { type ContextualMixture, contextualMixture, sampleExamples, simulate, testError } from '../../lib/index.js';
import { toNativeMixture } from '../../lib/mixture/mixture.js';
import { cellKey } from '../../lib/simulation/kinds.js';
import { dot, fitHead, normalTail, pooledFeature, rowsOf, softmax } from '../support/reference.js';
import { meanAndError, twoSampleKolmogorovSmirnov } from '../support/statistics.js';

const twoAtoms = [
  { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
];
const rich = {
  tokens: 8,
  dimension: 20,
  relevantTokens: 2,
  contextNorm: 1.2,
  signalNorm: 0.9,
  correlation: 0.4,
  noiseLevel: 0.8,
  positiveRate: 0.35,
  confusion: twoAtoms,
} as const;

/** ω = A/s² of an example with these scores, up to a factor that all examples share. */
function exampleWeight(
  scores: readonly number[],
  isRelevant: (token: number) => boolean,
  { noiseLevel, relevantNoiseLevel }: ContextualMixture,
): number {
  const phi = softmax(scores);
  const mass = phi.reduce((sum, share, token) => sum + (isRelevant(token) ? share : 0), 0);
  const level = (token: number) => (isRelevant(token) ? relevantNoiseLevel : noiseLevel);
  return mass / phi.reduce((sum, share, token) => sum + (level(token) * share) ** 2, 0);
}

/** The training features of one dense trial, by the reference, from the tokens that the trial itself draws. */
async function referenceFeatures(experiment: KnownPromptExperiment, seed: number, trial: number) {
  const resolved = knownPromptSchema.parse(experiment);
  const { tokens: T, dimension: d, contextNorm } = resolved.mixture;
  const sample = await native.sampleExamples({
    mixture: toNativeMixture(resolved.mixture),
    seed: BigInt(seed),
    cellKey: cellKey(resolved),
    trial,
    firstExample: 0,
    examples: resolved.examples,
  }).promise;
  const prompt = new Float64Array(d);
  prompt[0] = resolved.inverseTemperature * contextNorm;
  const examples = rowsOf(sample.tokens, T * d).map((X) => rowsOf(X, d));
  const features = examples.map((X) => pooledFeature(X, prompt));
  const weights = examples.map((X, i) =>
    exampleWeight(
      X.map((x) => dot(x, prompt)),
      (token) => sample.relevance[i * T + token] === 1,
      resolved.mixture,
    ),
  );
  return { resolved, prompt, features, labels: sample.labels, weights };
}

for (const noise of ['gaussian', 'rademacher', 'uniform'] as const)
  for (const [n, head] of [
    [30, { kind: 'averaging' }],
    [30, { kind: 'weighted-averaging' }],
    [30, { kind: 'least-squares' }],
    [30, { kind: 'least-squares', ridge: 0.1 }],
    [12, { kind: 'least-squares' }],
    [12, { kind: 'least-squares', ridge: 0.1 }],
  ] as const)
    test(`dense trial equals the reference on the same tokens: ${noise} noise, n = ${n}, ${JSON.stringify(head)}`, async (t) => {
      const experiment: KnownPromptExperiment = {
        kind: 'known-prompt',
        mixture: {
          ...rich,
          noise,
          relevance: 'random',
          labelNoise: 0.3,
          relevantNoiseLevel: noise === 'uniform' ? 0.4 : 0,
        },
        examples: n,
        inverseTemperature: 0.7,
        head,
      };
      const { metrics } = await simulate(experiment, { trials: 3, seed: 5, method: 'dense', testDraws: 200 });
      for (let trial = 0; trial < 3; ++trial) {
        const { resolved, prompt, features, labels, weights } = await referenceFeatures(experiment, 5, trial);
        const w = fitHead(features, labels, head, weights);
        t.true(Math.abs((metrics.headNorm?.[trial] as number) / Math.sqrt(dot(w, w)) - 1) < 1e-9);
        if (trial > 0) continue;
        // Trial 0 tests on the same draws as the test error of given parameters.
        const { error } = await native.testError({
          mixture: toNativeMixture(resolved.mixture),
          seed: 5n,
          cellKey: cellKey(resolved),
          prompt,
          head: w,
          draws: 200,
        }).promise;
        t.true(Math.abs(error - (metrics.error[0] as number)) < 1e-10);
      }
    });

test('test error equals the formula evaluated plainly on the same draws', async (t) => {
  const mixture = contextualMixture(rich);
  const key = { seed: 3n, cellKey: Uint32Array.of(9, 8, 7, 6) };
  const prompt = Float64Array.from({ length: 20 }, (_, j) => Math.sin(j + 1) / 2);
  const head = Float64Array.from({ length: 20 }, (_, j) => Math.cos(3 * j));
  const draws = 300;
  const { error, standardError } = await native.testError({
    mixture: toNativeMixture(mixture),
    ...key,
    prompt,
    head,
    draws,
  }).promise;
  // Groups of 16 draws side by side: position (⌊i/16⌋ m + t)·16 + i mod 16.
  const count = 6 * 16 * Math.ceil(draws / 16);
  const normals = native.randomNumbers({
    ...key,
    kind: 'single-normal',
    purpose: 8 * 16 + 4,
    trial: 0,
    first: 0,
    count,
  });
  const g = Array.from({ length: draws }, (_, i) =>
    Float64Array.from({ length: 6 }, (_, t) => normals[(Math.floor(i / 16) * 6 + t) * 16 + (i % 16)] as number),
  );
  const qStar = Float64Array.from({ length: 20 }, (_, j) => (j === 0 ? 1.2 : 0));
  const wStar = Float64Array.from({ length: 20 }, (_, j) =>
    j === 0 ? 0.9 * 0.4 : j === 1 ? 0.9 * Math.sqrt(1 - 0.16) : 0,
  );
  const c = Math.sqrt(dot(prompt, prompt));
  const along = dot(prompt, head) / c;
  const values = g.map((scores) => {
    let sum = 0;
    for (const y of [1, -1])
      for (const { deltaQ, deltaW, probability } of twoAtoms) {
        const r = qStar.map((value, j) => value + y * (wStar[j] as number));
        const mu = qStar.map((value, j) => -deltaQ * value - deltaW * y * (wStar[j] as number));
        const relevant = dot(r, prompt);
        const phi = softmax([relevant, relevant, ...Array.from(scores, (value) => dot(mu, prompt) + 0.8 * c * value)]);
        const A = (phi[0] as number) + (phi[1] as number);
        const tTilde = 0.8 * dot(phi.slice(2), scores);
        const s2 = 0.64 * dot(phi.slice(2), phi.slice(2));
        const mean = A * dot(r, head) + (1 - A) * dot(mu, head) + tTilde * along;
        sum +=
          (y > 0 ? 0.35 : 0.65) *
          probability *
          normalTail((y * mean) / Math.sqrt(s2 * (dot(head, head) - along * along)));
      }
    return sum;
  });
  const expected = meanAndError(values);
  // Scores in single precision move the answer by a 10,000th of its Monte Carlo error.
  t.true(Math.abs(error - expected.mean) < 1e-4 * standardError);
  // Corrected for the skewness γ of the mean: 1 + 1.08 γ².
  const moment = (power: number) =>
    values.reduce((sum, value) => sum + (value - expected.mean) ** power, 0) / values.length;
  const corrected = expected.standardError * (1 + (1.08 * moment(3) ** 2) / (moment(2) ** 3 * draws));
  // What is further out than any draw is in it too: along each of three directions an event of probability 1/(2·draws) at most, which
  // changes an error in [0, 1].
  const most = Math.hypot(corrected, (1.5 * Math.max(expected.mean, 1 - expected.mean)) / draws);
  t.true(
    standardError > corrected * (1 - 1e-5) && standardError < most,
    `${standardError / expected.standardError} ${standardError / corrected} ${most / corrected}`,
  );
});

test('test error agrees with counting errors on dense examples, for every noise', async (t) => {
  const d = 6;
  const prompt = Float64Array.of(0.8, 0.3, -0.4, 0.1, 0, 0.2);
  const head = Float64Array.of(0.2, 1, 0.3, -0.2, 0.4, 0);
  for (const noise of ['gaussian', 'rademacher', 'uniform'] as const) {
    const mixture = { ...rich, dimension: d, noise };
    const { tokens, labels } = await sampleExamples(mixture, { examples: 40_000, seed: 8 });
    const wrong = rowsOf(tokens, 8 * d).map((X, i) =>
      (labels[i] as number) * dot(head, pooledFeature(rowsOf(X, d), prompt)) < 0 ? 1 : 0,
    );
    const counted = meanAndError(wrong);
    const law = await testError({ mixture, prompt, head, draws: 40_000, seed: 9 });
    const z = (counted.mean - law.error) / Math.hypot(counted.standardError, law.standardError);
    t.true(Math.abs(z) < 4, `${noise}: z = ${z}`);
  }
});

test('test error is closed form at q = 0, resolves the far tail, and is 0, 1/2 or 1 without noise', async (t) => {
  const mixture = { tokens: 8, dimension: 3, relevantTokens: 2, contextNorm: 1, signalNorm: 2 };
  const pooled = await testError({ mixture, prompt: new Float64Array(3), head: Float64Array.of(0, 1, 0) });
  t.is(pooled.standardError, 0);
  t.true(Math.abs(pooled.error / normalTail((0.25 * 2) / (Math.sqrt(6) / 8)) - 1) < 1e-12);
  const strong = await testError({
    mixture: { tokens: 64, dimension: 3, relevantTokens: 16, contextNorm: 1, signalNorm: 2.8 },
    prompt: Float64Array.of(0.1, 0, 0),
    head: Float64Array.of(0, 1, 0),
    draws: 2000,
  });
  t.true(strong.error > 1e-14 && strong.error < 1e-11 && strong.standardError < 0.05 * strong.error);
  for (const [sign, expected] of [
    [1, 0],
    [0, 0.5],
    [-1, 1],
  ] as const)
    t.is(
      (
        await testError({
          mixture: { ...mixture, noiseLevel: 0 },
          prompt: Float64Array.of(1, 0, 0),
          head: Float64Array.of(0, sign, 0),
        })
      ).error,
      expected,
    );
});

const ksSets: [string, KnownPromptExperiment][] = (
  [
    [60, 0.8, { kind: 'least-squares' }, {}],
    [25, 0.8, { kind: 'least-squares' }, {}],
    [60, 1.5, { kind: 'least-squares', ridge: 0.05 }, { correlation: -0.7, positiveRate: 0.8 }],
    [25, 0, { kind: 'least-squares', ridge: 0.2 }, { correlation: 0.9 }],
    [60, 0.8, { kind: 'logistic', ridge: 0.01 }, {}],
    [25, 1.5, { kind: 'logistic', ridge: 0.1 }, { correlation: -0.7, positiveRate: 0.8 }],
    [60, 0.8, { kind: 'hinge', ridge: 0.05 }, {}],
    [25, 0, { kind: 'hinge', ridge: 0.01 }, { correlation: 0.9 }],
    [60, 0.5, { kind: 'averaging' }, { noiseLevel: 1.5 }],
    [25, -0.6, { kind: 'averaging' }, { tokens: 5, relevantTokens: 1, relevance: 'random' }],
  ] as const
).map(([examples, inverseTemperature, head, change]) => [
  `n = ${examples}, τ = ${inverseTemperature}, ${JSON.stringify(head)}, ${JSON.stringify(change)}`,
  { kind: 'known-prompt', mixture: { ...rich, dimension: 40, ...change }, examples, inverseTemperature, head },
]);
for (const [name, experiment] of ksSets)
  test(`projected and dense trials have the same law: d = 40, ${name}`, async (t) => {
    // Different seeds: with common labels the two samples would not be independent.
    const projected = await simulate(experiment, { trials: 2000, seed: 11, method: 'projected', testDraws: 100 });
    const dense = await simulate(experiment, { trials: 2000, seed: 12, method: 'dense', testDraws: 100 });
    for (const metric of ['error', 'headNorm', 'relevantAttention']) {
      if (metric === 'relevantAttention' && experiment.inverseTemperature === 0) continue;
      const p = twoSampleKolmogorovSmirnov(
        projected.metrics[metric] as Float64Array,
        dense.metrics[metric] as Float64Array,
      );
      t.true(p > 0.001, `${metric}: p = ${p}`);
    }
  });

test('the law does not depend on where the relevant tokens are', async (t) => {
  const experiment = (relevance: 'fixed' | 'random') =>
    ({
      kind: 'known-prompt',
      mixture: { ...rich, relevance },
      examples: 40,
      inverseTemperature: 0.7,
      head: { kind: 'least-squares' },
    }) as const;
  const fixed = await simulate(experiment('fixed'), { trials: 1000, seed: 13, method: 'dense', testDraws: 50 });
  const random = await simulate(experiment('random'), { trials: 1000, seed: 14, method: 'dense', testDraws: 50 });
  t.true(twoSampleKolmogorovSmirnov(fixed.metrics.error, random.metrics.error) > 0.001);
});

test('edges of the model run: T = 1, k = 0, k = T, d = 1, d = 2, n = 1', async (t) => {
  const edges = [
    { tokens: 1, relevantTokens: 0 },
    { tokens: 1, relevantTokens: 1 },
    { relevantTokens: 0 },
    { relevantTokens: 8 },
    { dimension: 1, correlation: 1 },
    { dimension: 2 },
    { contextNorm: 0 },
    { positiveRate: 1 },
  ];
  for (const edge of edges)
    for (const method of ['projected', 'dense'] as const)
      for (const head of [{ kind: 'averaging' }, { kind: 'least-squares', ridge: 0.1 }] as const)
        for (const examples of [1, 5]) {
          const { metrics, status } = await simulate(
            { kind: 'known-prompt', mixture: { ...rich, ...edge }, examples, inverseTemperature: 2, head },
            { trials: 5, seed: 1, method, testDraws: 20 },
          );
          t.true(status.every((code) => code === 0));
          t.true(
            metrics.error.every((error) => error >= 0 && error <= 1),
            JSON.stringify({ edge, method, head, examples, error: [...metrics.error] }),
          );
        }
});
