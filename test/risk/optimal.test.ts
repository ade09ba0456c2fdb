import test from 'ava';
import { type ContextualMixtureOptions, OptionRangeError, OptionTypeError, risk } from '../../lib/index.js';
import { descend } from '../../lib/risk/minimum.js';

const readme = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
const twoAtoms = [
  { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
];
const rich: ContextualMixtureOptions = {
  tokens: 16,
  relevantTokens: 4,
  dimension: 50,
  contextNorm: 1.2,
  signalNorm: 0.9,
  correlation: 0.4,
  noiseLevel: 0.8,
  positiveRate: 0.35,
  confusion: twoAtoms,
};
const kinds = ['averaging', 'least-squares', 'logistic', 'hinge'] as const;
const scaleOnly = { choose: ['inverseTemperature'] } as const;

test('of two basins the lower one is found', async (t) => {
  const mixture = {
    tokens: 32,
    relevantTokens: 13,
    dimension: 200,
    contextNorm: 1,
    signalNorm: 0.2,
    correlation: -0.9,
  };
  const best = await risk.optimal({ mixture, sampleRatio: 0.5, head: { kind: 'averaging' } });
  t.true(Math.abs(best.inverseTemperature - 1.875) < 0.02, `${best.inverseTemperature}`);
  t.true(Math.abs(best.error - 0.44315) < 3e-4 && best.standardError < 1e-4);
  t.true(best.inverseTemperatureStandardError > 5e-4 && best.inverseTemperatureStandardError < 0.02);
  t.deepEqual([best.atLimit, best.ridge, best.skippedPoints], [[], 0, 0]);
});

test('the range of prompt scales extends until the optimum is inside, or to its limit', async (t) => {
  const mixture = { tokens: 4, relevantTokens: 1, dimension: 200, contextNorm: 2, signalNorm: 0.6 };
  const head = { kind: 'least-squares', ridge: 0.1 } as const;
  // At 4·10⁵ draws the error is .0342 at τ = 4, and from 10 to 150 between .03332 and .03342, ± 2e-5. Formerly τ = 4.
  for (const seed of [0, 1]) {
    const best = await risk.optimal({ mixture, sampleRatio: 2, head, ...scaleOnly, seed });
    t.true(best.inverseTemperature > 9, `${best.inverseTemperature}`);
    t.true(Math.abs(best.error - 0.03337) < 4 * best.standardError, `${best.error} ± ${best.standardError}`);
    t.is(best.atLimit.length > 0, best.inverseTemperature > 149);
  }
});

test('an optimum at τ → ±∞ is recognised as a limit', async (t) => {
  // A strong context in two tokens: attention should rest on the relevant one alone. At 4·10⁵ draws the error falls from
  // 7.84e-4 at τ = 5 over 6.98e-4 at 20 to 6.79e-4 at 100, all ± 1.1e-6.
  const mixture = { tokens: 2, relevantTokens: 1, dimension: 100, contextNorm: 3, signalNorm: 0.3 };
  const common = { sampleRatio: 1, head: { kind: 'averaging' } } as const;
  const best = await risk.optimal({ ...common, mixture });
  t.deepEqual([best.atLimit, Number.isNaN(best.inverseTemperatureStandardError)], [['inverseTemperature'], true]);
  t.true(best.inverseTemperature > 50);
  for (const inverseTemperature of [0.5, 1, 2, 5, 10, 20]) {
    const { error } = await risk.knownPrompt({ ...common, mixture, inverseTemperature });
    t.true(error >= best.error - best.standardError, `${inverseTemperature}: ${error} < ${best.error}`);
  }
});

test('averaging is the answer where no finite ridge is better', async (t) => {
  // At τ = 0 all examples have the same noise, and for ρ = 0 and π = ½ averaging is Bayes-optimal.
  for (const kind of ['least-squares', 'logistic', 'hinge'] as const)
    for (const sampleRatio of [0.3, 2, 20]) {
      const common = { mixture: readme, sampleRatio, inverseTemperature: 0 };
      const best = await risk.optimal({ ...common, head: { kind }, choose: ['ridge'] });
      const averaging = await risk.knownPrompt({ ...common, head: { kind: 'averaging' } });
      t.deepEqual([best.ridge, best.atLimit, best.error], [Number.POSITIVE_INFINITY, ['ridge'], averaging.error]);
      t.true(Number.isNaN(best.ridgeStandardError) && Number.isNaN(best.inverseTemperatureStandardError));
    }
});

test('a ridge that is chosen need not be given, and points that are not found are left out', async (t) => {
  for (const kind of ['least-squares', 'logistic', 'hinge'] as const) {
    const best = await risk.optimal({ mixture: readme, sampleRatio: 2, head: { kind }, draws: 2000 });
    t.true(best.error < 0.0103 && Math.abs(best.inverseTemperature - 0.45) < 0.03, JSON.stringify(best));
    t.true(best.skippedPoints < 0.1 * best.evaluatedPoints && best.reliable && best.effectiveDraws > 100);
  }
  const vanishing = { mixture: readme, sampleRatio: 2, head: { kind: 'hinge', ridge: 0 }, draws: 1000 } as const;
  const best = await risk.optimal({ ...vanishing, ...scaleOnly });
  t.true(best.ridge === 0 && best.error > 0.015 && best.error < 0.025);
  await t.throwsAsync(risk.optimal({ ...vanishing, head: { kind: 'hinge', ridge: -1 }, ...scaleOnly }), {
    instanceOf: OptionRangeError,
    message: /^head\.ridge/,
  });
  await t.throwsAsync(risk.optimal({ mixture: readme, sampleRatio: 2, head: { kind: 'hinge' }, ...scaleOnly }), {
    instanceOf: OptionTypeError,
    message: /^head\.ridge/,
  });
});

test('minima of functions of one variable', async (t) => {
  const calls: number[] = [];
  const settings = { start: 0, step: 0.5, width: 1e-3, low: -10, high: 10 };
  const minimum = (f: (x: number) => number, more = {}) =>
    descend(
      async (x) => {
        calls.push(x);
        return f(x);
      },
      { ...settings, ...more },
    );
  for (const place of [-9.5, -1, 0.2, 3, 9.9]) {
    const found = await minimum((x) => Math.cosh(x - place));
    t.true(Math.abs(found.x - place) < 1e-3, `${place}: ${found.x}`);
    t.true(calls.length < 40 && new Set(calls).size === calls.length, `${calls}`);
    calls.length = 0;
  }
  const kink = await minimum((x) => Math.abs(x - 2.34));
  t.true(Math.abs(kink.x - 2.34) < 1e-3);
  t.true((await minimum((x) => x)).x < -9.99);
  t.true((await minimum((x) => -x, { start: 10 })).x === 10);
  t.deepEqual((await minimum(() => Number.POSITIVE_INFINITY)).y, Number.POSITIVE_INFINITY);
});

// Dense grids over the same draws, by a plain loop over the law. The optimum may be above the least of a grid by the noise of
// its own search only.
let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const between = (low: number, high: number) => low * (high / low) ** uniform();
for (let i = 0; i < 24; ++i) {
  const tokens = [2, 4, 8, 16, 32, 64][Math.floor(6 * uniform())] as number;
  const mixture = {
    tokens,
    relevantTokens: Math.min(tokens - 1, Math.floor(1 + uniform() * tokens * 0.5)),
    dimension: 100,
    contextNorm: between(0.3, 4),
    signalNorm: between(0.1, 1.5),
    correlation: uniform() < 0.4 ? 0 : 2 * uniform() - 1,
    noiseLevel: between(0.4, 1.5),
    positiveRate: uniform() < 0.5 ? 0.5 : 0.2 + 0.6 * uniform(),
    ...(uniform() < 0.4 ? { confusion: twoAtoms } : {}),
  };
  const kind = kinds[i % 4] as (typeof kinds)[number];
  const sampleRatio = between(0.1, 20);
  const ridge = between(1e-3, 10);
  const both = kind !== 'averaging' && i >= 16;
  test(`no point of a dense grid is better, setting ${i}: ${kind}`, async (t) => {
    const draws = 640;
    const common = { mixture, sampleRatio, draws };
    const best = await risk.optimal({
      ...common,
      head: kind === 'averaging' ? { kind } : { kind, ridge },
      choose: both ? ['inverseTemperature', 'ridge'] : ['inverseTemperature'],
    });
    const { contextNorm, noiseLevel } = mixture;
    const unit = 0.05 / (contextNorm ** 2 + noiseLevel * contextNorm);
    let least = Number.POSITIVE_INFINITY;
    const rungs = both ? 21 : 41;
    for (let j = 0; j < rungs; ++j)
      for (const lambda of both ? [1e-3, 0.03, 0.3, 3] : [ridge]) {
        const inverseTemperature = unit * Math.sinh(-9 + (18 * j) / (rungs - 1));
        const head = kind === 'averaging' ? { kind } : { kind, ridge: lambda };
        const point = await risk.knownPrompt({ ...common, head, inverseTemperature }).catch(() => undefined);
        if (point !== undefined) least = Math.min(least, point.error);
      }
    t.true(
      best.error <= 1.002 * least + 2 * best.standardError,
      `${JSON.stringify(mixture)} α = ${sampleRatio}, λ = ${ridge}: ${JSON.stringify(best)}, grid ${least}`,
    );
  });
}

test('at the best ridge the error falls with the sample ratio', async (t) => {
  for (const head of [{ kind: 'least-squares' }, { kind: 'logistic' }] as const) {
    let before = 1;
    for (const sampleRatio of [0.2, 0.5, 0.9, 1, 1.2, 2, 5, 20]) {
      const { error, standardError, ridge } = await risk.optimal({
        mixture: { ...rich, dimension: 50 },
        sampleRatio,
        inverseTemperature: 0.5,
        head,
        choose: ['ridge'],
        draws: 1000,
      });
      t.true(error < before + standardError && ridge > 0, `${head.kind} α = ${sampleRatio}: ${error}, ${before}`);
      before = error;
    }
  }
});

test('the optimum is no worse than any point of a grid', async (t) => {
  const mixture = { ...rich, dimension: 50 };
  const common = { mixture, sampleRatio: 2, head: { kind: 'least-squares' }, draws: 1000 } as const;
  const best = await risk.optimal(common);
  const scale = await risk.optimal({ ...common, choose: ['inverseTemperature'], head: { kind: 'averaging' } });
  for (const inverseTemperature of [-0.5, 0, 0.3, 0.6, 0.9, 1.2, 2])
    for (const ridge of [1e-4, 1e-2, 0.03, 0.1, 0.3, 1, 10]) {
      const head = { kind: 'least-squares', ridge } as const;
      t.true((await risk.knownPrompt({ ...common, inverseTemperature, head })).error >= best.error - 1e-9);
    }
  const averaging = await risk.knownPrompt({ ...common, inverseTemperature: 0.7, head: { kind: 'averaging' } });
  t.true(scale.error <= averaging.error);
  const { inverseTemperature, ridge, error } = best;
  const head = Number.isFinite(ridge) ? ({ kind: 'least-squares', ridge } as const) : ({ kind: 'averaging' } as const);
  const again = await risk.knownPrompt({ ...common, inverseTemperature, head });
  t.is(again.error, error);
  await t.throwsAsync(risk.optimal({ ...common, head: { kind: 'averaging' }, choose: ['ridge'] }), {
    instanceOf: OptionRangeError,
    message: /^choose must be without 'ridge'/,
  });
  await t.throwsAsync(risk.optimal({ ...common, choose: ['ridge'] }), { message: /^inverseTemperature must be given/ });
});

test('a ridge between the rungs of a look by factors of ten is found', async (t) => {
  // The hinge's error is flat up to λ = 0.05 and least from 0.15 to 0.2.
  const mixture = { tokens: 16, dimension: 300, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6 };
  const common = { mixture, inverseTemperature: 0.7, sampleRatio: 0.2 };
  const best = await risk.optimal({ ...common, head: { kind: 'hinge' }, choose: ['ridge'] });
  t.true(best.ridge > 0.1 && best.ridge < 0.25, `${best.ridge}`);
  for (const ridge of [1e-3, 0.05, 0.15, 0.2, 0.3, 1]) {
    const other = await risk.knownPrompt({ ...common, head: { kind: 'hinge', ridge } });
    t.true(best.error <= other.error * (1 + 1e-3), `${ridge}: ${other.error} < ${best.error}`);
  }
});
