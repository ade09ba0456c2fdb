import { type FileHandle, open } from 'node:fs/promises';
import type { OwnFloat64Array } from '../base/arrays.js';
import { DataError } from '../base/errors.js';
import { writeOutput } from '../base/output.js';

/** Numbers of one array that are read or written: fewer than 2 GiB, the most that Node reads, writes or digests at once. */
export const kMostNumbers = 2 ** 28 - 1;

/** A file that is read in parts of known sizes. */
export class PartReader {
  #position = 0;

  constructor(
    readonly file: string,
    readonly size: number,
    readonly handle: FileHandle,
  ) {}

  /** Bytes that have not been read. */
  get left(): number {
    return this.size - this.#position;
  }

  /** The next bytes, so many; `what` names them in errors. */
  async take(bytes: number, what: string): Promise<Buffer> {
    if (bytes > this.left) throw new DataError(`${this.file}: ends within ${what}`);
    const part = Buffer.from(new ArrayBuffer(bytes));
    for (let filled = 0; filled < bytes; ) {
      const { bytesRead } = await this.handle.read(part, filled, bytes - filled, this.#position);
      if (bytesRead === 0) throw new DataError(`${this.file}: ends within ${what}`);
      filled += bytesRead;
      this.#position += bytesRead;
    }
    return part;
  }
}

/** Opens a file for `read`, whose errors other than {@link DataError} are of the file. */
export async function readParts<Result>(file: string, read: (parts: PartReader) => Promise<Result>): Promise<Result> {
  try {
    const handle = await open(file);
    try {
      const status = await handle.stat();
      if (!status.isFile()) throw new DataError(`${file}: is no file`);
      return await read(new PartReader(file, status.size, handle));
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${file}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Writes parts behind each other into a file that is complete or as it was before. */
export async function writeParts(file: string, parts: readonly Uint8Array[]): Promise<void> {
  await writeOutput(file, async (path) => {
    const handle = await open(path, 'w');
    try {
      for (const part of parts) await handle.writeFile(part);
    } finally {
      await handle.close();
    }
  });
}

/** The memory of an array. */
export const bytesOf = (values: Float64Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Refuse bytes as numbers if one of them is not finite. */
export function finiteNumbers(file: string, bytes: Buffer, size: 4 | 8): OwnFloat64Array {
  const { buffer, byteOffset, length } = bytes;
  const values =
    size === 8
      ? new Float64Array(buffer as ArrayBuffer, byteOffset, length / 8)
      : Float64Array.from(new Float32Array(buffer as ArrayBuffer, byteOffset, length / 4));
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new DataError(`${file}: number ${wrong} is ${values[wrong]}, not a finite number`);
  return values;
}
