import { z } from 'zod';
import { DataError, OptionRangeError } from '../base/errors.js';
import { filePath, finiteVector, integerFrom, parseOptions } from '../base/options.js';
import { bytesOf, finiteNumbers, kMostNumbers, type PartReader, readParts, writeParts } from './number-file.js';

/** Numbers in rows and columns, or in any number of dimensions. */
export interface NumberArray {
  /** Length of every dimension. */
  readonly shape: readonly number[];
  /** The numbers, the last index fastest; finite. */
  readonly values: Float64Array;
}

const kMagic = Buffer.from('\x93NUMPY', 'latin1');
const kMostHeaderBytes = 2 ** 16;
/** What NumPy aligns the numbers to. */
const kAlignment = 64;
const kMostDimensions = 32;

const arraySchema = z.strictObject(
  {
    shape: z
      .array(integerFrom(0), { error: 'an array of lengths' })
      .max(kMostDimensions, { error: `of at most ${kMostDimensions} lengths` }),
    values: finiteVector,
  },
  { error: 'an object { shape, values }' },
);

const numbersIn = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

/** Validate an array of numbers, and copy them: what is given may be of a class that says anything about its memory. */
export function parseNumberArray(array: unknown, root: string): NumberArray {
  const { shape, values } = parseOptions(arraySchema, array, root);
  const numbers = numbersIn(shape);
  if (values.length !== numbers)
    throw new OptionRangeError(`${root}.values`, `of length ${shape.join('×') || 1} (got ${values.length})`, values);
  return { shape, values: new Float64Array(values) };
}

/** The header: a Python dictionary as NumPy writes it, with its keys in any order. */
async function readHeader(parts: PartReader): Promise<{ shape: readonly number[]; size: 4 | 8 }> {
  const fail = (reason: string) => new DataError(`${parts.file}: ${reason}`);
  const start = await parts.take(kMagic.length + 2, 'its first bytes');
  if (!start.subarray(0, kMagic.length).equals(kMagic)) throw fail('is no .npy file');
  const version = start[kMagic.length] as number;
  if (version < 1 || version > 3) throw fail(`is of version ${version} of .npy; 1 to 3 are read`);
  const length =
    version === 1
      ? (await parts.take(2, 'its header')).readUInt16LE()
      : (await parts.take(4, 'its header')).readUInt32LE();
  if (length > kMostHeaderBytes)
    throw fail(`says that its header has ${length} bytes; at most ${kMostHeaderBytes} are read`);
  const header = (await parts.take(length, 'its header')).toString('latin1');
  const field = (name: string, value: string) =>
    new RegExp(`[{,]\\s*['"]${name}['"]\\s*:\\s*${value}\\s*[,}]`).exec(header)?.[1];
  const descr = field('descr', `['"]([^'"]*)['"]`);
  const order = field('fortran_order', '(True|False)');
  const shapeText = field('shape', '\\(([\\d\\s,]*)\\)');
  if (descr === undefined || order === undefined || shapeText === undefined)
    throw fail(`has a header without descr, fortran_order and shape: ${JSON.stringify(header.trim().slice(0, 80))}`);
  if (descr !== '<f8' && descr !== '<f4')
    throw fail(`holds numbers of type '${descr.slice(0, 20)}'; '<f8' and '<f4' are read: save it with .astype('<f8')`);
  if (order === 'True') throw fail('has its columns behind each other; save it with numpy.ascontiguousarray');
  const lengths = shapeText.split(',').map((text) => text.trim());
  if (lengths.at(-1) === '') lengths.pop();
  const shape = lengths.map(Number);
  if (shape.length > kMostDimensions || lengths.some((text) => !/^\d{1,15}$/.test(text)))
    throw fail(`has the shape (${shapeText.slice(0, 80)})`);
  return { shape, size: descr === '<f8' ? 8 : 4 };
}

/**
 * Read an array of numbers from a `.npy` file, which NumPy's `save` writes: version 1 to 3, little-endian numbers in double or single
 * precision, rows behind each other.
 *
 * @throws {@link DataError} if the file cannot be read, is of another kind, ends too early or goes on, holds NaN or an infinite number,
 * or 2²⁸ numbers or more.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} if `file` is no path.
 * @example
 * ```ts
 * import { mkdtempSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { text } from 'prompt-attention';
 * const file = join(mkdtempSync(join(tmpdir(), 'numbers-')), 'two.npy');
 * await text.writeNpy(file, { shape: [2, 3], values: Float64Array.of(1, 2, 3, 4, 5, 6) });
 * const { shape, values } = await text.readNpy(file);
 * console.log(shape.join('×'), values.join()); // 2×3 1,2,3,4,5,6
 * ```
 */
export async function readNpy(file: string): Promise<NumberArray> {
  return readParts(parseOptions(filePath, file, 'file'), async (parts) => {
    const { shape, size } = await readHeader(parts);
    const numbers = numbersIn(shape);
    if (numbers > kMostNumbers) throw new DataError(`${parts.file}: holds more than ${kMostNumbers} numbers`);
    if (parts.left !== numbers * size)
      throw new DataError(`${parts.file}: has ${parts.left} bytes of numbers; its header says ${numbers * size}`);
    return { shape, values: finiteNumbers(parts.file, await parts.take(numbers * size, 'its numbers'), size) };
  });
}

/**
 * Write an array of numbers as a `.npy` file, in double precision. A file of that name is replaced when all is written.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad array or path; {@link StoreError} or an error of the system if the
 * file cannot be written.
 * @example
 * ```ts
 * import { mkdtempSync, statSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { text } from 'prompt-attention';
 * const file = join(mkdtempSync(join(tmpdir(), 'numbers-')), 'three.npy');
 * await text.writeNpy(file, { shape: [3], values: Float64Array.of(1, 2, 3) });
 * console.log(statSync(file).size); // 152
 * ```
 */
export async function writeNpy(file: string, array: NumberArray): Promise<void> {
  const path = parseOptions(filePath, file, 'file');
  const { shape, values } = parseNumberArray(array, 'array');
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const header = `{'descr': '<f8', 'fortran_order': False, 'shape': ${tuple}, }`;
  const start = kMagic.length + 4;
  const length = Math.ceil((start + header.length + 1) / kAlignment) * kAlignment - start;
  const bytes = Buffer.alloc(start + length, ' ');
  kMagic.copy(bytes);
  bytes.set([1, 0], kMagic.length);
  bytes.writeUInt16LE(length, kMagic.length + 2);
  bytes.write(header, start, 'latin1');
  bytes.write('\n', start + length - 1);
  await writeParts(path, [bytes, bytesOf(values)]);
}
