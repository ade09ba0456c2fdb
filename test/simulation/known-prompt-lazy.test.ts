import test from 'ava';
import type { KnownPromptExperiment } from '../../lib/experiments/known-prompt.js';
import { risk, SolverFallback, simulate, TrialStatus } from '../../lib/index.js';
import { knownPromptSettings } from '../support/parameter-sets.js';
import { meanAndError, twoSampleKolmogorovSmirnov } from '../support/statistics.js';

const mixture = {
  tokens: 8,
  dimension: 40,
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
};
const experiment: KnownPromptExperiment = {
  kind: 'known-prompt',
  mixture,
  examples: 48,
  inverseTemperature: 0.7,
  head: { kind: 'least-squares' },
};

for (const [examples, inverseTemperature, kind, ridge] of [
  [20, 0.7, 'least-squares', 0],
  [48, 0.7, 'least-squares', 0],
  [120, 0.7, 'least-squares', 0],
  [20, 0, 'least-squares', 0.1],
  [48, -0.5, 'least-squares', 0.05],
  [120, 1.5, 'least-squares', 0.01],
  [20, 0.7, 'logistic', 0.1],
  [48, 0.7, 'logistic', 0.01],
  [120, 0.7, 'logistic', 0.05],
] as const)
  test(`the iterative and the direct solver have the same law: n/d = ${examples / 40}, ${kind}, λ = ${ridge}`, async (t) => {
    const options: KnownPromptExperiment = { ...experiment, examples, inverseTemperature, head: { kind, ridge } };
    const run = (solver: 'iterative' | 'direct', seed: number) =>
      simulate({ ...options, solver }, { trials: 4000, seed, testDraws: 50 });
    const iterative = await run('iterative', 41);
    const direct = await run('direct', 42);
    t.is(iterative.solver, 'iterative');
    t.is(direct.solver, 'direct');
    t.true([...iterative.status, ...direct.status].every((code) => code === TrialStatus.ok));
    t.true(iterative.metrics.solverResidual?.every((residual) => residual <= 1e-10));
    t.true(iterative.metrics.solverIterations?.every((iterations) => iterations <= (kind === 'logistic' ? 120 : 48)));
    for (const name of Object.keys(direct.metrics)) {
      if (name === 'relevantAttention' && inverseTemperature === 0) continue;
      const p = twoSampleKolmogorovSmirnov(
        iterative.metrics[name] as Float64Array,
        direct.metrics[name] as Float64Array,
      );
      t.true(p > 0.001, `${name}: p = ${p}`);
    }
  });

test('a trial that conjugate gradients give up goes on with the noise that they have seen', async (t) => {
  // Those given up have a head much longer than others: with new noise they would be like all, and the mean too low.
  const options: KnownPromptExperiment = {
    kind: 'known-prompt',
    mixture: { tokens: 10, dimension: 105, relevantTokens: 3, contextNorm: 2.87, signalNorm: 0.85 },
    examples: 300,
    inverseTemperature: 0.01,
    head: { kind: 'logistic', ridge: 2e-7 },
  };
  const run = (solver: 'auto' | 'direct', seed: number) =>
    simulate({ ...options, solver }, { trials: 1200, seed, testDraws: 50 });
  const [auto, direct] = [await run('auto', 1), await run('direct', 2)];
  t.true([...auto.status, ...direct.status].every((code) => code === TrialStatus.ok));
  const norms = auto.metrics.headNorm as Float64Array;
  const isGivenUp = (_: unknown, i: number) => auto.solverFallback?.[i] === SolverFallback.notConverged;
  const [all, givenUp] = [meanAndError(norms), meanAndError(norms.filter(isGivenUp))];
  t.true(givenUp.mean > all.mean + 4 * givenUp.standardError, `${givenUp.mean}, ${all.mean}`);
  for (const name of ['headNorm', 'error']) {
    const [a, b] = [auto, direct].map(({ metrics }) => meanAndError(metrics[name] as Float64Array)) as [
      typeof all,
      typeof all,
    ];
    const z = (a.mean - b.mean) / Math.hypot(a.standardError, b.standardError);
    t.true(Math.abs(z) < 4, `${name}: z = ${z}`);
  }
});

test('the law holds at d = 2000, with a ridge at 10,000, without an allowance for finite sizes', async (t) => {
  // At d = 100,000 and for all heads: benchmarks/large-dimension-law.ts.
  for (const { mixture: setting, inverseTemperature, sampleRatio, ridge } of knownPromptSettings)
    for (const head of [
      { kind: 'least-squares' },
      { kind: 'least-squares', ridge },
      { kind: 'logistic', ridge },
    ] as const) {
      const dimension = 'ridge' in head ? 10_000 : 2000;
      const options = {
        kind: 'known-prompt',
        mixture: { ...setting, dimension },
        examples: Math.round(sampleRatio * dimension),
        inverseTemperature,
        head,
      } as const;
      const { metrics, solver } = await simulate(options, { trials: 16, seed: 51, testDraws: 4000 });
      t.is(solver, 'iterative');
      t.true(metrics.solverResidual?.every((residual) => residual <= 1e-10));
      const simulated = meanAndError(metrics.error);
      const law = await risk.knownPrompt({ ...options, draws: 100_000 });
      const z = (simulated.mean - law.error) / Math.hypot(simulated.standardError, law.standardError);
      t.true(Math.abs(z) < 4, `${JSON.stringify(options)}: z = ${z}`);
    }
});

test('the cheaper solver is chosen, either can be forced, and the dense method has the direct one', async (t) => {
  const sized = (examples: number, dimension: number, inverse = 0.5) => ({
    ...experiment,
    mixture: { ...mixture, dimension },
    examples,
    inverseTemperature: inverse,
  });
  const run = async (options: KnownPromptExperiment, method?: 'dense' | 'projected') =>
    (await simulate(options, { trials: 1, seed: 1, testDraws: 1, method })).solver;
  t.is(await run(sized(60, 40)), 'direct');
  t.is(await run(sized(2000, 1000)), 'iterative');
  // So close to n = d that conjugate gradients would take more iterations than they may.
  t.is(await run(sized(1000, 1000)), 'direct');
  for (const solver of ['direct', 'iterative'] as const) t.is(await run({ ...sized(60, 40), solver }), solver);
  t.is(await run({ ...sized(60, 40), head: { kind: 'averaging' }, solver: 'iterative' }), undefined);
  t.is(await run(sized(2000, 100), 'dense'), 'direct');
  await t.throwsAsync(run({ ...experiment, solver: 'iterative' }, 'dense'), {
    instanceOf: RangeError,
    message: /^experiment\.solver must be 'direct' or 'auto' with method 'dense'/,
  });
  for (const head of [{ kind: 'hinge', ridge: 0.1 }, { kind: 'logistic' }] as const) {
    t.is(await run({ ...sized(60, 40), head }), 'direct');
    await t.throwsAsync(run({ ...experiment, head, solver: 'iterative' }), {
      instanceOf: RangeError,
      message: new RegExp(`^experiment\\.solver must be 'direct' or 'auto' for the ${head.kind} head`),
    });
  }
  t.is(await run({ ...sized(2000, 1000), head: { kind: 'logistic', ridge: 0.01 } }), 'iterative');
  await t.throwsAsync(run({ ...experiment, solver: 'newton' as 'auto' }), {
    message: /^experiment\.solver must be one of/,
  });
});

test('the solver does not enter the random numbers of labels and scores', async (t) => {
  const run = (solver: 'direct' | 'iterative') => simulate({ ...experiment, solver }, { trials: 5, seed: 3 });
  t.deepEqual((await run('direct')).metrics.relevantAttention, (await run('iterative')).metrics.relevantAttention);
});

test('trials of the iterative solver do not depend on threads or on how they are split', async (t) => {
  const options = { ...experiment, solver: 'iterative' } as const;
  const whole = await simulate(options, { trials: 6, seed: 1, threads: 1 });
  const parts = [
    await simulate(options, { trials: 2, seed: 1, threads: 2 }),
    await simulate(options, { trials: 4, seed: 1, threads: 2, firstTrial: 2 }),
  ];
  for (const [name, values] of Object.entries(whole.metrics))
    t.deepEqual(
      parts.flatMap(({ metrics }) => [...(metrics[name] as Float64Array)]),
      [...values],
    );
});

test('without noise the iterative solver is singular where the direct one is, and else agrees with it', async (t) => {
  for (const [ridge, examples, dimension] of [
    [0, 50, 20],
    [0.01, 50, 20],
    [0.01, 5, 20],
    [0, 50, 2],
  ] as const) {
    const options: KnownPromptExperiment = {
      ...experiment,
      mixture: { ...mixture, dimension, noiseLevel: 0 },
      examples,
      head: { kind: 'least-squares', ridge },
    };
    const direct = await simulate({ ...options, solver: 'direct' }, { trials: 4, seed: 1 });
    const iterative = await simulate({ ...options, solver: 'iterative' }, { trials: 4, seed: 1 });
    t.deepEqual(iterative.status, direct.status);
    for (const [trial, norm] of (direct.metrics.headNorm as Float64Array).entries()) {
      const own = iterative.metrics.headNorm?.[trial] as number;
      t.true(Number.isNaN(norm) ? Number.isNaN(own) : Math.abs(own / norm - 1) < 1e-7, `${own} ${norm}`);
    }
  }
});

test('a solve that does not converge is a status of its trial, with what it reached', async (t) => {
  // n = d: the least singular value of the features is near 0.
  const { status, metrics } = await simulate(
    { ...experiment, mixture: { ...mixture, dimension: 1500 }, examples: 1500, solver: 'iterative' },
    { trials: 1, seed: 1 },
  );
  t.is(status[0], TrialStatus.notConverged);
  t.true(Number.isNaN(metrics.error[0]));
  t.is(metrics.solverIterations?.[0], 512);
  t.true((metrics.solverResidual?.[0] as number) > 1e-10 && (metrics.solverResidual?.[0] as number) < 1);
});

test('an aborted simulation stops in the middle of a solve', async (t) => {
  const controller = new AbortController();
  const run = simulate(
    { ...experiment, mixture: { ...mixture, dimension: 50_000 }, examples: 50_100, solver: 'iterative' },
    { trials: 1, seed: 1, signal: controller.signal },
  );
  setTimeout(() => controller.abort(new Error('enough')), 100);
  await t.throwsAsync(run, { message: 'enough' });
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
    for (const examples of [1, 5, 100]) {
      const { metrics, status } = await simulate(
        {
          ...experiment,
          mixture: { ...mixture, ...edge },
          examples,
          inverseTemperature: 2,
          head: { kind: 'least-squares', ridge: 0.1 },
          solver: 'iterative',
        },
        { trials: 5, seed: 1, testDraws: 20 },
      );
      t.true(status.every((code) => code === TrialStatus.ok));
      t.true(
        metrics.error.every((error) => error >= 0 && error <= 1),
        JSON.stringify({ edge, examples, error: [...metrics.error] }),
      );
    }
});
