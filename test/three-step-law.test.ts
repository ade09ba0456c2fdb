import test from 'ava';
import { OptionRangeError, risk, simulate, type ThreeStepExperiment } from '../lib/index.js';
import { meanAndError } from './support/statistics.js';

const experiment = (n: number, change: Partial<ThreeStepExperiment> = {}): ThreeStepExperiment => ({
  kind: 'three-step',
  mixture: {
    tokens: 20,
    dimension: n / 5,
    relevantTokens: 4,
    contextNorm: 2,
    signalNorm: 1,
    correlation: 0.3,
    positiveRate: 0.4,
    confusion: [
      { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
      { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
    ],
  },
  examples: n,
  stepSizes: [1, 5, 1],
  ...change,
});
const variants = (['fresh', 'restarted', 'continued'] as const).flatMap((head) =>
  (['none', 'intercept'] as const).map((debias) => ({ head, debias })),
);
const metrics = ['contextOverlap', 'signalOverlap', 'promptNorm', 'relevantAttention'] as const;

for (const variant of variants)
  test(`the law with fluctuations is the mean of simulations at n = 2000, d = 400: ${variant.head}, ${variant.debias}`, async (t) => {
    const run = experiment(2000, variant);
    const { metrics: simulated } = await simulate(run, { trials: 1000, seed: 1, testDraws: 200 });
    const law = await risk.threeStep({ ...run, draws: 40_000 });
    const error = meanAndError(simulated.error);
    const z = (error.mean - law.error) / Math.hypot(error.standardError, law.standardError);
    t.true(Math.abs(z) < 4, `error: z = ${z}`);
    for (const metric of metrics) {
      const seen = meanAndError(simulated[metric] as Float64Array);
      const score = (seen.mean - law[metric]) / seen.standardError;
      t.true(Math.abs(score) < 4, `${metric}: z = ${score}`);
    }
  });

test('the gap to simulation falls at least like 1/n, and is larger without fluctuations', async (t) => {
  let previous = Number.POSITIVE_INFINITY;
  for (const [n, trials] of [
    [100, 20_000],
    [200, 12_000],
    [400, 8000],
  ] as const) {
    const run = experiment(n);
    const error = meanAndError((await simulate(run, { trials, seed: 2, testDraws: 100 })).metrics.error);
    const law = await risk.threeStep(run);
    const limit = await risk.threeStep({ ...run, fluctuations: false });
    const noise = 4 * Math.hypot(error.standardError, law.standardError);
    const gap = Math.abs(error.mean - law.error);
    t.true(n * gap < previous + n * noise, `n = ${n}: n·gap = ${n * gap}, before ${previous}`);
    t.true(
      Math.abs(error.mean - limit.error) > 1.5 * gap + noise,
      `n = ${n}: ${error.mean}, ${law.error}, ${limit.error}`,
    );
    previous = n * gap;
  }
});

test('without fluctuations the law depends on n/d only, and fluctuations vanish as n grows', async (t) => {
  const limit = (n: number) => risk.threeStep({ ...experiment(n), fluctuations: false });
  const small = await limit(200);
  const large = await limit(1e8);
  for (const metric of ['error', ...metrics] as const)
    t.true(Math.abs(large[metric] - small[metric]) < 1e-12 * Math.abs(small[metric]), metric);
  const nearLimit = await risk.threeStep(experiment(1e8));
  for (const metric of ['error', ...metrics] as const)
    t.true(Math.abs(nearLimit[metric] - small[metric]) < 1e-5 * Math.abs(small[metric]), metric);
});

test('its standard error is the spread over seeds', async (t) => {
  const runs = await Promise.all(
    Array.from({ length: 24 }, (_, seed) => risk.threeStep({ ...experiment(1000), draws: 2000, seed })),
  );
  const spread = meanAndError(runs.map(({ error }) => error)).standardError * Math.sqrt(runs.length);
  const claimed = Math.sqrt(meanAndError(runs.map(({ standardError }) => standardError ** 2)).mean);
  t.true(spread / claimed > 0.6 && spread / claimed < 1.6, `${spread}, ${claimed}`);
});

test('noiseless data, no relevant or no irrelevant tokens, no steps: finite values', async (t) => {
  const { mixture } = experiment(100);
  for (const change of [
    { noiseLevel: 0 },
    { relevantTokens: 0 },
    { relevantTokens: 20 },
    { tokens: 5 },
    { positiveRate: 1 },
    { contextNorm: 0, signalNorm: 0 },
  ])
    for (const stepSizes of [[1, 1, 1] as const, [0, 0, 0] as const])
      for (const variant of variants)
        for (const fluctuations of [true, false]) {
          const run = {
            ...experiment(100, { mixture: { ...mixture, ...change }, stepSizes, ...variant }),
            fluctuations,
          };
          for (const [name, value] of Object.entries(await risk.threeStep({ ...run, draws: 64 })))
            t.true(
              Number.isFinite(value),
              `${name} of ${JSON.stringify({ change, stepSizes, variant, fluctuations })}`,
            );
        }
});

test('refuses what the law does not cover', async (t) => {
  const run = experiment(100);
  const cases: [object, RegExp][] = [
    [{ mixture: { ...run.mixture, noise: 'uniform' } }, /^mixture\.noise must be 'gaussian' for a risk/],
    [{ mixture: { ...run.mixture, dimension: 4 } }, /^fluctuations must be false for dimension 4/],
    [{ draws: 31 }, /^draws must be an integer ≥ 32/],
    [{ fluctuations: 1 }, /^fluctuations must be true or false/],
    [{ kind: 'known-prompt' }, /^kind must be/],
    [{ stepSizes: [1] }, /^stepSizes must be three/],
  ];
  for (const [change, message] of cases) {
    const error = await t.throwsAsync(risk.threeStep({ ...run, ...change } as Parameters<typeof risk.threeStep>[0]));
    t.true(error instanceof TypeError || error instanceof RangeError);
    t.regex(error.message, message);
  }
  await t.notThrowsAsync(
    risk.threeStep({ ...run, mixture: { ...run.mixture, dimension: 4 }, fluctuations: false, draws: 64 }),
  );
  const reason = new Error('enough');
  const controller = new AbortController();
  const slow = risk.threeStep({ ...run, draws: 2_000_000, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  t.is(await t.throwsAsync(slow), reason);
  const { mixture } = run;
  t.throws(() => risk.populationGradient({ mixture, head: new Float64Array(3) }), {
    instanceOf: OptionRangeError,
    message: /^head must be of length dimension = 20/,
  });
  t.throws(() => risk.populationGradient({ mixture, head: new Float64Array(20).fill(Number.NaN) }), {
    message: /^head must be without NaN/,
  });
});
