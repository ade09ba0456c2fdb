import type { ColumnType, Kysely } from 'kysely';

/** A blob: written from bytes, read as an ArrayBuffer. */
type Blob = ColumnType<ArrayBuffer, Uint8Array, never>;

/** The tables of a result file. A change of layout needs a new {@link kFormat}. */
export interface Tables {
  /** One row: what is run. `spec` is JSON. */
  study: {
    format: number;
    name: string;
    spec: string;
    spec_hash: string;
    package_version: string;
    node_version: string;
    engine: string;
    created: string;
  };
  /** One row per cell of the grid; `factors` and `experiment` are JSON. */
  cell: {
    key: string;
    position: number;
    factors: string;
    experiment: string;
    method: string;
    theory: number | null;
    theory_standard_error: number | null;
  };
  /** One row per batch; `status` has one byte per trial. */
  batch: {
    cell: string;
    first_trial: number;
    trials: number;
    status: Blob;
    wall_seconds: number;
    engine: string;
  };
  /** One row per batch and metric; `data` is one little-endian float64 per trial. */
  metric: {
    cell: string;
    first_trial: number;
    name: string;
    data: Blob;
  };
}

/** Number of the layout of {@link Tables}. */
export const kFormat = 1;
/** What a store says about the study in it. */
export interface StoreHeader {
  readonly name: string;
  /** The study as JSON. */
  readonly spec: string;
  readonly specHash: string;
  readonly packageVersion: string;
  readonly nodeVersion: string;
  /** Fingerprint of the engine that began the study. */
  readonly engine: string;
}

/** A cell as the store keeps it. */
export interface StoreCell {
  readonly key: string;
  readonly factors: object;
  readonly experiment: object;
  readonly method: string;
}

/** Make the tables of a new store in one transaction: a process killed here leaves an empty database, which counts as new. */
export async function createTables(
  tables: Kysely<Tables>,
  header: StoreHeader,
  cells: readonly StoreCell[],
): Promise<void> {
  await tables.transaction().execute(async (transaction) => {
    await createSchema(transaction);
    await transaction
      .insertInto('study')
      .values({
        format: kFormat,
        name: header.name,
        spec: header.spec,
        spec_hash: header.specHash,
        package_version: header.packageVersion,
        node_version: header.nodeVersion,
        engine: header.engine,
        created: new Date().toISOString(),
      })
      .execute();
    for (const [position, { key, factors, experiment, method }] of cells.entries()) {
      await transaction
        .insertInto('cell')
        .values({
          key,
          position,
          factors: JSON.stringify(factors),
          experiment: JSON.stringify(experiment),
          method,
          theory: null,
          theory_standard_error: null,
        })
        .execute();
    }
  });
}

async function createSchema({ schema }: Kysely<Tables>): Promise<void> {
  await schema
    .createTable('study')
    .addColumn('format', 'integer', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('spec', 'text', (column) => column.notNull())
    .addColumn('spec_hash', 'text', (column) => column.notNull())
    .addColumn('package_version', 'text', (column) => column.notNull())
    .addColumn('node_version', 'text', (column) => column.notNull())
    .addColumn('engine', 'text', (column) => column.notNull())
    .addColumn('created', 'text', (column) => column.notNull())
    .execute();
  await schema
    .createTable('cell')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('factors', 'text', (column) => column.notNull())
    .addColumn('experiment', 'text', (column) => column.notNull())
    .addColumn('method', 'text', (column) => column.notNull())
    .addColumn('theory', 'real')
    .addColumn('theory_standard_error', 'real')
    .execute();
  await schema
    .createTable('batch')
    .addColumn('cell', 'text', (column) => column.notNull())
    .addColumn('first_trial', 'integer', (column) => column.notNull())
    .addColumn('trials', 'integer', (column) => column.notNull())
    .addColumn('status', 'blob', (column) => column.notNull())
    .addColumn('wall_seconds', 'real', (column) => column.notNull())
    .addColumn('engine', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('batch_key', ['cell', 'first_trial'])
    .execute();
  await schema
    .createTable('metric')
    .addColumn('cell', 'text', (column) => column.notNull())
    .addColumn('first_trial', 'integer', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('data', 'blob', (column) => column.notNull())
    .addPrimaryKeyConstraint('metric_key', ['cell', 'first_trial', 'name'])
    .execute();
}
