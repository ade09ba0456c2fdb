// The O(1/n) term of label imbalance (theory.md §10): laws with `examples` given against simulation at small n.
import test from 'ava';
import { risk, simulate } from '../../lib/index.js';
import { meanAndError } from '../support/statistics.js';

const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };

// For averaging the error is nearly a step of the imbalance: five nodes of Gauss and Hermite have 0.243 at n = 50.
for (const [head, examples] of [
  [{ kind: 'averaging' }, 50],
  [{ kind: 'averaging' }, 400],
  [{ kind: 'least-squares', ridge: 0.1 }, 100],
  [{ kind: 'logistic', ridge: 0.01 }, 100],
  [{ kind: 'hinge', ridge: 0.1 }, 100],
] as const)
  test(`label imbalance: the ${head.kind} head at n = ${examples}, law and simulation`, async (t) => {
    const options = { mixture, inverseTemperature: 0.5, head };
    const law = await risk.knownPrompt({ ...options, examples });
    const limit = await risk.knownPrompt({ ...options, sampleRatio: examples / 200 });
    const { metrics } = await simulate({ kind: 'known-prompt', ...options, examples }, { trials: 300, seed: 5 });
    const { mean, standardError: error } = meanAndError(metrics.error);
    const z = (value: number) => (mean - value) / Math.hypot(error, law.standardError);
    t.true(Math.abs(z(law.error)) < 3, `simulated ${mean} ± ${error}, law ${law.error}`);
    t.true(z(limit.error) > 4, `simulated ${mean} ± ${error}, limit ${limit.error}`);
  });

test('label imbalance: one example of either label at n = 2 is averaged exactly, rare labels keep their mean', async (t) => {
  const options = {
    mixture: { ...mixture, dimension: 2 },
    inverseTemperature: 0,
    head: { kind: 'averaging' },
  } as const;
  // At τ = 0 the averaging head is w1 = (2 N₊/n − 1) ζ Q: 0 on average over the labels.
  const { inPlaneHead } = await risk.knownPrompt({ ...options, examples: 2 });
  t.true(Math.abs(inPlaneHead[0] as number) < 1e-12);
  const rare = { ...options, mixture: { ...options.mixture, positiveRate: 0.01 } };
  for (const examples of [10, 300, 5000]) {
    const { inPlaneHead: head } = await risk.knownPrompt({ ...rare, examples });
    t.true(Math.abs((head[0] as number) / ((2 * 0.01 - 1) * 0.5) - 1) < 1e-6, `${examples}: ${head[0]}`);
  }
});

test('label imbalance: one count of labels alone has no error where Q² ≫ W²√n, and has its own weight', async (t) => {
  const options = {
    mixture: {
      tokens: 8,
      dimension: 600,
      relevantTokens: 3,
      contextNorm: 5.86,
      signalNorm: 0.223,
      noiseLevel: 0.93,
      confusion: [{ deltaQ: 0.501, deltaW: 0.872, probability: 1 }],
    },
    inverseTemperature: 0.0877,
  };
  for (const head of [{ kind: 'averaging' }, { kind: 'hinge', ridge: 38.7 }] as const) {
    const { error } = await risk.knownPrompt({ ...options, head, examples: 876 });
    // ½ but for N₊ = 438, which has the probability .0270.
    t.true(Math.abs(error - 0.4865) < 5e-4, `${head.kind}: ${error}`);
  }
});
