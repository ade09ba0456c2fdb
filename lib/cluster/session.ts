import { z } from 'zod';
import { engineInfo } from '../base/engine.js';
import { OptionRangeError } from '../base/errors.js';
import type { StudyHeader, StudyStore } from '../study/store.js';
import { type ClusterConnection, connectCluster } from './connection.js';
import { JobQueue } from './queue.js';
import { kSchemaVersion, migrateSchema, schemaVersion, versionError } from './schema.js';

/** The address of a cluster. */
export const clusterUrl = z.string({ error: 'the URL of a PostgreSQL database' });

/** How a cluster is opened. */
interface SessionOptions<Result> {
  /** Given by workers: their statements are short, and they give jobs of dead workers to others; called when that fails. */
  readonly onMaintenanceError?: (error: Error) => void;
  /** Make the tables where there are none; needs the right to create schemas. */
  readonly makeTables?: boolean;
  /** The result where there are no tables; by default that is an error. */
  readonly withoutTables?: Result;
}

/**
 * Run `work` on a cluster whose tables are of the version of this package.
 *
 * @throws {@link StoreError} if it cannot be reached, or its tables are of another version.
 */
export async function withCluster<Result>(
  url: string,
  work: (connection: ClusterConnection, queue: JobQueue) => Promise<Result>,
  { onMaintenanceError, makeTables = false, withoutTables }: SessionOptions<Result> = {},
): Promise<Result> {
  const connection = await connectCluster(url, onMaintenanceError ? 'worker' : 'other');
  try {
    const version = await schemaVersion(connection.runner, connection.clock);
    if (version === 0 && makeTables) await migrateSchema(connection, engineInfo().version);
    else if (version === 0 && withoutTables !== undefined) return withoutTables;
    else if (version !== kSchemaVersion) throw versionError(connection.store.where, version);
    const queue = await JobQueue.open(connection, onMaintenanceError);
    try {
      return await work(connection, queue);
    } finally {
      await queue.close();
    }
  } finally {
    await connection.close();
  }
}

/** The study in the store; undefined if it is not there. */
export async function findStudy(store: StudyStore, id: string): Promise<StudyHeader | undefined> {
  return (await store.readStudies([id]))[0];
}

/** The study of an id that a user gave. */
export async function requiredStudy(store: StudyStore, id: string): Promise<StudyHeader> {
  const header = await findStudy(store, id);
  if (header === undefined) throw new OptionRangeError('id', `the id of a study of ${store.where}`, id);
  return header;
}
