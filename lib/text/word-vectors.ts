import { createReadStream } from 'node:fs';
import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { DataError } from '../base/errors.js';
import { filePath, integerFrom, parseOptions } from '../base/options.js';
import { decode, Unreadable } from './corpus.js';
import { linesOf } from './lines.js';

/** Options of {@link readWordVectors}. */
export interface ReadWordVectorsOptions {
  /** The words whose vectors are wanted; others are passed over. Default all. */
  readonly words?: readonly string[] | undefined;
  /** Most words that are kept, the first ones of the file: an integer ≥ 1. Default 10⁶. */
  readonly mostWords?: number | undefined;
}

/** Vectors of words. */
export interface WordVectors {
  /** The words, V of them, each once, in the order of the file. */
  readonly words: readonly string[];
  /** d. */
  readonly dimension: number;
  /** V×d, row-major; finite. */
  readonly vectors: OwnFloat64Array;
  /** Index of every word. */
  readonly index: ReadonlyMap<string, number>;
  /** How many lines were left out. */
  readonly excluded: {
    /** Of words that stood before. */
    readonly repeated: number;
    /** That are not UTF-8. */
    readonly encoding: number;
  };
}

const kMostLineBytes = 2 ** 20;
/** Numbers of all vectors together: 2 GiB. */
const kMostNumbers = 2 ** 28;
const kNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const optionsSchema = z.strictObject({
  words: z.array(z.string({ error: 'a string' }), { error: 'an array of words' }).optional(),
  mostWords: integerFrom(1).default(1e6),
});

/** Rows by their words, as they are read. */
class Rows {
  readonly index = new Map<string, number>();
  readonly rows: Float64Array[] = [];
  readonly excluded = { repeated: 0, encoding: 0 };
  dimension = 0;
  readonly #wanted: ReadonlySet<string> | undefined;

  constructor(
    readonly file: string,
    words: readonly string[] | undefined,
  ) {
    this.#wanted = words && new Set(words);
  }

  /** Takes the line of this number: a word, which may have blanks in it but no number behind one, and d numbers. */
  add(line: string, number: number): void {
    const fail = (reason: string) => new DataError(`${this.file}:${number}: ${reason}`);
    const fields = line.split(/[ \t]/);
    if (this.dimension === 0) this.dimension = fields.length - 1;
    const first = fields.length - this.dimension;
    if (this.dimension < 1 || first < 1) throw fail(`has ${fields.length} fields, not a word and its vector`);
    if (first > 1 && kNumber.test(fields[first - 1] as string)) throw fail(`has more than ${this.dimension} numbers`);
    const word = fields.slice(0, first).join(' ');
    if (this.#wanted && !this.#wanted.has(word)) return;
    if (this.index.has(word)) {
      ++this.excluded.repeated;
      return;
    }
    const row = Float64Array.from(fields.slice(first), (field) => (kNumber.test(field) ? Number(field) : Number.NaN));
    const wrong = row.findIndex((entry) => !Number.isFinite(entry));
    if (wrong >= 0) throw fail(`${JSON.stringify(fields[first + wrong]?.slice(0, 40))} is not a finite number`);
    if ((this.rows.length + 1) * this.dimension > kMostNumbers)
      throw fail(`more than ${kMostNumbers} numbers; name the words that are wanted, or fewer`);
    this.index.set(word, this.rows.length);
    this.rows.push(row);
  }

  build(): WordVectors {
    const { dimension, index, excluded } = this;
    if (this.rows.length === 0)
      throw new DataError(`${this.file}: holds ${dimension === 0 ? 'no vector' : 'none of the words that are wanted'}`);
    const vectors = new Float64Array(this.rows.length * dimension);
    for (const [i, row] of this.rows.entries()) vectors.set(row, i * dimension);
    return { words: [...index.keys()], dimension, vectors, index, excluded };
  }
}

/**
 * Read vectors of words from text: a line for every word, with its d numbers behind it, as GloVe writes them, or the same below a line
 * with the number of words and d, as word2vec and fastText do (`.vec`). Where there is no such line d is taken from the first word. The
 * file is streamed, and of words that are not wanted nothing is kept.
 *
 * @throws {@link DataError} if the file cannot be read, a line does not hold a word and d finite numbers or has more than 1 MiB, the
 * number of words is not that of the first line although all are read, more than 2²⁸ numbers are kept, or none.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { mkdtempSync, writeFileSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { text } from 'prompt-attention';
 * const file = join(mkdtempSync(join(tmpdir(), 'vectors-')), 'two.vec');
 * writeFileSync(file, '2 3\nham 1 0 0.5\nspam -1 2e-1 0\n');
 * const { words, dimension } = await text.readWordVectors(file);
 * console.log(words.join(), dimension); // ham,spam 3
 * ```
 */
export async function readWordVectors(file: string, options: ReadWordVectorsOptions = {}): Promise<WordVectors> {
  const path = parseOptions(filePath, file, 'file');
  const { words, mostWords } = parseOptions(optionsSchema, options, '');
  const rows = new Rows(path, words);
  let number = 0;
  let promised: number | undefined;
  try {
    for await (const bytes of linesOf(createReadStream(path), kMostLineBytes)) {
      ++number;
      if (bytes === null) throw new DataError(`${path}:${number}: has more than ${kMostLineBytes} bytes`);
      let line: string;
      try {
        line = decode(bytes).replace(/[ \t\r]+$/, '');
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        ++rows.excluded.encoding;
        continue;
      }
      const header = number === 1 ? /^(\d{1,15}) (\d{1,9})$/.exec(line) : null;
      if (header) {
        promised = Number(header[1]);
        rows.dimension = Number(header[2]);
        if (rows.dimension === 0) throw new DataError(`${path}:1: says that vectors have no entries`);
      } else if (line !== '') rows.add(line, number);
      if (rows.rows.length === mostWords) return rows.build();
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const held = rows.rows.length + rows.excluded.repeated + rows.excluded.encoding;
  if (promised !== undefined && words === undefined && held !== promised)
    throw new DataError(`${path}: says that it holds ${promised} words and holds ${held}`);
  return rows.build();
}
