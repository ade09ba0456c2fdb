import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Kysely, SqliteDialect } from 'kysely';
import Database from 'libsql';
import { StoreError } from '../errors.js';
import type { Batch } from './rows.js';
import type { Estimate } from './statistics.js';
import { createTables, kFormat, type StoreCell, type StoreHeader, type Tables } from './tables.js';

/** How long a statement waits for another process's write before it gives up. */
const kBusyMilliseconds = 5000;

function reasonOf(file: string, error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === 'SQLITE_NOTADB') return `is not a result file of a study; choose another one (out, or --out)`;
  if (code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return 'another process is running this study into the same file';
  if (code === 'SQLITE_BUSY') return 'is in use by another process';
  const message = error instanceof Error ? error.message : String(error);
  if (!message.startsWith('ConnectionFailed')) return message.split('\n', 1)[0] as string;
  const directory = dirname(resolve(file));
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) return 'is a directory, not a file';
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return `there is no directory ${directory}`;
  return 'cannot be opened or created';
}

/**
 * The results of one study in one SQLite file. While a study runs the file is in write-ahead mode, so that others can read
 * it; after `close()` it is a single file again.
 */
export class StudyStore {
  private constructor(
    readonly file: string,
    private readonly connection: Database.Database,
    private readonly tables: Kysely<Tables>,
    private readonly mode: 'ro' | 'rwc',
  ) {}

  private static connect(file: string, mode: 'ro' | 'rwc'): StudyStore {
    try {
      const connection = new Database(`${pathToFileURL(file)}?mode=${mode}`, { timeout: kBusyMilliseconds });
      return new StudyStore(
        file,
        connection,
        new Kysely({ dialect: new SqliteDialect({ database: connection }) }),
        mode,
      );
    } catch (cause) {
      throw new StoreError(`${file}: ${reasonOf(file, cause)}`, { cause });
    }
  }

  /**
   * Open the store of a study for running it; make it if there is none.
   *
   * @throws {@link StoreError} if the file cannot be made or written, is something else, or holds another study.
   */
  static async openForRun(file: string, header: StoreHeader, cells: readonly StoreCell[]): Promise<StudyStore> {
    const store = StudyStore.connect(file, 'rwc');
    try {
      await store.attempt(async () => {
        if ((await store.tableNames()).length === 0) await createTables(store.tables, header, cells);
        const found = await store.readHeader();
        if (found.specHash !== header.specHash)
          throw new StoreError(
            `${file}: holds another study (${found.name}, hash ${found.specHash.slice(0, 12)}; this one is ${header.name}, ` +
              `hash ${header.specHash.slice(0, 12)}); choose another file (out, or --out), or delete this one`,
          );
        store.connection.pragma('journal_mode = WAL');
        store.connection.pragma('synchronous = NORMAL');
      });
    } catch (error) {
      await store.tables.destroy();
      throw error;
    }
    return store;
  }

  /**
   * Open the store of a study for reading, also while the study runs.
   *
   * @throws {@link StoreError} if there is no such file or it is not a result file.
   */
  static openForReading(file: string): StudyStore {
    if (statSync(file, { throwIfNoEntry: false }) === undefined) throw new StoreError(`${file}: there is no such file`);
    return StudyStore.connect(file, 'ro');
  }

  /** Run `work`; whatever SQLite says becomes a {@link StoreError} that names the file. */
  private async attempt<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      throw new StoreError(`${this.file}: ${reasonOf(this.file, cause)}`, { cause });
    }
  }

  private async tableNames(): Promise<readonly string[]> {
    return (await this.tables.introspection.getTables()).map((table) => table.name);
  }

  /** What study the store holds. */
  readHeader(): Promise<StoreHeader> {
    return this.attempt(async () => {
      const names = await this.tableNames();
      if (names.length === 0) throw new StoreError(`${this.file}: holds no study yet`);
      const study = names.includes('batch') && names.includes('study');
      if (!study)
        throw new StoreError(`${this.file}: is not a result file of a study; choose another one (out, or --out)`);
      const row = await this.tables.selectFrom('study').selectAll().executeTakeFirstOrThrow();
      if (row.format !== kFormat)
        throw new StoreError(
          `${this.file}: has format ${row.format}; this version of prompt-attention reads ${kFormat}`,
        );
      return {
        name: row.name,
        spec: row.spec,
        specHash: row.spec_hash,
        packageVersion: row.package_version,
        nodeVersion: row.node_version,
        engine: row.engine,
      };
    });
  }

  /** Theory of a cell, null if none is stored. */
  readTheory(cell: string): Promise<Estimate | null> {
    return this.attempt(async () => {
      const row = await this.tables
        .selectFrom('cell')
        .select(['theory', 'theory_standard_error'])
        .where('key', '=', cell)
        .executeTakeFirst();
      if (row === undefined || row.theory === null) return null;
      return { mean: row.theory, standardError: row.theory_standard_error ?? Number.NaN };
    });
  }

  /** Store the theory of a cell. */
  async writeTheory(cell: string, { mean, standardError }: Estimate): Promise<void> {
    await this.attempt(() =>
      this.tables
        .updateTable('cell')
        .set({ theory: mean, theory_standard_error: standardError })
        .where('key', '=', cell)
        .execute(),
    );
  }

  /** Trials stored per cell key. */
  countTrials(): Promise<ReadonlyMap<string, number>> {
    return this.attempt(async () => {
      const rows = await this.tables
        .selectFrom('batch')
        .select((expression) => ['cell', expression.fn.sum<number>('trials').as('trials')])
        .groupBy('cell')
        .execute();
      return new Map(rows.map((row) => [row.cell, Number(row.trials)]));
    });
  }

  /** The batches of a cell in trial order. */
  readBatches(cell: string): Promise<readonly Batch[]> {
    return this.attempt(async () => {
      const batches = await this.tables
        .selectFrom('batch')
        .selectAll()
        .where('cell', '=', cell)
        .orderBy('first_trial')
        .execute();
      const metrics = new Map<number, Record<string, Float64Array>>(batches.map((row) => [row.first_trial, {}]));
      const data = this.tables.selectFrom('metric').select(['first_trial', 'name', 'data']).where('cell', '=', cell);
      for (const row of await data.execute()) {
        const own = metrics.get(row.first_trial);
        if (own !== undefined) own[row.name] = new Float64Array(row.data);
      }
      let done = 0;
      return batches.map((row) => {
        if (row.first_trial !== done)
          throw new StoreError(`${this.file}: damaged: trial ${done} of cell ${cell} is missing`);
        done += row.trials;
        return {
          firstTrial: row.first_trial,
          status: new Uint8Array(row.status),
          metrics: metrics.get(row.first_trial) ?? {},
          wallSeconds: row.wall_seconds,
          engine: row.engine,
        };
      });
    });
  }

  /** Store a batch in one transaction. */
  async writeBatch(cell: string, batch: Batch): Promise<void> {
    const { firstTrial, status, metrics, wallSeconds, engine } = batch;
    await this.attempt(() =>
      this.tables.transaction().execute(async (transaction) => {
        await transaction
          .insertInto('batch')
          .values({
            cell,
            first_trial: firstTrial,
            trials: status.length,
            status: bytesOf(status),
            wall_seconds: wallSeconds,
            engine,
          })
          .execute();
        await transaction
          .insertInto('metric')
          .values(
            Object.entries(metrics).map(([name, values]) => ({
              cell,
              first_trial: firstTrial,
              name,
              data: bytesOf(values),
            })),
          )
          .execute();
      }),
    );
  }

  /** Run reads that all see the store as it is now, whatever a running study adds meanwhile. */
  async inOneView<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.attempt(async () => this.connection.exec('BEGIN'));
    try {
      return await work();
    } finally {
      this.connection.exec('COMMIT');
    }
  }

  /**
   * Close the store. After a run all results are in the one file; it is the only file unless someone is reading it right
   * now, who then keeps an empty write-ahead log beside it until the next run.
   */
  async close(): Promise<void> {
    try {
      if (this.mode === 'rwc') {
        this.connection.pragma('wal_checkpoint(TRUNCATE)');
        this.connection.pragma('journal_mode = DELETE');
      }
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error;
    } finally {
      await this.tables.destroy();
    }
  }
}

function bytesOf(array: Float64Array | Uint8Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}
