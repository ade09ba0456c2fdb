import test from 'ava';
import { ConvergenceError, OptionRangeError, risk, simulate, type ThreeStepExperiment } from '../../lib/index.js';
import { compare, settingOf } from '../audit/three-step.js';
import { meanAndError } from '../support/statistics.js';

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
const metrics4 = ['contextOverlap', 'signalOverlap', 'promptNorm', 'relevantAttention'] as const;

/** Largest |z| of a law's fields against simulated trials. */
function scores(
  law: risk.ThreeStepRisk,
  metrics: Readonly<Record<string, Float64Array>>,
): Readonly<Record<string, number>> {
  const score = (metric: string, value: number, own: number) => {
    const seen = meanAndError(metrics[metric] as Float64Array);
    return (seen.mean - value) / Math.hypot(seen.standardError, own);
  };
  return Object.fromEntries([
    ['error', score('error', law.error, law.standardError)],
    ...metrics4.map((metric) => [metric, score(metric, law[metric], law[`${metric}StandardError`])]),
  ]);
}

for (const variant of variants)
  test(`the law is the mean of dense simulations at n = 100, d = 20, and of projected ones at n = 1000: ${variant.head}, ${variant.debias}`, async (t) => {
    for (const [n, trials, method] of [
      [100, 300, 'dense'],
      [1000, 100, 'projected'],
    ] as const) {
      const run = experiment(n, variant);
      const { metrics } = await simulate(run, { trials, seed: 1, testDraws: 500, method });
      const law = await risk.threeStep({ ...run, draws: 4000 });
      t.true(law.reliable);
      for (const [field, z] of Object.entries(scores(law, metrics)))
        t.true(Math.abs(z) < 4, `${field}: z = ${z}, n = ${n}`);
    }
  });

// Means and standard errors of simulated trials: npx tsx benchmarks/three-step-law.ts --step-like
const stepLike = (n: number): ThreeStepExperiment => ({
  kind: 'three-step',
  mixture: { tokens: 32, dimension: 100, relevantTokens: 8, contextNorm: 4, signalNorm: 1 },
  examples: n,
  stepSizes: [1, 5, 1],
  head: 'restarted',
});
const allRelevant: ThreeStepExperiment = {
  kind: 'three-step',
  mixture: { tokens: 8, dimension: 100, relevantTokens: 8, contextNorm: 2, signalNorm: 1 },
  examples: 500,
  stepSizes: [1, 5, 1],
  head: 'continued',
};
for (const [name, run, mean, standardError] of [
  ['n = 1000', stepLike(1000), 0.349, 0.0036],
  ['n = 4000', stepLike(4000), 0.2224, 0.0044],
  ['n = 16000', stepLike(16_000), 0.061, 0.0035],
  ['no irrelevant token', allRelevant, 0.0305, 0.00085],
] as const)
  test(`an error that is a step function of the fluctuations: ${name}`, async (t) => {
    const law = await risk.threeStep({ ...run, seed: 3 });
    t.true(law.reliable);
    t.true(law.standardError < 0.011);
    const z = (law.error - mean) / Math.hypot(law.standardError, standardError);
    t.true(Math.abs(z) < 4, `${law.error} ± ${law.standardError}, z = ${z}`);
  });

test('random settings: within four standard errors of simulation, or marked', async (t) => {
  for (let index = 1000; index < 1006; ++index) {
    const { z, reliable, row } = await compare(settingOf(index, 2000), index, 2e5, 200);
    t.true(!reliable || Object.values(z).every((value) => Math.abs(value) < 4.5), row);
  }
});

test('large third samples: the normal law of means agrees with drawn samples where both are possible', async (t) => {
  // n3 (m + 16) is 5.1e6 with the larger sample, 4.9e6 with the smaller, and the law hardly differs in between.
  const at = (n3: number) => risk.threeStep({ ...stepLike(16_000), examples: [4000, 4000, n3], draws: 4000, seed: n3 });
  const [drawn, normal] = [await at(122_000), await at(128_000)];
  t.true(drawn.reliable && normal.reliable);
  const z = (drawn.error - normal.error) / Math.hypot(drawn.standardError, normal.standardError);
  t.true(Math.abs(z) < 4, `${drawn.error}, ${normal.error}, z = ${z}`);
});

test('the limit depends on n/d only, and the law tends to it', async (t) => {
  const limit = (n: number) => risk.threeStep({ ...experiment(n), fluctuations: false });
  const small = await limit(200);
  const large = await limit(1e8);
  for (const metric of ['error', ...metrics4] as const)
    t.true(Math.abs(large[metric] - small[metric]) < 1e-9 * Math.abs(small[metric]), metric);
  const near = await risk.threeStep({ ...experiment(1e8), draws: 4000 });
  const z = (near.error - small.error) / Math.hypot(near.standardError, small.standardError);
  t.true(Math.abs(z) < 4, `${near.error}, ${small.error}`);
});

test('small errors of the limit are resolved: seeds agree', async (t) => {
  const run = { ...stepLike(1000), fluctuations: false };
  const laws = await Promise.all([1, 2, 3].map((seed) => risk.threeStep({ ...run, draws: 5000, seed })));
  const weights = laws.map(({ standardError }) => standardError ** -2);
  const total = weights.reduce((sum, weight) => sum + weight);
  const mean = laws.reduce((sum, { error }, i) => sum + error * (weights[i] as number), 0) / total;
  for (const { error, standardError, reliable } of laws) {
    t.true(reliable);
    t.true(error > 4.0e-8 && error < 4.4e-8, `${error}`);
    t.true(Math.abs(error - mean) < 4 * standardError);
  }
});

test('an error that only rare trajectories carry is marked, and so is one that none was seen to make', async (t) => {
  for (const n of [2500, 20_000]) {
    const law = await risk.threeStep({ ...allRelevant, examples: n, draws: 2000 });
    t.false(law.reliable, `${law.error} ± ${law.standardError}`);
  }
});

test('its standard errors are the spread over seeds', async (t) => {
  const runs = await Promise.all(
    Array.from({ length: 40 }, (_, seed) => risk.threeStep({ ...experiment(200), draws: 320, seed })),
  );
  for (const [field, error] of [
    ['error', 'standardError'],
    ...metrics4.map((metric) => [metric, `${metric}StandardError`] as const),
  ] as const) {
    const spread = meanAndError(runs.map((run) => run[field])).standardError * Math.sqrt(runs.length);
    const claimed = Math.sqrt(meanAndError(runs.map((run) => run[error] ** 2)).mean);
    t.true(spread / claimed > 0.65 && spread / claimed < 1.4, `${field}: ${spread}, ${claimed}`);
  }
});

test('random numbers are common to all n: the law is smooth in n', async (t) => {
  const at = (n: number) => risk.threeStep({ ...experiment(1000), examples: n, draws: 2000 });
  const [here, next] = [await at(1000), await at(1001)];
  t.true(here.error !== next.error);
  t.true(Math.abs(here.error - next.error) < 0.2 * here.standardError, `${here.error}, ${next.error}`);
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
    for (const stepSizes of [[1, 1, 1] as const, [0, 0, 0] as const].slice(0, change.noiseLevel === 0 ? 2 : 1))
      for (const variant of variants)
        for (const fluctuations of [true, false]) {
          const run = {
            ...experiment(100, { mixture: { ...mixture, ...change }, stepSizes, ...variant }),
            fluctuations,
          };
          for (const [name, value] of Object.entries(await risk.threeStep({ ...run, draws: 64 })))
            t.true(
              typeof value === 'boolean' || value >= (name.endsWith('rror') ? 0 : Number.NEGATIVE_INFINITY),
              `${name} of ${JSON.stringify({ change, stepSizes, variant, fluctuations })}`,
            );
        }
});

test('a trajectory that overflows is a documented error', async (t) => {
  for (const fluctuations of [true, false])
    await t.throwsAsync(risk.threeStep({ ...experiment(100), stepSizes: [1e200, 1e200, 1], fluctuations, draws: 64 }), {
      instanceOf: ConvergenceError,
      message: /the trajectory overflows/,
    });
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

test('attention is that of plain draws, however the errors are drawn and however few draws there are', async (t) => {
  const experiment = {
    kind: 'three-step',
    mixture: {
      tokens: 2,
      dimension: 645,
      relevantTokens: 1,
      contextNorm: 0.84,
      signalNorm: 2.434,
      correlation: 0.3,
      positiveRate: 0.4,
    },
    examples: 287,
    stepSizes: [0.228, 16.5, 0.682],
    debias: 'intercept',
  } as const;
  const attention = async (testDraws: number) =>
    meanAndError(
      (await simulate(experiment, { trials: 1500, seed: 3, testDraws })).metrics.relevantAttention as Float64Array,
    );
  const many = await attention(4000);
  const few = await attention(64);
  const law = await risk.threeStep({ ...experiment, draws: 100_000 });
  const z = (mean: number, error: number) => (mean - many.mean) / Math.hypot(error, many.standardError);
  t.true(Math.abs(z(few.mean, few.standardError)) < 3, `${few.mean} for ${many.mean} ± ${many.standardError}`);
  t.true(
    Math.abs(z(law.relevantAttention, law.relevantAttentionStandardError)) < 3,
    `${law.relevantAttention} ± ${law.relevantAttentionStandardError} for ${many.mean}`,
  );
});
