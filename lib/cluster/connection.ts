import { CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely';
import type { Pool } from 'pg';
import { OptionRangeError, StoreError } from '../errors.js';
import { StudyStore } from '../study/store.js';
import type { Tables } from '../study/tables.js';

/** The schema of the result tables; the job engine's has the same name followed by `_jobs`. */
export const kSchema = 'prompt_attention';
const kConnectMilliseconds = 10_000;
/** Key of the advisory lock under which tables are made and studies submitted. */
const kLockKey = 7_310_578;

/** What PostgreSQL's and the network's error codes mean for the user of a cluster. */
const kReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no PostgreSQL server answers there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be resolved',
  ETIMEDOUT: 'no answer in time',
  ECONNRESET: 'the server closed the connection',
  EPIPE: 'the server closed the connection',
  '28P01': 'the server refuses the user or the password',
  '28000': 'the server refuses the user',
  '3D000': 'there is no such database; create it with createdb',
  '42501': 'the user may not create tables there',
  '53100': "the server's disk is full; what was stored before is kept",
  '53300': 'the server has no connection left',
  '57P01': 'the server is shutting down',
  '57P02': 'the server crashed',
  '57P03': 'the server is starting or stopping',
};

/** Codes of errors that go away by themselves. */
const kPassing = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  '08000',
  '08003',
  '08006',
  '25006',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '40001',
  '40P01',
]);

const codeOf = (error: unknown): string => {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  // Several addresses of one host fail together.
  const inner = (error as { errors?: readonly unknown[] }).errors?.[0];
  if (error instanceof StoreError && cause !== undefined) return codeOf(cause);
  return typeof code === 'string' ? code : inner === undefined ? '' : codeOf(inner);
};

/** Whether an error is the loss of the server, after which a new attempt may succeed. */
export function isPassing(error: unknown): boolean {
  const message = error instanceof StoreError ? String((error.cause as Error | undefined)?.message) : String(error);
  return (
    kPassing.has(codeOf(error)) ||
    /Connection terminated|connection error and is not queryable|timeout exceeded when trying to connect/.test(message)
  );
}

/**
 * The address without its password, its only form that is ever printed or stored.
 *
 * @throws {@link OptionRangeError} if it is not the URL of a PostgreSQL database.
 */
export function shownUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !['postgres:', 'postgresql:'].includes(parsed.protocol))
    // The value itself might hold a password.
    throw new OptionRangeError('url', 'postgres://USER@HOST:PORT/DATABASE', parsed?.protocol ?? 'something else');
  const user = parsed.username === '' ? '' : `${parsed.username}@`;
  return `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}`;
}

async function loadDriver(): Promise<typeof import('pg')> {
  try {
    return (await import('pg')).default as typeof import('pg');
  } catch (cause) {
    throw new StoreError('the cluster needs the packages pg and pg-boss: npm install pg pg-boss', { cause });
  }
}

/** Runs SQL for the job engine, inside a transaction of the store or on its own. */
export interface SqlRunner {
  executeSql(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}

/** An open connection to the database of a cluster. */
export interface ClusterConnection {
  readonly store: StudyStore;
  readonly runner: SqlRunner;
  /** Runs `work` in one transaction of the store, the job engine's statements included. */
  transaction<Result>(
    work: (store: StudyStore, runner: SqlRunner, database: Kysely<Tables>) => Promise<Result>,
  ): Promise<Result>;
  /** The same, while no other process does; for making tables and submitting. */
  exclusively<Result>(work: (store: StudyStore, runner: SqlRunner) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

function runnerOn(database: Kysely<Tables>): SqlRunner {
  return {
    executeSql: async (text, values = []) => {
      const { rows } = await database.executeQuery(CompiledQuery.raw(text, values));
      return { rows };
    },
  };
}

/**
 * Connect to the database of a cluster, and make its tables where they are missing.
 *
 * @throws {@link OptionRangeError} if `url` is not one of PostgreSQL; {@link StoreError} if it cannot be reached.
 */
export async function connectCluster(url: string): Promise<ClusterConnection> {
  const where = shownUrl(url);
  const { Pool: DriverPool } = await loadDriver();
  const pool: Pool = new DriverPool({
    connectionString: url,
    connectionTimeoutMillis: kConnectMilliseconds,
    application_name: 'prompt-attention',
    max: 4,
  });
  // A lost idle connection is replaced at the next query; whatever matters fails there.
  pool.on('error', () => {});
  // So does one that is lost between two queries of a transaction: the next of them fails.
  pool.on('connect', (client) => {
    client.on('error', () => {});
  });
  const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }).withSchema(kSchema);
  const store = new StudyStore({
    database,
    blob: 'bytea',
    where,
    reasonOf: (error) => kReasons[codeOf(error)] ?? String((error as Error).message).split('\n', 1)[0] ?? '',
    close: () => pool.end(),
  });
  const connection: ClusterConnection = {
    store,
    runner: {
      executeSql: async (text, values = []) => {
        const { rows } = await pool.query(text, values as unknown[]);
        return { rows: rows as unknown[] };
      },
    },
    transaction: (work) => store.transaction((inside, transaction) => work(inside, runnerOn(transaction), transaction)),
    exclusively: (work) =>
      store.transaction(async (inside, transaction) => {
        await sql`select pg_advisory_xact_lock(${kLockKey})`.execute(transaction);
        return work(inside, runnerOn(transaction));
      }),
    close: () => store.close(),
  };
  try {
    await connection.exclusively(async (inside, runner) => {
      await runner.executeSql(`create schema if not exists ${kSchema}`, []);
      await inside.createTables();
    });
  } catch (error) {
    await pool.end();
    throw error;
  }
  return connection;
}
