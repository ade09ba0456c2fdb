import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { StoreError } from '../base/errors.js';
import { type ColumnValues, collected, type NumberColumn, type Table } from './table.js';

/** A zip archive without the extension for large ones holds less than this. */
const kMostBytes = 2 ** 32 - 2 ** 20;
/** Bytes that are compressed at a time. */
const kPart = 2 ** 20;
/** The files of one result file are the same whenever they are written. */
const kTime = new Date(1980, 0, 1);

/** An array of NumPy: its `descr` and shape, and its elements. */
interface NumpyArray {
  readonly name: string;
  readonly descr: string;
  readonly shape: readonly number[];
  readonly bytesPerElement: number;
  readonly elements: number;
  /** Write elements from `from` on into an empty view that ends with the last one wanted. */
  write(view: DataView, from: number): void;
}

/** Elements that are written one by one. */
function written(bytes: number, element: (view: DataView, at: number, i: number) => void): NumpyArray['write'] {
  return (view, from) => {
    for (let at = 0, i = from; at < view.byteLength; at += bytes, ++i) element(view, at, i);
  };
}

/** Texts of one width in UTF-32, as NumPy has them; a text that is missing is empty. */
function textArray(name: string, texts: readonly (string | null)[], shape: readonly number[]): NumpyArray {
  const width = texts.reduce((most, text) => Math.max(most, [...(text ?? '')].length), 1);
  const bytesPerElement = 4 * width;
  const write = written(bytesPerElement, (view, at, i) => {
    let place = at;
    for (const character of texts[i] ?? '') {
      view.setUint32(place, character.codePointAt(0) as number, true);
      place += 4;
    }
  });
  return { name, descr: `<U${width}`, shape, bytesPerElement, elements: texts.length, write };
}

/** Numbers; a column of truth values or integers of which one is missing is one of doubles, as only they have NaN. */
function numberArray({ name, type, values }: NumberColumn): NumpyArray {
  const common = { name, shape: [values.length], elements: values.length };
  const value = (i: number) => values[i] as number;
  const isComplete = !values.includes(Number.NaN);
  if (type === 'BOOLEAN' && isComplete)
    return {
      ...common,
      descr: '|b1',
      bytesPerElement: 1,
      write: written(1, (view, at, i) => view.setUint8(at, value(i))),
    };
  if (type === 'INT32' && isComplete) {
    const write = written(4, (view, at, i) => view.setInt32(at, value(i), true));
    return { ...common, descr: '<i4', bytesPerElement: 4, write };
  }
  const write = written(8, (view, at, i) => view.setFloat64(at, value(i), true));
  return { ...common, descr: '<f8', bytesPerElement: 8, write };
}

const toArray = (column: ColumnValues): NumpyArray =>
  column.type === 'STRING' ? textArray(column.name, column.values, [column.values.length]) : numberArray(column);

/** The head of a file of the format .npy, version 1.0: its length is a multiple of 64. */
function npyHead({ descr, shape }: NumpyArray): Uint8Array {
  const sizes = shape.map((size) => `${size},`).join(' ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const length = 64 * Math.ceil((10 + text.length + 1) / 64);
  const head = Buffer.alloc(length, ' ');
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(length - 10, 8);
  head.write(text, 10, 'latin1');
  head[length - 1] = 0x0a;
  return head;
}

/** The file of an array, in parts of about {@link kPart} bytes. */
function* npyParts(array: NumpyArray): Generator<Uint8Array> {
  yield npyHead(array);
  const most = Math.max(1, Math.floor(kPart / array.bytesPerElement));
  for (let from = 0; from < array.elements; from += most) {
    const part = new Uint8Array(Math.min(most, array.elements - from) * array.bytesPerElement);
    array.write(new DataView(part.buffer), from);
    yield part;
  }
}

/** Refuse what an archive cannot hold. */
export function checkArchiveSize(bytes: number): void {
  if (bytes >= kMostBytes)
    throw new StoreError(`${(bytes / 1e9).toFixed(1)} GB are too much for the format npz; Parquet has no such limit`);
}

async function* archive(arrays: readonly NumpyArray[]): AsyncGenerator<Uint8Array> {
  // Loaded when asked for.
  const { Zip, ZipDeflate } = await import('fflate');
  const ready: Uint8Array[] = [];
  const zip = new Zip((error, bytes) => {
    if (error) throw error;
    ready.push(bytes);
  });
  for (const array of arrays) {
    const entry = new ZipDeflate(`${array.name}.npy`);
    entry.mtime = kTime;
    zip.add(entry);
    for (const part of npyParts(array)) {
      entry.push(part);
      yield* ready.splice(0);
    }
    entry.push(new Uint8Array(0), true);
  }
  zip.end();
  yield* ready.splice(0);
}

/**
 * Write a table as an archive that `numpy.load` reads without pickles: one array per column, of doubles, 32-bit integers, truth values
 * or texts, and `head` as JSON in the array `prompt-attention`, which is one text.
 */
export async function writeNpz(file: string, head: object, table: Table): Promise<void> {
  const arrays = [textArray('prompt-attention', [JSON.stringify(head)], []), ...(await collected(table)).map(toArray)];
  checkArchiveSize(arrays.reduce((sum, { bytesPerElement, elements }) => sum + bytesPerElement * elements, 0));
  await pipeline(Readable.from(archive(arrays)), createWriteStream(file));
}
