import { type Kysely, sql } from 'kysely';

/**
 * The tables of a result store: one layout for an SQLite file, which holds one study, and for a PostgreSQL database, which
 * holds any number of them. A change of layout needs a new {@link kFormat}.
 */
export interface Tables {
  /** One row per study: what is run. */
  study: {
    /** The first 16 digits of `spec_hash`. */
    id: string;
    format: number;
    name: string;
    /** JSON of the study, with the trials it was begun with. */
    spec: string;
    spec_hash: string;
    /** JSON of the rule for trials, which may grow. */
    trials: string;
    /** Number of cells. */
    cells: number;
    /** ISO 8601. */
    created: string;
  };
  /** One row per cell of the grid. */
  cell: {
    study: string;
    /** From 0, in grid order. */
    position: number;
    key: string;
    /** JSON: path → level. */
    factors: string;
    /** JSON: metric → { mean, standardError, effectiveDraws, reliable }; null while unknown or where there is no law. */
    theory: string | null;
    /** 1 once `theory` is final, be it null. */
    theory_done: number;
    /** 1 once the cell has reached its stopping rule. */
    finished: number;
  };
  /** One row per process that computed something: provenance. */
  run: {
    id: string;
    study: string;
    host: string;
    /** JSON: versions, commit, engine, processor. */
    provenance: string;
    engine: string;
    /** `1/3` for the first of three shards. */
    shard: string | null;
    /** ISO 8601. */
    started: string;
    /** ISO 8601; null if the process was killed or still runs. */
    finished: string | null;
  };
  /** One row per batch of consecutive trials. */
  batch: {
    study: string;
    cell: number;
    first_trial: number;
    trials: number;
    run: string;
    /** Names of the metrics in `data`, separated by spaces; `name:points` for one that has several values per trial. */
    metrics: string;
    /** One byte per trial; empty if all are 0. */
    status: Uint8Array;
    /** Metric after metric, trial after trial, little-endian float64. */
    data: Uint8Array;
    /** CRC-32 of `status` and `data`. */
    checksum: number;
    wall_seconds: number;
    /** When it was stored: seconds since 1970. */
    stored: number;
  };
}

/**
 * Number of the layout of {@link Tables} and of what is in it. 3: with what is known about the test error of every trial, and laws with
 * effective draws.
 */
export const kFormat = 3;

/** Make the tables where they are missing. */
export async function createTables({ schema }: Kysely<Tables>, blob: 'blob' | 'bytea'): Promise<void> {
  const binary = sql.raw(blob);
  await schema
    .createTable('study')
    .ifNotExists()
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('format', 'integer', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('spec', 'text', (column) => column.notNull())
    .addColumn('spec_hash', 'text', (column) => column.notNull())
    .addColumn('trials', 'text', (column) => column.notNull())
    .addColumn('cells', 'integer', (column) => column.notNull())
    .addColumn('created', 'text', (column) => column.notNull())
    .execute();
  await schema
    .createTable('cell')
    .ifNotExists()
    .addColumn('study', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('factors', 'text', (column) => column.notNull())
    .addColumn('theory', 'text')
    .addColumn('theory_done', 'integer', (column) => column.notNull())
    .addColumn('finished', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('cell_key', ['study', 'position'])
    .execute();
  await schema
    .createTable('run')
    .ifNotExists()
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('study', 'text', (column) => column.notNull())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('provenance', 'text', (column) => column.notNull())
    .addColumn('engine', 'text', (column) => column.notNull())
    .addColumn('shard', 'text')
    .addColumn('started', 'text', (column) => column.notNull())
    .addColumn('finished', 'text')
    .execute();
  await schema
    .createTable('batch')
    .ifNotExists()
    .addColumn('study', 'text', (column) => column.notNull())
    .addColumn('cell', 'integer', (column) => column.notNull())
    .addColumn('first_trial', 'bigint', (column) => column.notNull())
    .addColumn('trials', 'integer', (column) => column.notNull())
    .addColumn('run', 'text', (column) => column.notNull())
    .addColumn('metrics', 'text', (column) => column.notNull())
    .addColumn('status', binary, (column) => column.notNull())
    .addColumn('data', binary, (column) => column.notNull())
    .addColumn('checksum', 'bigint', (column) => column.notNull())
    .addColumn('wall_seconds', 'double precision', (column) => column.notNull())
    .addColumn('stored', 'double precision', (column) => column.notNull())
    .addPrimaryKeyConstraint('batch_key', ['study', 'cell', 'first_trial', 'trials'])
    .execute();
}
