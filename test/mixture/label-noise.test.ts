import test from 'ava';
import {
  type ContextualMixtureOptions,
  contextualMixture,
  type Experiment,
  risk,
  sampleExamples,
  simulate,
} from '../../lib/index.js';
import { generator } from '../audit/test-error.js';
import { dot, rowsOf } from '../support/reference.js';
import { meanAndError, twoSampleKolmogorovSmirnov } from '../support/statistics.js';

const core = { tokens: 12, dimension: 24, relevantTokens: 4, contextNorm: 1.6, signalNorm: 0.9, labelNoise: 0.2 };
const rich: ContextualMixtureOptions = {
  ...core,
  correlation: 0.4,
  positiveRate: 0.3,
  noiseLevel: 0.8,
  confusion: [
    { deltaQ: 0.3, deltaW: 0.2, probability: 0.6 },
    { deltaQ: -0.4, deltaW: 0.5, probability: 0.4 },
  ],
};
const heads = [
  { kind: 'averaging' },
  { kind: 'weighted-averaging' },
  { kind: 'least-squares' },
  { kind: 'least-squares', ridge: 0.2 },
  { kind: 'logistic', ridge: 0.01 },
  { kind: 'logistic', ridge: 0 },
  { kind: 'hinge', ridge: 0.05 },
] as const;

test('a share ε of the labels is wrong, whatever they are, and tokens are those of the true label', async (t) => {
  const mixture = { ...rich, dimension: 3, tokens: 2, relevantTokens: 1, noiseLevel: 1e-9 };
  const n = 40_000;
  const { labels, trueLabels, tokens } = await sampleExamples(mixture, { examples: n, seed: 3 });
  for (const y of [1, -1]) {
    const wrong = Array.from(trueLabels.keys()).filter((i) => trueLabels[i] === y);
    const share = wrong.filter((i) => labels[i] !== y).length / wrong.length;
    t.true(Math.abs(share - 0.2) < 4 * Math.sqrt((0.2 * 0.8) / wrong.length), `${share}`);
  }
  const signal = [core.signalNorm * 0.4, core.signalNorm * Math.sqrt(1 - 0.16)];
  for (let i = 0; i < 100; ++i)
    t.true(Math.abs((tokens[6 * i + 1] as number) - (trueLabels[i] as number) * (signal[1] as number)) < 1e-12);
  const clean = await sampleExamples({ ...mixture, labelNoise: 0 }, { examples: 50, seed: 3 });
  t.deepEqual(clean.labels, clean.trueLabels);
  // Parts of a sample are those of the whole.
  const part = await sampleExamples(mixture, { examples: 30, seed: 3, firstExample: 300 });
  t.deepEqual([...part.labels], [...labels.subarray(300, 330)]);
});

test('without it nothing changes, and it is in [0, 1/2)', async (t) => {
  t.is(contextualMixture({ ...core, labelNoise: undefined }).labelNoise, 0);
  const { labelNoise: _, ...plain } = core;
  const experiment = {
    kind: 'known-prompt',
    examples: 50,
    inverseTemperature: 0.5,
    head: { kind: 'averaging' },
  } as const;
  const at = (mixture: ContextualMixtureOptions) => simulate({ ...experiment, mixture }, { trials: 3, seed: 1 });
  t.deepEqual((await at(plain)).metrics, (await at({ ...plain, labelNoise: 0 })).metrics);
  for (const labelNoise of [0.5, -0.1, Number.NaN])
    t.throws(() => contextualMixture({ ...core, labelNoise }), {
      message: /labelNoise must be a number in \[0, 1\/2\)/,
    });
});

const experiments: readonly (readonly [string, Experiment])[] = [
  ...heads.slice(0, 5).map((head) => {
    const experiment = { kind: 'known-prompt', mixture: rich, examples: 40, inverseTemperature: 0.6, head } as const;
    return [`known prompt, ${JSON.stringify(head)}`, experiment] as const;
  }),
  ...(['fresh', 'restarted', 'continued'] as const).map(
    (head) =>
      [
        `three steps, ${head}`,
        { kind: 'three-step', mixture: rich, examples: 40, stepSizes: [1, 3, 1], head, debias: 'intercept' },
      ] as const,
  ),
  ...(['prompt-attention', 'linear-attention', 'mean-pooling'] as const).map(
    (model) =>
      [
        `descent of ${model}`,
        {
          kind: 'gradient-descent',
          mixture: rich,
          examples: 20,
          model,
          steps: 3,
          stepSizes: { head: 0.5, prompt: 0.5 },
          loss: 'logistic',
          initial: { scale: 0.05 },
        },
      ] as const,
  ),
];

for (const [name, experiment] of experiments)
  test(`projected trials are distributed as dense ones: ${name}`, async (t) => {
    const draw = (method: 'projected' | 'dense', seed: number) =>
      simulate(experiment, { trials: 1500, seed, method, testDraws: 32 });
    const [projected, dense] = [await draw('projected', 1), await draw('dense', 2)];
    for (const metric of ['error', 'headNorm', 'contextOverlap', 'promptNorm'] as const) {
      const [a, b] = [projected.metrics[metric], dense.metrics[metric]];
      if (a === undefined || b === undefined) continue;
      const p = twoSampleKolmogorovSmirnov(a, b);
      t.true(p > 0.001, `${metric}: p = ${p}`);
    }
  });

for (const head of heads)
  test(`law of a known prompt: ${JSON.stringify(head)}`, async (t) => {
    const next = generator(heads.indexOf(head) + 1);
    for (let setting = 0; setting < 4; ++setting) {
      const mixture: ContextualMixtureOptions = {
        tokens: 3 + Math.floor(12 * next()),
        dimension: 200,
        relevantTokens: 1 + Math.floor(2 * next()),
        contextNorm: 0.5 + next(),
        signalNorm: 0.5 + next(),
        correlation: setting % 2 === 0 ? 0 : next() - 0.5,
        positiveRate: setting % 2 === 0 ? 0.5 : 0.2 + 0.6 * next(),
        labelNoise: 0.4 * next(),
      };
      // Without a ridge far from where examples are separable.
      const examples = Math.round(200 * (head.kind === 'logistic' && head.ridge === 0 ? 8 : 1.3 + 3 * next()));
      const point = { mixture, inverseTemperature: next(), head, examples };
      const law = await risk.knownPrompt(point);
      t.true(law.reliable);
      const { metrics } = await simulate({ kind: 'known-prompt', ...point }, { trials: 100, seed: 4, testDraws: 500 });
      const { mean, standardError } = meanAndError(metrics.error);
      // The law is a limit: what is left of order 1/d is added to its error.
      const z = (mean - law.error) / Math.hypot(standardError, law.standardError, law.error / 200);
      t.true(Math.abs(z) < 4, `${JSON.stringify(point)}: ${law.error}, ${mean} ± ${standardError}`);
    }
  });

test('where the tail of the share of wrong labels matters, a law at given n says so', async (t) => {
  const mixture = {
    tokens: 11,
    dimension: 300,
    relevantTokens: 8,
    contextNorm: 2.14,
    signalNorm: 1.11,
    labelNoise: 0.3,
    noiseLevel: 0.7,
  };
  const head = { kind: 'logistic', ridge: 0.012 } as const;
  const point = { mixture, inverseTemperature: 1.08, head, draws: 8000 };
  const limit = await risk.knownPrompt({ ...point, sampleRatio: 176 / 300 });
  const law = await risk.knownPrompt({ ...point, examples: 176 });
  t.true(limit.reliable && !law.reliable);
  const { draws: _, ...experiment } = { kind: 'known-prompt', examples: 176, ...point } as const;
  const { metrics } = await simulate(experiment, { trials: 600, seed: 6, testDraws: 100 });
  const { mean, standardError } = meanAndError(metrics.error);
  t.true(mean - limit.error > 4 * standardError, `${limit.error}, ${law.error}, ${mean} ± ${standardError}`);
});

test('laws at one and two examples', async (t) => {
  for (const examples of [1, 2])
    for (const kind of ['averaging', 'weighted-averaging'] as const) {
      const law = await risk.knownPrompt({ mixture: core, inverseTemperature: 0.5, head: { kind }, examples });
      const noLabels = { ...core, labelNoise: 0 };
      const clean = await risk.knownPrompt({ mixture: noLabels, inverseTemperature: 0.5, head: { kind }, examples });
      t.true(law.error > clean.error && law.error <= 0.5 + 4 * law.standardError, `${kind}, ${examples}: ${law.error}`);
      t.true(law.trainingError >= 0 && law.trainingError <= 1);
    }
});

test('laws of three steps and of descent', async (t) => {
  for (const [mixture, examples] of [
    [core, 80],
    [rich, 120],
  ] as const) {
    const steps = { mixture, examples, stepSizes: [1, 4, 1] as const, head: 'restarted' as const };
    const law = await risk.threeStep(steps);
    const { metrics } = await simulate({ kind: 'three-step', ...steps }, { trials: 1000, seed: 6, testDraws: 100 });
    for (const name of ['error', 'contextOverlap', 'promptNorm', 'relevantAttention'] as const) {
      const { mean, standardError } = meanAndError(metrics[name] as Float64Array);
      const ofLaw = name === 'error' ? law.standardError : (law[`${name}StandardError`] as number);
      const z = (mean - law[name]) / Math.hypot(standardError, ofLaw);
      t.true(Math.abs(z) < 4, `three steps, n = ${examples}, ${name}: ${law[name]} for ${mean} ± ${standardError}`);
    }
    for (const model of ['prompt-attention', 'linear-attention', 'mean-pooling'] as const) {
      const descent = {
        mixture,
        examples,
        model,
        steps: 4,
        stepSizes: { head: 0.6, prompt: 0.6 },
        data: 'fresh' as const,
        initial: { scale: 0.05 },
      };
      const path = await risk.gradientDescent(descent);
      const trials = await simulate({ kind: 'gradient-descent', ...descent }, { trials: 400, seed: 7, testDraws: 64 });
      const { mean, standardError } = meanAndError(trials.metrics.error);
      const z = (mean - (path.error.at(-1) as number)) / Math.hypot(standardError, path.standardError.at(-1) as number);
      t.true(Math.abs(z) < 4, `${model}, n = ${examples}: ${path.error.at(-1)} for ${mean} ± ${standardError}`);
    }
  }
});

test('a limit of three steps is that of many examples', async (t) => {
  const steps = { mixture: core, stepSizes: [1, 4, 1] as const, head: 'restarted' as const };
  const large = { ...core, dimension: 24 * 400 };
  const limit = await risk.threeStep({ ...steps, mixture: large, examples: 100 * 400, fluctuations: false });
  const law = await risk.threeStep({ ...steps, mixture: large, examples: 100 * 400 });
  const z = (law.error - limit.error) / Math.hypot(law.standardError, limit.standardError, limit.error / 1000);
  t.true(Math.abs(z) < 4, `${law.error} ± ${law.standardError}, ${limit.error} ± ${limit.standardError}`);
});

test('population gradients are means over examples with wrong labels and noise on relevant tokens', async (t) => {
  const mixture = contextualMixture({ ...rich, dimension: 4, relevantNoiseLevel: 1.3 });
  const w = Float64Array.of(0.3, -0.5, 0.2, 0.4);
  const exact = risk.populationGradient({ mixture, head: w });
  const n = 60_000;
  const { tokens, labels } = await sampleExamples(mixture, { examples: n, seed: 9 });
  const T = mixture.tokens;
  const parts = { head: [[], [], [], []], prompt: [[], [], [], []] } as { head: number[][]; prompt: number[][] };
  for (let i = 0; i < n; ++i) {
    const X = rowsOf(tokens.subarray(i * T * 4, (i + 1) * T * 4), 4);
    const values = X.map((x) => dot(x, w));
    const f = values.reduce((sum, a) => sum + a / T, 0);
    for (let j = 0; j < 4; ++j) {
      const pooled = X.reduce((sum, x) => sum + (x[j] as number) / T, 0);
      parts.head[j]?.push((labels[i] as number) * pooled);
      const moved = X.reduce((sum, x, k) => sum + (((values[k] as number) - f) * (x[j] as number)) / T, 0);
      parts.prompt[j]?.push(((labels[i] as number) - f) * moved);
    }
  }
  for (const name of ['head', 'prompt'] as const)
    for (let j = 0; j < 4; ++j) {
      const { mean, standardError } = meanAndError(parts[name][j] as number[]);
      t.true(Math.abs(mean - (exact[name][j] as number)) < 4 * standardError, `${name}[${j}]`);
    }
});

test('the long-context law is that of a long context', async (t) => {
  const mixture = {
    tokens: 4000,
    dimension: 100,
    relevantTokens: 1000,
    contextNorm: 1,
    signalNorm: 0.04,
    labelNoise: 0.15,
  };
  for (const [head, sampleRatio] of [
    [{ kind: 'averaging' }, 2],
    [{ kind: 'least-squares' }, 3],
    [{ kind: 'least-squares' }, 0.6],
    [{ kind: 'least-squares', ridge: 0.0002 }, 2],
  ] as const) {
    const point = { mixture, inverseTemperature: 0.3, sampleRatio, head };
    const law = await risk.knownPrompt({ ...point, draws: 2000 });
    const long = risk.longContext(point);
    t.true(Math.abs(long.error / law.error - 1) < 0.02, `${JSON.stringify(head)}: ${long.error}, ${law.error}`);
  }
});

test('wrong labels cost examples, and the limit of all heads does not know them', async (t) => {
  const at = (labelNoise: number) =>
    risk.knownPrompt({
      mixture: { ...core, labelNoise },
      inverseTemperature: 0.5,
      sampleRatio: 2,
      head: { kind: 'least-squares', ridge: 0.1 },
    });
  const errors = [(await at(0)).error, (await at(0.2)).error, (await at(0.4)).error, (await at(0.499_999)).error];
  t.deepEqual(errors, [...errors].sort());
  t.true(Math.abs((errors[3] as number) - 0.5) < 0.001);
  await t.throwsAsync(risk.bestHead({ mixture: core, inverseTemperature: 0.5, sampleRatio: 2 }), {
    message: /mixture\.labelNoise must be 0/,
  });
  await t.throwsAsync(risk.bestPrompt({ mixture: core, sampleRatio: 2 }), { message: /mixture\.labelNoise must be 0/ });
});
