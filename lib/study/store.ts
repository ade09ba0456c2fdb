import type { Kysely } from 'kysely';
import { StoreError } from '../base/errors.js';
import { type Batch, fromBatchRow, toBatchRow } from './batches.js';
import type { StudyCells } from './cells.js';
import { specDifferences } from './definition/diff.js';
import { isGrowth, type TrialRange, type TrialsRule } from './definition/schedule.js';
import { define, specHash, specJson } from './definition/spec.js';
import type { StudyOptions, StudySpec } from './definition/study-options.js';
import type { Provenance, StudyRun } from './provenance.js';
import { createTables, kFormat, type Tables } from './tables.js';
import type { CellTheory } from './theory.js';

/** Rows of one INSERT: their parameters stay below every limit. */
const kRowsPerInsert = 200;
/** Cells named in one query. */
const kCellsPerQuery = 1000;

/** What a store says about a study in it. */
export interface StudyHeader {
  /** The first 16 digits of `specHash`. */
  readonly id: string;
  /** The study, with its present trials. */
  readonly spec: StudySpec;
  readonly specHash: string;
  /** Number of cells. */
  readonly cells: number;
  /** ISO 8601. */
  readonly created: string;
}

/** The law of a cell, or that it has none. */
export interface TheoryResult {
  readonly cell: number;
  readonly theory: CellTheory;
}

/** Results that are stored together. */
export interface Results {
  readonly batches: readonly Batch[];
  readonly theories: readonly TheoryResult[];
  /** Positions of the cells that have reached their stopping rule. */
  readonly finished: readonly number[];
}

/** A database connection, whatever the database. */
export interface Connection {
  readonly database: Kysely<Tables>;
  /** Its type of binary columns. */
  readonly blob: 'blob' | 'bytea';
  /** The file or address, for errors; without a password. */
  readonly where: string;
  /** Milliseconds since 1970, by the one clock of all who share the store. */
  now(): number;
  /** What went wrong, in words, from an error of the driver. */
  reasonOf(error: unknown): string;
  close(): Promise<void>;
}

/** The id of a study in a store. */
export function studyId(spec: StudySpec): string {
  return specHash(spec).slice(0, 16);
}

function chunks<Item>(items: readonly Item[], size = kRowsPerInsert): readonly Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** Results of studies in a database: an SQLite file with one study, or PostgreSQL with any number. */
export class StudyStore {
  constructor(
    private readonly connection: Connection,
    /** The database or, inside a transaction, that transaction. */
    private readonly database: Kysely<Tables> = connection.database,
  ) {}

  /** The file or address of the store. */
  get where(): string {
    return this.connection.where;
  }

  /** Run `work`; whatever the database says becomes a {@link StoreError} that names the store. */
  private async attempt<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      // What this package says itself stays as it is.
      if (String((cause as { code?: unknown }).code).startsWith('ERR_')) throw cause;
      throw new StoreError(`${this.where}: ${this.connection.reasonOf(cause)}`, { cause });
    }
  }

  /** Run `work` in one transaction, on a store that sees and writes it; within a transaction, as a part of that. */
  transaction<Result>(work: (store: StudyStore, transaction: Kysely<Tables>) => Promise<Result>): Promise<Result> {
    return this.attempt(() => {
      if (this.database.isTransaction) return work(this, this.database);
      return this.database
        .transaction()
        .execute((transaction) => work(new StudyStore(this.connection, transaction), transaction));
    });
  }

  /** The names of the tables, those of others included. */
  tableNames(): Promise<readonly string[]> {
    return this.attempt(async () => (await this.database.introspection.getTables()).map((table) => table.name));
  }

  /** Make the tables where they are missing. */
  createTables(): Promise<void> {
    return this.attempt(() => createTables(this.database, this.connection.blob));
  }

  /**
   * The studies of the store, in the order they were begun.
   *
   * @param ids Only these; by default all.
   * @param known Headers that were read before, reused where nothing has changed.
   */
  readStudies(ids?: readonly string[], known?: ReadonlyMap<string, StudyHeader>): Promise<readonly StudyHeader[]> {
    return this.attempt(async () => {
      if (ids?.length === 0) return [];
      const query = this.database.selectFrom('study').selectAll().orderBy('created').orderBy('id');
      const rows = await (ids === undefined ? query : query.where('id', 'in', ids)).execute();
      return rows.map((row) => {
        const before = known?.get(row.id);
        return JSON.stringify(before?.spec.trials) === row.trials ? (before as StudyHeader) : this.headerOf(row);
      });
    });
  }

  private headerOf(row: Tables['study']): StudyHeader {
    if (row.format !== kFormat)
      throw new StoreError(
        `${this.where}: has format ${row.format}; this version of prompt-attention reads ${kFormat}` +
          (row.format < kFormat
            ? ': small test errors and laws of earlier versions may be wrong, and do not say so; run the study again into another file or database'
            : ''),
      );
    const written = JSON.parse(row.spec) as StudyOptions;
    const spec = define({ ...written, trials: JSON.parse(row.trials) as TrialsRule });
    if (specHash(spec) !== row.spec_hash)
      throw new StoreError(`${this.where}: written by a version of prompt-attention that this one cannot read`);
    return { id: row.id, spec, specHash: row.spec_hash, cells: row.cells, created: row.created };
  }

  /** Put a study into the store, unless it is there. */
  async insertStudy(spec: StudySpec, cells: StudyCells): Promise<void> {
    const id = studyId(spec);
    await this.transaction(async (_, transaction) => {
      const { numInsertedOrUpdatedRows } = await transaction
        .insertInto('study')
        .values({
          id,
          format: kFormat,
          name: spec.name,
          spec: specJson(spec),
          spec_hash: specHash(spec),
          trials: JSON.stringify(spec.trials),
          cells: cells.length,
          created: new Date(this.connection.now()).toISOString(),
        })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows === 0n) return;
      for (let begin = 0; begin < cells.length; begin += kRowsPerInsert) {
        const length = Math.min(kRowsPerInsert, cells.length - begin);
        const rows = Array.from({ length }, (_, i) => {
          const { index, key, factors } = cells.at(begin + i);
          const none = { theory: null, theory_done: 0, finished: 0 };
          return { study: id, position: index, key, factors: JSON.stringify(factors), ...none };
        });
        await transaction.insertInto('cell').values(rows).execute();
      }
    });
  }

  /**
   * Continue a stored study as `spec`: the same study, or the same with more trials, which the store then asks for.
   *
   * @throws {@link StoreError} that lists what differs, if anything else does.
   */
  async continueStudy(stored: StudyHeader, spec: StudySpec): Promise<void> {
    const differences = specDifferences(stored.spec, spec);
    if (differences === '') return;
    const same = stored.specHash === specHash(spec);
    if (!same || !isGrowth(stored.spec.trials, spec.trials))
      throw new StoreError(
        `${this.where}: holds ${same ? 'more trials of this study' : 'another study'} (${differences}); of a stored study only ` +
          'trials may change, and only grow; choose another file (out, or --out), or delete this one',
      );
    await this.transaction(async (_, transaction) => {
      const trials = JSON.stringify(spec.trials);
      await transaction.updateTable('study').set({ trials }).where('id', '=', stored.id).execute();
      await transaction.updateTable('cell').set({ finished: 0 }).where('study', '=', stored.id).execute();
    });
  }

  /** Store results in one transaction; a batch that is there already stays as it is. */
  async writeResults(study: string, { batches, theories, finished }: Results): Promise<void> {
    await this.transaction(async (_, transaction) => {
      for (const part of chunks(batches))
        await transaction
          .insertInto('batch')
          .values(part.map((batch) => toBatchRow(study, batch, this.connection.now() / 1000)))
          .onConflict((conflict) => conflict.columns(['study', 'cell', 'first_trial', 'trials']).doNothing())
          .execute();
      for (const { cell, theory } of theories)
        await transaction
          .updateTable('cell')
          .set({ theory: theory && toTheoryJson(theory), theory_done: 1 })
          .where('study', '=', study)
          .where('position', '=', cell)
          .execute();
      for (const part of chunks(finished))
        await transaction
          .updateTable('cell')
          .set({ finished: 1 })
          .where('study', '=', study)
          .where('position', 'in', part)
          .execute();
    });
  }

  /** Positions of the cells that have reached their stopping rule. */
  readFinished(study: string): Promise<readonly number[]> {
    return this.attempt(async () => {
      const query = this.database.selectFrom('cell').select('position');
      const rows = await query.where('study', '=', study).where('finished', '=', 1).execute();
      return rows.map(({ position }) => position);
    });
  }

  /** Trials stored of every cell. */
  readTrialCounts({ id, cells }: StudyHeader): Promise<Float64Array> {
    return this.attempt(async () => {
      const counts = new Float64Array(cells);
      const rows = await this.database
        .selectFrom('batch')
        .select((expression) => ['cell', expression.fn.sum<number>('trials').as('trials')])
        .where('study', '=', id)
        .groupBy('cell')
        .execute();
      for (const { cell, trials } of rows) counts[cell] = Number(trials);
      return counts;
    });
  }

  /** Trials per second of the runs under way, over the last `seconds` seconds or since each of them began. */
  readRate({ id }: StudyHeader, seconds: number): Promise<number> {
    return this.attempt(async () => {
      const now = this.connection.now() / 1000;
      const rows = await this.database
        .selectFrom('batch')
        .innerJoin('run', (join) => join.onRef('run.id', '=', 'batch.run').onRef('run.study', '=', 'batch.study'))
        .select((expression) => ['run.started', expression.fn.sum<number>('batch.trials').as('trials')])
        .where('batch.study', '=', id)
        .where('batch.stored', '>', now - seconds)
        .where('run.finished', 'is', null)
        .groupBy(['run.id', 'run.started'])
        .execute();
      return rows.reduce((sum, { started, trials }) => {
        const own = Math.min(seconds, Math.max(now - Date.parse(started) / 1000, 1));
        return sum + Number(trials) / own;
      }, 0);
    });
  }

  /** Theories of the cells in [from, to): position → law, null where there is none, no entry where it is not known yet. */
  readTheories(study: string, from: number, to: number): Promise<ReadonlyMap<number, CellTheory>> {
    return this.attempt(async () => {
      const rows = await this.database
        .selectFrom('cell')
        .select(['position', 'theory'])
        .where('study', '=', study)
        .where('position', '>=', from)
        .where('position', '<', to)
        .where('theory_done', '=', 1)
        .execute();
      return new Map(rows.map(({ position, theory }) => [position, theory === null ? null : fromTheoryJson(theory)]));
    });
  }

  /** Which trials of some cells are stored: position → ranges by first trial. */
  readStoredRanges(study: string, cells: readonly number[]): Promise<ReadonlyMap<number, readonly TrialRange[]>> {
    return this.attempt(async () => {
      const ranges = new Map<number, TrialRange[]>(cells.map((cell) => [cell, []]));
      for (const part of chunks(cells, kCellsPerQuery)) {
        const rows = await this.database
          .selectFrom('batch')
          .select(['cell', 'first_trial', 'trials'])
          .where('study', '=', study)
          .where('cell', 'in', part)
          .orderBy('first_trial')
          .execute();
        for (const { cell, first_trial, trials } of rows)
          ranges.get(cell)?.push({ firstTrial: Number(first_trial), trials });
      }
      return ranges;
    });
  }

  /** The batches of the cells in [from, to), by cell and then by trial. */
  readBatches(study: string, from: number, to = from + 1): Promise<readonly Batch[]> {
    return this.attempt(async () => {
      const rows = await this.database
        .selectFrom('batch')
        .selectAll()
        .where('study', '=', study)
        .where('cell', '>=', from)
        .where('cell', '<', to)
        .orderBy('cell')
        .orderBy('first_trial')
        .execute();
      return rows.map((row) => {
        const batch = fromBatchRow(row);
        if (batch !== undefined) return batch;
        const { cell, first_trial, trials } = row;
        throw new StoreError(
          `${this.where}: damaged: trials ${first_trial} to ${Number(first_trial) + trials - 1} of cell ${cell} are not what was ` +
            'stored; restore the file from a copy, or delete it and run the study again',
        );
      });
    });
  }

  async addRun(study: string, { id, host, engine, shard, started, finished, ...provenance }: StudyRun): Promise<void> {
    const row = { id, study, host, engine, shard, started, finished, provenance: JSON.stringify(provenance) };
    await this.attempt(() =>
      this.database
        .insertInto('run')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute(),
    );
  }

  async finishRun(id: string): Promise<void> {
    const finished = new Date(this.connection.now()).toISOString();
    await this.attempt(() => this.database.updateTable('run').set({ finished }).where('id', '=', id).execute());
  }

  /** The runs of a study, in the order they began. */
  readRuns(study: string): Promise<readonly StudyRun[]> {
    return this.attempt(async () => {
      const rows = await this.database
        .selectFrom('run')
        .selectAll()
        .where('study', '=', study)
        .orderBy('started')
        .orderBy('id')
        .execute();
      return rows.map(({ study: _, provenance, ...row }) => ({ ...row, ...(JSON.parse(provenance) as Provenance) }));
    });
  }

  /** Forget a study and everything about it. */
  async deleteStudy(id: string): Promise<void> {
    await this.transaction(async (_, transaction) => {
      for (const table of ['batch', 'cell', 'run'] as const)
        await transaction.deleteFrom(table).where('study', '=', id).execute();
      await transaction.deleteFrom('study').where('id', '=', id).execute();
    });
  }

  /** Run reads that all see the store as it is now, whatever others add meanwhile. */
  inOneView<Result>(work: (store: StudyStore) => Promise<Result>): Promise<Result> {
    return this.attempt(() =>
      this.database
        .transaction()
        .setIsolationLevel('repeatable read')
        .execute((transaction) => work(new StudyStore(this.connection, transaction))),
    );
  }

  /** Close the connection. */
  close(): Promise<void> {
    return this.attempt(() => this.connection.close());
  }
}

const kInfinity = 'Infinity';

/** A law as it is stored: NaN becomes null, and infinity, of which JSON would make null too, a text. */
function toTheoryJson(theory: object): string {
  return JSON.stringify(theory, (_key, value: unknown) => (value === Number.POSITIVE_INFINITY ? kInfinity : value));
}

function fromTheoryJson(theory: string): CellTheory {
  return JSON.parse(theory, (_key, value: unknown) =>
    value === null ? Number.NaN : value === kInfinity ? Number.POSITIVE_INFINITY : value,
  ) as CellTheory;
}
