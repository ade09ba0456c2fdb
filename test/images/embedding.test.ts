import test from 'ava';
import { hashKey } from '../../lib/base/hash.js';
import { native } from '../../lib/base/native.js';
import { images } from '../../lib/index.js';
import { syntheticSet } from './support.js';

const set = syntheticSet(200);

/** Mean and covariance of rows, plainly. */
function moments(rows: Float64Array, d: number) {
  const n = rows.length / d;
  const mean = Array.from({ length: d }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < n; ++i) sum += rows[i * d + j] as number;
    return sum / n;
  });
  const covariance = Array.from({ length: d * d }, (_, jk) => {
    const [j, k] = [Math.floor(jk / d), jk % d];
    let sum = 0;
    for (let i = 0; i < n; ++i)
      sum += ((rows[i * d + j] as number) - (mean[j] as number)) * ((rows[i * d + k] as number) - (mean[k] as number));
    return sum / n;
  });
  return { mean, covariance };
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((largest, value, j) => Math.max(largest, Math.abs(value - (b[j] as number))), 0);

const normals = (count: number) =>
  native.randomNumbers({
    kind: 'normal',
    purpose: 200,
    trial: 9,
    first: 0,
    count,
    seed: 1n,
    cellKey: new Uint32Array(4),
  });

test('principal components: mean and covariance equal plain sums, eigenvectors are orthonormal and rebuild the covariance', async (t) => {
  for (const [n, d] of [
    [1, 3],
    [5, 1],
    [300, 7],
    [600, 40],
    [20, 30],
  ] as const) {
    const mixed = normals(n * d).map((value, j) => value * (1 + (j % d)) + (value > 0 ? 3 : 0));
    const found = await native.principalComponents({ count: n, dimension: d, rows: mixed }).promise;
    const { mean, covariance } = moments(mixed, d);
    const scale = Math.max(...covariance.map(Math.abs), 1);
    t.true(largestDifference(found.mean, mean) < 1e-12 * scale);
    t.true(largestDifference(found.covariance, covariance) < 1e-12 * scale);
    const at = (j: number, k: number) => found.vectors[j * d + k] as number;
    for (let j = 0; j < d; ++j) {
      t.true(j === 0 || (found.values[j] as number) <= (found.values[j - 1] as number));
      const row = found.vectors.subarray(j * d, (j + 1) * d);
      const largest = row.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      t.true(largest > 0);
    }
    const gram = Array.from({ length: d * d }, (_, jk) => {
      let sum = 0;
      for (let k = 0; k < d; ++k) sum += at(Math.floor(jk / d), k) * at(jk % d, k);
      return sum;
    });
    t.true(
      largestDifference(
        gram,
        gram.map((_, jk) => (Math.floor(jk / d) === jk % d ? 1 : 0)),
      ) < 1e-12,
    );
    const rebuilt = covariance.map((_, jk) => {
      let sum = 0;
      for (let k = 0; k < d; ++k) sum += (found.values[k] as number) * at(k, Math.floor(jk / d)) * at(k, jk % d);
      return sum;
    });
    t.true(largestDifference(rebuilt, covariance) < 1e-11 * scale);
  }
});

const wholeImages = { kind: 'full-tiled', tiles: 1, patch: 4 } as const;

/** A row of pixels through the stages of an embedding, plainly. */
function embed(pixels: ArrayLike<number>, { stages }: images.Embedding): number[] {
  let z = Array.from(pixels);
  for (const { outputs, weights, offset, rectified } of stages)
    z = Array.from({ length: outputs }, (_, j) => {
      const sum = z.reduce(
        (total, value, k) => total + value * (weights[k * outputs + j] as number),
        offset[j] as number,
      );
      return rectified ? Math.max(sum, 0) : sum;
    });
  return z;
}

for (const options of [
  { kind: 'raw' },
  { kind: 'principal-components', dimension: 5 },
  { kind: 'random-features', dimension: 24 },
] as const)
  test(`whitened tokens have mean 0 and unit covariance on the images of the fit: ${options.kind}`, async (t) => {
    const embedding = await images.fitEmbedding(set, 'image', { ...options, images: 400, seed: 7 });
    const d = { raw: 16, 'principal-components': 5, 'random-features': 24 }[options.kind];
    t.is(embedding.dimension, d);
    // The images that were drawn for the fit.
    const draws = native.randomNumbers({
      kind: 'uniform',
      purpose: 15,
      trial: 0,
      first: 0,
      count: 400,
      seed: 7n,
      cellKey: hashKey('embedding'),
    });
    const rows = Array.from(draws, (uniform) => {
      const image = Math.floor(uniform * set.count);
      return embed(
        Array.from(set.pixels.subarray(16 * image, 16 * image + 16), (byte) => byte / 255),
        embedding,
      );
    });
    const { mean, covariance } = moments(Float64Array.from(rows.flat()), d);
    t.true(Math.max(...mean.map(Math.abs)) < 1e-10);
    // Variances are λ/(λ + floor): never above 1, and 1 up to the floor for all but directions of hardly any variance.
    for (const [jk, value] of covariance.entries()) {
      const [j, k] = [Math.floor(jk / d), jk % d];
      if (j !== k) t.true(Math.abs(value) < 1e-10, `${j} ${k} ${value}`);
      else t.true(value <= 1 + 1e-10 && (j > 2 || value > 0.99), `${j} ${value}`);
    }
  });

test('unwhitened embeddings: pixels as they are; principal components keep variances; random features are the formula', async (t) => {
  const options = { images: set, examples: 50, seed: 1 };
  const pixels = (await images.contextualImages(wholeImages, options)).tokens;
  const raw = await images.fitEmbedding(set, 'image', { kind: 'raw', whiten: false });
  t.deepEqual((await images.contextualImages(wholeImages, { ...options, embedding: raw })).tokens, pixels);

  for (const kind of ['principal-components', 'random-features'] as const) {
    const embedding = await images.fitEmbedding(set, 'image', { kind, dimension: 6, whiten: false });
    const { tokens } = await images.contextualImages(wholeImages, { ...options, embedding });
    const expected = Array.from({ length: 50 }, (_, i) =>
      embed(pixels.subarray(16 * i, 16 * i + 16), embedding),
    ).flat();
    t.true(largestDifference(tokens, expected) < 1e-12);
    t.deepEqual(
      embedding.stages.map(({ rectified }) => rectified),
      kind === 'random-features' ? [false, true] : [false],
    );
  }
});

test('the embedding is fixed by its options; the positional part tells rows and columns apart', async (t) => {
  const fitted = (change: object) =>
    images.fitEmbedding(set, 2, { kind: 'random-features', dimension: 8, images: 100, ...change });
  t.deepEqual(await fitted({}), await fitted({}));
  t.notDeepEqual((await fitted({ seed: 1 })).stages, (await fitted({})).stages);
  const embedding = await fitted({ positions: 2 });
  t.is(embedding.dimension, 16);
  const task = { kind: 'full-tiled', tiles: 2, patch: 2 } as const;
  const { tokens } = await images.contextualImages(task, { images: set, embedding, examples: 2, seed: 1 });
  const codes = Array.from({ length: 16 }, (_, patch) => [...tokens.subarray(16 * patch + 8, 16 * patch + 16)]);
  t.is(new Set(codes.map((code) => JSON.stringify(code))).size, 16);
  t.deepEqual(codes[1]?.slice(0, 4), codes[2]?.slice(0, 4));
  t.deepEqual(codes[1]?.slice(4), codes[5]?.slice(4));
  t.is(codes[0]?.[0], Math.sin(Math.PI / 8));
  t.is(codes[0]?.[3], Math.cos(Math.PI / 4));
});

test('bad embeddings are refused by name', async (t) => {
  const cases: [number | 'image', object, RegExp][] = [
    [3, { kind: 'raw' }, /^patch must be a divisor of the sides of an image, 4×4; got 3/],
    ['image', { kind: 'pca' }, /^embedding\.kind must be one of/],
    ['image', { kind: 'raw', dimension: 3 }, /^embedding\.dimension must be the 16 pixels of a raw patch/],
    ['image', { kind: 'principal-components', dimension: 17 }, /^embedding\.dimension must be at most the 16 pixels/],
    ['image', { kind: 'raw', whiten: 1 }, /^embedding\.whiten must be true or false/],
    ['image', { kind: 'raw', colour: 1 }, /^embedding\.colour must be left out/],
  ];
  for (const [patch, options, message] of cases)
    await t.throwsAsync(images.fitEmbedding(set, patch, options as images.EmbeddingOptions), { message });
});
