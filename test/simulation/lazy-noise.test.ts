import test from 'ava';
import { type GradientDescentExperiment, simulate, TrialStatus } from '../../lib/index.js';
import { cases, compareMethods, experiment, linear, mixture, recordsAt, start } from '../support/lazy-cases.js';
import { energyDistanceTest, twoSampleKolmogorovSmirnov } from '../support/statistics.js';

for (const lawCase of cases)
  test(`projected and dense trials have the same law: d = ${lawCase.dimension}, ${JSON.stringify(lawCase.change)}`, async (t) => {
    const { single, joint } = await compareMethods(lawCase);
    for (const { name, step, p } of single) t.true(p > lawCase.level, `${name} after ${step} steps: p = ${p}`);
    if (joint !== undefined) t.true(joint > lawCase.level, `joint law: p = ${joint}`);
  });

test('the two-sample tests see a step size that differs by a tenth', async (t) => {
  const other = { ...experiment, stepSizes: { head: 0.5, prompt: 1.1 } };
  const a = await simulate(experiment, { trials: 8000, seed: 21, testDraws: 50 });
  const b = await simulate(other, { trials: 8000, seed: 22, testDraws: 50 });
  const p = twoSampleKolmogorovSmirnov(a.metrics.promptNorm as Float64Array, b.metrics.promptNorm as Float64Array);
  t.true(p < 0.001, `p = ${p}`);
  const correlated = (sign: number) => {
    const x = (a.metrics.promptNorm as Float64Array).subarray(0, 500);
    return [x, x.map((value, i) => sign * value + (b.metrics.promptNorm?.[i] as number))];
  };
  t.true(energyDistanceTest(correlated(1), correlated(-1)) < 0.001);
  t.true(energyDistanceTest(correlated(1), correlated(1)) > 0.001);
});

for (const data of ['reused', 'fresh'] as const)
  for (const method of ['projected', 'dense'] as const)
    test(`the path of a long trial holds the ends of shorter ones: ${method}, ${data}`, async (t) => {
      const long = await simulate(
        { ...experiment, data, steps: 7, recordEvery: 3 },
        { trials: 3, seed: 5, method, testDraws: 40 },
      );
      t.deepEqual([...(long.path?.steps ?? [])], [0, 3, 6, 7]);
      for (const steps of [0, 3, 6, 7]) {
        const short = await simulate({ ...experiment, data, steps }, { trials: 3, seed: 5, method, testDraws: 40 });
        t.is(short.path, undefined);
        for (const [name, values] of Object.entries(short.metrics)) t.deepEqual(recordsAt(long, steps, name), values);
      }
    });

test('fresh examples are not those of the first step; both share the first step', async (t) => {
  for (const method of ['projected', 'dense'] as const) {
    const options = { trials: 4, seed: 5, method, testDraws: 40 } as const;
    const [reused, fresh] = await Promise.all(
      (['reused', 'fresh'] as const).map((data) =>
        simulate({ ...experiment, data, steps: 2, recordEvery: 1 }, options),
      ),
    );
    if (!reused || !fresh) return t.fail();
    t.deepEqual(recordsAt(fresh, 1, 'headNorm'), recordsAt(reused, 1, 'headNorm'));
    t.notDeepEqual(recordsAt(fresh, 1, 'trainingLoss'), recordsAt(reused, 1, 'trainingLoss'));
    t.notDeepEqual(recordsAt(fresh, 2, 'headNorm'), recordsAt(reused, 2, 'headNorm'));
  }
});

test('fifty steps at n = 1000, T = 20 and any dimension lower the loss at every step and take less than a second', async (t) => {
  const seconds: number[] = [];
  for (const dimension of [1e3, 1e4, 1e6]) {
    // Steps that are stable at each dimension; late ones differ from the span of the earlier ones by rounding only.
    const options: GradientDescentExperiment = {
      ...experiment,
      mixture: { tokens: 20, relevantTokens: 5, contextNorm: 2, signalNorm: 1, dimension },
      examples: 1000,
      steps: 50,
      stepSizes: { head: 100 / dimension, prompt: 200 / dimension },
      recordEvery: 1,
    };
    const { path, engine } = await simulate(options, { trials: 1, seed: 1, threads: 1 });
    t.truthy(engine);
    const loss = path?.metrics.trainingLoss as Float64Array;
    t.is(loss.length, 51);
    t.true(
      loss.every((value, step) => step === 0 || value < (loss[step - 1] as number)),
      loss.join(' '),
    );
    const begin = performance.now();
    await simulate({ ...options, recordEvery: undefined }, { trials: 1, seed: 2, threads: 1 });
    seconds.push((performance.now() - begin) / 1000);
  }
  // Measured 0.1 s each on a quiet machine (benchmarks/lazy-noise.ts).
  t.true(
    seconds.every((value) => value < 5),
    seconds.join(' '),
  );
});

test('many steps follow dense training where the noise averages out', async (t) => {
  const options: GradientDescentExperiment = {
    ...experiment,
    mixture: { ...mixture, dimension: 400 },
    examples: 400,
    steps: 60,
    stepSizes: { head: 0.1, prompt: 0.2 },
    recordEvery: 10,
  };
  const [projected, dense] = await Promise.all(
    (['projected', 'dense'] as const).map((method, i) => simulate(options, { trials: 12, seed: 31 + i, method })),
  );
  if (!projected || !dense) return t.fail();
  for (const step of [10, 30, 60])
    for (const name of ['trainingLoss', 'error', 'promptNorm', 'headNorm']) {
      const p = twoSampleKolmogorovSmirnov(recordsAt(projected, step, name), recordsAt(dense, step, name));
      t.true(p > 0.001, `${name} after ${step} steps: p = ${p}`);
    }
});

test('edges of the model run: no noise, k = 0, k = T, d = 1, n = 1, prompts that stay, converged training', async (t) => {
  const edges: Partial<GradientDescentExperiment>[] = [
    { mixture: { ...mixture, noiseLevel: 0 } },
    { mixture: { ...mixture, relevantTokens: 0 } },
    { mixture: { ...mixture, relevantTokens: 5 } },
    { mixture: { ...mixture, dimension: 1, correlation: 1 } },
    { mixture: { ...mixture, dimension: 2 } },
    { mixture: { ...mixture, tokens: 1, relevantTokens: 0 } },
    { examples: 1 },
    { stepSizes: { head: 0.5, prompt: 0 } },
    { stepSizes: { head: 0, prompt: 0.5 } },
    { examples: 2, steps: 400 },
    { steps: 0 },
  ];
  for (const edge of edges)
    for (const model of ['prompt-attention', 'linear-attention', 'mean-pooling'] as const)
      for (const data of ['reused', 'fresh'] as const) {
        const step = model === 'linear-attention' ? { stepSizes: { head: 0.02, prompt: 0.02 } } : {};
        const options = { ...experiment, ...start, model, data, ...step, ...edge };
        const { metrics, status } = await simulate(options, { trials: 3, seed: 1, testDraws: 20 });
        t.true(
          status.every((code) => code === TrialStatus.ok) && metrics.error.every((error) => error >= 0 && error <= 1),
          JSON.stringify({ edge, model, data, error: [...metrics.error] }),
        );
      }
});

test('without noise both methods are the same computation', async (t) => {
  for (const model of ['prompt-attention', 'mean-pooling'] as const) {
    const options: GradientDescentExperiment = {
      ...experiment,
      mixture: { ...mixture, dimension: 2, noiseLevel: 0 },
      model,
      loss: 'logistic',
      optimizer: 'momentum',
    };
    const projected = await simulate(options, { trials: 5, seed: 1, method: 'projected' });
    const dense = await simulate(options, { trials: 5, seed: 1, method: 'dense' });
    for (const [name, values] of Object.entries(dense.metrics))
      values.forEach((value, i) => {
        const difference = Math.abs((projected.metrics[name]?.[i] as number) - value);
        t.true(difference < 1e-12 * (1 + Math.abs(value)), `${model} ${name}`);
      });
  }
});

test('a diverged trial keeps the records before it diverged', async (t) => {
  const wild = { ...experiment, ...linear, stepSizes: { head: 8, prompt: 8 }, steps: 100, recordEvery: 1 };
  for (const method of ['projected', 'dense'] as const) {
    const { status, metrics, path } = await simulate(wild, { trials: 1, seed: 1, method });
    t.is(status[0], TrialStatus.diverged);
    t.true(Number.isNaN(metrics.error[0]));
    const errors = path?.metrics.error as Float64Array;
    const failed = errors.findIndex(Number.isNaN);
    t.true(failed > 1);
    t.true(errors.subarray(failed).every(Number.isNaN));
  }
});

test('more memory than there is is refused before anything is drawn, with the bytes', async (t) => {
  const huge = { ...experiment, mixture: { ...mixture, dimension: 1e8 }, examples: 1e8, steps: 1e6 };
  for (const [change, method] of [
    [{}, 'projected'],
    [{ examples: 1e6 }, 'dense'],
  ] as const) {
    const error = await t.throwsAsync(simulate({ ...huge, ...change }, { trials: 1, seed: 1, method }));
    t.true(error instanceof RangeError);
    t.regex(error?.message ?? '', /a trial needs up to \d{13,} bytes; \d+ bytes are there/);
  }
  const rows = { ...experiment, mixture: { ...mixture, dimension: 1e8 }, examples: 2e9 };
  await t.throwsAsync(simulate(rows, { trials: 1, seed: 1 }), { instanceOf: RangeError, message: /^examples must be/ });
});
