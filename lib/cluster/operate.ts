import { z } from 'zod';
import { engineInfo } from '../base/engine.js';
import { OptionRangeError } from '../base/errors.js';
import { parseOptions } from '../base/options.js';
import { readStudy, type StoredProgress, storedProgress } from '../study/read.js';
import type { StudyResult } from '../study/rows.js';
import { connectCluster, kSchema } from './connection.js';
import { kQueueSchema, studyOf } from './queue.js';
import { type ClusterPart, grantPart, kSchemaVersion, migrateSchema } from './schema.js';
import { clusterUrl, requiredStudy, withCluster } from './session.js';

/** A worker that has not been heard of for so long is taken for dead; it tells of itself every ten seconds. */
const kSilentSeconds = 35;

/** A cluster. */
export interface ClusterOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; what is left out is taken from the variables PGPASSWORD and so on. */
  readonly url: string;
}

const clusterSchema = z.strictObject({ url: clusterUrl });

/** How far a study on a cluster is. */
export interface ClusterStudy extends StoredProgress {
  /** The first 16 digits of the study's hash. */
  readonly id: string;
  /** Its name. */
  readonly name: string;
  /** Jobs that wait or are under way. */
  readonly jobs: number;
  /** Of these, jobs that a worker has. */
  readonly activeJobs: number;
  /** Jobs that failed for good. */
  readonly failedJobs: number;
  /** Jobs that were cancelled. */
  readonly cancelledJobs: number;
  /** Fingerprint of the engine that computes it, that of the first worker to take a job; null while nobody has. */
  readonly engine: string | null;
  /** Whether other engines may compute it as well. */
  readonly mixedEngines: boolean;
}

/**
 * The studies of a cluster and how far they are; reading suffices for it.
 *
 * @throws {@link StoreError} if the database cannot be reached or used.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * const studies = await cluster.list({ url: 'postgres://me@db/studies' });
 * for (const { name, finishedCells, cells } of studies) console.log(`${name}: ${finishedCells} of ${cells} cells`);
 * ```
 */
export async function list(options: ClusterOptions): Promise<readonly ClusterStudy[]> {
  const { url } = parseOptions(clusterSchema, options, '');
  return withCluster<readonly ClusterStudy[]>(
    url,
    async ({ store, runner }, queue) => {
      const counts = await queue.counts();
      const { rows } = await runner.executeSql(`select study, engine, mixed_engines from ${kSchema}.submission`, []);
      type Row = { study: string; engine: string | null; mixed_engines: boolean };
      const submissions = new Map((rows as Row[]).map((row) => [row.study, row]));
      const studies: ClusterStudy[] = [];
      for (const header of await store.readStudies()) {
        const { id, spec } = header;
        const jobs = counts.get(id);
        studies.push({
          id,
          name: spec.name,
          ...(await storedProgress(store, header)),
          jobs: (jobs?.waiting ?? 0) + (jobs?.active ?? 0),
          activeJobs: jobs?.active ?? 0,
          failedJobs: jobs?.failed ?? 0,
          cancelledJobs: jobs?.cancelled ?? 0,
          engine: submissions.get(id)?.engine ?? null,
          mixedEngines: submissions.get(id)?.mixed_engines ?? false,
        });
      }
      return studies;
    },
    { withoutTables: [] },
  );
}

/** A worker of a cluster. */
export interface ClusterWorker {
  /** Random, 16 hexadecimal digits. */
  readonly id: string;
  /** Name of the machine. */
  readonly host: string;
  /** Process id there. */
  readonly process: number;
  /** Fingerprint of its engine. */
  readonly engine: string;
  /** Version of this package. */
  readonly version: string;
  /** Threads it computes with. */
  readonly threads: number;
  /** ISO 8601, by the clock of the server. */
  readonly started: string;
  /** When it last told of itself: ISO 8601, by the clock of the server. */
  readonly seen: string;
  /** Seconds since then. A worker tells of itself every 10 s. */
  readonly silentSeconds: number;
  /** Whether these are few enough for a worker that lives. */
  readonly alive: boolean;
  /** Id of the study whose job it has; null if it has none. */
  readonly study: string | null;
  /** Id of that job. */
  readonly job: string | null;
  /** Jobs it has done. */
  readonly jobs: number;
  /** Trials of these. */
  readonly trials: number;
  /** Why it leaves a study alone; null if it takes any. */
  readonly refusal: string | null;
}

/**
 * The workers of a cluster. One that ends is no longer listed; one that is killed is, for a day, as not alive.
 *
 * @throws {@link StoreError} if the database cannot be reached or used.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * const workers = await cluster.workers({ url: 'postgres://me@db/studies' });
 * console.log(workers.filter(({ alive }) => alive).length);
 * ```
 */
export async function workers(options: ClusterOptions): Promise<readonly ClusterWorker[]> {
  const { url } = parseOptions(clusterSchema, options, '');
  return withCluster<readonly ClusterWorker[]>(
    url,
    async ({ runner }) => {
      const { rows } = await runner.executeSql(
        `select worker.*, extract(epoch from now() - seen)::float8 as silent, job.id as job, job.name as queue
         from ${kSchema}.worker left join ${kQueueSchema}.job on job.state = 'active' and job.output->>'worker' = worker.id
         order by worker.started, worker.id`,
        [],
      );
      return (rows as WorkerRow[]).map((row) => ({
        id: row.id,
        host: row.host,
        process: row.process,
        engine: row.engine,
        version: row.package,
        threads: row.threads,
        started: row.started.toISOString(),
        seen: row.seen.toISOString(),
        silentSeconds: row.silent,
        alive: row.silent < kSilentSeconds,
        study: row.queue === null ? null : studyOf(row.queue),
        job: row.job,
        jobs: Number(row.jobs),
        trials: Number(row.trials),
        refusal: row.refusal,
      }));
    },
    { withoutTables: [] },
  );
}

interface WorkerRow {
  readonly id: string;
  readonly host: string;
  readonly process: number;
  readonly engine: string;
  readonly package: string;
  readonly threads: number;
  readonly started: Date;
  readonly seen: Date;
  readonly silent: number;
  readonly queue: string | null;
  readonly job: string | null;
  readonly jobs: string;
  readonly trials: string;
  readonly refusal: string | null;
}

/** Which study of a cluster. */
export interface ClusterStudyOptions extends ClusterOptions {
  /** Its id, as {@link submit} and {@link list} return it. */
  readonly id: string;
}

const studySchema = z.strictObject({ url: clusterUrl, id: z.string({ error: 'the id of a study' }) });

/** Of which studies failures are asked for. */
export interface FailuresOptions extends ClusterOptions {
  /** Id of a study. Default: all studies. */
  readonly id?: string | undefined;
}

const failuresSchema = z.strictObject({ url: clusterUrl, id: z.string({ error: 'the id of a study' }).optional() });

/** A job that failed for good. */
export interface FailedClusterJob {
  /** Id of the study. */
  readonly study: string;
  /** Id of the job. */
  readonly job: string;
  /** What it was about: trials from `firstTrial` of the cell at position `cell`. Empty if it was not a job of this package. */
  readonly items: readonly {
    /** Position of the cell in the grid, from 0. */
    readonly cell: number;
    /** Index of the first trial. */
    readonly firstTrial: number;
    /** How many trials; 0 for the law alone. */
    readonly trials: number;
  }[];
  /** How often it was tried. */
  readonly attempts: number;
  /** The error of the last attempt. */
  readonly reason: string;
  /** When it failed: ISO 8601, by the clock of the server. */
  readonly failed: string;
}

/**
 * The jobs of a cluster that failed for good, in the order that they failed in. They are kept for a year, until they are tried again,
 * or until their study is submitted again or removed.
 *
 * @throws {@link StoreError} if the database cannot be reached or used.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * for (const { study, reason } of await cluster.failures({ url: 'postgres://me@db/studies' })) console.log(study, reason);
 * ```
 */
export async function failures(options: FailuresOptions): Promise<readonly FailedClusterJob[]> {
  const { url, id } = parseOptions(failuresSchema, options, '');
  return withCluster<readonly FailedClusterJob[]>(
    url,
    async ({ store }, queue) => {
      if (id !== undefined) await requiredStudy(store, id);
      return (await queue.failures(id)).map(({ id: job, failed, ...rest }) => ({
        ...rest,
        job,
        failed: failed.toISOString(),
      }));
    },
    { withoutTables: [] },
  );
}

/**
 * Put the jobs of a study that failed for good or were cancelled back into its queue, where workers try each of them ten more times.
 *
 * @returns How many there were.
 * @throws {@link OptionRangeError} if the cluster does not hold the study; {@link StoreError} if the database cannot be reached or used.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * const jobs = await cluster.retry({ url: 'postgres://me@db/studies', id: '0123456789abcdef' });
 * ```
 */
export async function retry(options: ClusterStudyOptions): Promise<number> {
  const { url, id } = parseOptions(studySchema, options, '');
  return withCluster(url, ({ exclusively }, queue) =>
    exclusively(async (store, runner) => {
      await requiredStudy(store, id);
      return queue.retry(id, runner);
    }),
  );
}

/**
 * Stop working on a study: its jobs are cancelled, also those that a worker has, which then stores nothing of them. What is stored is kept;
 * {@link retry}, or submitting the study again, goes on with it.
 *
 * @returns How many jobs there were.
 * @throws {@link OptionRangeError} if the cluster does not hold the study; {@link StoreError} if the database cannot be reached or used.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * await cluster.cancel({ url: 'postgres://me@db/studies', id: '0123456789abcdef' });
 * ```
 */
export async function cancel(options: ClusterStudyOptions): Promise<number> {
  const { url, id } = parseOptions(studySchema, options, '');
  return withCluster(url, async ({ store }, queue) => {
    await requiredStudy(store, id);
    return queue.cancel(id);
  });
}

/**
 * Everything that a cluster has computed of a study so far; reading suffices for it.
 *
 * @throws {@link OptionRangeError} if the cluster does not hold the study; {@link StoreError} if the database cannot be reached or used.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * const { rows } = await cluster.read({ url: 'postgres://me@db/studies', id: '0123456789abcdef' });
 * ```
 */
export async function read(options: ClusterStudyOptions): Promise<StudyResult> {
  const { url, id } = parseOptions(studySchema, options, '');
  return withCluster(url, async ({ store }) => readStudy(store, await requiredStudy(store, id)));
}

/**
 * Remove a study with its results and jobs from a cluster, all or nothing. Workers in the middle of a job of it store nothing.
 *
 * @throws {@link OptionRangeError} if the cluster does not hold the study; {@link StoreError} if the database cannot be reached or used.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * await cluster.remove({ url: 'postgres://me@db/studies', id: '0123456789abcdef' });
 * ```
 */
export async function remove(options: ClusterStudyOptions): Promise<void> {
  const { url, id } = parseOptions(studySchema, options, '');
  await withCluster(url, ({ exclusively }, queue) =>
    exclusively(async (store, runner) => {
      await requiredStudy(store, id);
      // First the jobs, which a worker that stores results holds first too.
      await queue.remove(id, runner);
      await runner.executeSql(`delete from ${kSchema}.submission where study = $1`, [id]);
      await store.deleteStudy(id);
    }),
  );
}

/** How the tables of a cluster are made, and who may use them. */
export interface MigrateOptions extends ClusterOptions {
  /** Roles that may read studies, workers and failures. Default: none. */
  readonly readers?: readonly string[] | undefined;
  /** Roles that may also submit, collect, cancel, retry and remove studies. Default: none. */
  readonly submitters?: readonly string[] | undefined;
  /** Roles that workers have. Default: none. */
  readonly workers?: readonly string[] | undefined;
}

const roles = z.array(z.string().min(1), { error: 'an array of names of roles' }).default([]);
const migrateOptionsSchema = z.strictObject({ url: clusterUrl, readers: roles, submitters: roles, workers: roles });

/** What {@link migrate} did. */
export interface Migration {
  /** Version that the tables had; 0 if there were none. */
  readonly from: number;
  /** Version that they have now, that of this package. */
  readonly to: number;
}

/**
 * Make the tables of a cluster, or bring those of an earlier version of this package to the present one, and grant roles what their part
 * needs and no more. Studies and results stay. The user must own the schemas, or be allowed to create them in the database; those
 * who submit and work need not.
 *
 * Nobody has to call this where all use one user who may create schemas: submitting, and the first worker, make tables that are missing.
 *
 * @throws {@link StoreError} if the database cannot be reached or used, or is of a later version; {@link OptionRangeError} if there is no such
 * role.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * const { from, to } = await cluster.migrate({ url: 'postgres://owner@db/studies', submitters: ['ada'], workers: ['worker'] });
 * ```
 */
export async function migrate(options: MigrateOptions): Promise<Migration> {
  const { url, ...parts } = parseOptions(migrateOptionsSchema, options, '');
  const connection = await connectCluster(url);
  try {
    const from = await migrateSchema(connection, engineInfo().version);
    await connection.exclusively(async (store, runner) => {
      for (const [part, names] of Object.entries(parts))
        for (const [i, name] of names.entries()) {
          const { rows } = await runner.executeSql('select 1 from pg_roles where rolname = $1', [name]);
          if (rows.length === 0) throw new OptionRangeError(`${part}[${i}]`, `a role of ${store.where}`, name);
          await grantPart(connection, runner, part as ClusterPart, name);
        }
    });
    return { from, to: kSchemaVersion };
  } finally {
    await connection.close();
  }
}
