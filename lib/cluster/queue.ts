import type PgBoss from 'pg-boss';
import { StoreError } from '../base/errors.js';
import { loadOptional } from '../base/optional-packages.js';
import { announceJobs, type ClusterConnection, kClusterPackages, kSchema, type SqlRunner } from './connection.js';
import { fromPayload, toPayload, type WorkItem } from './plan.js';

/** The schema of the job engine. */
export const kQueueSchema = `${kSchema}_jobs`;
const kJob = `${kQueueSchema}.job`;

/** A worker that was killed or lost the server costs its jobs one attempt; a job that fails by itself fails every time. */
const kRetries = 10;
const kRetrySeconds = 1;
/** How often a worker looks for jobs that have expired, unless another one has just done so. */
const kMaintenanceSeconds = 10;
/** Every so many times jobs that were done long ago are moved away too. */
const kTidyEvery = 360;
/** A failed job is kept for so long as one that can be looked at and tried again. */
const kFailedSeconds = 366 * 86_400;
const kJobsPerInsert = 500;
/** A queue has the name of its study after this. */
const kPrefix = 'study-';

/** A job under way. */
export interface ActiveJob {
  readonly id: string;
  /** Its payload, not validated yet. */
  readonly data: unknown;
  readonly expireSeconds: number;
  /** How often it was given out before: who holds an earlier attempt no longer has a say. */
  readonly attempt: number;
}

/** A job that failed for good. */
export interface FailedJob {
  readonly study: string;
  readonly id: string;
  readonly items: readonly WorkItem[];
  readonly attempts: number;
  readonly reason: string;
  readonly failed: Date;
}

const queueOf = (study: string) => kPrefix + study;
/** The study of a queue. */
export const studyOf = (queue: string): string => queue.slice(kPrefix.length);

async function openBoss({ runner }: ClusterConnection, options: { readonly migrate: boolean }): Promise<PgBoss> {
  const { default: Boss } = await loadOptional('clusters', kClusterPackages, () => import('pg-boss'));
  const boss = new Boss({
    db: runner,
    schema: kQueueSchema,
    schedule: false,
    // Its own maintenance tidies up each time that it looks for expired jobs.
    supervise: false,
    archiveFailedAfterSeconds: kFailedSeconds,
    ...options,
  });
  await boss.start();
  return boss;
}

const closeBoss = (boss: PgBoss) => boss.stop({ graceful: false, close: false, wait: false });

/** Make the tables of the job engine, or bring them to its version. */
export async function installQueues(connection: ClusterConnection): Promise<void> {
  await closeBoss(await openBoss(connection, { migrate: true }));
}

/** The jobs of the studies of a cluster: pg-boss, one queue per study. */
export class JobQueue {
  /** Studies of which it is not known what became of the last attempt to take a job. */
  private readonly unheard = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly boss: PgBoss,
    private readonly runner: SqlRunner,
  ) {}

  /**
   * Open the queue.
   *
   * @param onMaintenanceError Workers give it, and give jobs of dead workers to others; it is called when that fails.
   */
  static async open(connection: ClusterConnection, onMaintenanceError?: (error: Error) => void): Promise<JobQueue> {
    try {
      const queue = new JobQueue(await openBoss(connection, { migrate: false }), connection.runner);
      if (onMaintenanceError !== undefined) queue.maintain(onMaintenanceError);
      return queue;
    } catch (cause) {
      if (cause instanceof StoreError) throw cause;
      throw new StoreError(
        `${connection.store.where}: the tables of the job engine are of another version; prompt-attention cluster migrate brings older ones along`,
        { cause },
      );
    }
  }

  /** Give jobs of dead workers to others, from now on. */
  private maintain(onError: (error: Error) => void): void {
    let round = 0;
    const look = async () => {
      // One worker does it for all.
      const { rows } = await this.runner.executeSql(
        `update ${kQueueSchema}.version set maintained_on = now()
         where maintained_on is null or maintained_on < now() - interval '${0.9 * kMaintenanceSeconds} s' returning 1`,
        [],
      );
      if (rows.length === 0) return;
      await (round++ % kTidyEvery > 0 ? this.boss.expire() : this.boss.maintain());
    };
    this.timer = setInterval(() => void look().catch(onError), 1000 * kMaintenanceSeconds);
  }

  /** Make the queue of a study unless it is there, as a part of the transaction of `runner`. */
  async create(study: string, runner: SqlRunner): Promise<void> {
    const { rows } = await runner.executeSql(`select 1 from ${kQueueSchema}.queue where name = $1`, [queueOf(study)]);
    if (rows.length > 0) return;
    const options = JSON.stringify({ policy: 'standard' });
    await runner.executeSql(`select ${kQueueSchema}.create_queue($1, $2)`, [queueOf(study), options]);
  }

  /** Put jobs into the queue, as a part of the transaction of `runner`. */
  async add(
    study: string,
    jobs: readonly (readonly WorkItem[])[],
    expireSeconds: number,
    runner: SqlRunner,
  ): Promise<void> {
    const name = queueOf(study);
    for (let begin = 0; begin < jobs.length; begin += kJobsPerInsert)
      await this.boss.insert(
        jobs.slice(begin, begin + kJobsPerInsert).map((items) => ({
          name,
          data: toPayload(items),
          expireInSeconds: expireSeconds,
          retryLimit: kRetries,
          retryDelay: kRetrySeconds,
          // A job that waits for workers is never forgotten.
          keepUntil: 'infinity',
        })),
        { db: runner },
      );
    if (jobs.length > 0) await announceJobs(runner);
  }

  /** Take a job; undefined if none waits. What was taken before must be done with: a job that this worker has it is given again. */
  async take(study: string, worker: string): Promise<ActiveJob | undefined> {
    // An answer may have been lost on its way, and with it that this worker has the job.
    const isOwn = this.unheard.has(study) ? `or state = 'active' and output->>'worker' = $2` : '';
    this.unheard.add(study);
    const { rows } = await this.runner.executeSql(
      `with next as (
         select id from ${kJob} where name = $1 and (state < 'active' and start_after < now() ${isOwn})
         order by priority desc, created_on, id limit 1 for update skip locked)
       update ${kJob} set state = 'active', started_on = now(), output = jsonb_build_object('worker', $2::text),
         retry_count = case when started_on is null then retry_count else retry_count + 1 end
       from next where job.name = $1 and job.id = next.id
       returning job.id, data, extract(epoch from expire_in)::float8 as seconds, retry_count`,
      [queueOf(study), worker],
    );
    this.unheard.delete(study);
    const [row] = rows as { id: string; data: unknown; seconds: number; retry_count: number }[];
    return row && { id: row.id, data: row.data, expireSeconds: row.seconds, attempt: row.retry_count };
  }

  /** Mark a job as done, as a part of the transaction of `runner`; false if it is no longer this worker's. */
  async complete(study: string, { id, attempt }: ActiveJob, worker: string, runner: SqlRunner): Promise<boolean> {
    const { rows } = await runner.executeSql(
      `update ${kJob} set state = 'completed', completed_on = now(), output = jsonb_build_object('worker', $4::text)
       where name = $1 and id = $2 and state = 'active' and retry_count = $3 returning id`,
      [queueOf(study), id, attempt, worker],
    );
    return rows.length > 0;
  }

  /** Whether this worker has done a job already: the answer to a commit may be lost on its way. */
  async hasCompleted(study: string, { id, attempt }: ActiveJob, worker: string, runner: SqlRunner): Promise<boolean> {
    const { rows } = await runner.executeSql(
      `select 1 from ${kJob} where name = $1 and id = $2 and state = 'completed' and retry_count = $3 and output->>'worker' = $4`,
      [queueOf(study), id, attempt, worker],
    );
    return rows.length > 0;
  }

  /**
   * A job could not be done; it is tried again, in the end left as failed. As a part of the transaction of `runner`; false if it is no
   * longer this worker's.
   */
  async fail(study: string, { id, attempt }: ActiveJob, reason: string, runner: SqlRunner): Promise<boolean> {
    const { rows } = await runner.executeSql(
      `select 1 from ${kJob} where name = $1 and id = $2 and state = 'active' and retry_count = $3 for update`,
      [queueOf(study), id, attempt],
    );
    if (rows.length === 0) return false;
    await this.boss.fail(queueOf(study), id, { message: reason }, { db: runner });
    return true;
  }

  /** Jobs that wait or are under way. */
  async outstanding(study: string, runner = this.runner): Promise<number> {
    const { rows } = await runner.executeSql(
      `select count(*) as jobs from ${kJob} where name = $1 and state < 'completed'`,
      [queueOf(study)],
    );
    return Number((rows[0] as { jobs: string }).jobs);
  }

  /** Studies with jobs that wait, or that this worker may have been given without hearing it. */
  async waiting(): Promise<readonly string[]> {
    const { rows } = await this.runner.executeSql(
      `select distinct name from ${kJob} where state < 'active' and start_after < now() and starts_with(name, $1)`,
      [kPrefix],
    );
    return [...new Set([...this.unheard, ...(rows as { name: string }[]).map(({ name }) => studyOf(name))])];
  }

  /** Jobs of all studies but some that wait or are under way. */
  async allOutstanding(except: readonly string[]): Promise<number> {
    const { rows } = await this.runner.executeSql(
      `select count(*) as jobs from ${kJob} where state < 'completed' and starts_with(name, $1) and name <> all($2::text[])`,
      [kPrefix, except.map(queueOf)],
    );
    return Number((rows[0] as { jobs: string }).jobs);
  }

  /** Jobs that failed for good and are kept as such, of one study or of all, in the order that they failed in. */
  async failures(study: string | undefined): Promise<readonly FailedJob[]> {
    const { rows } = await this.runner.executeSql(
      `select name, id, data, retry_count, coalesce(output->>'message', output->'value'->>'message', output::text) as reason, completed_on
       from ${kJob} where state = 'failed' and starts_with(name, $1) order by completed_on, id`,
      [study === undefined ? kPrefix : queueOf(study)],
    );
    type Row = {
      name: string;
      id: string;
      data: unknown;
      retry_count: number;
      reason: string | null;
      completed_on: Date;
    };
    return (rows as Row[]).map((row) => ({
      study: studyOf(row.name),
      id: row.id,
      items: itemsOf(row.data),
      attempts: row.retry_count + 1,
      reason: row.reason ?? '',
      failed: row.completed_on,
    }));
  }

  /** Jobs of each study by state; a study without any is left out. */
  async counts(): Promise<ReadonlyMap<string, JobCounts>> {
    const { rows } = await this.runner.executeSql(
      `select name, count(*) filter (where state < 'active') as waiting, count(*) filter (where state = 'active') as active,
       count(*) filter (where state = 'failed') as failed, count(*) filter (where state = 'cancelled') as cancelled
       from ${kJob} where starts_with(name, $1) group by name`,
      [kPrefix],
    );
    type Row = Record<keyof JobCounts, string> & { readonly name: string };
    return new Map(
      (rows as Row[]).map(({ name, waiting, active, failed, cancelled }) => [
        studyOf(name),
        { waiting: Number(waiting), active: Number(active), failed: Number(failed), cancelled: Number(cancelled) },
      ]),
    );
  }

  /** Put the jobs of a study that failed or were cancelled back; how many. As a part of the transaction of `runner`. */
  async retry(study: string, runner: SqlRunner): Promise<number> {
    const { rows } = await runner.executeSql(
      `update ${kJob} set state = 'retry', retry_limit = retry_count + $2, start_after = now(), completed_on = null
       where name = $1 and state in ('failed', 'cancelled') returning id`,
      [queueOf(study), kRetries],
    );
    if (rows.length > 0) await announceJobs(runner);
    return rows.length;
  }

  /**
   * Cancel the jobs of a study that wait or are under way; how many. What a worker is about to store is waited for, and the jobs that
   * it leaves are cancelled too.
   */
  async cancel(study: string): Promise<number> {
    let cancelled = 0;
    do {
      const { rows } = await this.runner.executeSql(
        `update ${kJob} set state = 'cancelled' where name = $1 and state < 'completed' returning id`,
        [queueOf(study)],
      );
      cancelled += rows.length;
    } while ((await this.outstanding(study)) > 0);
    return cancelled;
  }

  /** Forget the jobs of a study that failed or were cancelled, as a part of the transaction of `runner`: new ones take their place. */
  async forgetStopped(study: string, runner: SqlRunner): Promise<void> {
    await runner.executeSql(`delete from ${kJob} where name = $1 and state in ('failed', 'cancelled')`, [
      queueOf(study),
    ]);
  }

  /** Remove the queue of a study with all its jobs, as a part of the transaction of `runner`. */
  async remove(study: string, runner: SqlRunner): Promise<void> {
    await runner.executeSql(`delete from ${kJob} where name = $1`, [queueOf(study)]);
    await runner.executeSql(`select ${kQueueSchema}.delete_queue($1)`, [queueOf(study)]);
  }

  close(): Promise<void> {
    clearInterval(this.timer);
    return closeBoss(this.boss);
  }
}

/** Jobs of a study by what became of them. */
export interface JobCounts {
  readonly waiting: number;
  readonly active: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** The items of a payload; none if it is not one of this package. */
function itemsOf(payload: unknown): readonly WorkItem[] {
  try {
    return fromPayload(payload);
  } catch {
    return [];
  }
}
