import test from 'ava';
import { risk, sampleExamples } from '../../lib/index.js';
import { dot, normalTail, rowsOf } from '../support/reference.js';
import { meanAndError, uniforms } from '../support/statistics.js';

const mixture = {
  tokens: 6,
  dimension: 30,
  relevantTokens: 2,
  contextNorm: 1.5,
  signalNorm: 0.8,
  relevantNoiseLevel: 0.9,
};

/** The mean of the relevant tokens of every example, less q⋆ = Q e1, times its label. */
async function oracleFeatures(of: typeof mixture, examples: number, seed: number): Promise<Float64Array[]> {
  const { tokens, labels, relevance } = await sampleExamples(of, { examples, seed });
  return rowsOf(tokens, of.tokens * of.dimension).map((X, i) => {
    const z = new Float64Array(of.dimension);
    for (const [t, x] of rowsOf(X, of.dimension).entries())
      if (relevance[i * of.tokens + t] === 1)
        for (const [j, value] of x.entries()) z[j] = (z[j] as number) + value / of.relevantTokens;
    z[0] = (z[0] as number) - of.contextNorm;
    return z.map((value) => value * (labels[i] as number));
  });
}

for (const examples of [1, 8, 60])
  test(`the oracle's error is that of its rule on tokens: n = ${examples}`, async (t) => {
    const errors: number[] = [];
    const cosines: number[] = [];
    for (let trial = 0; trial < 300; ++trial) {
      const w = new Float64Array(mixture.dimension);
      for (const z of await oracleFeatures(mixture, examples, 2 * trial))
        for (const [j, value] of z.entries()) w[j] = (w[j] as number) + value;
      // It knows that w⋆ is orthogonal to q⋆.
      w[0] = 0;
      cosines.push((w[1] as number) / Math.sqrt(dot(w, w)));
      const test = await oracleFeatures(mixture, 200, 2 * trial + 1);
      errors.push(test.filter((z) => dot(w, z) < 0).length / test.length);
    }
    const { error, signalCosine } = risk.oracle({ mixture, examples });
    for (const [found, exact] of [
      [meanAndError(errors), error],
      [meanAndError(cosines), signalCosine],
    ] as const)
      t.true(
        Math.abs(found.mean - exact) < 4 * found.standardError,
        `${found.mean} ± ${found.standardError}, ${exact}`,
      );
  });

test('the limits: many examples, many dimensions, none of the signal', (t) => {
  const S = (0.8 * Math.SQRT2) / 0.9;
  t.true(Math.abs(risk.oracle({ mixture, examples: 1e9 }).error / normalTail(S) - 1) < 1e-6);
  t.is(risk.oracle({ mixture, examples: 5 }).limit, risk.oracle({ mixture, examples: 50 }).limit);
  const alpha = 0.7;
  const large = { ...mixture, dimension: 1_000_000 };
  const { error } = risk.oracle({ mixture: large, examples: alpha * large.dimension });
  t.true(Math.abs(error / normalTail((S * S * Math.sqrt(alpha)) / Math.sqrt(alpha * S * S + 1)) - 1) < 1e-5);
  t.true(Math.abs(risk.oracle({ mixture: { ...mixture, signalNorm: 0 }, examples: 9 }).error - 0.5) < 1e-12);
  // Ten directions against a plain sum over both numbers on a grid eight times as fine.
  const few = { ...mixture, dimension: 10 };
  let total = 0;
  let sum = 0;
  for (let g = -9; g < 9; g += 1 / 32)
    for (let chi = 1 / 64; chi < 12; chi += 1 / 32) {
      const weight = chi ** 7 * Math.exp(-0.5 * (chi * chi + g * g));
      total += weight;
      sum += weight * normalTail((S * (S + g)) / Math.hypot(S + g, chi));
    }
  t.true(Math.abs(risk.oracle({ mixture: few, examples: 1 }).error - sum / total) < 1e-8);
});

test('no law of a known prompt is below it, in random mixtures', async (t) => {
  const uniform = uniforms(5);
  for (let setting = 0; setting < 60; ++setting) {
    const tokens = 2 + Math.floor(uniform() * 14);
    const at = {
      tokens,
      dimension: 20_000,
      relevantTokens: 1 + Math.floor(uniform() * tokens),
      contextNorm: 0.3 + 2 * uniform(),
      signalNorm: 0.2 + uniform(),
      noiseLevel: uniform(),
      relevantNoiseLevel: 0.3 + 1.5 * uniform(),
    };
    const examples = Math.round(20_000 * 10 ** (2 * uniform() - 1));
    const least = risk.oracle({ mixture: at, examples });
    const inverseTemperature = 3 * uniform() - 0.5;
    const best = await risk.bestHead({ mixture: at, inverseTemperature, sampleRatio: examples / 20_000, draws: 4000 });
    t.true(
      best.error > least.error - 4 * best.standardError - 1e-4 * least.error,
      `${setting}: ${best.error}, ${least.error}`,
    );
  }
});

test('with every token relevant and no prompt, averaging is the oracle', async (t) => {
  // A = 1, s² = σ_R²/k.
  const all = { ...mixture, dimension: 50_000, tokens: 4, relevantTokens: 4 };
  const best = await risk.bestHead({ mixture: all, inverseTemperature: 0, sampleRatio: 2 });
  t.true(Math.abs(best.error / risk.oracle({ mixture: all, examples: 100_000 }).error - 1) < 1e-3);
});

test('the least number of examples is the first that reaches the target', (t) => {
  for (const targetError of [0.45, 0.3, 0.2, 0.12]) {
    const least = risk.oracleExamples({ mixture, targetError });
    if (!('examples' in least)) return t.fail();
    t.true(risk.oracle({ mixture, examples: least.examples }).error <= targetError);
    if (least.examples > 1) t.true(risk.oracle({ mixture, examples: least.examples - 1 }).error > targetError);
  }
  const { limit } = risk.oracle({ mixture, examples: 1 });
  t.deepEqual(risk.oracleExamples({ mixture, targetError: limit }), { unreachable: true, limit });
});

test('mixtures in which more is known are refused', (t) => {
  const refused = (change: object, message: RegExp) =>
    t.throws(() => risk.oracle({ mixture: { ...mixture, ...change }, examples: 5 }), { message });
  refused({ relevantNoiseLevel: 0 }, /mixture\.relevantNoiseLevel must be above 0/);
  refused({ relevantTokens: 0 }, /mixture\.relevantTokens must be at least 1/);
  refused({ correlation: 0.2 }, /mixture\.correlation must be 0/);
  refused({ positiveRate: 0.4 }, /mixture\.positiveRate must be 1\/2/);
  refused({ labelNoise: 0.1 }, /mixture\.labelNoise must be 0/);
  refused({ confusion: [{ deltaQ: 0, deltaW: 0.2, probability: 1 }] }, /mixture\.confusion must be the single atom/);
  refused({ noise: 'uniform' }, /mixture\.noise must be 'gaussian'/);
  refused({ dimension: 9 }, /mixture\.dimension must be at least 10/);
});
