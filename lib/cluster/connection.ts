import { CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely';
import type { Pool, PoolClient, PoolConfig } from 'pg';
import { StoreError } from '../base/errors.js';
import { loadOptional } from '../base/optional-packages.js';
import { StudyStore } from '../study/store.js';
import type { Tables } from '../study/tables.js';
import { reasonOf, shownUrl } from './reasons.js';

/** The schema of the result tables; the job engine's has the same name followed by `_jobs`. */
export const kSchema = 'prompt_attention';
/** Where it is told that there are new jobs. */
const kChannel = kSchema;
const kConnectMilliseconds = 10_000;
/** A connection on which nothing is said is looked after from then on. */
const kKeepAliveMilliseconds = 10_000;
/** A connection that nobody uses is kept for so long, so that what is done every few seconds need not log in each time. */
const kIdleMilliseconds = 60_000;
/** Key of the advisory lock under which tables are made and studies submitted. */
const kLockKey = 7_310_578;

/**
 * How long the server lets a statement last, and a transaction wait for its client. A worker's are short: one that is stopped in the
 * middle of a transaction holds up the maintenance of the queue for so long.
 */
const kLimits = {
  worker: { statement: 60_000, idleTransaction: 30_000 },
  other: { statement: 600_000, idleTransaction: 600_000 },
} as const;
/** The network gets so much more before the client gives an answer up. */
const kAnswerMilliseconds = 10_000;

/** What connects to PostgreSQL, and the job queue there. */
export const kClusterPackages = ['pg', 'pg-boss'] as const;

async function loadDriver(): Promise<typeof import('pg')> {
  const driver = await loadOptional('clusters', kClusterPackages, () => import('pg'));
  return driver.default as typeof import('pg');
}

/** Runs SQL for the job engine, inside a transaction of the store or on its own. */
export interface SqlRunner {
  executeSql(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}

/** The clock of the server, which all who share it go by: those of their machines may differ. */
export class ServerClock {
  private ahead = 0;

  /** The server says that it is so many seconds after 1970. */
  set(seconds: number): void {
    this.ahead = 1000 * seconds - Date.now();
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => Date.now() + this.ahead;
}

/** An open connection to the database of a cluster. */
export interface ClusterConnection {
  readonly store: StudyStore;
  /** Set when the tables are looked at, and by workers every few seconds. */
  readonly clock: ServerClock;
  readonly runner: SqlRunner;
  /** Runs `work` in one transaction of the store, the job engine's statements included. */
  transaction<Result>(
    work: (store: StudyStore, runner: SqlRunner, database: Kysely<Tables>) => Promise<Result>,
  ): Promise<Result>;
  /** The same, while no other process does; for making tables, submitting and removing. */
  exclusively<Result>(work: (store: StudyStore, runner: SqlRunner) => Promise<Result>): Promise<Result>;
  /** Have `onJobs` called whenever there are new jobs, until the connection that this takes is lost. */
  listen(onJobs: () => void): Promise<Listening>;
  close(): Promise<void>;
}

/** Whether somebody still listens; closed by closing the connection. */
export interface Listening {
  readonly lost: boolean;
}

function runnerOn(database: Kysely<Tables>): SqlRunner {
  return {
    executeSql: async (text, values = []) => {
      const { rows } = await database.executeQuery(CompiledQuery.raw(text, values));
      return { rows };
    },
  };
}

/** Tell listening workers that there are new jobs, when the transaction of `runner` is committed. */
export async function announceJobs(runner: SqlRunner): Promise<void> {
  await runner.executeSql(`select pg_notify('${kChannel}', '')`, []);
}

/** A connection of the pool; rejects also where the driver throws, as for a file of certificates that is not there. */
const connectIn = async (pool: Pool): Promise<PoolClient> => pool.connect();

/** Statements outside of a transaction. */
function runnerOnPool(pool: Pool, failed: (cause: unknown) => StoreError): SqlRunner {
  return {
    executeSql: async (text, values = []) => {
      const client = await connectIn(pool).catch((error) => Promise.reject(failed(error)));
      try {
        const { rows } = await client.query(text, values as unknown[]);
        client.release();
        return { rows: rows as unknown[] };
      } catch (error) {
        // Not back into the pool: of several statements with a BEGIN among them one failed, and the transaction is still open.
        client.release(true);
        throw failed(error);
      }
    },
  };
}

/** Listen on a connection that is used for nothing else; `listeners` gets what ends it. */
async function listenOn(client: PoolClient, onJobs: () => void, listeners: Set<() => void>): Promise<Listening> {
  const state = { lost: false };
  const lose = () => {
    if (state.lost) return;
    state.lost = true;
    listeners.delete(lose);
    client.release(true);
  };
  client.on('notification', onJobs);
  client.on('error', lose);
  client.on('end', lose);
  listeners.add(lose);
  try {
    await client.query(`listen ${kChannel}`);
  } catch (error) {
    lose();
    throw error;
  }
  return state;
}

/**
 * Connect to the database of a cluster. Nothing is asked of it yet.
 *
 * @param purpose A worker's statements and transactions may last less long than those of others.
 * @throws {@link OptionRangeError} if `url` is not one of PostgreSQL.
 */
export async function connectCluster(url: string, purpose: keyof typeof kLimits = 'other'): Promise<ClusterConnection> {
  const where = shownUrl(url);
  const { Pool: DriverPool } = await loadDriver();
  const { statement, idleTransaction } = kLimits[purpose];
  const config: PoolConfig = {
    connectionString: url,
    connectionTimeoutMillis: kConnectMilliseconds,
    idleTimeoutMillis: kIdleMilliseconds,
    keepAlive: true,
    keepAliveInitialDelayMillis: kKeepAliveMilliseconds,
    statement_timeout: statement,
    query_timeout: statement + kAnswerMilliseconds,
    idle_in_transaction_session_timeout: idleTransaction,
    application_name: 'prompt-attention',
    max: 5,
  };
  const pool: Pool = new DriverPool(config);
  // A lost idle connection is replaced at the next query; whatever matters fails there.
  pool.on('error', () => {});
  // So does one that is lost between two queries of a transaction: the next of them fails.
  pool.on('connect', (client) => {
    client.on('error', () => {});
  });
  const listeners = new Set<() => void>();
  const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }).withSchema(kSchema);
  const clock = new ServerClock();
  const store = new StudyStore({
    database,
    blob: 'bytea',
    where,
    now: clock.now,
    reasonOf,
    close: async () => {
      for (const end of listeners) end();
      await pool.end();
    },
  });
  const failed = (cause: unknown) => new StoreError(`${where}: ${reasonOf(cause)}`, { cause });
  return {
    store,
    clock,
    runner: runnerOnPool(pool, failed),
    transaction: (work) => store.transaction((inside, transaction) => work(inside, runnerOn(transaction), transaction)),
    exclusively: (work) =>
      store.transaction(async (inside, transaction) => {
        await sql`select pg_advisory_xact_lock(${kLockKey})`.execute(transaction);
        return work(inside, runnerOn(transaction));
      }),
    async listen(onJobs) {
      try {
        return await listenOn(await connectIn(pool), onJobs, listeners);
      } catch (error) {
        throw failed(error);
      }
    },
    close: () => store.close(),
  };
}
