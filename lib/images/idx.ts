import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { DataError } from '../base/errors.js';
import { arrayOf, filePath, parseOptions } from '../base/options.js';

/** An array of bytes from an IDX file. */
export interface IdxArray {
  /** Sizes, the slowest first: [count, height, width] for images, [count] for labels. */
  readonly dimensions: readonly number[];
  /** The entries, row-major; as many as the product of the sizes. */
  readonly data: Uint8Array;
}

const kMostDimensions = 8;
/** Most bytes that an array may have; what a compressed file may unpack to is bounded by it too. */
const kMostBytes = 2 ** 31 - 1;
const kByteType = 8;
const kHeaderBytes = 4;

function unpack(bytes: Uint8Array, source: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: kMostBytes });
  } catch (cause) {
    throw new DataError(`${source}: cannot be unpacked: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Read an array in the IDX format of the MNIST family of data sets: two zero bytes, the type of the entries, the number of
 * sizes, each size as a 32-bit big-endian integer, the entries. Entries must be unsigned bytes (type 8). Gzipped data is
 * recognised and unpacked.
 *
 * @param bytes The content of a file.
 * @param source What errors call it. Default `IDX data`.
 * @throws {@link DataError} for data that is truncated, damaged, too long, of another kind or absurdly large.
 * @example
 * ```ts
 * import { images } from 'prompt-attention';
 * const { dimensions, data } = images.parseIdx(Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 5, 6));
 * console.log(dimensions.join(), data.join()); // 1,2 5,6
 * ```
 */
export function parseIdx(bytes: Uint8Array, source = 'IDX data'): IdxArray {
  parseOptions(arrayOf('Uint8Array'), bytes, 'bytes');
  const content = unpack(bytes, source);
  const fail = (reason: string) => new DataError(`${source}: ${reason}`);
  if (content.length < kHeaderBytes) throw fail('is too short for an IDX header');
  const [first, second, type, count] = content as unknown as [number, number, number, number];
  if (first !== 0 || second !== 0) throw fail('does not begin with two zero bytes as IDX data does');
  if (type !== kByteType) throw fail(`has entries of type ${type}; only unsigned bytes (type ${kByteType}) are read`);
  if (count < 1 || count > kMostDimensions) throw fail(`has ${count} sizes; between 1 and ${kMostDimensions} are read`);
  const begin = kHeaderBytes + 4 * count;
  if (content.length < begin) throw fail('ends inside its header');
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const dimensions = Array.from({ length: count }, (_, i) => view.getUint32(kHeaderBytes + 4 * i));
  // At most eight factors below 2³²: a product beyond 2⁵³ is inexact, never small or infinite. A zero alone makes it 0.
  const entries = dimensions.reduce((product, size) => product * size, 1);
  const shape = dimensions.join('×');
  if (entries > kMostBytes) throw fail(`claims ${shape} entries, more than ${kMostBytes}`);
  if (content.length - begin !== entries)
    throw fail(`claims ${shape} = ${entries} entries and holds ${content.length - begin}`);
  return { dimensions, data: content.subarray(begin) };
}

/**
 * Read an IDX file, gzipped or not: see {@link parseIdx}.
 *
 * @throws {@link DataError} if the file cannot be read or is no such file.
 */
export function readIdx(file: string): IdxArray {
  parseOptions(filePath, file, 'file');
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new DataError(`${file}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  return parseIdx(bytes, file);
}
