import test from 'ava';
import { type GradientDescentExperiment, simulate } from '../../lib/index.js';
import { experiment, mixture, recordsAt } from '../support/lazy-cases.js';
import { meanAndError } from '../support/statistics.js';

// Self-attention without dimension; the two-sample tests are among the cases of lazy-noise.test.ts.
const attention = { ...experiment, model: 'self-attention' } as const;

const still = { ...mixture, noiseLevel: 0, labelNoise: 0.1 };
const rules: readonly Partial<GradientDescentExperiment>[] = [
  {},
  { loss: 'logistic' },
  { data: 'fresh' },
  { data: 'fresh', optimizer: 'momentum' },
  { optimizer: 'momentum', loss: 'logistic' },
  { optimizer: 'normalized-gradient-descent', stepSizes: { head: 0.1, prompt: 0.2 } },
  { stepSizes: { head: 0.5, prompt: 0 } },
  { mixture: { ...still, relevantTokens: 0 } },
  { mixture: { ...still, tokens: 1, relevantTokens: 1 } },
  { mixture: { ...still, dimension: 1200, positiveRate: 0.2 } },
];
for (const rule of rules)
  test(`without noise a trial on the Gram matrix is the dense one: ${JSON.stringify(rule)}`, async (t) => {
    const options = { ...attention, mixture: { ...still, dimension: 90 }, ...rule, recordEvery: 1 };
    const [gram, dense] = await Promise.all(
      (['projected', 'dense'] as const).map((method) =>
        simulate(options, { trials: 3, seed: 6, method, testDraws: 60 }),
      ),
    );
    if (!gram || !dense) return t.fail();
    for (const [name, values] of Object.entries(dense.path?.metrics ?? {}))
      for (const [i, value] of (gram.path?.metrics[name] ?? []).entries()) {
        const expected = values[i] as number;
        t.true(Math.abs(value - expected) < 1e-9 * (1 + Math.abs(expected)), `${name}: ${value} for ${expected}`);
      }
    t.deepEqual([...gram.status], [0, 0, 0]);
  });

test('the path of a long trial holds the ends of shorter ones', async (t) => {
  for (const data of ['reused', 'fresh'] as const) {
    const base = { ...attention, data, mixture: { ...mixture, dimension: 200 } };
    const options = { trials: 3, seed: 5, testDraws: 40, method: 'projected' } as const;
    const long = await simulate({ ...base, steps: 7, recordEvery: 3 }, options);
    for (const steps of [0, 3, 6, 7]) {
      const short = await simulate({ ...base, steps }, options);
      for (const [name, values] of Object.entries(short.metrics)) {
        const expected = recordsAt(long, steps, name);
        // Products are taken in blocks whose size depends on how many tokens there are.
        for (const [i, value] of values.entries())
          t.true(Math.abs(value - (expected[i] as number)) < 1e-9 * (1 + Math.abs(value)), `${name} after ${steps}`);
      }
    }
  }
});

test('a step along the noise: ‖w‖² of one step is its expectation', async (t) => {
  // w = (η/n) Σ y_i x̄_i of mean tokens x̄: ‖w‖² = η² (W²ζ² + …) in the mean; n = 1 with Q = 0, W = 0 is η²σ²dm/T².
  const dimension = 5000;
  const bare = { tokens: 6, dimension, relevantTokens: 2, contextNorm: 0, signalNorm: 0, noiseLevel: 0.7 };
  const once = { ...attention, mixture: bare, examples: 40, steps: 1, stepSizes: { head: 2, prompt: 1 } };
  const { metrics, method } = await simulate(once, { trials: 300, seed: 8, testDraws: 1 });
  t.is(method, 'projected');
  const { mean, standardError } = meanAndError((metrics.headNorm as Float64Array).map((norm) => norm ** 2));
  const expected = (4 * 0.49 * dimension * 4) / 36 / 40;
  t.true(Math.abs(mean - expected) < 4 * standardError, `${mean} ± ${standardError}, expected ${expected}`);
});

test('fifty steps at n = 200, T = 10, d = 10⁴ lower the loss, and nothing depends on threads', async (t) => {
  const large: GradientDescentExperiment = {
    ...attention,
    mixture: { tokens: 10, dimension: 1e4, relevantTokens: 2, contextNorm: 1, signalNorm: 1, noiseLevel: 0.1 },
    examples: 200,
    steps: 50,
    stepSizes: { head: 0.2, prompt: 0.2 },
  };
  const [one, two] = await Promise.all(
    [1, 2].map((threads) => simulate({ ...large, recordEvery: 25 }, { trials: 2, seed: 3, threads, testDraws: 200 })),
  );
  if (!one || !two) return t.fail();
  t.is(one.method, 'projected');
  t.deepEqual(one.metrics, two.metrics);
  for (const trial of [0, 1]) {
    const [start, middle, end] = [0, 25, 50].map((step) => recordsAt(one, step, 'trainingLoss')[trial]) as [
      number,
      number,
      number,
    ];
    t.true(start > middle && middle > end, `${start} ${middle} ${end}`);
  }
});

test('it is the default where it is exact and cheap, and says why not elsewhere', async (t) => {
  const wide = { ...attention, mixture: { ...mixture, dimension: 25 } };
  const method = async (change: Partial<GradientDescentExperiment>) =>
    (await simulate({ ...wide, ...change }, { trials: 1, seed: 1, testDraws: 10 })).method;
  // 20 examples of 1 + 3 different tokens, at most 4·25.
  t.is(await method({}), 'projected');
  t.is(await method({ examples: 25 }), 'projected');
  t.is(await method({ examples: 26 }), 'dense');
  t.is(await method({ data: 'fresh' }), 'dense');
  for (const [change, why] of [
    [{ initial: { scale: 0.1 } }, /^method must be 'dense' for self-attention from a random start/],
    [{ optimizer: 'adam' }, /^method must be 'dense' for the optimizer adam/],
    [
      { examples: 26 },
      /^method must be 'dense' for self-attention with 104 different tokens, more than 4 per dimension/,
    ],
    [{ mixture: { ...mixture, relevantNoiseLevel: 0.1 } }, /^method must be 'dense' if relevant tokens have noise/],
  ] as const)
    await t.throwsAsync(simulate({ ...wide, ...change }, { trials: 1, seed: 1, method: 'projected' }), {
      instanceOf: RangeError,
      message: why,
    });
});
