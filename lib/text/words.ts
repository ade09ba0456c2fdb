import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { OptionTypeError } from '../base/errors.js';
import { integerFrom, parseOptions } from '../base/options.js';

/** Options of {@link wordsOf}. */
export interface WordsOptions {
  /** Most characters of a word; longer ones, which are encoded data rather than words, are left out. Default 40. */
  readonly longestWord?: number | undefined;
  /** Most words that are given: the first ones. Default 10⁵. */
  readonly mostWords?: number | undefined;
}

/** Options of {@link buildVocabulary}. */
export interface VocabularyOptions {
  /** Texts that a word must occur in: an integer ≥ 1. Default 2. */
  readonly minimumDocuments?: number | undefined;
  /** Most words that are kept: an integer ≥ 1. Default 50,000. */
  readonly mostWords?: number | undefined;
}

/** Words by the number of their occurrences, the most frequent first; at equal counts by their UTF-16 code units. */
export interface Vocabulary {
  /** The words, V of them. */
  readonly words: readonly string[];
  /** Occurrences of each, length V. */
  readonly counts: OwnFloat64Array;
  /** Texts that each occurs in, length V. */
  readonly documents: OwnFloat64Array;
  /** Index of every word. */
  readonly index: ReadonlyMap<string, number>;
}

const wordsSchema = z.strictObject({
  longestWord: integerFrom(1).default(40),
  mostWords: integerFrom(1).default(1e5),
});
const vocabularySchema = z.strictObject({
  minimumDocuments: integerFrom(1).default(2),
  mostWords: integerFrom(1).default(50_000),
});
const stringSchema = z.string({ error: 'a string' });

/** Characters that are segmented at once: the segmenter takes memory in proportion. */
const kSegmentedCharacters = 2 ** 16;
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

/**
 * The same rules for ASCII, where they are short: letters, digits and underscores; one of ' : . between letters and one of ' , ; . between
 * digits; not one underscore alone. The segmenter takes fifteen times as long.
 */
const kAsciiWord =
  /(?=_*[A-Za-z0-9]|__)[A-Za-z0-9_]+(?:(?:(?<=[A-Za-z])[':.](?=[A-Za-z])|(?<=[0-9])[',;.](?=[0-9]))[A-Za-z0-9_]+)*/g;
const kAscii = /^[\0-\x7f]*$/;

/** Parts of a text that end behind a blank where there is one, so that no word is cut. */
function* partsOf(text: string): Generator<string> {
  for (let first = 0; first < text.length; ) {
    let part = text.slice(first, first + kSegmentedCharacters);
    if (first + part.length < text.length) {
      const blank = Math.max(part.lastIndexOf(' '), part.lastIndexOf('\n'));
      if (blank >= 0) part = part.slice(0, blank + 1);
    }
    yield part;
    first += part.length;
  }
}

/** Words of a text in its order, whatever their length. Words never go over a blank or the end of a line. */
function* segmentsOf(text: string): Generator<string> {
  for (const part of partsOf(text))
    for (const [chunk] of part.matchAll(/[^ \t\r\n]+/g)) {
      if (kAscii.test(chunk)) yield* chunk.match(kAsciiWord) ?? [];
      else for (const { segment, isWordLike } of segmenter.segment(chunk)) if (isWordLike) yield segment;
    }
}

/**
 * Words of a text in its order: segments that Unicode's rules (UAX 29, by `Intl.Segmenter`) call words, in compatibility form (NFKC) and
 * lower case. Numbers are words; punctuation and blanks are not.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * console.log(text.wordsOf("Don't pay $99 -- it's FREE!").join(' ')); // don't pay 99 it's free
 * ```
 */
export function wordsOf(text: string, options: WordsOptions = {}): string[] {
  const source = parseOptions(stringSchema, text, 'text');
  const { longestWord, mostWords } = parseOptions(wordsSchema, options, '');
  const words: string[] = [];
  for (const segment of segmentsOf(source.normalize('NFKC'))) {
    if (segment.length > longestWord) continue;
    if (words.length === mostWords) return words;
    words.push(segment.toLowerCase());
  }
  return words;
}

/**
 * Count the words of texts: pass training texts only, so that nothing is learned from test texts.
 *
 * @param texts Words of every text: see {@link wordsOf}.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const texts = ['a rose is a rose', 'a pump'].map((source) => text.wordsOf(source));
 * const { words, counts } = text.buildVocabulary(texts, { minimumDocuments: 1, mostWords: 2 });
 * console.log(words.join(), counts.join()); // a,rose 3,2
 * ```
 */
export function buildVocabulary(texts: Iterable<readonly string[]>, options: VocabularyOptions = {}): Vocabulary {
  const { minimumDocuments, mostWords } = parseOptions(vocabularySchema, options, '');
  if (typeof (texts as Partial<typeof texts> | null | undefined)?.[Symbol.iterator] !== 'function')
    throw new OptionTypeError('texts', 'arrays of words', texts);
  const tallies = new Map<string, { count: number; documents: number; last: number }>();
  let document = 0;
  for (const words of texts) {
    if (!Array.isArray(words) || !words.every((word) => typeof word === 'string'))
      throw new OptionTypeError(`texts[${document}]`, 'an array of strings', words);
    ++document;
    for (const word of words) {
      const tally = tallies.get(word) ?? { count: 0, documents: 0, last: 0 };
      if (tally.count === 0) tallies.set(word, tally);
      ++tally.count;
      if (tally.last !== document) ++tally.documents;
      tally.last = document;
    }
  }
  const kept = [...tallies]
    .filter(([, { documents }]) => documents >= minimumDocuments)
    .sort(([a, { count: m }], [b, { count: n }]) => n - m || (a < b ? -1 : 1))
    .slice(0, mostWords);
  return {
    words: kept.map(([word]) => word),
    counts: Float64Array.from(kept, ([, { count }]) => count),
    documents: Float64Array.from(kept, ([, { documents }]) => documents),
    index: new Map(kept.map(([word], i) => [word, i])),
  };
}
