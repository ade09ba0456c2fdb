import { crc32 } from 'node:zlib';
import type { Selectable } from 'kysely';
import type { OwnFloat64Array } from '../base/arrays.js';
import type { StoredResults } from './statistics.js';
import type { Tables } from './tables.js';

/** A batch of consecutive trials of one cell: its raw results, how long it took and who computed it. */
export interface Batch extends StoredResults {
  /** Position of the cell. */
  readonly cell: number;
  /** Index of the first trial. */
  readonly firstTrial: number;
  /** Seconds, as if the machine had done nothing else meanwhile. */
  readonly wallSeconds: number;
  /** Id of the run that computed it. */
  readonly run: string;
}

function bytesOf(array: Float64Array | Uint8Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

/** The bytes as a float64 array of their own, aligned. */
function floatsOf(bytes: Uint8Array): OwnFloat64Array {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return new Float64Array(copy.buffer);
}

/** The batch as a row of the store; `stored` in seconds since 1970. */
export function toBatchRow(study: string, batch: Batch, stored: number): Selectable<Tables['batch']> {
  const trials = batch.status.length;
  const entries = Object.entries(batch.metrics);
  const status = batch.status.every((code) => code === 0) ? Buffer.alloc(0) : bytesOf(batch.status);
  const data = Buffer.concat(entries.map(([, values]) => bytesOf(values)));
  return {
    study,
    cell: batch.cell,
    first_trial: batch.firstTrial,
    trials,
    run: batch.run,
    metrics: entries.map(([name, { length }]) => (length === trials ? name : `${name}:${length / trials}`)).join(' '),
    status,
    data,
    checksum: crc32(data, crc32(status)),
    wall_seconds: batch.wallSeconds,
    stored,
  };
}

/** The batch of a row of the store; undefined if its bytes are not those that were written. */
export function fromBatchRow(row: Selectable<Tables['batch']>): Batch | undefined {
  // SQLite gives an ArrayBuffer, PostgreSQL a Buffer.
  const status = new Uint8Array(row.status);
  const data = new Uint8Array(row.data);
  if (crc32(data, crc32(status)) !== Number(row.checksum)) return undefined;
  const metrics: Record<string, OwnFloat64Array> = {};
  let begin = 0;
  for (const entry of row.metrics.split(' ')) {
    const [name = '', points = '1'] = entry.split(':');
    const end = begin + row.trials * Number(points) * Float64Array.BYTES_PER_ELEMENT;
    metrics[name] = floatsOf(data.subarray(begin, end));
    begin = end;
  }
  return {
    cell: row.cell,
    firstTrial: Number(row.first_trial),
    metrics,
    status: status.length === 0 ? new Uint8Array(row.trials) : status,
    wallSeconds: row.wall_seconds,
    run: row.run,
  };
}

/** Trials [from, to) of the cell, all of which are in the batch. */
export function sliceBatch(batch: Batch, from: number, to: number): Batch {
  const trials = batch.status.length;
  const begin = from - batch.firstTrial;
  const end = to - batch.firstTrial;
  if (begin === 0 && end === trials) return batch;
  const metrics = Object.entries(batch.metrics).map(([name, values]) => {
    const points = values.length / trials;
    return [name, values.slice(begin * points, end * points)] as const;
  });
  return {
    ...batch,
    firstTrial: from,
    metrics: Object.fromEntries(metrics),
    status: batch.status.slice(begin, end),
    wallSeconds: (batch.wallSeconds * (end - begin)) / trials,
  };
}
