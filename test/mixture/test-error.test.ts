import test from 'ava';
import { simulate, testError } from '../../lib/index.js';
import { Stream } from '../audit/reference/random.js';
import { randomScale, randomSetting } from '../audit/settings.js';
import { calibrate, estimate, quadrature, type Setting } from '../audit/test-error.js';
import { meanAndError } from '../support/statistics.js';

const kCore = {
  correlation: 0,
  positiveRate: 0.5,
  confusion: [{ deltaQ: 0, deltaW: 0, probability: 1 }],
  intercept: 0,
};

function coreSetting(
  tokens: number,
  relevantTokens: number,
  contextNorm: number,
  signalNorm: number,
  tau: number,
): Setting {
  return {
    ...{ ...kCore, tokens, relevantTokens, contextNorm, signalNorm },
    ...{ prompt: [tau * contextNorm, 0, 0], head: [0, 1, 0] },
  };
}

const kReferences = [
  [coreSetting(2, 1, 5, 1, 1), 1.1375e-7],
  [coreSetting(2, 1, 6, 1, 1), 3.921e-10],
  [coreSetting(2, 1, 1, 40, 0.5), 3.069e-12],
  [coreSetting(32, 8, 2, 3, 0.5), 8.658e-6],
  [coreSetting(32, 8, 2, 5, 0.5), 7.018e-7],
  [coreSetting(32, 8, 2, 8, 0.5), 5.803e-8],
] as const;

test('errors that rare scores carry are right at default draws', async (t) => {
  for (const [setting, truth] of kReferences) {
    let squares = 0;
    const seeds = setting.tokens === 2 ? 20 : 6;
    for (let seed = 0; seed < seeds; seed++) {
      const { error, standardError, effectiveDraws, reliable } = await estimate(setting, seed, 100_000);
      t.true(reliable);
      t.true(effectiveDraws > 1000);
      t.true(Math.abs(error / truth - 1) < 0.05, `${error} for ${truth}`);
      squares += ((error - truth) / Math.hypot(standardError, 1e-3 * truth)) ** 2;
    }
    // χ² of 20 and of 6 degrees: probability 0.001.
    t.true(squares < (seeds === 20 ? 45.3 : 22.5), `χ² ${squares} at ${truth}`);
  }
});

test('one and two irrelevant tokens: quadrature', async (t) => {
  const atoms = [
    { deltaQ: 0, deltaW: 0, probability: 0.97 },
    { deltaQ: 0.5, deltaW: 0.2, probability: 0.01 },
    { deltaQ: -0.3, deltaW: 0.1, probability: 0.01 },
    { deltaQ: 0.2, deltaW: -0.2, probability: 0.01 },
  ];
  const settings: Setting[] = [
    coreSetting(2, 1, 4, 1, 0.8),
    { ...coreSetting(2, 1, 3, 2, 1), correlation: 0.4, intercept: 0.05 },
    { ...coreSetting(2, 1, 4, 2, 1), confusion: atoms, positiveRate: 0.01 },
    { ...coreSetting(1, 0, 2, 3, 1), confusion: [{ deltaQ: 0, deltaW: -1, probability: 1 }], head: [0.4, 1, 0] },
    { ...coreSetting(3, 1, 4, 2, 1), correlation: -0.3 },
    coreSetting(3, 1, 5, 1.5, 0.7),
  ];
  for (const setting of settings) {
    const truth = quadrature(setting, setting.tokens - setting.relevantTokens === 1 ? 1 / 256 : 1 / 14);
    for (const draws of [640, 100_000])
      for (let seed = 0; seed < 3; seed++) {
        const { error, standardError, reliable } = await estimate(setting, seed, draws);
        t.true(reliable);
        t.true(
          Math.abs(error - truth) < 4.5 * standardError + 2e-4 * truth,
          `${error} ± ${standardError} for ${truth}`,
        );
      }
  }
});

test('intervals cover at few draws, and few are marked', async (t) => {
  const { rows } = await calibrate(20, 25, 640, 3000, [2, 3]);
  const total = { intervals: 0, covered: 0, marked: 0 };
  for (const [, row] of rows) for (const key of ['intervals', 'covered', 'marked'] as const) total[key] += row[key];
  t.true(total.marked <= 0.05 * (total.intervals + total.marked), JSON.stringify(total));
  t.true(total.covered >= 0.91 * total.intervals, JSON.stringify(total));
});

test('means over seeds do not depend on the number of draws: no sample says itself whether it is kept', async (t) => {
  const stream = new Stream(7);
  const kSeeds = 400;
  for (let setting = 0; setting < 16; ) {
    const mixture = { ...randomSetting(stream, stream.pick([2, 3, 4, 8])), dimension: 5 };
    const prompt = Float64Array.of(randomScale(stream, mixture) * mixture.contextNorm, 0.1, 0, 0, 0);
    const { signalNorm, correlation } = mixture;
    const head = Float64Array.of(signalNorm * correlation, signalNorm * Math.sqrt(1 - correlation ** 2), 0.3, 0, 0);
    const errorsOf = (draws: number, count: number, firstSeed: number) =>
      Promise.all(
        Array.from({ length: count }, async (_, i) => {
          const { error } = await testError({ mixture, prompt, head, draws, seed: firstSeed + i });
          return error;
        }),
      );
    const truth = meanAndError(await errorsOf(100_000, 10, 1e6));
    if (truth.mean < 1e-8 || truth.mean > 0.45 || truth.standardError === 0) continue;
    setting++;
    for (const draws of [1, 64, 300, 1000]) {
      const { mean, standardError } = meanAndError(await errorsOf(draws, kSeeds, 0));
      const z = (mean - truth.mean) / Math.hypot(standardError, truth.standardError);
      t.true(Math.abs(z) < 4, `z = ${z} with ${draws} draws: ${JSON.stringify({ mixture, prompt, head })}`);
    }
  }
});

test('means over trials do not depend on testDraws', async (t) => {
  const experiment = {
    kind: 'gradient-descent' as const,
    mixture: { tokens: 3, dimension: 64, relevantTokens: 1, contextNorm: 1.52, signalNorm: 0.61, noiseLevel: 0.84 },
    model: 'prompt-attention' as const,
    ...{ examples: 357, data: 'fresh' as const, optimizer: 'momentum' as const, steps: 10 },
    stepSizes: { head: 0.68, prompt: 5 },
  };
  const errorsOf = async (testDraws: number) =>
    (await simulate(experiment, { trials: 2000, seed: 5, testDraws })).metrics.error;
  const exact = await errorsOf(20_000);
  for (const testDraws of [1, 64, 300, 400, 1000]) {
    const errors = await errorsOf(testDraws);
    const { mean, standardError } = meanAndError(errors.map((error, trial) => error - (exact[trial] as number)));
    t.true(Math.abs(mean) < 4 * standardError, `${mean} ± ${standardError} with ${testDraws} test draws`);
  }
});

test('an error that is too small to be seen says so', async (t) => {
  const mixture = { tokens: 4, dimension: 3, relevantTokens: 2, contextNorm: 2, signalNorm: 8 };
  const given = { prompt: Float64Array.of(2, 0, 0), head: Float64Array.of(0, 1, 0), draws: 500 };
  const counted = await testError({ mixture: { ...mixture, noise: 'rademacher' }, ...given });
  t.is(counted.error, 0);
  t.false(counted.reliable);
  t.is(counted.effectiveDraws, 0);
  t.true(1.96 * counted.standardError > 2.5 / 500 && 1.96 * counted.standardError < 3.5 / 500);
  // One token and a head that sees no noise but along the prompt: an error of Φ(−30) is out of every ladder's reach.
  const far = { tokens: 1, dimension: 3, relevantTokens: 0, contextNorm: 1, signalNorm: 30 };
  const confusion = [{ deltaQ: 0, deltaW: -1, probability: 1 }];
  const step = await testError({
    mixture: { ...far, correlation: 1, confusion },
    ...{ prompt: Float64Array.of(1, 0, 0), head: Float64Array.of(1, 0, 0) },
  });
  const truth = 4.906713927148187e-198;
  t.true(!step.reliable || Math.abs(step.error / truth - 1) < 0.1, JSON.stringify(step));
  const exact = await testError({
    mixture: { ...mixture, noiseLevel: 0 },
    ...given,
  });
  t.deepEqual([exact.error, exact.standardError, exact.effectiveDraws, exact.reliable], [0, 0, Infinity, true]);
});

test('errors near the smallest double: standard errors, or a mark', async (t) => {
  const setting: Setting = { ...coreSetting(2, 1, 1, 30, 1), prompt: [1e-4, 0, 0] };
  const truth = quadrature(setting, 1 / 256);
  t.true(truth > 1e-199 && truth < 1e-196);
  for (const draws of [640, 5000]) {
    const { error, standardError, reliable } = await estimate(setting, 1, draws);
    t.true(reliable && standardError > 1e-4 * error && standardError < 0.05 * error, `${error} ± ${standardError}`);
    t.true(Math.abs(error - truth) < 4 * standardError, `${error} ± ${standardError} for ${truth}`);
  }
  // Underflow, by the closed form of mean pooling and by draws.
  for (const prompt of [0, 1e-4]) {
    const { error, reliable } = await estimate({ ...setting, signalNorm: 60, prompt: [prompt, 0, 0] }, 1, 640);
    t.deepEqual([error, reliable], [0, false]);
  }
});

test('trials resolve the same errors, and tell how well', async (t) => {
  const mixture = { tokens: 2, dimension: 10, relevantTokens: 1, contextNorm: 4, signalNorm: 1 };
  const experiment = {
    kind: 'known-prompt',
    mixture,
    examples: 4000,
    inverseTemperature: 1,
    head: { kind: 'averaging' },
  } as const;
  const few = await simulate(experiment, { trials: 12, seed: 3, testDraws: 640 });
  const many = await simulate(experiment, { trials: 12, seed: 3, testDraws: 50_000 });
  const { standardError, effectiveDraws } = few.testError as NonNullable<typeof few.testError>;
  let squares = 0;
  let total = 0;
  let weighted = 0;
  few.metrics.error.forEach((error, i) => {
    squares +=
      ((error - (many.metrics.error[i] as number)) /
        Math.hypot(standardError[i] as number, many.testError?.standardError[i] as number)) **
      2;
    total += error;
    weighted += error ** 2 / (effectiveDraws[i] as number);
  });
  // χ² of 12 degrees: 32.9 has probability 0.001.
  t.true(squares < 32.9, `${squares}`);
  t.true(few.reliable && many.reliable);
  t.true(Math.abs(few.effectiveDraws / (total ** 2 / weighted) - 1) < 1e-12);
});

test('the quadrature of linear attention converges', async (t) => {
  const mixture = { tokens: 6, dimension: 8, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 };
  const experiment = {
    kind: 'gradient-descent',
    model: 'linear-attention',
    mixture,
    examples: 60,
    steps: 3,
    stepSizes: { prompt: 0.3, head: 0.3 },
    initial: { scale: 0.3 },
  } as const;
  const { metrics, testError: accuracy, effectiveDraws } = await simulate(experiment, { trials: 8, seed: 1 });
  t.is(effectiveDraws, Infinity);
  accuracy?.standardError.forEach((value, i) => {
    t.true(value < 1e-3 * (metrics.error[i] as number));
  });
});

test('one irrelevant token has no gradient to attend by', async (t) => {
  for (const method of ['projected', 'dense'] as const) {
    const { metrics } = await simulate(
      {
        kind: 'three-step',
        mixture: { tokens: 1, dimension: 12, relevantTokens: 0, contextNorm: 1, signalNorm: 1 },
        ...{ examples: [30, 30, 30], stepSizes: [1, 1, 1] },
      },
      { trials: 10, seed: 1, method },
    );
    t.deepEqual([...(metrics.promptNorm as Float64Array)], new Array(10).fill(0));
  }
});

test('a score that is 0 but for rounding is a tie, whatever the method', async (t) => {
  for (const method of ['projected', 'dense'] as const) {
    // w1 fits every example: what is left for the restarted head is rounding.
    const { metrics } = await simulate(
      {
        kind: 'three-step',
        mixture: { tokens: 4, dimension: 20, relevantTokens: 4, contextNorm: 1, signalNorm: 1 },
        ...{ examples: [40, 40, 40], stepSizes: [1, 1, 1], head: 'restarted' },
      },
      { trials: 50, seed: 1, method },
    );
    t.deepEqual([...metrics.error], new Array(50).fill(0.5));
  }
});
