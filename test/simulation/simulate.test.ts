import test from 'ava';
import {
  engineInfo,
  type KnownPromptExperiment,
  OptionRangeError,
  type SimulationOptions,
  simulate,
} from '../../lib/index.js';

const experiment: KnownPromptExperiment = {
  kind: 'known-prompt',
  mixture: { tokens: 8, dimension: 20, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 },
  examples: 60,
  inverseTemperature: 0.5,
  head: { kind: 'least-squares' },
};
const slow = { ...experiment, mixture: { ...experiment.mixture, dimension: 400 }, examples: 4000 };

test('results do not depend on the number of threads', async (t) => {
  for (const method of ['projected', 'dense'] as const) {
    const [one, two, seven] = await Promise.all(
      [1, 2, 7].map((threads) => simulate(experiment, { trials: 100, seed: 1, method, threads })),
    );
    t.deepEqual(two?.metrics, one?.metrics);
    t.deepEqual(seven?.metrics, one?.metrics);
  }
});

test('a run can be extended: trials are the same however they are split', async (t) => {
  const whole = await simulate(experiment, { trials: 50, seed: 1 });
  const head = await simulate(experiment, { trials: 20, seed: 1 });
  const tail = await simulate(experiment, { trials: 30, seed: 1, firstTrial: 20 });
  for (const [name, values] of Object.entries(whole.metrics))
    t.deepEqual([...(head.metrics[name] as Float64Array), ...(tail.metrics[name] as Float64Array)], [...values]);
  t.is(tail.firstTrial, 20);
});

test('seed and experiment change the numbers; head and method share labels and test draws', async (t) => {
  const base = await simulate(experiment, { trials: 20, seed: 1 });
  t.notDeepEqual((await simulate(experiment, { trials: 20, seed: 2 })).metrics.error, base.metrics.error);
  t.deepEqual((await simulate(experiment, { trials: 20, seed: 1n })).metrics.error, base.metrics.error);
  const averaging = await simulate({ ...experiment, head: { kind: 'averaging' } }, { trials: 20, seed: 1 });
  t.deepEqual(averaging.metrics.relevantAttention, base.metrics.relevantAttention);
  const dense = await simulate(experiment, { trials: 20, seed: 1, method: 'dense' });
  t.deepEqual(dense.metrics.relevantAttention, base.metrics.relevantAttention);
  const other = await simulate({ ...experiment, examples: 61 }, { trials: 20, seed: 1 });
  t.notDeepEqual(other.metrics.relevantAttention, base.metrics.relevantAttention);
});

test('the default method is projected where it is exact', async (t) => {
  t.is((await simulate(experiment, { trials: 1, seed: 1 })).method, 'projected');
  const uniform = { ...experiment, mixture: { ...experiment.mixture, noise: 'uniform' } } as const;
  t.is((await simulate(uniform, { trials: 1, seed: 1 })).method, 'dense');
  await t.throwsAsync(simulate(uniform, { trials: 1, seed: 1, method: 'projected' }), {
    instanceOf: OptionRangeError,
    message: /^method must be 'dense' if the noise is uniform/,
  });
});

test('the result tells the engine', async (t) => {
  t.deepEqual((await simulate(experiment, { trials: 1, seed: 1 })).engine, engineInfo());
});

test('an aborted signal rejects with its reason, before and during the work, and the engine goes on', async (t) => {
  const reason = new Error('enough');
  t.is(await t.throwsAsync(simulate(experiment, { trials: 1, seed: 1, signal: AbortSignal.abort(reason) })), reason);
  const controller = new AbortController();
  const run = simulate(slow, { trials: 100_000, seed: 1, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  t.is(await t.throwsAsync(run), reason);
  t.is((await simulate(experiment, { trials: 3, seed: 1 })).status.length, 3);
});

test('progress rises to the number of trials', async (t) => {
  const seen: number[] = [];
  await simulate(slow, {
    trials: 40,
    seed: 1,
    onProgress: ({ completed, trials }) => {
      t.is(trials, 40);
      seen.push(completed);
    },
  });
  t.is(seen.at(-1), 40);
  t.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
});

test('a short call is served while a long one runs, and timers go on', async (t) => {
  const controller = new AbortController();
  const long = simulate(slow, { trials: 100_000, seed: 1, signal: controller.signal });
  let ticks = 0;
  const timer = setInterval(() => ++ticks, 5);
  for (let call = 0; call < 5; ++call) await simulate(experiment, { trials: 10, seed: call });
  clearInterval(timer);
  controller.abort();
  await t.throwsAsync(long, { any: true, name: 'AbortError' });
  t.true(ticks > 0);
});

const bad: [Partial<Record<keyof SimulationOptions, unknown>>, RegExp][] = [
  [{ trials: 0 }, /^trials must be an integer ≥ 1/],
  [{ trials: Number.NaN }, /^trials must be/],
  [{ seed: undefined }, /^seed must be/],
  [{ seed: 0.5 }, /^seed must be/],
  [{ threads: 0 }, /^threads must be/],
  [{ testDraws: -3 }, /^testDraws must be/],
  [{ method: 'fast' }, /^method must be one of 'projected', 'dense'/],
  [{ onProgress: 3 }, /^onProgress must be a function/],
  [{ signal: {} }, /^signal must be an AbortSignal/],
];
for (const [change, message] of bad)
  test(`refuses ${Object.keys(change)[0]} = ${Object.values(change)[0]}`, async (t) => {
    const error = await t.throwsAsync(simulate(experiment, { trials: 1, seed: 1, ...change } as SimulationOptions));
    t.true(error instanceof TypeError || error instanceof RangeError);
    t.regex(error.message, message);
  });

test('refuses bad experiments, naming the path', async (t) => {
  const cases: [object, RegExp][] = [
    [{ examples: 0 }, /^experiment\.examples must be an integer ≥ 1/],
    [{ inverseTemperature: Number.NaN }, /^experiment\.inverseTemperature must be a finite number/],
    [{ kind: 'unknown' }, /^experiment\.kind must be/],
    [{ head: { kind: 'least-squares', ridge: -1 } }, /^experiment\.head\.ridge must be a finite number ≥ 0/],
    [{ head: { kind: 'averaging', ridge: 1 } }, /^experiment\.head\.ridge must be left out/],
    [{ head: { kind: 'tree' } }, /^experiment\.head\.kind must be/],
    [{ mixture: { ...experiment.mixture, correlation: 2 } }, /^experiment\.mixture\.correlation must be/],
    [{ steps: 3 }, /^experiment\.steps must be left out/],
  ];
  for (const [change, message] of cases) {
    const error = await t.throwsAsync(
      simulate({ ...experiment, ...change } as KnownPromptExperiment, { trials: 1, seed: 1 }),
    );
    t.regex(error.message, message);
  }
});
