// Trials of heads with a free intercept.
import test from 'ava';
import {
  fitHead,
  type KnownPromptExperiment,
  OptionRangeError,
  simulate,
  TrialStatus,
  testError,
  trialFeatures,
} from '../../lib/index.js';
import { meanAndError, twoSampleKolmogorovSmirnov } from '../support/statistics.js';

const kinds = ['least-squares', 'logistic', 'hinge'] as const;

const experimentOf = (kind: (typeof kinds)[number], change: Partial<KnownPromptExperiment> = {}) =>
  ({
    kind: 'known-prompt',
    mixture: {
      tokens: 5,
      relevantTokens: 2,
      dimension: 8,
      contextNorm: 1.2,
      signalNorm: 0.8,
      correlation: 0.3,
      positiveRate: 0.35,
    },
    examples: 24,
    inverseTemperature: 0.6,
    head: { kind, ridge: 0.05, intercept: true },
    ...change,
  }) as const;

for (const kind of kinds)
  test(`${kind}: projected and dense trials have one law`, async (t) => {
    const experiment = experimentOf(kind);
    const options = { trials: 8000, testDraws: 200 };
    const projected = await simulate(experiment, { ...options, seed: 1, method: 'projected' });
    const dense = await simulate(experiment, { ...options, seed: 2, method: 'dense' });
    for (const metric of ['error', 'headNorm', 'intercept', 'relevantAttention'] as const) {
      const [a, b] = [projected, dense].map(({ metrics }) => metrics[metric]?.filter((x) => !Number.isNaN(x)));
      const p = twoSampleKolmogorovSmirnov(a as Float64Array, b as Float64Array);
      t.true(p > 0.001, `${metric}: p = ${p}`);
    }
  });

for (const kind of kinds)
  test(`${kind}: a trial is the head of its features, and its error that of head and intercept`, async (t) => {
    for (const [examples, dimension] of [
      [40, 12],
      [12, 40],
    ] as const) {
      const base = experimentOf(kind);
      const experiment = { ...base, examples, mixture: { ...base.mixture, dimension } };
      const { metrics, status, solver } = await simulate(experiment, { trials: 1, seed: 3, testDraws: 20_000 });
      t.is(status[0], TrialStatus.ok);
      t.is(solver, 'direct');
      const { features, labels } = await trialFeatures(experiment, { seed: 3 });
      const { head, intercept } = await fitHead(features, labels, experiment.head);
      t.true(Math.abs((metrics.intercept?.[0] as number) - (intercept as number)) < 1e-9);
      t.true(Math.abs((metrics.headNorm?.[0] as number) - Math.hypot(...head)) < 1e-9);
      const prompt = new Float64Array(dimension);
      prompt[0] = 0.6 * 1.2;
      const test = await testError({ mixture: experiment.mixture, prompt, head, intercept, draws: 20_000 });
      const z = (test.error - (metrics.error[0] as number)) / (test.standardError * Math.SQRT2);
      t.true(Math.abs(z) < 4, `${test.error} ${metrics.error[0]}: z = ${z}`);
    }
  });

test('other noise is dense, and errors are counted with the intercept', async (t) => {
  const base = experimentOf('logistic', { examples: 200 });
  const options = { trials: 40, seed: 4, testDraws: 4000 };
  const gaussian = await simulate(base, options);
  const other = await simulate({ ...base, mixture: { ...base.mixture, noise: 'rademacher' } }, options);
  t.is(other.method, 'dense');
  const [a, b] = [meanAndError(gaussian.metrics.error), meanAndError(other.metrics.error)];
  // Close, not the same law: eight coordinates of noise are not many.
  t.true(Math.abs(a.mean - b.mean) < 0.02, `${a.mean} ${b.mean}`);
});

test('labels out of balance: the intercept is worth what it is worth', async (t) => {
  const base = experimentOf('least-squares', { examples: 400, inverseTemperature: 0 });
  const mixture = { ...base.mixture, positiveRate: 0.15 };
  const options = { trials: 60, seed: 5 };
  const free = await simulate({ ...base, mixture }, options);
  const plain = await simulate({ ...base, mixture, head: { kind: 'least-squares', ridge: 0.05 } }, options);
  t.true(meanAndError(free.metrics.error).mean < 0.9 * meanAndError(plain.metrics.error).mean);
  t.false('intercept' in plain.metrics);
});

test('the iterative solver is refused with the reason', async (t) => {
  for (const kind of kinds)
    await t.throwsAsync(simulate({ ...experimentOf(kind), solver: 'iterative' }, { trials: 1, seed: 1 }), {
      instanceOf: OptionRangeError,
      message: /intercept/,
    });
});
