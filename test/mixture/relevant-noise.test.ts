import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  type ContextualMixtureOptions,
  contextualMixture,
  type Experiment,
  fitHead,
  type HeadOptions,
  risk,
  sampleExamples,
  simulate,
  study,
  testError,
  trialFeatures,
} from '../../lib/index.js';
import { normalTail } from '../support/reference.js';
import { meanAndError, twoSampleKolmogorovSmirnov, uniforms } from '../support/statistics.js';

const core = { tokens: 6, dimension: 12, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1, noiseLevel: 0.8 };
const noisy: ContextualMixtureOptions = { ...core, relevantNoiseLevel: 0.5 };
const knownPrompt = {
  kind: 'known-prompt',
  examples: 40,
  inverseTemperature: 0.6,
  head: { kind: 'averaging' },
} as const;

for (const noise of ['gaussian', 'rademacher', 'uniform'] as const)
  test(`noise of relevant tokens has their level and is independent: ${noise}`, async (t) => {
    const mixture = contextualMixture({ ...noisy, noise, relevance: 'random' });
    const n = 2000;
    const { tokens, labels, relevance } = await sampleExamples(mixture, { examples: n, seed: 5 });
    const squares: Record<string, number[]> = { relevant: [], others: [] };
    const products: number[] = [];
    for (let i = 0; i < n; ++i) {
      const rows: Record<string, number[]> = { relevant: [], others: [] };
      for (let token = 0; token < 6; ++token) {
        const x = tokens.subarray((i * 6 + token) * 12, (i * 6 + token + 1) * 12);
        const isRelevant = relevance[i * 6 + token] === 1;
        const mean = isRelevant ? [1.5, labels[i] as number] : [0, 0];
        const z = Array.from(x, (value, j) => value - (mean[j] ?? 0));
        const kind = isRelevant ? 'relevant' : 'others';
        for (const value of z) squares[kind]?.push(value * value);
        rows[kind]?.push(z[3] as number);
        if (noise === 'rademacher' && isRelevant) t.true(z.every((value) => Math.abs(Math.abs(value) - 0.5) < 1e-12));
      }
      products.push((rows.relevant?.[0] as number) * (rows.relevant?.[1] as number));
      products.push((rows.relevant?.[0] as number) * (rows.others?.[0] as number));
    }
    for (const [kind, level] of [
      ['relevant', 0.5],
      ['others', 0.8],
    ] as const) {
      const { mean, standardError } = meanAndError(squares[kind] as number[]);
      t.true(Math.abs(mean - level ** 2) <= 4 * standardError + 1e-12, `${kind}: ${mean} ± ${standardError}`);
    }
    const { mean, standardError } = meanAndError(products);
    t.true(Math.abs(mean) < 4 * standardError, `${mean} ± ${standardError}`);
  });

test('the default is none, and changes no number', async (t) => {
  t.is(contextualMixture(core).relevantNoiseLevel, 0);
  const at = (mixture: ContextualMixtureOptions) => simulate({ ...knownPrompt, mixture }, { trials: 3, seed: 1 });
  t.deepEqual((await at(core)).metrics, (await at({ ...core, relevantNoiseLevel: 0 })).metrics);
  // Nor does it where no token is relevant.
  const none = { ...core, relevantTokens: 0 };
  const law = (mixture: ContextualMixtureOptions) =>
    risk.knownPrompt({ ...knownPrompt, mixture, draws: 2000 }).then(({ error }) => error);
  t.is(await law({ ...none, relevantNoiseLevel: 2 }), await law(none));
  for (const relevantNoiseLevel of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => contextualMixture({ ...core, relevantNoiseLevel }), { message: /relevantNoiseLevel/ });
});

test('test errors of mean pooling are their closed form; those of other noise are counted', async (t) => {
  const w = Float64Array.of(0.2, 1, ...new Array(10).fill(0.1));
  const norm = Math.sqrt(w.reduce((sum, value) => sum + value * value, 0));
  const deviation = (norm * Math.sqrt(2 * 0.25 + 4 * 0.64)) / 6;
  const exact = [1, -1].reduce((sum, y) => sum + normalTail((y * (2 / 6) * (1.5 * 0.2 + y)) / deviation) / 2, 0);
  const at = { prompt: new Float64Array(12), head: w, draws: 4000 };
  const { error, standardError } = await testError({ ...at, mixture: noisy });
  t.true(Math.abs(error / exact - 1) < 1e-12);
  t.is(standardError, 0);
  const counted = await testError({ ...at, mixture: { ...noisy, noise: 'uniform' } });
  t.true(Math.abs(counted.error - exact) < 5 * counted.standardError && counted.effectiveDraws < 4000);
  // Few errors are not told as none.
  const rare = await testError({ ...at, mixture: { ...noisy, signalNorm: 9, noise: 'uniform' } });
  t.false(rare.reliable);
});

test('test errors of two tokens are within their error of a quadrature over both scores, or marked', async (t) => {
  const uniform = uniforms(3);
  const between = (a: number, b: number) => a + (b - a) * uniform();
  const kStep = 0.16;
  let marked = 0;
  for (let setting = 0; setting < 100; ++setting) {
    const [Q, W, sigma, relevantSigma] = [between(0.3, 4), between(0.2, 3), between(0.1, 1.5), between(0.05, 1.5)];
    const prompt = new Float64Array(6);
    prompt[0] = between(-0.4, 1.2) * Q;
    const c = prompt[0];
    const head = Float64Array.from({ length: 6 }, (_, j) => (j === 1 ? between(0.3, 1.5) : between(-0.3, 0.3)));
    const along = Math.sign(c) * (head[0] as number);
    const across = Math.sqrt(head.subarray(1).reduce((sum, value) => sum + value * value, 0));
    let exact = 0;
    for (let a = -10; a <= 10; a += kStep)
      for (let b = -10; b <= 10; b += kStep) {
        const density = (Math.exp(-(a * a + b * b) / 2) * kStep * kStep) / (2 * Math.PI);
        const gap = c * Q + Math.abs(c) * (relevantSigma * a - sigma * b);
        const [A, B] = [1 / (1 + Math.exp(-gap)), 1 / (1 + Math.exp(gap))];
        const noise = (relevantSigma * A * a + sigma * B * b) * along;
        const deviation = across * Math.hypot(relevantSigma * A, sigma * B);
        for (const y of [1, -1]) {
          const mean = A * (Q * (head[0] as number) + y * W * (head[1] as number)) + noise;
          exact += 0.5 * density * normalTail((y * mean) / deviation);
        }
      }
    const mixture = { tokens: 2, relevantTokens: 1, dimension: 6, contextNorm: Q, signalNorm: W, noiseLevel: sigma };
    const found = await testError({
      mixture: { ...mixture, relevantNoiseLevel: relevantSigma },
      prompt,
      head,
      draws: 1000,
      seed: setting,
    });
    if (!found.reliable) ++marked;
    else
      t.true(
        Math.abs(found.error - exact) < 4.5 * found.standardError + 1e-9 * exact,
        `${setting}: ${found.error} ± ${found.standardError}, exact ${exact}`,
      );
  }
  // Rare scores of relevant tokens are not shifted: errors that they may carry are not vouched for.
  t.true(marked > 0 && marked < 25, `${marked} marked`);
});

const experiments: readonly Experiment[] = [
  { ...knownPrompt, mixture: noisy },
  { kind: 'three-step', mixture: noisy, examples: 30, stepSizes: [1, 2, 1] },
  {
    kind: 'gradient-descent',
    mixture: noisy,
    examples: 30,
    model: 'prompt-attention',
    steps: 3,
    stepSizes: { head: 0.5, prompt: 0.5 },
  },
];
for (const experiment of experiments)
  test(`trials vary with the level and tend to those without: ${experiment.kind}`, async (t) => {
    const errorAt = async (relevantNoiseLevel: number) => {
      const { metrics } = await simulate({ ...experiment, mixture: { ...core, relevantNoiseLevel } } as Experiment, {
        trials: 300,
        seed: 3,
        testDraws: 200,
      });
      return meanAndError(metrics.error as Float64Array);
    };
    const [none, little, much] = [await errorAt(0), await errorAt(1e-6), await errorAt(2.5)];
    const z = (little.mean - none.mean) / Math.hypot(little.standardError, none.standardError);
    t.true(Math.abs(z) < 4, `${none.mean}, ${little.mean} ± ${little.standardError}`);
    t.true(much.mean > none.mean + 4 * Math.hypot(much.standardError, none.standardError));
    const { method } = await simulate(experiment, { trials: 1, seed: 1 });
    if (experiment.kind === 'known-prompt') return t.is(method, 'projected');
    await t.throwsAsync(simulate(experiment, { trials: 1, seed: 1, method: 'projected' }), {
      message: /method must be 'dense' if relevant tokens have noise/,
    });
  });

const heads: readonly (readonly [HeadOptions, number])[] = [
  [{ kind: 'averaging' }, 8000],
  [{ kind: 'weighted-averaging' }, 8000],
  [{ kind: 'least-squares', ridge: 0.1 }, 8000],
  [{ kind: 'least-squares' }, 24_000],
  [{ kind: 'logistic', ridge: 0.05 }, 4000],
  [{ kind: 'hinge', ridge: 0.2 }, 4000],
];
for (const [head, trials] of heads)
  test(`projected trials are distributed as dense ones: ${JSON.stringify(head)}`, async (t) => {
    // All that the projected form reads: ρ, π, atoms, wrong labels, a negative temperature.
    const mixture = {
      ...noisy,
      dimension: 8,
      correlation: 0.4,
      positiveRate: 0.4,
      labelNoise: 0.1,
      confusion: [
        { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
        { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
      ],
    };
    const experiment = { kind: 'known-prompt', mixture, examples: 15, inverseTemperature: -0.7, head } as const;
    const run = async (method: 'projected' | 'dense') =>
      (await simulate(experiment, { trials, seed: method === 'dense' ? 11 : 12, testDraws: 256, method })).metrics;
    const [projected, dense] = [await run('projected'), await run('dense')];
    for (const metric of ['error', 'headNorm'] as const) {
      const p = twoSampleKolmogorovSmirnov(projected[metric] as Float64Array, dense[metric] as Float64Array);
      t.true(p > 0.001, `${metric}: p = ${p}`);
    }
    // Over draws of its own every trial has the same attention.
    const [a, b] = [projected, dense].map(({ relevantAttention }) => meanAndError(relevantAttention as Float64Array));
    t.true(Math.abs((a?.mean ?? 0) - (b?.mean ?? 1)) < 4 * Math.hypot(a?.standardError ?? 0, b?.standardError ?? 0));
  });

test('laws of heads that are sums agree with simulation in random settings', async (t) => {
  const uniform = uniforms(17);
  const oneOf = <Value>(values: readonly Value[]) => values[Math.floor(uniform() * values.length)] as Value;
  let judged = 0;
  for (let setting = 0; setting < 24; ++setting) {
    const tokens = oneOf([1, 2, 5, 9, 16]);
    const dimension = 2000;
    const examples = dimension * oneOf([0.5, 1, 3]);
    const mixture = {
      tokens,
      relevantTokens: 1 + Math.floor(uniform() * tokens),
      dimension,
      contextNorm: oneOf([0.5, 1, 2]),
      signalNorm: oneOf([0.3, 0.6, 1]),
      correlation: oneOf([0, 0.4]),
      noiseLevel: oneOf([0, 0.5, 1]),
      relevantNoiseLevel: oneOf([0.1, 0.5, 1, 2]),
    };
    const point = {
      mixture,
      examples,
      inverseTemperature: oneOf([0, 0.4, 1, -0.3]),
      head: { kind: oneOf(['averaging', 'weighted-averaging'] as const) },
    };
    const law = await risk.knownPrompt(point);
    const { metrics, reliable } = await simulate({ kind: 'known-prompt', ...point }, { trials: 400, seed: setting });
    if (!law.reliable || !reliable) continue;
    ++judged;
    for (const [metric, value, accuracy] of [
      ['error', law.error, law.standardError],
      ['headNorm', law.headNorm, law.headNormStandardError],
      ['relevantAttention', law.relevantAttention, law.relevantAttentionStandardError],
    ] as const) {
      const found = meanAndError(metrics[metric] as Float64Array);
      // Simulation has d = 2000: about 1/d of the value off.
      const z = (found.mean - value) / Math.hypot(found.standardError, accuracy, value / dimension);
      t.true(Math.abs(z) < 4, `${setting}, ${metric}: ${found.mean} ± ${found.standardError}, law ${value}: z = ${z}`);
    }
  }
  t.true(judged > 12, `${judged} judged`);
});

for (const head of [
  { kind: 'least-squares', ridge: 0.1 },
  { kind: 'least-squares', ridge: 0 },
  { kind: 'logistic', ridge: 0.02 },
  { kind: 'hinge', ridge: 0.1 },
] as const)
  test(`law and simulation agree, extrapolated in 1/d: ${JSON.stringify(head)}`, async (t) => {
    const mixture = { ...noisy, tokens: 8, relevantTokens: 3, contextNorm: 1.2, positiveRate: 0.4, labelNoise: 0.05 };
    const at = { inverseTemperature: 0.8, head };
    const law = await risk.knownPrompt({
      ...at,
      mixture: { ...mixture, dimension: 60 },
      sampleRatio: 3,
      draws: 100_000,
    });
    t.true(law.reliable);
    const run = async (dimension: number, trials: number) =>
      (
        await simulate(
          { ...at, kind: 'known-prompt', mixture: { ...mixture, dimension }, examples: 3 * dimension },
          { trials, seed: 8, testDraws: 400 },
        )
      ).metrics;
    const [small, large] = [await run(60, 800), await run(120, 400)];
    for (const metric of ['error', 'headNorm'] as const) {
      const e1 = meanAndError(small[metric] as Float64Array);
      const e2 = meanAndError(large[metric] as Float64Array);
      const z =
        (2 * e2.mean - e1.mean - law[metric]) /
        Math.hypot(
          2 * e2.standardError,
          e1.standardError,
          law[`${metric === 'error' ? 'standardError' : 'headNormStandardError'}`],
        );
      t.true(Math.abs(z) < 4, `${metric}: z = ${z}`);
    }
  });

test('the best head has no head below it, and with every token relevant it is the closed form', async (t) => {
  const mixture = { ...noisy, tokens: 8, relevantTokens: 3, dimension: 100 };
  const point = { mixture, sampleRatio: 2, inverseTemperature: 0.6 };
  const best = await risk.bestHead(point);
  for (const head of [
    { kind: 'averaging' },
    { kind: 'least-squares', ridge: 0.3 },
    { kind: 'least-squares', ridge: 3 },
    { kind: 'logistic', ridge: 0.1 },
    { kind: 'hinge', ridge: 0.3 },
  ] as const) {
    const law = await risk.knownPrompt({ ...point, head });
    t.true(law.error > best.error - 4 * Math.hypot(law.standardError, best.standardError), head.kind);
  }
  // τ = 0, k = T: A = 1 and s² = σ_R²/T, so that J = T/σ_R².
  const all = { ...mixture, relevantTokens: 8, relevantNoiseLevel: 2 };
  const { error } = await risk.bestHead({ mixture: all, sampleRatio: 2, inverseTemperature: 0 });
  const J = 8 / 4;
  t.true(Math.abs(error / normalTail((Math.sqrt(J) * Math.sqrt(2 * J)) / Math.sqrt(2 * J + 1)) - 1) < 1e-9);
});

test('laws of training are refused, features and theory of a known prompt are not', async (t) => {
  const refused = { message: /mixture\.relevantNoiseLevel must be 0 for/ };
  const head = { kind: 'least-squares', ridge: 0.1 } as const;
  await t.throwsAsync(risk.threeStep({ mixture: noisy, examples: 30, stepSizes: [1, 2, 1] }), refused);
  t.throws(() => risk.longContext({ mixture: noisy, inverseTemperature: 0.5, sampleRatio: 2, head }), refused);
  const descent = {
    mixture: noisy,
    examples: 30,
    model: 'mean-pooling',
    steps: 1,
    stepSizes: { head: 1, prompt: 0 },
  } as const;
  await t.throwsAsync(risk.gradientDescent({ ...descent, data: 'fresh' }), refused);
  await t.throwsAsync(
    risk.sampleComplexity({
      experiment: { kind: 'three-step', mixture: noisy, stepSizes: [1, 2, 1] },
      targetError: 0.2,
    }),
    refused,
  );

  // The features of a trial lead to the head of that trial.
  const experiment = { ...knownPrompt, mixture: noisy, head } as const;
  const { features, labels } = await trialFeatures(experiment, { seed: 1, trial: 0 });
  const fitted = await fitHead(features, labels, head);
  const { metrics } = await simulate({ ...experiment, solver: 'direct' }, { trials: 1, seed: 1 });
  const norm = Math.sqrt(fitted.head.reduce((sum, value) => sum + value * value, 0));
  t.true(Math.abs(norm / (metrics.headNorm?.[0] as number) - 1) < 1e-9);

  const spec = {
    name: 'noise',
    seed: 1,
    experiment: { ...knownPrompt, mixture: core },
    factors: { 'mixture.relevantNoiseLevel': [0, 0.5] },
    trials: 4,
    theory: true,
  };
  const out = join(mkdtempSync(join(tmpdir(), 'relevant-noise-')), 'noise.sqlite');
  const { rows } = await study.run(spec, { out });
  t.true(rows.every(({ theory }) => theory !== null));
});
