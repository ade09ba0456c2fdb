import test from 'ava';
import { native } from '../../lib/base/native.js';
import { headSchema, isSum, kHeadKinds } from '../../lib/heads/head.js';
import { type ContextualMixtureOptions, fitHead, headWeights, risk, simulate } from '../../lib/index.js';
import { generator } from '../audit/test-error.js';
import { normalTail, softmax } from '../support/reference.js';
import { meanAndError, twoSampleKolmogorovSmirnov } from '../support/statistics.js';

const head = { kind: 'weighted-averaging' } as const;
const core = { tokens: 16, dimension: 300, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6 } as const;
const rich = {
  tokens: 6,
  dimension: 8,
  relevantTokens: 2,
  contextNorm: 1.2,
  signalNorm: 0.9,
  correlation: 0.4,
  noiseLevel: 0.8,
  positiveRate: 0.35,
  confusion: [
    { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
    { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
  ],
} as const;

test('the lists of heads of both languages are the same', (t) => {
  const { heads } = native.describe();
  t.deepEqual(
    heads.map(({ name }) => name),
    [...kHeadKinds],
  );
  for (const { name, ridge } of heads) {
    t.is(isSum({ kind: name as (typeof kHeadKinds)[number] }), ridge === 'none', name);
    const allows = (value: number) => headSchema.safeParse({ kind: name, ridge: value }).success;
    t.is(allows(0), ridge === 'non-negative', name);
    t.is(allows(1), ridge !== 'none', name);
  }
});

test('projected and dense trials have the same distribution', async (t) => {
  for (const inverseTemperature of [0.8, -0.3]) {
    const experiment = { kind: 'known-prompt', mixture: rich, examples: 20, inverseTemperature, head } as const;
    const projected = await simulate(experiment, { trials: 8000, seed: 1 });
    const dense = await simulate(experiment, { trials: 8000, seed: 2, method: 'dense' });
    for (const metric of ['error', 'headNorm'] as const) {
      const p = twoSampleKolmogorovSmirnov(
        projected.metrics[metric] as Float64Array,
        dense.metrics[metric] as Float64Array,
      );
      t.true(p > 0.001, `${metric} at τ = ${inverseTemperature}: p = ${p}`);
    }
  }
});

test('the limit has the reference values of theory.md, and simulation agrees', async (t) => {
  const common = { mixture: core, inverseTemperature: 0.7 };
  const best = await risk.bestHead({ ...common, sampleRatio: 2 });
  t.true(Math.abs(best.error - 0.03) < 0.0001 + 3 * best.standardError, `${best.error}`);
  t.true(best.optimal && best.reliable);
  const law = await risk.knownPrompt({ ...common, sampleRatio: 2, head });
  t.is(law.error, best.error);
  const plain = await risk.knownPrompt({ ...common, sampleRatio: 2, head: { kind: 'averaging' } });
  t.true(Math.abs(plain.error - 0.0318) < 0.0001 + 3 * plain.standardError, `${plain.error}`);
  const { metrics } = await simulate(
    { kind: 'known-prompt', ...common, mixture: { ...core, dimension: 2400 }, examples: 4800, head },
    { trials: 400, seed: 7 },
  );
  const seen = meanAndError(metrics.error);
  const z = (seen.mean - best.error) / Math.hypot(seen.standardError, best.standardError);
  t.true(Math.abs(z) < 4, `z = ${z}`);
  const norm = meanAndError(metrics.headNorm as Float64Array);
  t.true(Math.abs(norm.mean - law.headNorm) < 4 * Math.hypot(norm.standardError, law.headNormStandardError) + 2e-4);
});

test('the limit is the closed form of J = E[A²/s²], evaluated on other draws', async (t) => {
  const { tokens: T, relevantTokens: k, contextNorm: Q, signalNorm: W } = core;
  const next = generator(3);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const draws = Array.from({ length: 40_000 }, () => {
    const scores = Array.from({ length: T }, (_, i) => (i < k ? 0.7 * Q * Q : 0.7 * Q * normal()));
    const phi = softmax(scores);
    const mass = phi.slice(0, k).reduce((sum, share) => sum + share, 0);
    return mass / Math.sqrt(phi.slice(k).reduce((sum, share) => sum + share * share, 0));
  });
  const J = draws.reduce((sum, ratio) => sum + ratio * ratio, 0) / draws.length;
  for (const alpha of [0.2, 2, 20]) {
    const cosine = (W * Math.sqrt(alpha * J)) / Math.sqrt(alpha * J * W * W + 1);
    const { mean, standardError } = meanAndError(draws.map((ratio) => normalTail(ratio * W * cosine)));
    const best = await risk.bestHead({ mixture: core, inverseTemperature: 0.7, sampleRatio: alpha });
    const spread = Math.hypot(standardError, best.standardError);
    t.true(Math.abs(best.error - mean) < 4 * spread, `α = ${alpha}: ${best.error} for ${mean} ± ${standardError}`);
    t.true(Math.abs(best.signalCosine - cosine) < 6e-3);
  }
});

test('no head at any ridge is below the limit in the core model', async (t) => {
  const next = generator(11);
  for (let setting = 0; setting < 60; ++setting) {
    const tokens = 2 + Math.floor(30 * next() ** 2);
    const mixture: ContextualMixtureOptions = {
      tokens,
      dimension: 100,
      relevantTokens: 1 + Math.floor((tokens - 1) * next()),
      contextNorm: 0.5 + 2 * next(),
      signalNorm: 0.2 + 2 * next(),
      noiseLevel: 0.3 + next(),
    };
    const common = { mixture, inverseTemperature: 1.2 * next(), sampleRatio: 10 ** (2 * next() - 0.7), draws: 4000 };
    const best = await risk.bestHead(common);
    const ridge = 10 ** (4 * next() - 3);
    const kind = (['averaging', 'least-squares', 'logistic', 'hinge'] as const)[setting % 4] as 'hinge';
    const other = await risk.knownPrompt({
      ...common,
      head: (kind as string) === 'averaging' ? { kind: 'averaging' } : { kind, ridge },
    });
    const spread = Math.hypot(other.standardError, best.standardError);
    t.true(other.error > best.error - 4 * spread, `${JSON.stringify({ common, kind, ridge })}`);
  }
});

test('the best prompt is no worse than its neighbours', async (t) => {
  const best = await risk.bestPrompt({ mixture: core, sampleRatio: 2, draws: 4000 });
  t.true(best.inverseTemperatureStandardError > 0 && !best.atLimit);
  for (const factor of [0.6, 0.85, 1.2, 1.8]) {
    const inverseTemperature = factor * best.inverseTemperature;
    const other = await risk.bestHead({ mixture: core, sampleRatio: 2, draws: 4000, inverseTemperature });
    t.true(other.error > best.error - 3 * Math.hypot(other.standardError, best.standardError));
  }
  const same = await risk.bestHead({
    mixture: core,
    examples: 600,
    draws: 4000,
    inverseTemperature: best.inverseTemperature,
  });
  t.is(same.error, best.error);
});

test('limits: without noise, without relevant tokens, without others, at τ = 0', async (t) => {
  const at = (mixture: Partial<ContextualMixtureOptions>, inverseTemperature = 0.7) =>
    risk.bestHead({ mixture: { ...core, ...mixture } as ContextualMixtureOptions, inverseTemperature, sampleRatio: 2 });
  t.is((await at({ noiseLevel: 0 })).error, 0);
  t.is((await at({ relevantTokens: 16 })).error, 0);
  const nothing = await at({ relevantTokens: 0 });
  t.is(nothing.error, 0.5);
  t.false(nothing.optimal);
  // All weights are equal: plain averaging.
  const plain = await risk.knownPrompt({
    mixture: core,
    inverseTemperature: 0,
    sampleRatio: 2,
    head: { kind: 'averaging' },
  });
  t.true(Math.abs((await at({}, 0)).error - plain.error) < 1e-12);
  for (const mixture of [{ correlation: 0.2 }, { positiveRate: 0.4 }, { confusion: rich.confusion }])
    t.false((await at(mixture as Partial<ContextualMixtureOptions>)).optimal);
});

test('a limit that few draws carry is not called reliable', async (t) => {
  const mixture = { tokens: 2, dimension: 100, relevantTokens: 1, contextNorm: 5, signalNorm: 0.3 };
  const { reliable, effectiveDraws } = await risk.bestHead({ mixture, inverseTemperature: 1, sampleRatio: 2 });
  t.false(reliable);
  t.true(effectiveDraws < 100);
});

test('fitted on given features with given weights', async (t) => {
  const features = Float64Array.of(1, 0, 2, 1, -1, 1, 1, -1);
  const labels = Float64Array.of(1, 1, -1, -1);
  const weights = Float64Array.of(1, 3, 0, 1e-200);
  const fitted = await fitHead(features, labels, { kind: 'weighted-averaging', weights });
  t.is(fitted.status, 'ok');
  for (const [j, value] of [7 / 4, 3 / 4].entries()) t.true(Math.abs((fitted.head[j] as number) - value) < 1e-15);
  const plain = await fitHead(features, labels, { kind: 'averaging' });
  const equal = await fitHead(features, labels, {
    kind: 'weighted-averaging',
    weights: new Float64Array(4).fill(1e290),
  });
  for (let j = 0; j < 2; ++j) t.true(Math.abs((equal.head[j] as number) - (plain.head[j] as number)) < 1e-15);
  const fails = (given: object) => t.throwsAsync(fitHead(features, labels, given as typeof head));
  t.regex((await fails(head)).message, /head\.weights/);
  t.regex((await fails({ ...head, weights: new Float64Array(3) })).message, /head\.weights must be of length 4/);
  t.regex((await fails({ ...head, weights: new Float64Array(4) })).message, /head\.weights must be not all 0/);
  t.regex((await fails({ ...head, weights: Float64Array.of(1, -1, 1, 1) })).message, /head\.weights/);
  t.regex((await fails({ ...head, ridge: 1, weights })).message, /ridge/);
});

test('weights from attention', (t) => {
  const attention = Float64Array.of(0.5, 0.25, 0.25, 0.2, 0.2, 0.6, 1, 0, 0, 0, 0.5, 0.5);
  const relevance = Uint8Array.of(1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0);
  const weights = headWeights(attention, relevance, 4);
  t.is(weights[0], 4);
  t.true(Math.abs((weights[1] as number) - 0.4 / 0.36) < 1e-15);
  t.true(Math.abs((weights[2] as number) / 1e290 - 1) < 1e-15);
  t.is(weights[3], 0);
  t.throws(() => headWeights(attention, relevance, 5), { message: /attention/ });
  t.throws(() => headWeights(attention, relevance.subarray(1), 4), { message: /relevance/ });
  t.throws(
    () =>
      headWeights(
        attention.map((share) => 2 * share),
        relevance,
        4,
      ),
    { message: /attention/ },
  );
});
