import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { DataError, OptionRangeError } from '../base/errors.js';
import { filePath, finiteVector, integerFrom, parseOptions } from '../base/options.js';
import { type NumberArray, parseNumberArray } from './npy.js';
import { bytesOf, finiteNumbers, kMostNumbers, readParts, writeParts } from './number-file.js';
import type { WordVectors } from './word-vectors.js';

const kMagic = Buffer.from('prompt-attention word vectors 1\n', 'latin1');
/** V, d and the bytes of the words, each in four bytes; then the SHA-256 of all that is behind it. */
const kSizesBytes = 12;
const kDigestBytes = 32;
const kMostWordBytes = 2 ** 28;

const wordsSchema = z
  .array(z.string({ error: 'a string' }), { error: 'an array of words' })
  .min(1, { error: 'at least one word' });

const none = Object.freeze({ repeated: 0, encoding: 0 });

/** Vectors of words from parts that fit, but for a word that comes again, whose position is given instead. */
function assemble(words: readonly string[], dimension: number, vectors: OwnFloat64Array): WordVectors | number {
  const index = new Map(words.map((word, i) => [word, i]));
  if (index.size < words.length) return words.findIndex((word, i) => index.get(word) !== i);
  return { words, dimension, vectors, index, excluded: none };
}

/**
 * Vectors of words from words and numbers of your own, for instance of {@link readNpy}. The numbers are copied.
 *
 * @param words V of them, each once.
 * @param vectors Of shape V×d, d ≥ 1: a row for every word.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} if they do not fit together, or a word comes again.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const vectors = text.wordVectors(['ham', 'spam'], { shape: [2, 1], values: Float64Array.of(1, -1) });
 * console.log(vectors.index.get('spam'), vectors.dimension); // 1 1
 * ```
 */
export function wordVectors(words: readonly string[], vectors: NumberArray): WordVectors {
  const given = parseOptions(wordsSchema, words, 'words');
  const { shape, values } = parseNumberArray(vectors, 'vectors');
  const [rows, dimension = 0] = shape;
  if (shape.length !== 2 || rows !== given.length || dimension < 1)
    throw new OptionRangeError('vectors.shape', `[${given.length}, d], a row for every word`, shape);
  const result = assemble([...given], dimension, Float64Array.from(values));
  if (typeof result === 'number')
    throw new OptionRangeError(`words[${result}]`, 'a word that does not come again', given[result]);
  return result;
}

const vectorsSchema = z.looseObject(
  { words: wordsSchema, dimension: integerFrom(1, 2 ** 31 - 1), vectors: finiteVector },
  { error: 'vectors of words' },
);

/** Validate vectors of words. */
export function parseWordVectors(vectors: unknown, root: string): WordVectors {
  const { words, dimension, vectors: values } = parseOptions(vectorsSchema, vectors, root);
  if (values.length !== words.length * dimension)
    throw new OptionRangeError(`${root}.vectors`, `of length V×d = ${words.length}×${dimension}`, values);
  const result = assemble(words, dimension, new Float64Array(values));
  if (typeof result === 'number')
    throw new OptionRangeError(`${root}.words[${result}]`, 'a word that does not come again', words[result]);
  return result;
}

/**
 * Save vectors of words in a file of this package: all digits, and a checksum. A file of that name is replaced when all is written.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, 2²⁸ numbers or more, or more than 2²⁸ bytes of words;
 * {@link StoreError} or an error of the system if the file cannot be written.
 * @example
 * ```ts
 * import { mkdtempSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { text } from 'prompt-attention';
 * const file = join(mkdtempSync(join(tmpdir(), 'vectors-')), 'two.vectors');
 * await text.saveWordVectors(file, text.wordVectors(['ham', 'spam'], { shape: [2, 1], values: Float64Array.of(1, -1) }));
 * const { words, vectors } = await text.loadWordVectors(file);
 * console.log(words.join(), vectors.join()); // ham,spam 1,-1
 * ```
 */
export async function saveWordVectors(file: string, vectors: WordVectors): Promise<void> {
  const path = parseOptions(filePath, file, 'file');
  const { words, dimension, vectors: values } = parseWordVectors(vectors, 'vectors');
  const text = Buffer.from(JSON.stringify(words));
  if (text.length > kMostWordBytes)
    throw new OptionRangeError('vectors.words', `at most ${kMostWordBytes} bytes of words`, words);
  if (values.length > kMostNumbers)
    throw new OptionRangeError('vectors.vectors', `at most ${kMostNumbers} numbers`, values);
  const sizes = Buffer.alloc(kSizesBytes);
  for (const [i, size] of [words.length, dimension, text.length].entries()) sizes.writeUInt32LE(size, 4 * i);
  const parts = [sizes, text, bytesOf(values)];
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  await writeParts(path, [kMagic, digest.digest(), ...parts]);
}

function parsedWords(file: string, bytes: Buffer, count: number): string[] {
  let words: unknown;
  try {
    words = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    words = undefined;
  }
  if (!Array.isArray(words) || words.length !== count || !words.every((word) => typeof word === 'string'))
    throw new DataError(`${file}: does not hold ${count} words`);
  return words;
}

/**
 * Load vectors of words that {@link saveWordVectors} has saved.
 *
 * @throws {@link DataError} if the file cannot be read, is of another kind, or is not as it was saved.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} if `file` is no path.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * try {
 *   await text.loadWordVectors('nowhere.vectors');
 * } catch (error) {
 *   // nowhere.vectors: cannot be read: …
 *   console.log((error as Error).message);
 * }
 * ```
 */
export async function loadWordVectors(file: string): Promise<WordVectors> {
  return readParts(parseOptions(filePath, file, 'file'), async (parts) => {
    const fail = (reason: string) => new DataError(`${parts.file}: ${reason}`);
    const magic = await parts.take(Math.min(kMagic.length, parts.left), 'its first line');
    if (!magic.equals(kMagic)) throw fail('holds no vectors that saveWordVectors has saved');
    const digest = await parts.take(kDigestBytes, 'its checksum');
    const sizes = await parts.take(kSizesBytes, 'its sizes');
    const [count, dimension, wordBytes] = [0, 4, 8].map((at) => sizes.readUInt32LE(at)) as [number, number, number];
    const bytes = 8 * count * dimension;
    if (count * dimension > kMostNumbers || wordBytes > kMostWordBytes || parts.left !== wordBytes + bytes)
      throw fail(`does not hold ${count} words with ${dimension} numbers each, as it says`);
    const text = await parts.take(wordBytes, 'its words');
    const numbers = await parts.take(bytes, 'its numbers');
    if (!createHash('sha256').update(sizes).update(text).update(numbers).digest().equals(digest))
      throw fail('is damaged: its checksum is not that of its contents');
    if (count === 0 || dimension === 0) throw fail('holds no vector');
    const words = parsedWords(parts.file, text, count);
    const result = assemble(words, dimension, finiteNumbers(parts.file, numbers, 8));
    if (typeof result === 'number') throw fail(`holds the word ${JSON.stringify(words[result])} twice`);
    return result;
  });
}
