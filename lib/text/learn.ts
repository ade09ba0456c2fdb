import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { native } from '../base/native.js';
import {
  abortSignal,
  fraction,
  integerFrom,
  parseOptions,
  positiveNumber,
  seedSchema,
  threadCount,
} from '../base/options.js';
import type { WordVectors } from './word-vectors.js';
import { buildVocabulary, type Vocabulary } from './words.js';

/** Options of {@link learnWordVectors}. */
export interface LearnWordVectorsOptions extends JobOptions {
  /** d, entries of a vector: an integer in [1, 2¹⁵], at most the number of words. Default 100. */
  readonly dimension?: number | undefined;
  /** The words that get a vector, each once. Default: those of {@link buildVocabulary} for the same texts. */
  readonly vocabulary?: Pick<Vocabulary, 'words'> | undefined;
  /** L, places to the left and to the right of a word that count: an integer in [1, 2¹⁵]. Default 5. */
  readonly window?: number | undefined;
  /** k > 0, of which the logarithm is subtracted from every information. Default 1. */
  readonly shift?: number | undefined;
  /** Power in [0, 1] of the frequency of a context: below 1, rare contexts tell less. Default 0.75. */
  readonly smoothing?: number | undefined;
  /** Power in [0, 1] of the singular values that the singular vectors are multiplied by. Default 0.5. */
  readonly power?: number | undefined;
  /** Fixes where the search for singular vectors starts: an integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
}

/** Vectors of words with what they were made of. */
export interface LearnedWordVectors extends WordVectors {
  /** The d largest singular values of the matrix of information, descending. */
  readonly singularValues: Float64Array;
  /** Pairs of words with positive information. */
  readonly entries: number;
}

const kMostDimensions = 2 ** 15;
const kMostWindow = 2 ** 15;
/** Places of all texts together. */
const kMostPlaces = 2 ** 31;

const optionsSchema = z.strictObject({
  dimension: integerFrom(1, kMostDimensions).default(100),
  vocabulary: z
    .looseObject(
      { words: z.array(z.string({ error: 'a string' }), { error: 'an array of words' }) },
      { error: 'an object { words }' },
    )
    .optional(),
  window: integerFrom(1, kMostWindow).default(5),
  shift: positiveNumber.default(1),
  smoothing: fraction.default(0.75),
  power: fraction.default(0.5),
  seed: seedSchema.default(0),
  threads: threadCount,
  signal: abortSignal,
});

/** The texts behind each other as the addon takes them: V for a word without a vector, V + 1 behind every text. */
function sequenceOf(texts: readonly (readonly string[])[], index: ReadonlyMap<string, number>): Uint32Array {
  const places = texts.reduce((sum, words) => sum + words.length + 1, 0);
  if (places > kMostPlaces) throw new OptionRangeError('texts', `of at most ${kMostPlaces} words together`, texts);
  const sequence = new Uint32Array(places);
  let at = 0;
  for (const words of texts) {
    for (const word of words) sequence[at++] = index.get(word) ?? index.size;
    sequence[at++] = index.size + 1;
  }
  return sequence;
}

/**
 * Learn vectors of words from texts without labels. Words i and j that stand near each other in a text have the count C_ij: L + 1 − δ for
 * every pair at distance δ ≤ L. The matrix of their positive information, max(0, log(C_ij / (r_i p_j)) − log k), with r_i the sum of a
 * row and p_j in proportion to the power `smoothing` of it, has large singular values σ with left vectors u: entry i of a word's vector is
 * σ_i^`power` times its entry of u_i (Levy, Goldberg, Dagan 2015). Words without a vector keep their places; a word without neighbours has
 * the vector 0, and so have all words in coordinates beyond the rank of the matrix.
 *
 * The result is that of {@link readWordVectors} with the singular values beside it. It is the same for the same texts and options,
 * whatever the number of threads; another seed changes it in its last digits, and the choice among
 * vectors where singular values coincide. A vector's sign is fixed: in every
 * coordinate the entry of largest modulus is positive.
 *
 * @param texts Words of every text, at most 2³¹ together: see {@link wordsOf}. Pass training texts only, or texts of no test.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option or text, or if there are fewer words than `dimension`;
 * RangeError if the memory cannot be had; {@link ConvergenceError} if the singular vectors are not found; the signal's reason if aborted.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const texts = ['red apple', 'green apple', 'red pear', 'green pear', 'fast car', 'slow car', 'fast train', 'slow train'];
 * const learned = await text.learnWordVectors(
 *   texts.map((source) => text.wordsOf(source)),
 *   { dimension: 4 },
 * );
 * const { vectors, dimension, index } = learned;
 * const vectorOf = (word: string) => vectors.subarray((index.get(word) ?? 0) * dimension).subarray(0, dimension);
 * const product = (a: string, b: string) => vectorOf(a).reduce((sum, x, j) => sum + x * (vectorOf(b)[j] ?? 0), 0);
 * console.log(product('apple', 'pear') > product('apple', 'train')); // true
 * ```
 */
export async function learnWordVectors(
  texts: Iterable<readonly string[]>,
  options: LearnWordVectorsOptions = {},
): Promise<LearnedWordVectors> {
  const { vocabulary, seed, threads, signal, ...parsed } = parseOptions(optionsSchema, options, '');
  if (typeof (texts as Partial<typeof texts> | null | undefined)?.[Symbol.iterator] !== 'function')
    throw new OptionTypeError('texts', 'arrays of words', texts);
  const collected = Array.from(texts, (words) => (Array.isArray(words) ? [...words] : words));
  // Checks the texts as well.
  const built = buildVocabulary(collected);
  const words = vocabulary?.words ?? built.words;
  const index = new Map(words.map((word, i) => [word, i]));
  if (index.size < words.length) {
    const repeated = words.findIndex((word, i) => index.get(word) !== i);
    throw new OptionRangeError(`vocabulary.words[${repeated}]`, 'a word that does not come again', words[repeated]);
  }
  if (parsed.dimension > words.length)
    throw new OptionRangeError('dimension', `at most ${words.length}, the number of words`, parsed.dimension);
  const learned = await runJob(
    () =>
      native.learnWordVectors({
        ...parsed,
        words: sequenceOf(collected, index),
        vocabulary: words.length,
        seed: BigInt(seed),
        cellKey: hashKey('word-vectors'),
        threads: threads ?? availableParallelism(),
      }),
    { signal },
  );
  return { words: [...words], dimension: parsed.dimension, index, excluded: { repeated: 0, encoding: 0 }, ...learned };
}
