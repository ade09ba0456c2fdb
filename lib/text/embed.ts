import { types } from 'node:util';
import { z } from 'zod';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { arrayOf, finiteNumber, integerFrom, parseOptions } from '../base/options.js';
import type { ModelData } from '../models/data.js';
import type { WordVectors } from './word-vectors.js';

/** Options of {@link embedTexts}. */
export interface EmbedTextsOptions {
  /** y, one for every text, as the loss wants them: ±1, or 0 … K−1. Default none. */
  readonly labels?: ArrayLike<number> | undefined;
  /** T, most tokens of a text: its first words that have a vector. An integer in [1, 2³¹). Default 512. */
  readonly mostTokens?: number | undefined;
}

/** Texts as examples of different length, and where their tokens are from. */
export interface EmbeddedTexts {
  /** What models, {@link fit} and {@link holdExamples} take. */
  readonly data: ModelData & {
    /** n, at most the number of texts. */
    readonly examples: number;
    /** d, that of the vectors. */
    readonly dimension: number;
    /** T_i, tokens of every example, length n. */
    readonly lengths: Uint32Array;
    /** T, as the option says. */
    readonly mostTokens: number;
  };
  /** Which text every example is, length n, ascending. */
  readonly texts: Uint32Array;
  /** Which word of its text every token is, length Σ T_i. */
  readonly places: Uint32Array;
  /** What has no token. */
  readonly excluded: {
    /** Texts without a word that has a vector, which are no examples. */
    readonly texts: number;
    /** Words without a vector. */
    readonly unknownWords: number;
    /** Words with a vector, behind the first T of their text. */
    readonly wordsBeyond: number;
  };
}

const optionsSchema = z.strictObject({
  labels: z
    .custom<ArrayLike<number>>((value) => Array.isArray(value) || types.isTypedArray(value), {
      error: 'an array of numbers',
    })
    .transform((labels): unknown => Array.from(labels))
    .pipe(z.array(finiteNumber))
    .optional(),
  mostTokens: integerFrom(1, 2 ** 31 - 1).default(512),
});

const vectorsSchema = z.looseObject(
  {
    dimension: integerFrom(1, 2 ** 31 - 1),
    vectors: arrayOf('Float64Array'),
    index: z.custom<ReadonlyMap<string, number>>((value) => types.isMap(value), { error: 'a Map of words' }),
  },
  { error: 'vectors of words' },
);

/** The vectors without a look at every number: who classifies one text after the other waits for it. */
function parseVectors(wordVectors: unknown) {
  const parsed = parseOptions(vectorsSchema, wordVectors, 'wordVectors');
  const { dimension, vectors, index } = parsed;
  if (vectors.length !== index.size * dimension)
    throw new OptionRangeError('wordVectors.vectors', `of length V×d = ${index.size}×${dimension}`, vectors);
  return parsed;
}

/** Tokens of texts, as they are found. */
class Tokens {
  readonly rows: number[] = [];
  readonly places: number[] = [];
  readonly lengths: number[] = [];
  readonly texts: number[] = [];
  unknownWords = 0;
  wordsBeyond = 0;
  count = 0;

  constructor(
    readonly index: ReadonlyMap<string, number>,
    readonly mostTokens: number,
  ) {}

  add(words: readonly string[]): void {
    const before = this.rows.length;
    for (const [place, word] of words.entries()) {
      const row = this.index.get(word);
      if (row === undefined) ++this.unknownWords;
      else if (!(Number.isInteger(row) && row >= 0 && row < this.index.size))
        throw new OptionRangeError('wordVectors.index', `a Map to the integers in [0, ${this.index.size})`, row);
      else if (this.rows.length - before === this.mostTokens) ++this.wordsBeyond;
      else {
        this.rows.push(row);
        this.places.push(place);
      }
    }
    if (this.rows.length > before) {
      this.texts.push(this.count);
      this.lengths.push(this.rows.length - before);
    }
    ++this.count;
  }
}

/**
 * Texts as examples: a token for every word that has a vector, in the order of the words. An example's length T_i is the number of its
 * tokens, and T, `mostTokens`, only a bound: of longer texts the first T of such words are taken. Nothing is padded. Texts without any such
 * word are no examples, since an example has a token; they are counted, and `texts` says which ones are left.
 *
 * @param texts Words of every text: see {@link wordsOf}.
 * @param wordVectors Of {@link learnWordVectors}, {@link readWordVectors}, {@link loadWordVectors}, or made by `text.wordVectors`.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option or text, or if no text has a word with a vector; RangeError
 * if the memory cannot be had, 8·d·Σ T_i bytes.
 * @example
 * ```ts
 * import { fit, meanPooling, text } from 'prompt-attention';
 * const vectors = text.wordVectors(['ham', 'spam'], { shape: [2, 2], values: Float64Array.of(1, 0, 0, 1) });
 * const texts = ['Green eggs and ham', 'Spam, spam, spam!', 'Neither'].map((source) => text.wordsOf(source));
 * const { data, excluded } = text.embedTexts(texts, vectors, { labels: [1, -1, 1] });
 * console.log(data.lengths.join(), excluded.texts); // 1,3 1
 * const { history } = await fit(meanPooling, data, { loss: 'logistic', learningRate: 1, steps: 20 });
 * console.log(history.error.at(-1)); // 0
 * ```
 */
export function embedTexts(
  texts: Iterable<readonly string[]>,
  wordVectors: WordVectors,
  options: EmbedTextsOptions = {},
): EmbeddedTexts {
  const { labels, mostTokens } = parseOptions(optionsSchema, options, '');
  const { dimension, vectors, index } = parseVectors(wordVectors);
  if (typeof (texts as Partial<typeof texts> | null | undefined)?.[Symbol.iterator] !== 'function')
    throw new OptionTypeError('texts', 'arrays of words', texts);
  const found = new Tokens(index, mostTokens);
  for (const words of texts) {
    if (!Array.isArray(words) || !words.every((word) => typeof word === 'string'))
      throw new OptionTypeError(`texts[${found.count}]`, 'an array of strings', words);
    found.add(words);
  }
  if (labels !== undefined && labels.length !== found.count)
    throw new OptionRangeError('labels', `of length ${found.count}, one for every text`, options.labels);
  if (found.rows.length === 0) throw new OptionRangeError('texts', 'such that a word of one has a vector', texts);
  const tokens = new Float64Array(found.rows.length * dimension);
  for (const [token, row] of found.rows.entries())
    tokens.set(vectors.subarray(row * dimension, (row + 1) * dimension), token * dimension);
  return {
    data: {
      tokens,
      examples: found.lengths.length,
      dimension,
      lengths: Uint32Array.from(found.lengths),
      mostTokens,
      labels: labels && Float64Array.from(found.texts, (text) => labels[text] as number),
    },
    texts: Uint32Array.from(found.texts),
    places: Uint32Array.from(found.places),
    excluded: {
      texts: found.count - found.lengths.length,
      unknownWords: found.unknownWords,
      wordsBeyond: found.wordsBeyond,
    },
  };
}
