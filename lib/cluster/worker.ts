import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { engineInfo } from '../base/engine.js';
import { StoreError } from '../base/errors.js';
import { parseOptions } from '../base/options.js';
import type { Batch } from '../study/batches.js';
import { StudyCells } from '../study/cells.js';
import { gapsIn } from '../study/definition/schedule.js';
import { beginRun, type StudyRun } from '../study/provenance.js';
import { stretchAfter } from '../study/read.js';
import { runBatch, trialsFor } from '../study/run.js';
import type { StudyHeader, StudyStore, TheoryResult } from '../study/store.js';
import { cellTheory } from '../study/theory.js';
import { type ClusterConnection, kSchema, type Listening } from './connection.js';
import { fromPayload, kJobSeconds, planJobs, type WorkItem } from './plan.js';
import { Presence } from './presence.js';
import type { ActiveJob, JobQueue } from './queue.js';
import { isPassing } from './reasons.js';
import { withCluster } from './session.js';
import { type WorkerEvent, type WorkOptions, workSchema } from './work-options.js';

/** A worker without work is told of new jobs. It looks by itself now and then, for jobs that have expired, and where it cannot be told. */
const kIdleMilliseconds = 10_000;
/** One that ends when everything is done looks more often. */
const kUntilDoneMilliseconds = 1000;
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
  /** Studies of which the row of this worker's run is stored. */
  private readonly storedRuns = new Set<string>();
  private readonly headers = new Map<string, StudyHeader>();
  /** Studies that this worker may compute. */
  private readonly allowed = new Set<string>();
  /** Studies that it leaves alone, and why. */
  private readonly refused = new Map<string, string>();
  private listening: Listening | undefined;
  /** Aborted when there are new jobs, and when it is to stop. */
  private bell = new AbortController();
  /** Aborted when the batch under way has had its time. */
  private readonly deadline = new AbortController();
  private deadlineTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly connection: ClusterConnection,
    private readonly queue: JobQueue,
    private readonly presence: Presence,
    private readonly options: {
      readonly threads: number;
      readonly untilDone: boolean;
      readonly stopping: AbortSignal | undefined;
      readonly drainSeconds: number;
      readonly onEvent: (event: WorkerEvent) => void;
    },
  ) {}

  private get stopped(): boolean {
    return this.options.stopping?.aborted === true;
  }

  /** Of a job that is not stored yet. */
  private holdsResults = false;

  private readonly drain = (): void => {
    const { drainSeconds, onEvent } = this.options;
    this.bell.abort();
    onEvent({ kind: 'stopping', seconds: drainSeconds });
    this.deadlineTimer = setTimeout(() => this.deadline.abort(), 1000 * drainSeconds);
  };

  /** Work until asked to stop or, if so wanted, until there is nothing left to do. */
  async all(): Promise<void> {
    const { stopping, threads, onEvent } = this.options;
    const { presence } = this;
    await presence.begin();
    onEvent({ kind: 'start', worker: presence.id, host: presence.host, engine: engineInfo().fingerprint, threads });
    if (this.stopped) this.drain();
    else stopping?.addEventListener('abort', this.drain, { once: true });
    try {
      await this.rounds().catch((error) => {
        // Who only asked for work loses nothing.
        if (!this.stopped || !isPassing(error) || this.holdsResults) throw error;
      });
      for (const id of this.storedRuns)
        await this.untilServerIsBack(() => this.connection.store.finishRun((this.runs.get(id) as StudyRun).id));
    } finally {
      stopping?.removeEventListener('abort', this.drain);
      clearTimeout(this.deadlineTimer);
      // The server may be away, and forgets the worker by itself.
      await presence.end().catch(() => {});
    }
    const [refusal] = this.refused.values();
    if (!this.stopped && refusal !== undefined) throw new StoreError(refusal);
  }

  private async rounds(): Promise<void> {
    const { untilDone } = this.options;
    while (!this.stopped) {
      if (this.presence.failure !== undefined) throw this.presence.failure;
      this.bell = new AbortController();
      if (await this.untilServerIsBack(() => this.round())) continue;
      if (untilDone) {
        const left = await this.untilServerIsBack(() => this.queue.allOutstanding([...this.refused.keys()]));
        if (left === 0) break;
      }
      // Not all at the same moment.
      const wait = (untilDone ? kUntilDoneMilliseconds : kIdleMilliseconds) * (0.5 + Math.random());
      await sleep(wait, undefined, { signal: this.bell.signal }).catch(() => {});
    }
  }

  /** Work on the jobs that wait until there are none or the worker is asked to stop; whether there was any. */
  private async round(): Promise<boolean> {
    if (this.listening?.lost !== false) this.listening = await this.connection.listen(() => this.bell.abort());
    let found = false;
    for (const header of await this.studies(await this.queue.waiting())) {
      while (!this.stopped && this.presence.failure === undefined) {
        const job = await this.queue.take(header.id, this.presence.id);
        if (job === undefined) break;
        found = true;
        await this.job(header, job);
      }
    }
    return found;
  }

  /** The studies with these ids, but those that this worker cannot read, or may not compute. */
  private async studies(waiting: readonly string[]): Promise<readonly StudyHeader[]> {
    const { store } = this.connection;
    const studies: StudyHeader[] = [];
    for (const id of this.refused.keys()) if (!waiting.includes(id)) this.refused.delete(id);
    // One query, unless one of them is of another version of this package: then one each.
    const all = await store.readStudies(waiting, this.headers).catch((error) => {
      if (isPassing(error)) throw error;
    });
    for (const id of waiting) {
      try {
        const header = all?.find((one) => one.id === id) ?? (await store.readStudies([id], this.headers))[0];
        // Removed a moment ago.
        if (header === undefined) continue;
        this.headers.set(id, header);
        await this.claim(header);
        this.refused.delete(id);
        studies.push(header);
      } catch (error) {
        if (isPassing(error)) throw error;
        const reason = (error as Error).message;
        if (this.refused.get(id) === reason) continue;
        this.refused.set(id, reason);
        this.options.onEvent({ kind: 'refusal', reason });
      }
    }
    this.presence.refuse([...this.refused.values()][0]);
    return studies;
  }

  /** Make the engine of this worker that of a study without one; throws if the study has another, unless any may compute it. */
  private async claim({ id, spec }: StudyHeader): Promise<void> {
    if (this.allowed.has(id)) return;
    const { runner, store } = this.connection;
    const own = engineInfo().fingerprint;
    const { rows } = await runner.executeSql(
      `insert into ${kSchema}.submission as present (study, engine) values ($1, $2)
       on conflict (study) do update set engine = coalesce(present.engine, excluded.engine) returning engine, mixed_engines`,
      [id, own],
    );
    const { engine, mixed_engines } = rows[0] as { engine: string; mixed_engines: boolean };
    if (engine !== own && !mixed_engines)
      throw new StoreError(
        `${store.where}: study ${spec.name} (${id}) is computed by the engine ${engine}, and this worker has ${own}, whose results agree with ` +
          'them up to rounding only; set OPENBLAS_CORETYPE to the same on all machines, or submit the study with mixedEngines (--mixed-engines)',
      );
    this.allowed.add(id);
  }

  private async job(header: StudyHeader, job: ActiveJob): Promise<void> {
    const { onEvent } = this.options;
    const begin = performance.now();
    let results: JobResults;
    try {
      results = await this.compute(header, job);
    } catch (error) {
      if (isPassing(error)) throw error;
      const reason = `job ${job.id} of ${header.spec.name}: ${(error as Error).message}`;
      await this.untilServerIsBack(() =>
        this.connection.transaction((_, runner) => this.queue.fail(header.id, job, reason, runner)),
      );
      onEvent({ kind: 'failure', reason });
      return;
    }
    this.holdsResults = true;
    const kept = await this.untilServerIsBack(() => this.commit(header, job, results));
    this.holdsResults = false;
    if (kept) this.storedRuns.add(header.id);
    const trials = results.batches.reduce((sum, { status }) => sum + status.length, 0);
    const seconds = (performance.now() - begin) / 1000;
    this.presence.jobs += kept ? 1 : 0;
    this.presence.trials += kept ? trials : 0;
    onEvent({ kind: 'job', study: header.spec.name, id: header.id, job: job.id, trials, seconds, kept });
  }

  private async runOf({ id }: StudyHeader): Promise<StudyRun> {
    const started = new Date(this.connection.clock.now()).toISOString();
    const run = this.runs.get(id) ?? { ...(await beginRun(null)), started };
    this.runs.set(id, run);
    return run;
  }

  /** Which of the cells whose law a job may have to compute have it already. */
  private async knownLaws({ id, spec }: StudyHeader, items: readonly WorkItem[]): Promise<ReadonlySet<number>> {
    const cells = items.filter(({ firstTrial }) => firstTrial === 0).map(({ cell }) => cell);
    if (!spec.theory || cells.length === 0) return new Set();
    const [from, to] = [Math.min(...cells), Math.max(...cells) + 1];
    return new Set((await this.untilServerIsBack(() => this.connection.store.readTheories(id, from, to))).keys());
  }

  /**
   * Work on the items of a job, in order, for about {@link kJobSeconds} seconds. What is abandoned because the worker has to end is left
   * over like what was not begun.
   */
  private async compute(header: StudyHeader, { data }: ActiveJob): Promise<JobResults> {
    const { threads } = this.options;
    const { signal } = this.deadline;
    const items = fromPayload(data);
    const { spec } = header;
    const cells = StudyCells.of(spec);
    const run = await this.runOf(header);
    const known = await this.knownLaws(header, items);
    const batches: Batch[] = [];
    const theories: TheoryResult[] = [];
    const rest: WorkItem[] = [];
    const begin = performance.now();
    const seconds = () => (performance.now() - begin) / 1000;
    let rate = Number.POSITIVE_INFINITY;
    for (const item of items) {
      let done = 0;
      try {
        // At least one batch per job, or it would never end.
        if (seconds() > kJobSeconds || (this.stopped && batches.length + theories.length > 0)) {
          rest.push(item);
          continue;
        }
        if (item.cell >= cells.length) throw new Error(`there is no cell ${item.cell}`);
        const cell = cells.at(item.cell);
        if (spec.theory && item.firstTrial === 0 && !known.has(item.cell))
          theories.push({ cell: item.cell, theory: await cellTheory(spec, cell, signal) });
        // A first batch of unknown cost is small.
        let size = Math.max(threads, Math.min(kFirstBatchTrials, Math.ceil(kBatchSeconds / rate)));
        while (done < item.trials) {
          if (done > 0 && (seconds() > kJobSeconds || this.stopped)) {
            rest.push({ ...item, firstTrial: item.firstTrial + done, trials: item.trials - done });
            break;
          }
          const range = { firstTrial: item.firstTrial + done, trials: Math.min(size, item.trials - done) };
          const batch = await runBatch(spec, cell, range, run, { threads, signal });
          batches.push(batch);
          done += range.trials;
          rate = batch.wallSeconds / range.trials;
          size = trialsFor(Math.min(kBatchSeconds, kJobSeconds - seconds()), rate, threads);
        }
      } catch (error) {
        if (!signal.aborted) throw error;
        rest.push({ ...item, firstTrial: item.firstTrial + done, trials: item.trials - done });
      }
    }
    return { batches, theories, rest };
  }

  /** Store what a job found, that it is done, and the jobs that follow, in one transaction; false if it was no longer ours. */
  private commit(header: StudyHeader, job: ActiveJob, { batches, theories, rest }: JobResults): Promise<boolean> {
    const { id } = header;
    const worker = this.presence.id;
    return this.connection.transaction(async (store, runner, database) => {
      if (!(await this.queue.complete(id, job, worker, runner)))
        return this.queue.hasCompleted(id, job, worker, runner);
      if (!this.storedRuns.has(id)) await store.addRun(id, await this.runOf(header));
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
        this.options.onEvent({ kind: 'server-away', reason: (error as Error).message });
        if (this.stopped) deadline = Math.min(deadline, performance.now() + kPatienceMilliseconds);
        if (performance.now() + wait > deadline) throw error;
        await sleep(wait, undefined, this.stopped ? {} : { signal: this.options.stopping }).catch(() => {});
      }
    }
  }
}

/**
 * Work on the studies of a cluster: take jobs, compute, store. Any number of workers may do so on any number of machines; what
 * one computes does not depend on which one it is.
 *
 * A worker that is killed loses the job under way, which another one gets when it expires. While the server is away the worker keeps what
 * it has computed and tries again. One that was stopped for longer than a job may take finds that the job was given to another one,
 * and stores nothing of it.
 *
 * @throws {@link StoreError} if the database cannot be reached or used at the beginning, if its tables are of another version or are brought to one
 * meanwhile, or, with `untilDone`, if only studies are left that this worker may not compute; {@link OptionTypeError} or
 * {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { cluster } from 'prompt-attention';
 * await cluster.work({ url: 'postgres://me@db/studies', untilDone: true, drainSeconds: 20 });
 * ```
 */
export async function work(options: WorkOptions): Promise<void> {
  const {
    url,
    threads = availableParallelism(),
    signal: stopping,
    onEvent = () => {},
    ...rest
  } = parseOptions(workSchema, options, '');
  await withCluster(
    url,
    (connection, queue) => {
      const presence = new Presence(connection, threads, () => onEvent({ kind: 'heartbeat' }));
      return new Worker(connection, queue, presence, { threads, stopping, onEvent, ...rest }).all();
    },
    {
      makeTables: true,
      onMaintenanceError: ({ message }) =>
        onEvent({ kind: 'server-away', reason: `maintenance of the queue: ${message}` }),
    },
  );
}
