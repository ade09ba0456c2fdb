import test, { type ExecutionContext } from 'ava';
import { native } from '../../lib/base/native.js';
import { type ThreeStepExperiment, threeStepSchema } from '../../lib/experiments/three-step.js';
import {
  type LabelledTokens,
  OptionRangeError,
  risk,
  type Simulation,
  sampleExamples,
  simulate,
  TrialStatus,
  testError,
  threeStep,
} from '../../lib/index.js';
import { toNativeMixture } from '../../lib/mixture/mixture.js';
import { cellKey, parseExperiment } from '../../lib/simulation/kinds.js';
import {
  covarianceProduct,
  dot,
  type LabelledExample,
  pooledFeature,
  rowsOf,
  threeStepDescent,
} from '../support/reference.js';
import { meanAndError, twoSampleKolmogorovSmirnov } from '../support/statistics.js';

const heads = ['fresh', 'restarted', 'continued'] as const;
const debiases = ['none', 'intercept'] as const;
const variants = heads.flatMap((head) => debiases.map((debias) => ({ head, debias })));
const core = { tokens: 5, dimension: 12, relevantTokens: 2, contextNorm: 2, signalNorm: 1 } as const;
const rich = {
  tokens: 5,
  dimension: 12,
  relevantTokens: 1,
  contextNorm: 1.8,
  signalNorm: 1.2,
  correlation: 0.4,
  noiseLevel: 0.8,
  positiveRate: 0.35,
  confusion: [
    { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
    { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
  ],
} as const;
const base: ThreeStepExperiment = { kind: 'three-step', mixture: rich, examples: 40, stepSizes: [1, 5, 1] };

const metricOf = ({ metrics }: Simulation, name: string) => metrics[name] as Float64Array;
const near = (t: ExecutionContext, value: number, expected: number, tolerance: number, what: string) =>
  t.true(Math.abs(value - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${what}: ${value}, ${expected}`);

/** The three training samples of one dense trial: the tokens that the trial itself draws. */
async function samplesOf(experiment: ThreeStepExperiment, seed: number, trial: number) {
  const resolved = threeStepSchema.parse(experiment);
  const draw = async (sample: number) => {
    const { tokens, labels } = await native.sampleExamples({
      mixture: toNativeMixture(resolved.mixture),
      seed: BigInt(seed),
      cellKey: cellKey(resolved),
      sample,
      trial,
      firstExample: 0,
      examples: resolved.examples[sample] as number,
    }).promise;
    return { tokens, labels, dimension: resolved.mixture.dimension };
  };
  return { resolved, samples: [await draw(0), await draw(1), await draw(2)] as const };
}

const examplesOf = ({ tokens, labels, dimension }: LabelledTokens, T: number): LabelledExample[] =>
  rowsOf(tokens, T * dimension).map((X, i) => ({ X: rowsOf(X, dimension), y: labels[i] as number }));

for (const noise of ['gaussian', 'rademacher', 'uniform'] as const)
  for (const dimension of [2, 12])
    test(`dense trial and model-level function equal the reference on the same tokens: ${noise} noise, d = ${dimension}`, async (t) => {
      for (const { head, debias } of variants) {
        const experiment: ThreeStepExperiment = {
          ...base,
          mixture: { ...rich, dimension, noise, relevance: 'random' },
          examples: [20, 30, 25],
          head,
          debias,
        };
        const result = await simulate(experiment, { trials: 2, seed: 5, method: 'dense', testDraws: 100 });
        for (let trial = 0; trial < 2; ++trial) {
          const { resolved, samples } = await samplesOf(experiment, 5, trial);
          const { w1, q1, w2, meanScore } = threeStepDescent(
            [examplesOf(samples[0], 5), examplesOf(samples[1], 5), examplesOf(samples[2], 5)],
            experiment.stepSizes,
            head,
          );
          const intercept = debias === 'intercept' ? meanScore : 0;
          const qStar = q1.map((_, j) => (j === 0 ? 1.8 : 0));
          const wStar = q1.map((_, j) => (j === 0 ? 1.2 * 0.4 : j === 1 ? 1.2 * Math.sqrt(1 - 0.16) : 0));
          const cosine = (a: Float64Array, b: Float64Array) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
          const expected = {
            contextOverlap: dot(q1, qStar),
            signalOverlap: dot(q1, wStar),
            promptNorm: Math.sqrt(dot(q1, q1)),
            w1ContextCosine: cosine(w1, qStar),
            w1SignalCosine: cosine(w1, wStar),
            q1ContextCosine: cosine(q1, qStar),
            q1SignalCosine: cosine(q1, wStar),
            w2ContextCosine: cosine(w2, qStar),
            w2SignalCosine: cosine(w2, wStar),
          };
          for (const [name, value] of Object.entries(expected))
            near(t, metricOf(result, name)[trial] as number, value, 1e-12, `${head} ${debias} ${name}`);

          const iterates = await threeStep(samples, { stepSizes: experiment.stepSizes, head, debias });
          for (const [name, vector] of Object.entries({ w1, q1, w2 }))
            vector.forEach((value, j) => {
              near(t, iterates[name as 'w1'][j] as number, value, 1e-12, `${name}[${j}]`);
            });
          near(t, iterates.intercept, intercept, 1e-12, 'intercept');

          if (trial > 0) continue;
          // Trial 0 tests on the same draws as the test error of given parameters.
          const { error } = await native.testError({
            mixture: toNativeMixture(resolved.mixture),
            seed: 5n,
            cellKey: cellKey(resolved),
            prompt: q1,
            head: w2,
            intercept,
            draws: 100,
          }).promise;
          near(t, metricOf(result, 'error')[0] as number, error, 1e-10, `${head} ${debias} error`);
        }
      }
    });

test('a counted test error is the share of the test sample misclassified, intercept included', async (t) => {
  const experiment: ThreeStepExperiment = { ...base, mixture: { ...rich, noise: 'uniform' }, debias: 'intercept' };
  const { metrics } = await simulate(experiment, { trials: 1, seed: 3, testDraws: 500 });
  const { resolved, samples } = await samplesOf(experiment, 3, 0);
  const { q1, w2, intercept } = await threeStep(samples, { stepSizes: base.stepSizes, debias: 'intercept' });
  const { tokens, labels } = await native.sampleExamples({
    mixture: toNativeMixture(resolved.mixture),
    seed: 3n,
    cellKey: cellKey(resolved),
    sample: 8,
    trial: 0,
    firstExample: 0,
    examples: 500,
  }).promise;
  const wrong = rowsOf(tokens, 60).filter(
    (X, i) => (labels[i] as number) * (dot(w2, pooledFeature(rowsOf(X, 12), q1)) - intercept) < 0,
  ).length;
  t.true(wrong > 0);
  t.is(Math.round(500 * (metrics.error[0] as number)), wrong);
});

test('test error with an intercept agrees with counting errors on dense examples', async (t) => {
  const prompt = Float64Array.of(0.8, 0.3, -0.4, 0.1, 0, 0.2);
  const head = Float64Array.of(0.2, 1, 0.3, -0.2, 0.4, 0);
  const mixture = { ...rich, dimension: 6 };
  const { tokens, labels } = await sampleExamples(mixture, { examples: 40_000, seed: 8 });
  for (const q of [prompt, new Float64Array(6)])
    for (const intercept of [-0.5, 0.7]) {
      const wrong = rowsOf(tokens, 30).map((X, i) =>
        (labels[i] as number) * (dot(head, pooledFeature(rowsOf(X, 6), q)) - intercept) < 0 ? 1 : 0,
      );
      const counted = meanAndError(wrong);
      const law = await testError({ mixture, prompt: q, head, intercept, draws: 40_000, seed: 9 });
      const z = (counted.mean - law.error) / Math.hypot(counted.standardError, law.standardError);
      t.true(Math.abs(z) < 4, `b = ${intercept}: z = ${z}`);
    }
});

/** p-values of the two-sample test on projected and dense trials of independent seeds. */
async function sameLaw(
  t: ExecutionContext,
  experiment: ThreeStepExperiment,
  metrics: readonly string[],
  trials = 5000,
) {
  const [projected, dense] = await Promise.all([
    simulate(experiment, { trials, seed: 11, method: 'projected', testDraws: 30 }),
    simulate(experiment, { trials, seed: 12, method: 'dense', testDraws: 30 }),
  ]);
  for (const metric of metrics) {
    const p = twoSampleKolmogorovSmirnov(metricOf(projected, metric), metricOf(dense, metric));
    t.true(p > 0.001, `${experiment.head} ${experiment.debias} ${metric}: p = ${p}`);
  }
}

const overlaps = ['contextOverlap', 'signalOverlap', 'promptNorm'];
for (const [name, mixture] of Object.entries({ core, 'two-atom': rich }))
  for (const [n, dimension] of [
    [40, 12],
    [100, 50],
    [60, 200],
  ] as const)
    test(`projected and dense trials have the same law: ${name} confusion, n = ${n}, d = ${dimension}`, async (t) => {
      // The prompt does not depend on head and debias, which share their random numbers: one look at it is enough.
      for (const [i, variant] of variants.entries())
        await sameLaw(
          t,
          { ...base, mixture: { ...mixture, dimension }, examples: n, ...variant },
          i === 0 ? ['error', ...overlaps] : ['error', 'w2SignalCosine'],
        );
    });

test('projected and dense trials have the same law at the edges: d = 5, one irrelevant token, few examples', async (t) => {
  const edges: Partial<ThreeStepExperiment>[] = [
    { examples: [3, 4, 5], mixture: { ...rich, dimension: 5 }, head: 'restarted', debias: 'intercept' },
    { examples: 8, mixture: { ...rich, dimension: 6, tokens: 2 }, head: 'continued', debias: 'intercept' },
    { examples: [10, 1, 10], mixture: { ...rich, dimension: 5, relevantTokens: 0 }, debias: 'intercept' },
    // No prompt: mean pooling, whose noise no score looks at.
    { examples: 6, mixture: { ...rich, dimension: 5 }, stepSizes: [1, 0, 1], head: 'restarted', debias: 'intercept' },
  ];
  for (const edge of edges)
    await sameLaw(t, { ...base, ...edge }, ['error', 'w2ContextCosine', 'w2SignalCosine', 'relevantAttention'], 40_000);
});

test('population gradients are the means of simulated gradients', async (t) => {
  for (let set = 0; set < 10; ++set) {
    // Ten parameter sets spread over their ranges by a low-discrepancy sequence.
    const u = (index: number) => (0.5 + (set + 1) * (1 + index) * 0.618034) % 1;
    const d = 3 + (set % 3);
    const mixture = {
      tokens: 3 + (set % 4),
      relevantTokens: 1 + (set % 2),
      dimension: d,
      contextNorm: 0.5 + 2 * u(0),
      signalNorm: 0.5 + u(1),
      correlation: 2 * u(2) - 1,
      noiseLevel: 0.3 + u(3),
      positiveRate: 0.2 + 0.6 * u(4),
      noise: (['gaussian', 'uniform', 'rademacher'] as const)[set % 3] as 'gaussian',
      confusion: [
        { deltaQ: u(5) - 0.5, deltaW: u(6) - 0.5, probability: 0.3 },
        { deltaQ: u(7) - 0.5, deltaW: 1 - u(8), probability: 0.7 },
      ],
    };
    const head = Float64Array.from({ length: d }, (_, j) => 2 * u(9 + j) - 1);
    const expected = risk.populationGradient({ mixture, head });
    const { tokens, labels } = await sampleExamples(mixture, { examples: 20_000, seed: set });
    const gradients = rowsOf(tokens, mixture.tokens * d).map((flat, i) => {
      const X = rowsOf(flat, d);
      const y = labels[i] as number;
      const mean = pooledFeature(X, new Float64Array(d));
      const e = y - dot(mean, head);
      return { head: mean.map((value) => y * value), prompt: covarianceProduct(X, head).map((value) => e * value) };
    });
    for (const name of ['head', 'prompt'] as const)
      for (let j = 0; j < d; ++j) {
        const seen = meanAndError(gradients.map((gradient) => gradient[name][j] as number));
        const z = (seen.mean - (expected[name][j] as number)) / seen.standardError;
        t.true(Math.abs(z) < 4, `set ${set}, ${name}[${j}]: z = ${z}`);
      }
  }
});

test('errors down to 1e-12 are resolved: standard error below 5 % of the error in 2,000 draws', async (t) => {
  const errors: number[] = [];
  for (const signalNorm of [1.2, 2, 2.4, 2.8]) {
    const experiment: ThreeStepExperiment = {
      kind: 'three-step',
      mixture: { tokens: 64, dimension: 20, relevantTokens: 16, contextNorm: 2, signalNorm },
      examples: 2000,
      stepSizes: [0.1, 1, 1],
    };
    const { samples } = await samplesOf(experiment, 1, 0);
    const { q1, w2 } = await threeStep(samples, { stepSizes: experiment.stepSizes });
    const law = await testError({ mixture: experiment.mixture, prompt: q1, head: w2, draws: 2000 });
    t.true(law.standardError < 0.05 * law.error, `${law.error} ± ${law.standardError}`);
    const { metrics } = await simulate(experiment, { trials: 1, seed: 1, method: 'dense', testDraws: 2000 });
    t.true(Math.abs((metrics.error[0] as number) / law.error - 1) < 0.2);
    errors.push(law.error);
  }
  t.true((errors[0] as number) > 1e-3 && (errors.at(-1) as number) < 1e-12, errors.join());
});

test('trials do not depend on threads, on how they are split, or on how the counts are written', async (t) => {
  for (const method of ['projected', 'dense'] as const) {
    const whole = await simulate(base, { trials: 30, seed: 1, method, threads: 1 });
    const many = await simulate({ ...base, examples: [40, 40, 40] }, { trials: 30, seed: 1, method, threads: 7 });
    t.deepEqual(many.metrics, whole.metrics);
    const tail = await simulate(base, { trials: 10, firstTrial: 20, seed: 1, method });
    for (const [name, values] of Object.entries(tail.metrics))
      t.deepEqual(values, metricOf(whole, name).slice(20), name);
  }
});

test('heads, debias and methods are compared on common numbers; step sizes and counts are not', async (t) => {
  const run = async (change: Partial<ThreeStepExperiment>) => simulate({ ...base, ...change }, { trials: 5, seed: 1 });
  const first = await run({});
  for (const variant of variants) t.deepEqual((await run(variant)).metrics.promptNorm, first.metrics.promptNorm);
  for (const change of [{ stepSizes: [1, 5, 2] as const }, { examples: [40, 40, 41] as const }])
    t.notDeepEqual((await run(change)).metrics.promptNorm, first.metrics.promptNorm);
  const key = (change: object) => [...cellKey(parseExperiment({ ...base, ...change }))].join();
  t.is(key({ head: 'continued', debias: 'intercept' }), key({}));
});

test('the default method is projected for Gaussian noise from dimension 5', async (t) => {
  const methodOf = async (mixture: object) =>
    (await simulate({ ...base, mixture: { ...rich, ...mixture } }, { trials: 1, seed: 1 })).method;
  t.is(await methodOf({ dimension: 5 }), 'projected');
  t.is(await methodOf({ dimension: 4 }), 'dense');
  t.is(await methodOf({ noise: 'uniform' }), 'dense');
  await t.throwsAsync(
    simulate({ ...base, mixture: { ...rich, dimension: 4 } }, { trials: 1, seed: 1, method: 'projected' }),
    { instanceOf: OptionRangeError, message: /^method must be 'dense' for a three-step experiment of dimension 4/ },
  );
});

test('edges of the model run: T = 1, k = 0, k = T, n = 1, no noise, no signal, no steps', async (t) => {
  const mixtures = [
    { tokens: 1, relevantTokens: 0 },
    { tokens: 1, relevantTokens: 1 },
    { relevantTokens: 0 },
    { relevantTokens: 5 },
    { noiseLevel: 0 },
    { noiseLevel: 0, correlation: 1 },
    { contextNorm: 0, signalNorm: 0 },
    { positiveRate: 1 },
    { dimension: 5 },
    { dimension: 1, correlation: 1 },
  ];
  for (const mixture of mixtures)
    for (const variant of variants)
      for (const stepSizes of [[1, 1, 1] as const, [0, 0, 0] as const])
        for (const examples of [1, [2, 5, 3]] as const)
          for (const method of ['projected', 'dense'] as const) {
            if (method === 'projected' && mixture.dimension === 1) continue;
            const experiment = { ...base, mixture: { ...rich, ...mixture }, examples, stepSizes, ...variant };
            const { metrics, status } = await simulate(experiment as ThreeStepExperiment, {
              trials: 3,
              seed: 1,
              method,
              testDraws: 10,
            });
            t.true(status.every((code) => code === TrialStatus.ok));
            for (const [name, values] of Object.entries(metrics))
              t.true(values.every(Number.isFinite), JSON.stringify({ name, mixture, variant, stepSizes, method }));
            t.true(metrics.error.every((error) => error >= 0 && error <= 1));
          }
});

test('a trajectory that overflows is a status of its trial, with NaN metrics', async (t) => {
  for (const method of ['projected', 'dense'] as const) {
    const { status, metrics } = await simulate(
      { ...base, stepSizes: [1e200, 1e200, 1] },
      { trials: 3, seed: 1, method },
    );
    t.deepEqual([...status], new Array(3).fill(TrialStatus.diverged));
    t.true(Object.values(metrics).every((values) => values.every(Number.isNaN)));
  }
});

test('refuses bad three-step experiments, naming the path', async (t) => {
  const cases: [object, RegExp][] = [
    [{ examples: 0 }, /^experiment\.examples must be an integer ≥ 1 and ≤ 2147483647/],
    [{ examples: '5' }, /^experiment\.examples must be an integer ≥ 1 and ≤ 2147483647, or three of them/],
    [{ examples: [1, 2] }, /^experiment\.examples must be/],
    [{ examples: [1, 2, 0.5] }, /^experiment\.examples\[2\] must be an integer/],
    [{ stepSizes: [1, 2] }, /^experiment\.stepSizes must be three finite numbers ≥ 0/],
    [{ stepSizes: 1 }, /^experiment\.stepSizes must be three finite numbers ≥ 0/],
    [{ stepSizes: [1, -1, 1] }, /^experiment\.stepSizes\[1\] must be a finite number ≥ 0/],
    [{ head: 'stale' }, /^experiment\.head must be one of 'fresh', 'restarted', 'continued'/],
    [{ debias: true }, /^experiment\.debias must be one of 'none', 'intercept'/],
    [{ inverseTemperature: 1 }, /^experiment\.inverseTemperature must be left out/],
  ];
  for (const [change, message] of cases) {
    const error = await t.throwsAsync(simulate({ ...base, ...change } as ThreeStepExperiment, { trials: 1, seed: 1 }));
    t.true(error instanceof TypeError || error instanceof RangeError);
    t.regex(error.message, message);
  }
});
