import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { abortSignal, parseOptions, threadCount } from '../options.js';
import type { Batch } from '../study/batches.js';
import { StudyCells } from '../study/cells.js';
import { beginRun, type StudyRun } from '../study/provenance.js';
import { stretchAfter } from '../study/read.js';
import { runBatch, trialsFor } from '../study/run.js';
import { gapsIn } from '../study/schedule.js';
import type { StudyHeader, StudyStore, TheoryResult } from '../study/store.js';
import { cellTheory } from '../study/theory.js';
import { type ClusterConnection, connectCluster, isPassing } from './connection.js';
import { fromPayload, kJobSeconds, planJobs, type WorkItem } from './plan.js';
import { type ActiveJob, JobQueue } from './queue.js';

/** How a worker works. */
export interface WorkOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; what is left out is taken from the variables PGPASSWORD and so on. */
  readonly url: string;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
  /** Return when no study has jobs left. Default false: wait for more. */
  readonly untilDone?: boolean | undefined;
  /** Aborting ends the worker after the batch under way, whose results are stored; the promise then resolves. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each job, and with the reason while the server is away. */
  readonly onEvent?: ((event: WorkerEvent) => void) | undefined;
}

/** What a worker tells about itself. */
export type WorkerEvent =
  | {
      /** A job was done. */
      readonly kind: 'job';
      /** Name of the study. */
      readonly study: string;
      /** Trials computed. */
      readonly trials: number;
      /** From taking the job to storing its results. */
      readonly seconds: number;
      /** False if another worker had been given the job meanwhile: then nothing was stored. */
      readonly kept: boolean;
    }
  | {
      /** A job could not be done, or the server does not answer. */
      readonly kind: 'failure' | 'server-away';
      /** Why. */
      readonly reason: string;
    };

const optionsSchema = z.strictObject({
  url: z.string({ error: 'the URL of a PostgreSQL database' }),
  threads: threadCount,
  untilDone: z.boolean({ error: 'true or false' }).default(false),
  signal: abortSignal,
  onEvent: z
    .custom<NonNullable<WorkOptions['onEvent']>>((value) => typeof value === 'function', { error: 'a function' })
    .optional(),
});

const kIdleMilliseconds = 500;
/** A batch is meant to take so long, so that a worker that is asked to stop does so soon. */
const kBatchSeconds = 3;
/** The first batch of a cell has at most so many trials, whatever those of the cell before cost. */
const kFirstBatchTrials = 64;
/** After the loss of the server a worker tries again, at first soon, then less and less often. */
const kFirstRetryMilliseconds = 200;
const kLongestRetryMilliseconds = 5000;
/** How long a worker that is asked to stop still waits for the server, to store what it has computed. */
const kPatienceMilliseconds = 10_000;

/** What a worker found out while it had a job. */
interface JobResults {
  readonly batches: readonly Batch[];
  readonly theories: readonly TheoryResult[];
  /** What it did not get to. */
  readonly rest: readonly WorkItem[];
}

/** Seconds per trial of the cells of some batches; of the others, the average if there is one. */
function ratesOf(batches: readonly Batch[]): (cell: number) => number | undefined {
  const sums = new Map<number, { seconds: number; trials: number }>();
  const total = { seconds: 0, trials: 0 };
  for (const { cell, wallSeconds, status } of batches) {
    const own = sums.get(cell) ?? { seconds: 0, trials: 0 };
    sums.set(cell, own);
    for (const sum of [own, total]) {
      sum.seconds += wallSeconds;
      sum.trials += status.length;
    }
  }
  return (cell) => {
    const { seconds, trials } = sums.get(cell) ?? total;
    return trials > 0 ? seconds / trials : undefined;
  };
}

class Worker {
  private readonly runs = new Map<string, StudyRun>();

  constructor(
    private readonly connection: ClusterConnection,
    private readonly queue: JobQueue,
    private readonly threads: number,
    private readonly stopping: AbortSignal | undefined,
    private readonly onEvent: (event: WorkerEvent) => void,
  ) {}

  private get stopped(): boolean {
    return this.stopping?.aborted === true;
  }

  /** Work on jobs until there are none or the worker is asked to stop; whether there was any. */
  async round(headers: readonly StudyHeader[]): Promise<boolean> {
    let found = false;
    for (const header of headers) {
      while (!this.stopped) {
        const job = await this.queue.take(header.id);
        if (job === undefined) break;
        found = true;
        await this.job(header, job);
      }
    }
    return found;
  }

  private async job(header: StudyHeader, job: ActiveJob): Promise<void> {
    const begin = performance.now();
    let results: JobResults;
    try {
      results = await this.compute(header, job);
    } catch (error) {
      if (isPassing(error)) throw error;
      const reason = `job ${job.id} of ${header.spec.name}: ${(error as Error).message}`;
      await this.queue.fail(header.id, job.id, reason);
      this.onEvent({ kind: 'failure', reason });
      return;
    }
    const kept = await this.untilServerIsBack(() => this.commit(header, job, results));
    const trials = results.batches.reduce((sum, { status }) => sum + status.length, 0);
    const seconds = (performance.now() - begin) / 1000;
    this.onEvent({ kind: 'job', study: header.spec.name, trials, seconds, kept });
  }

  private async runOf({ id }: StudyHeader): Promise<StudyRun> {
    const run = this.runs.get(id) ?? (await beginRun(null));
    this.runs.set(id, run);
    return run;
  }

  /** Work on the items of a job, in order, for about {@link kJobSeconds} seconds. */
  private async compute(header: StudyHeader, { data }: ActiveJob): Promise<JobResults> {
    const items = fromPayload(data);
    const { spec, id } = header;
    const cells = StudyCells.of(spec);
    const run = await this.runOf(header);
    const batches: Batch[] = [];
    const theories: TheoryResult[] = [];
    const rest: WorkItem[] = [];
    const begin = performance.now();
    const seconds = () => (performance.now() - begin) / 1000;
    let rate = Number.POSITIVE_INFINITY;
    for (const item of items) {
      // At least one batch per job, or it would never end.
      if (seconds() > kJobSeconds || (this.stopped && batches.length + theories.length > 0)) {
        rest.push(item);
        continue;
      }
      if (item.cell >= cells.length) throw new Error(`there is no cell ${item.cell}`);
      const cell = cells.at(item.cell);
      if (spec.theory && item.firstTrial === 0) {
        const known = await this.untilServerIsBack(() =>
          this.connection.store.readTheories(id, item.cell, item.cell + 1),
        );
        if (!known.has(item.cell)) theories.push({ cell: item.cell, theory: await cellTheory(spec, cell, undefined) });
      }
      let done = 0;
      // A first batch of unknown cost is small.
      let size = Math.max(this.threads, Math.min(kFirstBatchTrials, Math.ceil(kBatchSeconds / rate)));
      while (done < item.trials) {
        if (done > 0 && (seconds() > kJobSeconds || this.stopped)) {
          rest.push({ ...item, firstTrial: item.firstTrial + done, trials: item.trials - done });
          break;
        }
        const range = { firstTrial: item.firstTrial + done, trials: Math.min(size, item.trials - done) };
        const batch = await runBatch(spec, cell, range, run, { threads: this.threads });
        batches.push(batch);
        done += range.trials;
        rate = batch.wallSeconds / range.trials;
        size = trialsFor(Math.min(kBatchSeconds, kJobSeconds - seconds()), rate, this.threads);
      }
    }
    return { batches, theories, rest };
  }

  /** Store what a job found, that it is done, and the jobs that follow, in one transaction; false if it was no longer ours. */
  private commit(header: StudyHeader, job: ActiveJob, { batches, theories, rest }: JobResults): Promise<boolean> {
    const { id } = header;
    return this.connection.transaction(async (store, runner, database) => {
      if (!(await this.queue.complete(id, job.id, runner))) return false;
      await store.addRun(id, await this.runOf(header));
      const touched = [...new Set([...batches, ...theories].map(({ cell }) => cell))].sort((a, b) => a - b);
      // Whoever stores the last piece of a stretch looks at the cell: one at a time, in order, so that nobody waits in a circle.
      if (touched.length > 0)
        await database
          .selectFrom('cell')
          .select('position')
          .where('study', '=', id)
          .where('position', 'in', touched)
          .orderBy('position')
          .forUpdate()
          .execute();
      await store.writeResults(id, { batches, theories, finished: [] });
      const { next, finished } = await this.lookAt(header, store, touched);
      await store.writeResults(id, { batches: [], theories: [], finished });
      const jobs = planJobs([...rest, ...next], ratesOf(batches));
      await this.queue.add(id, jobs, job.expireSeconds, runner);
      return true;
    });
  }

  /** Which of the cells are finished, and what the others need next; nothing for those of which somebody has the rest. */
  private async lookAt({ spec, id }: StudyHeader, store: StudyStore, touched: readonly number[]) {
    const next: WorkItem[] = [];
    const finished: number[] = [];
    for (const [cell, ranges] of await store.readStoredRanges(id, touched)) {
      const isPartial = ranges.length === 0 ? spec.trials.maximum > 0 : gapsIn(spec.trials, ranges).length > 0;
      if (isPartial) continue;
      const stretch = await stretchAfter(store, id, spec, cell);
      if (stretch === undefined) finished.push(cell);
      else next.push({ cell, ...stretch });
    }
    return { next, finished };
  }

  /** Repeat `work` while the server is away; once the worker is asked to stop, for a while only. */
  async untilServerIsBack<Result>(work: () => Promise<Result>): Promise<Result> {
    let deadline = Number.POSITIVE_INFINITY;
    for (let wait = kFirstRetryMilliseconds; ; wait = Math.min(2 * wait, kLongestRetryMilliseconds)) {
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error)) throw error;
        this.onEvent({ kind: 'server-away', reason: (error as Error).message });
        if (this.stopped) deadline = Math.min(deadline, performance.now() + kPatienceMilliseconds);
        if (performance.now() + wait > deadline) throw error;
        await sleep(wait, undefined, this.stopped ? {} : { signal: this.stopping }).catch(() => {});
      }
    }
  }

  /** Note that the worker is gone. */
  async end(): Promise<void> {
    for (const { id } of this.runs.values()) await this.connection.store.finishRun(id);
  }
}

/**
 * Work on the studies of a cluster: take jobs, compute, store. Any number of workers may do so on any number of machines; what
 * one computes does not depend on which one it is.
 *
 * A worker that is killed loses the job under way, which another one gets when it expires. While the server is away the worker keeps what
 * it has computed and tries again.
 *
 * @throws {@link StoreError} if the database cannot be reached or used at the beginning; {@link OptionTypeError} or
 * {@link OptionRangeError} for a bad option.
 */
export async function work(options: WorkOptions): Promise<void> {
  const {
    url,
    threads = availableParallelism(),
    untilDone,
    signal,
    onEvent = () => {},
  } = parseOptions(optionsSchema, options, '');
  const connection = await connectCluster(url);
  try {
    const queue = await JobQueue.open(connection, true);
    const worker = new Worker(connection, queue, threads, signal, onEvent);
    const known = new Map<string, StudyHeader>();
    try {
      while (signal?.aborted !== true) {
        const found = await worker.untilServerIsBack(async () => {
          const waiting = await queue.waiting(connection.runner);
          const headers = await connection.store.readStudies(waiting, known);
          for (const header of headers) known.set(header.id, header);
          return worker.round(headers);
        });
        if (found) continue;
        if (untilDone && (await worker.untilServerIsBack(() => queue.allOutstanding(connection.runner))) === 0) break;
        await sleep(kIdleMilliseconds, undefined, { signal }).catch(() => {});
      }
      await worker.end();
    } finally {
      await queue.close();
    }
  } finally {
    await connection.close();
  }
}
