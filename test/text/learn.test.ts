import test from 'ava';
import { OptionRangeError, OptionTypeError, text } from '../../lib/index.js';
import { jacobiEigen } from './dense-svd.js';

/** Texts of words w0, w1, … whose frequencies fall and which prefer some neighbours, from a linear congruential generator. */
function makeTexts(vocabulary: number, texts: number, length: number): string[][] {
  let state = 12345;
  const uniform = () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  return Array.from({ length: texts }, () => {
    let word = 0;
    return Array.from({ length: 1 + Math.floor(length * uniform()) }, () => {
      word = uniform() < 0.5 ? (word * 7 + 3) % vocabulary : Math.floor(vocabulary * uniform() ** 2);
      return `w${word}`;
    });
  });
}

interface Reference {
  readonly window: number;
  readonly shift: number;
  readonly smoothing: number;
}

/** The matrix of positive information, dense, by its definition. */
function informationOf(texts: readonly string[][], words: readonly string[], options: Reference): number[][] {
  const V = words.length;
  const index = new Map(words.map((word, i) => [word, i]));
  const C = Array.from({ length: V }, () => new Array<number>(V).fill(0));
  for (const words of texts)
    for (let s = 0; s < words.length; ++s)
      for (let t = 0; t < words.length; ++t) {
        const [i, j] = [index.get(words[s] as string), index.get(words[t] as string)];
        const distance = Math.abs(s - t);
        if (i === undefined || j === undefined || distance === 0 || distance > options.window) continue;
        (C[i] as number[])[j] = (C[i]?.[j] as number) + options.window + 1 - distance;
      }
  const sums = C.map((row) => row.reduce((sum, count) => sum + count, 0));
  const powers = sums.map((sum) => (sum > 0 ? sum ** options.smoothing : 0));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return C.map((row, i) =>
    row.map((count, j) =>
      count === 0
        ? 0
        : Math.max(
            0,
            Math.log((count * total) / ((sums[i] as number) * (powers[j] as number))) - Math.log(options.shift),
          ),
    ),
  );
}

/** A matrix times its transpose. */
const gramOf = (M: readonly number[][]) =>
  M.map((a) => M.map((b) => a.reduce((sum, x, j) => sum + x * (b[j] as number), 0)));

const columnsOf = (vectors: Float64Array, d: number) =>
  Array.from({ length: d }, (_, j) => vectors.filter((_, at) => at % d === j));
const product = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, x, j) => sum + x * (b[j] as number), 0);

// The first has so few words that the matrix is made dense, the second more than a basis holds.
for (const [V, dimension] of [
  [40, 6],
  [160, 5],
] as const)
  test(`${V} words: vectors are those of a dense decomposition, orthogonal, of the lengths of the singular values`, async (t) => {
    const texts = makeTexts(V, 150, 40);
    // A few words have no vector and keep their places.
    const words = text.buildVocabulary(texts, { minimumDocuments: 1 }).words.slice(0, V - 3);
    for (const options of [
      { window: 3, shift: 1, smoothing: 0.75 },
      { window: 1, shift: 2, smoothing: 1 },
      { window: 50, shift: 1, smoothing: 0 },
    ]) {
      const learned = await text.learnWordVectors(texts, { ...options, vocabulary: { words }, dimension, power: 1 });
      const M = informationOf(texts, words, options);
      t.is(learned.entries, M.flat().filter((x) => x > 0).length);
      const { values, vectors } = jacobiEigen(gramOf(M));
      const columns = columnsOf(learned.vectors, dimension);
      for (const [i, column] of columns.entries()) {
        const sigma = Math.sqrt(values[i] as number);
        t.true(Math.abs((learned.singularValues[i] as number) / sigma - 1) < 1e-10);
        for (const [j, other] of columns.entries()) {
          const cosine = product(column, other) / sigma / (learned.singularValues[j] as number);
          t.true(Math.abs(cosine - Number(i === j)) < 1e-9, `${i} ${j}`);
        }
        const expected = vectors[i] as number[];
        t.true(Math.abs(Math.abs(product(column, expected)) / sigma - 1) < 1e-9, `${i}`);
        const largest = column.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
        t.true(largest > 0);
      }
    }
  });

test('the power of the singular values', async (t) => {
  const texts = makeTexts(30, 60, 30);
  const learn = (power?: number) => text.learnWordVectors(texts, { dimension: 4, power });
  const [plain, half, whole] = await Promise.all([learn(0), learn(), learn(1)]);
  for (let at = 0; at < plain.vectors.length; ++at) {
    const sigma = plain.singularValues[at % 4] as number;
    t.true(Math.abs((half.vectors[at] as number) - Math.sqrt(sigma) * (plain.vectors[at] as number)) < 1e-12);
    t.true(Math.abs((whole.vectors[at] as number) - sigma * (plain.vectors[at] as number)) < 1e-12);
  }
});

test('the same texts, options and seed give the same digits on any number of threads; a seed changes the last ones', async (t) => {
  const texts = makeTexts(300, 200, 60);
  const learn = (seed: number, threads: number) => text.learnWordVectors(texts, { dimension: 8, seed, threads });
  const [one, two, other] = await Promise.all([learn(1, 1), learn(1, 3), learn(2, 1)]);
  t.deepEqual(one.vectors, two.vectors);
  t.notDeepEqual(one.vectors, other.vectors);
  for (const [i, sigma] of other.singularValues.entries())
    t.true(Math.abs(sigma / (one.singularValues[i] as number) - 1) < 1e-10);
});

test('beyond the rank of the matrix vectors are 0, in a dense matrix and in a sparse one; so are words without neighbours', async (t) => {
  // Blocks of two words that stand beside each other only: singular values in pairs, all equal.
  const pairs = Array.from({ length: 100 }, (_, i) => [`a${i}`, `b${i}`]);
  const equal = await text.learnWordVectors([...pairs, ...pairs], { dimension: 20, smoothing: 1 });
  for (const sigma of equal.singularValues) t.true(Math.abs(sigma / Math.log(200) - 1) < 1e-12);
  for (const [i, column] of columnsOf(equal.vectors, 20).entries())
    for (const [j, other] of columnsOf(equal.vectors, 20).entries())
      t.true(Math.abs(product(column, other) - (i === j ? Math.log(200) : 0)) < 1e-9);
  for (const alone of [5, 200]) {
    const single = Array.from({ length: alone }, (_, i) => [`alone${i}`]);
    const texts = [['a', 'b'], ['a', 'b'], ...single, ...single];
    const { vectors, singularValues, index, words } = await text.learnWordVectors(texts, {
      dimension: 4,
      smoothing: 1,
    });
    t.is(words.length, alone + 2);
    t.true(Math.abs((singularValues[0] as number) - Math.log(2)) < 1e-12);
    t.true(Math.abs((singularValues[1] as number) - Math.log(2)) < 1e-12);
    t.deepEqual([...singularValues.subarray(2)], [0, 0]);
    for (const [word, i] of index)
      t.deepEqual(
        vectors
          .subarray(4 * i, 4 * i + 4)
          .map(Math.abs)
          .every((x) => x < 1e-12),
        !'ab'.includes(word),
      );
  }
  const empty = await text.learnWordVectors([['a'], ['a'], ['b'], ['b']], { dimension: 2 });
  t.deepEqual([...empty.vectors], [0, 0, 0, 0]);
  t.is(empty.entries, 0);
});

test('windows do not go over the end of a text', async (t) => {
  const apart = await text.learnWordVectors(
    [
      ['a', 'b'],
      ['c', 'd'],
      ['a', 'b'],
      ['c', 'd'],
    ],
    { dimension: 1 },
  );
  t.is(apart.entries, 4);
});

test('what are no texts or options is refused by name', async (t) => {
  const texts = [
    ['a', 'b'],
    ['a', 'b'],
  ];
  const refused = (options: object, message: RegExp, given: unknown = texts) =>
    t.throwsAsync(text.learnWordVectors(given as never, options), { message });
  await refused({}, /^texts must be/, 5);
  await refused({}, /^texts\[1\] must be an array of strings/, [['a'], 'b']);
  await refused({}, /^dimension must be at most 2, the number of words; got 100/);
  await refused({ dimension: 0 }, /^dimension must be/);
  await refused({ dimension: 1, window: 0 }, /^window must be/);
  await refused({ dimension: 1, shift: 0 }, /^shift must be/);
  await refused({ dimension: 1, smoothing: 1.5 }, /^smoothing must be/);
  await refused({ dimension: 1, power: -1 }, /^power must be/);
  await refused(
    { dimension: 1, vocabulary: { words: ['a', 'b', 'a'] } },
    /^vocabulary\.words\[0\] must be a word that/,
  );
  await refused({ dimension: 1, vocabulary: { words: [] } }, /^dimension must be at most 0/);
  await refused({ dimension: 1, windows: 5 }, /there is no such option/);
  await t.throwsAsync(text.learnWordVectors([]), { instanceOf: OptionRangeError });
  await t.throwsAsync(text.learnWordVectors(5 as never), { instanceOf: OptionTypeError });
});

test('learning is given up wherever it is, and harms nothing', async (t) => {
  const texts = makeTexts(3000, 1000, 100);
  const vocabulary = text.buildVocabulary(texts, { minimumDocuments: 1 });
  const learn = (signal?: AbortSignal) =>
    text.learnWordVectors(texts, { vocabulary, dimension: 5, window: 50, threads: 2, signal });
  const kTimes = 300;
  let cancelled = 0;
  for (let i = 0; i < kTimes; ++i) {
    const controller = new AbortController();
    const learning = learn(controller.signal).catch(() => ++cancelled);
    // Words are counted within the first milliseconds, which timers do not tell apart.
    const end = performance.now() + 0.2 * (i % 100);
    while (performance.now() < end);
    controller.abort();
    await learning;
  }
  t.true(cancelled > kTimes / 2, `${cancelled}`);
  t.is((await learn()).vectors.length, 5 * vocabulary.words.length);
});

test('learning is given up when it is told to', async (t) => {
  const texts = makeTexts(3000, 1000, 100);
  const controller = new AbortController();
  const learning = text.learnWordVectors(texts, { dimension: 200, signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.throwsAsync(learning, { message: 'enough' });
});
