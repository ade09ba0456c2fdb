import type PgBoss from 'pg-boss';
import { type ClusterConnection, kSchema, type SqlRunner } from './connection.js';
import { toPayload, type WorkItem } from './plan.js';

/** A worker that was killed or lost the server costs its jobs one attempt; a job that fails by itself fails every time. */
const kRetries = 10;
const kRetrySeconds = 1;
/** How often the workers look for jobs that have expired. */
const kMaintenanceSeconds = 2;
const kJobsPerInsert = 500;
/** A queue has the name of its study after this. */
const kPrefix = 'study-';

/** A job under way. */
export interface ActiveJob {
  readonly id: string;
  /** Its payload, not validated yet. */
  readonly data: unknown;
  readonly expireSeconds: number;
}

/** The jobs of the studies of a cluster: pg-boss, one queue per study. */
export class JobQueue {
  private constructor(private readonly boss: PgBoss) {}

  /**
   * Open the queue, and make its tables where they are missing.
   *
   * @param supervise Whether to give jobs of dead workers to others; workers do.
   */
  static async open({ runner }: ClusterConnection, supervise: boolean): Promise<JobQueue> {
    const { default: Boss } = await import('pg-boss');
    const boss = new Boss({
      db: runner,
      schema: `${kSchema}_jobs`,
      supervise,
      schedule: false,
      maintenanceIntervalSeconds: kMaintenanceSeconds,
    });
    // Maintenance fails while the server is away, and is repeated.
    boss.on('error', () => {});
    await boss.start();
    return new JobQueue(boss);
  }

  private static queueOf(study: string): string {
    return kPrefix + study;
  }

  /** Make the queue of a study unless it is there. */
  async create(study: string): Promise<void> {
    const name = JobQueue.queueOf(study);
    if ((await this.boss.getQueue(name)) === null) await this.boss.createQueue(name);
  }

  /** Put jobs into the queue, as a part of the transaction of `runner`. */
  async add(
    study: string,
    jobs: readonly (readonly WorkItem[])[],
    expireSeconds: number,
    runner: SqlRunner,
  ): Promise<void> {
    const name = JobQueue.queueOf(study);
    for (let begin = 0; begin < jobs.length; begin += kJobsPerInsert)
      await this.boss.insert(
        jobs.slice(begin, begin + kJobsPerInsert).map((items) => ({
          name,
          data: toPayload(items),
          expireInSeconds: expireSeconds,
          retryLimit: kRetries,
          retryDelay: kRetrySeconds,
        })),
        { db: runner },
      );
  }

  /** Take a job; undefined if none waits. */
  async take(study: string): Promise<ActiveJob | undefined> {
    const [job] = await this.boss.fetch(JobQueue.queueOf(study));
    return job && { id: job.id, data: job.data, expireSeconds: Number(job.expireInSeconds) };
  }

  /** Mark a job as done, as a part of the transaction of `runner`; false if it is no longer this worker's. */
  async complete(study: string, id: string, runner: SqlRunner): Promise<boolean> {
    // The types say void; it returns how many jobs it found active.
    const result: unknown = await this.boss.complete(JobQueue.queueOf(study), id, {}, { db: runner });
    return (result as { readonly affected: number }).affected > 0;
  }

  /** A job could not be done; it is tried again, in the end left as failed. */
  async fail(study: string, id: string, reason: string): Promise<void> {
    await this.boss.fail(JobQueue.queueOf(study), id, { message: reason });
  }

  /** Jobs that wait or are under way. */
  outstanding(study: string): Promise<number> {
    return this.boss.getQueueSize(JobQueue.queueOf(study), { before: 'completed' });
  }

  /** Studies with jobs that wait. */
  async waiting(runner: SqlRunner): Promise<readonly string[]> {
    const { rows } = await runner.executeSql(
      `select distinct name from ${kSchema}_jobs.job where state < 'active' and starts_with(name, $1)`,
      [kPrefix],
    );
    return (rows as { name: string }[]).map(({ name }) => name.slice(kPrefix.length));
  }

  /** Jobs of all studies that wait or are under way. */
  async allOutstanding(runner: SqlRunner): Promise<number> {
    const { rows } = await runner.executeSql(
      `select count(*) as jobs from ${kSchema}_jobs.job where state < 'completed' and starts_with(name, $1)`,
      [kPrefix],
    );
    return Number((rows[0] as { jobs: string }).jobs);
  }

  /** Jobs that failed for good, and the reason of one of them. */
  async failures(study: string, runner: SqlRunner): Promise<{ readonly jobs: number; readonly reason: string }> {
    const { rows } = await runner.executeSql(
      `select count(*) as jobs, min(output::text) as reason from ${kSchema}_jobs.job where name = $1 and state = 'failed'`,
      [JobQueue.queueOf(study)],
    );
    const { jobs, reason } = rows[0] as { jobs: string; reason: string | null };
    return { jobs: Number(jobs), reason: reason ?? '' };
  }

  /** Remove the queue of a study with all its jobs. */
  async remove(study: string, runner: SqlRunner): Promise<void> {
    await runner.executeSql(`delete from ${kSchema}_jobs.job where name = $1`, [JobQueue.queueOf(study)]);
    await this.boss.deleteQueue(JobQueue.queueOf(study));
  }

  async close(): Promise<void> {
    await this.boss.stop({ graceful: false, close: false, wait: false });
  }
}
