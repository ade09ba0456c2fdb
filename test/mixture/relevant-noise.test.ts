import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  type ContextualMixtureOptions,
  contextualMixture,
  type Experiment,
  risk,
  sampleExamples,
  simulate,
  study,
  testError,
  trialFeatures,
} from '../../lib/index.js';
import { normalTail } from '../support/reference.js';
import { meanAndError } from '../support/statistics.js';

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

test('test errors are counted, and those of mean pooling are as their closed form', async (t) => {
  const w = Float64Array.of(0.2, 1, ...new Array(10).fill(0.1));
  const { error, standardError, reliable, effectiveDraws } = await testError({
    mixture: noisy,
    prompt: new Float64Array(12),
    head: w,
    draws: 40_000,
  });
  const norm = Math.sqrt(w.reduce((sum, value) => sum + value * value, 0));
  const deviation = (norm * Math.sqrt(2 * 0.25 + 4 * 0.64)) / 6;
  const exact = [1, -1].reduce((sum, y) => sum + normalTail((y * (2 / 6) * (1.5 * 0.2 + y)) / deviation) / 2, 0);
  t.true(Math.abs(error - exact) < 4 * standardError, `${error} ± ${standardError}, ${exact}`);
  t.true(reliable && effectiveDraws > 1000);
  // Few errors are not told as none.
  const rare = await testError({
    mixture: { ...noisy, signalNorm: 9 },
    prompt: new Float64Array(12),
    head: w,
    draws: 500,
  });
  t.false(rare.reliable);
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
  test(`trials are dense, vary with the level and tend to those without: ${experiment.kind}`, async (t) => {
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
    await t.throwsAsync(simulate(experiment, { trials: 1, seed: 1, method: 'projected' }), {
      message: /method must be 'dense' if relevant tokens have noise/,
    });
  });

test('laws and projected features are refused, studies have no theory', async (t) => {
  const refused = { message: /mixture\.relevantNoiseLevel must be 0 for/ };
  const point = { mixture: noisy, inverseTemperature: 0.5, sampleRatio: 2 };
  const head = { kind: 'least-squares', ridge: 0.1 } as const;
  await t.throwsAsync(risk.knownPrompt({ ...point, head }), refused);
  await t.throwsAsync(risk.bestHead(point), refused);
  await t.throwsAsync(risk.optimal({ mixture: noisy, sampleRatio: 2, head }), refused);
  await t.throwsAsync(risk.threeStep({ mixture: noisy, examples: 30, stepSizes: [1, 2, 1] }), refused);
  t.throws(() => risk.longContext({ ...point, head }), refused);
  const descent = {
    mixture: noisy,
    examples: 30,
    model: 'mean-pooling',
    steps: 1,
    stepSizes: { head: 1, prompt: 0 },
  } as const;
  await t.throwsAsync(risk.gradientDescent({ ...descent, data: 'fresh' }), refused);
  await t.throwsAsync(trialFeatures({ ...knownPrompt, mixture: noisy }, { seed: 1, trial: 0 }), refused);
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
  t.deepEqual(
    rows.map(({ theory }) => theory === null),
    [false, true],
  );
});
