import test from 'ava';
import { type ContextualMixtureOptions, type SampleExamplesOptions, sampleExamples } from '../../lib/index.js';
import { dot, rowsOf } from '../support/reference.js';
import { meanAndError, oneSampleKolmogorovSmirnov } from '../support/statistics.js';

const confusion = [
  { deltaQ: 0.5, deltaW: -0.25, probability: 0.3 },
  { deltaQ: -1, deltaW: 2, probability: 0.7 },
];
const base: ContextualMixtureOptions = {
  tokens: 6,
  dimension: 5,
  relevantTokens: 2,
  contextNorm: 2,
  signalNorm: 1.5,
  correlation: 0.6,
  noiseLevel: 0.5,
  positiveRate: 0.3,
  confusion,
};
const zOf = (values: ArrayLike<number>, expected: number) => {
  const { mean, standardError } = meanAndError(values);
  return (mean - expected) / standardError;
};

test('without noise every token is its mean', async (t) => {
  const {
    tokens,
    labels,
    relevance,
    confusion: atoms,
  } = await sampleExamples({ ...base, noiseLevel: 0, relevance: 'random' }, { examples: 50, seed: 1 });
  const q = [2, 0, 0, 0, 0];
  const w = [1.5 * 0.6, 1.5 * 0.8, 0, 0, 0];
  rowsOf(tokens, 5).forEach((x, index) => {
    const i = Math.floor(index / 6);
    const y = labels[i] as number;
    const { deltaQ, deltaW } = confusion[atoms[i] as number] as (typeof confusion)[number];
    const mean = relevance[index]
      ? q.map((value, j) => value + y * (w[j] as number))
      : q.map((value, j) => -deltaQ * value - deltaW * y * (w[j] as number));
    for (let j = 0; j < 5; ++j) t.true(Math.abs((x[j] as number) - (mean[j] as number)) < 1e-14);
  });
});

test('labels and atoms have their rates, and noise its moments, for every kind of noise', async (t) => {
  for (const noise of ['gaussian', 'rademacher', 'uniform'] as const) {
    const {
      tokens,
      labels,
      relevance,
      confusion: atoms,
    } = await sampleExamples({ ...base, noise, contextNorm: 0, signalNorm: 0 }, { examples: 20_000, seed: 2 });
    t.true(Math.abs(zOf(labels, 2 * 0.3 - 1)) < 4);
    t.true(Math.abs(zOf(atoms, 0.7)) < 4);
    const values = rowsOf(tokens, 5)
      .filter((_, index) => !relevance[index])
      .flatMap((x) => [...x]);
    t.is(values.length, 20_000 * 4 * 5);
    t.true(Math.abs(zOf(values, 0)) < 4);
    const fourth = { gaussian: 3, rademacher: 1, uniform: 9 / 5 }[noise];
    if (noise === 'rademacher') t.true(values.every((value) => Math.abs(value) === 0.5));
    else {
      t.true(
        Math.abs(
          zOf(
            values.map((value) => value ** 2),
            0.25,
          ),
        ) < 4,
      );
      t.true(
        Math.abs(
          zOf(
            values.map((value) => value ** 4),
            fourth * 0.5 ** 4,
          ),
        ) < 4,
      );
    }
    if (noise === 'uniform') t.true(oneSampleKolmogorovSmirnov(values, (x) => 0.5 + x / Math.sqrt(3)) > 0.001);
  }
});

test('a fixed relevance set is a prefix; a random one has k tokens and hits every position and pair evenly', async (t) => {
  const fixed = await sampleExamples(base, { examples: 10, seed: 3 });
  t.deepEqual([...fixed.relevance.subarray(0, 12)], [1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]);
  const n = 20_000;
  const random = await sampleExamples({ ...base, relevance: 'random' }, { examples: n, seed: 3 });
  const pairs = new Map<string, number>();
  for (let i = 0; i < n; ++i) {
    const positions = [...random.relevance.subarray(6 * i, 6 * i + 6)].flatMap((bit, position) =>
      bit ? [position] : [],
    );
    t.is(positions.length, 2);
    pairs.set(positions.join(), (pairs.get(positions.join()) ?? 0) + 1);
  }
  t.is(pairs.size, 15);
  for (const count of pairs.values()) t.true(Math.abs(count - n / 15) / Math.sqrt((n / 15) * (14 / 15)) < 4);
});

test('example i depends on mixture, seed and i only', async (t) => {
  const mixture = { ...base, relevance: 'random' } as const;
  const whole = await sampleExamples(mixture, { examples: 200, seed: 4 });
  const part = await sampleExamples(mixture, { examples: 50, firstExample: 130, seed: 4 });
  t.deepEqual(part.tokens, whole.tokens.slice(130 * 30, 180 * 30));
  t.deepEqual(part.labels, whole.labels.slice(130, 180));
  t.deepEqual(part.relevance, whole.relevance.slice(130 * 6, 180 * 6));
  t.notDeepEqual((await sampleExamples(mixture, { examples: 200, seed: 5 })).tokens, whole.tokens);
});

test("the caller's vectors, noise factor and relevance sets are used", async (t) => {
  const q = Float64Array.of(0, 2, 0, 0, 0);
  const w = Float64Array.of(0, 0.9, 1.2, 0, 0);
  const factor = Float64Array.of(1, 0, 0, 0, 0, 0.5, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 0, 0.5);
  const n = 20_000;
  const relevance = Uint8Array.from({ length: 6 * n }, (_, index) => (index % 6 >= 4 ? 1 : 0));
  const examples = await sampleExamples(
    { ...base, confusion: [{ deltaQ: 0, deltaW: 0, probability: 1 }] },
    { examples: n, seed: 6, contextVector: q, signalVector: w, noiseFactor: factor, relevance },
  );
  t.deepEqual(examples.relevance, relevance);
  const rows = rowsOf(examples.tokens, 5);
  for (let i = 0; i < 20; ++i)
    t.deepEqual(
      rows[6 * i + 4],
      q.map((value, j) => value + (examples.labels[i] as number) * (w[j] as number)),
    );
  const noise = rows.filter((_, index) => index % 6 < 4);
  const L = rowsOf(factor, 5);
  for (let a = 0; a < 5; ++a)
    for (let b = 0; b <= a; ++b) {
      const covariance = dot(L[a] as Float64Array, L[b] as Float64Array);
      const score = zOf(
        noise.map((z) => (z[a] as number) * (z[b] as number)),
        covariance,
      );
      t.true(Math.abs(score) < 4, `covariance (${a}, ${b}): z = ${score}`);
    }
});

const bad: [string, Partial<Record<keyof SampleExamplesOptions, unknown>>, RegExp][] = [
  ['no examples', { examples: 0 }, /^examples must be an integer ≥ 1/],
  ['a negative seed', { seed: -1 }, /^seed must be/],
  ['a seed of 2^64', { seed: 1n << 64n }, /^seed must be/],
  ['one vector only', { contextVector: Float64Array.of(2, 0, 0, 0, 0) }, /^signalVector must be given/],
  [
    'a vector of the wrong length',
    { contextVector: Float64Array.of(2), signalVector: Float64Array.of(2) },
    /^contextVector must be of length 5/,
  ],
  [
    'a vector of the wrong norm',
    { contextVector: Float64Array.of(1, 0, 0, 0, 0), signalVector: Float64Array.of(0.9, 1.2, 0, 0, 0) },
    /^contextVector must be such that its norm is the mixture's 2/,
  ],
  [
    'a vector of the wrong angle',
    { contextVector: Float64Array.of(2, 0, 0, 0, 0), signalVector: Float64Array.of(0, 1.5, 0, 0, 0) },
    /^signalVector must be such that its inner product/,
  ],
  ['NaN in a vector', { contextVector: Float64Array.of(Number.NaN, 0, 0, 0, 0) }, /^contextVector must be without NaN/],
  [
    'an upper triangular factor',
    { noiseFactor: new Float64Array(25).fill(1) },
    /^noiseFactor must be lower triangular/,
  ],
  ['a mask with the wrong number of ones', { relevance: new Uint8Array(60) }, /^relevance must be 2 ones/],
  ['a mask of the wrong length', { relevance: new Uint8Array(6) }, /^relevance must be of length 60/],
  ['an unknown option', { n: 3 } as object, /^n must be left out/],
];
for (const [name, change, message] of bad)
  test(`refuses ${name}`, async (t) => {
    const error = await t.throwsAsync(
      sampleExamples(base, { examples: 10, seed: 1, ...change } as SampleExamplesOptions),
    );
    t.true(error instanceof TypeError || error instanceof RangeError);
    t.regex(error.message, message);
  });

test('memory that cannot be had is a RangeError that tells the bytes', async (t) => {
  const huge = { ...base, tokens: 2 ** 20, dimension: 2 ** 20 };
  await t.throwsAsync(sampleExamples(huge, { examples: 2 ** 10, seed: 1 }), {
    instanceOf: RangeError,
    message: /9007199254740992 bytes/,
  });
  await t.throwsAsync(sampleExamples(huge, { examples: 2 ** 30, seed: 1 }), {
    instanceOf: RangeError,
    message: /bytes/,
  });
});
