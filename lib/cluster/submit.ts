import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { OptionRangeError, StoreError } from '../errors.js';
import { abortSignal, integerFrom, parseOptions, resultFilePath } from '../options.js';
import { StudyCells } from '../study/cells.js';
import { specDifferences } from '../study/diff.js';
import { requireOneEngine, writeMerged } from '../study/merge.js';
import type { StudyProgress } from '../study/progress.js';
import { open, readStudy, type StoredProgress, storedProgress, stretchAfter } from '../study/read.js';
import type { StudyResult } from '../study/rows.js';
import { gapsIn } from '../study/schedule.js';
import { define } from '../study/spec.js';
import { openForReading } from '../study/sqlite.js';
import { type StudyHeader, type StudyStore, studyId } from '../study/store.js';
import type { StudyOptions, StudySpec } from '../study/study-options.js';
import { type ClusterConnection, connectCluster, isPassing } from './connection.js';
import { planJobs, type WorkItem } from './plan.js';
import { JobQueue } from './queue.js';

const kDefaultExpireSeconds = 300;
const kPollMilliseconds = 1000;

const url = z.string({ error: 'the URL of a PostgreSQL database' });

/** How a study is submitted. */
export interface SubmitOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; what is left out is taken from the variables PGPASSWORD and so on. */
  readonly url: string;
  /**
   * Seconds after which a job of a worker that does not answer is given to another one: an integer in [5, 86399]. A job takes about ten
   * seconds, or one trial if that takes longer. Default 300.
   */
  readonly expireSeconds?: number | undefined;
}

const submitSchema = z.strictObject({ url, expireSeconds: integerFrom(5, 86_399).default(kDefaultExpireSeconds) });

/** A study on a cluster. */
export interface Submission {
  /** The first 16 digits of the study's hash. */
  readonly id: string;
  /** Jobs that wait or are under way. */
  readonly jobs: number;
}

async function withQueue<Result>(
  address: string,
  work: (connection: ClusterConnection, queue: JobQueue) => Promise<Result>,
): Promise<Result> {
  const connection = await connectCluster(address);
  try {
    const queue = await JobQueue.open(connection, false);
    try {
      return await work(connection, queue);
    } finally {
      await queue.close();
    }
  } finally {
    await connection.close();
  }
}

/** The study in the store; undefined if it is not there. */
async function find(store: StudyStore, id: string): Promise<StudyHeader | undefined> {
  return (await store.readStudies([id]))[0];
}

/** What is missing of a study on which nobody works. */
async function missingItems(store: StudyStore, { id, spec, cells }: StudyHeader): Promise<readonly WorkItem[]> {
  const finished = new Set(await store.readFinished(id));
  const positions = Array.from({ length: cells }, (_, cell) => cell).filter((cell) => !finished.has(cell));
  const items: WorkItem[] = [];
  const done: number[] = [];
  for (const [cell, ranges] of await store.readStoredRanges(id, positions)) {
    const gaps = gapsIn(spec.trials, ranges);
    const stretch = gaps.length === 0 ? await stretchAfter(store, id, spec, cell) : undefined;
    if (gaps.length > 0) items.push(...gaps.map((gap) => ({ cell, ...gap })));
    else if (stretch !== undefined) items.push({ cell, ...stretch });
    else if (spec.trials.maximum === 0) items.push({ cell, firstTrial: 0, trials: 0 });
    else done.push(cell);
  }
  await store.writeResults(id, { batches: [], theories: [], finished: done });
  return items;
}

/**
 * Give a study to a cluster, whose workers ({@link work}) then run it. A study that is there already is continued: with more
 * trials, if `trials` has grown, or where a job failed for good.
 *
 * @param study A study, or the path of a study file.
 * @throws {@link StudyError} if the study is not valid; {@link StoreError} if the database cannot be reached or used, or if it
 * holds a study of the same name and seed that may not become this one.
 */
export async function submit(study: StudyOptions | StudySpec | string, options: SubmitOptions): Promise<Submission> {
  const spec = define(study);
  const { url: address, expireSeconds } = parseOptions(submitSchema, options, '');
  const id = studyId(spec);
  return withQueue(address, async (connection, queue) => {
    await queue.create(id);
    return connection.exclusively(async (store, runner) => {
      const stored = await find(store, id);
      const outstanding = await queue.outstanding(id);
      if (stored === undefined) await store.insertStudy(spec, StudyCells.of(spec));
      else if (outstanding > 0) {
        const differences = specDifferences(stored.spec, spec);
        if (differences !== '')
          throw new StoreError(`${store.where}: the study is still running there with other trials: ${differences}`);
        return { id, jobs: outstanding };
      } else await store.continueStudy(stored, spec);
      const items = await missingItems(store, (await find(store, id)) as StudyHeader);
      const jobs = planJobs(items, () => undefined);
      await queue.add(id, jobs, expireSeconds, runner);
      return { id, jobs: jobs.length };
    });
  });
}

/** How the results of a study are collected. */
export interface CollectOptions {
  /** As in {@link SubmitOptions}. */
  readonly url: string;
  /** The result file. What it already holds of the study is kept. */
  readonly out: string;
  /** Accept results of different engines, which agree up to rounding only. Default false. */
  readonly mixedEngines?: boolean | undefined;
  /** Aborting rejects with the signal's reason; the workers go on. */
  readonly signal?: AbortSignal | undefined;
  /** Called about once a second while the study runs. */
  readonly onProgress?: ((progress: StudyProgress) => void) | undefined;
}

const collectSchema = z.strictObject({
  url,
  out: resultFilePath,
  mixedEngines: z.boolean({ error: 'true or false' }).default(false),
  signal: abortSignal,
  onProgress: z
    .custom<NonNullable<CollectOptions['onProgress']>>((value) => typeof value === 'function', { error: 'a function' })
    .optional(),
});

/** Wait until no job of a study is left. */
async function waitForJobs(
  { store }: ClusterConnection,
  queue: JobQueue,
  header: StudyHeader,
  { signal, onProgress }: Pick<CollectOptions, 'signal' | 'onProgress'>,
): Promise<void> {
  let storedTrials: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const outstanding = await queue.outstanding(header.id);
      const { trialsPerSecond: _, ...progress } = await storedProgress(store, header);
      storedTrials ??= progress.completedTrials;
      onProgress?.({ ...progress, factors: {}, cellTrials: 0, storedTrials });
      if (outstanding === 0) return;
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
    await sleep(kPollMilliseconds, undefined, { signal }).catch(() => {});
  }
}

/**
 * Wait until the workers of a cluster have finished a study, and copy its results into a result file.
 *
 * @param study The study, as it was submitted.
 * @throws {@link StoreError} if the database does not hold the study, if workers of different engines computed it (and `mixedEngines`
 * is not set), if jobs of it failed for good, or if a file or the database cannot be used; the signal's reason if aborted.
 */
export async function collect(study: StudyOptions | StudySpec | string, options: CollectOptions): Promise<StudyResult> {
  const spec = define(study);
  const { url: address, out, mixedEngines, signal, onProgress } = parseOptions(collectSchema, options, '');
  await withQueue(address, async (connection, queue) => {
    const { store, runner } = connection;
    const header = await find(store, studyId(spec));
    if (header === undefined) throw new StoreError(`${store.where}: does not hold this study; submit it first`);
    await waitForJobs(connection, queue, header, { signal, onProgress });
    const file = statSync(out, { throwIfNoEntry: false }) === undefined ? undefined : await openForReading(out);
    try {
      if (file !== undefined && specDifferences(file.header.spec, header.spec) !== '')
        throw new StoreError(
          `${out}: holds another study: ${specDifferences(file.header.spec, header.spec)}; choose another file (out, or --out)`,
        );
      await store.inOneView(async (view) => {
        const sources = [{ store: view, header }, ...(file ? [file] : [])];
        if (!mixedEngines) await requireOneEngine(sources);
        await writeMerged(sources, out);
      });
    } finally {
      await file?.store.close();
    }
    const { jobs, reason } = await queue.failures(header.id, runner);
    const finished = (await store.readFinished(header.id)).length;
    if (finished < header.cells && jobs > 0)
      throw new StoreError(
        `${store.where}: ${jobs} jobs failed, ${finished} of ${header.cells} cells are finished and in ${out}: ${reason}; ` +
          'submitting the study again runs what is missing',
      );
  });
  return open(out);
}

/** How far a study on a cluster is. */
export interface ClusterStudy extends StoredProgress {
  /** The first 16 digits of the study's hash. */
  readonly id: string;
  /** Its name. */
  readonly name: string;
  /** Jobs that wait or are under way. */
  readonly jobs: number;
  /** Jobs that failed for good. */
  readonly failedJobs: number;
}

/** The studies of a cluster and how far they are. */
export async function list(options: { readonly url: string }): Promise<readonly ClusterStudy[]> {
  const { url: address } = parseOptions(z.strictObject({ url }), options, '');
  return withQueue(address, async ({ store, runner }, queue) => {
    const studies: ClusterStudy[] = [];
    for (const header of await store.readStudies()) {
      studies.push({
        id: header.id,
        name: header.spec.name,
        ...(await storedProgress(store, header)),
        jobs: await queue.outstanding(header.id),
        failedJobs: (await queue.failures(header.id, runner)).jobs,
      });
    }
    return studies;
  });
}

/** Which study of a cluster. */
export interface ClusterStudyOptions {
  /** As in {@link SubmitOptions}. */
  readonly url: string;
  /** Its id, as {@link submit} returns it. */
  readonly id: string;
}

const studySchema = z.strictObject({ url, id: z.string({ error: 'the id of a study' }) });

async function required(store: StudyStore, id: string): Promise<StudyHeader> {
  const header = await find(store, id);
  if (header === undefined) throw new OptionRangeError('id', `the id of a study of ${store.where}`, id);
  return header;
}

/** Everything that a cluster has computed of a study so far. */
export async function read(options: ClusterStudyOptions): Promise<StudyResult> {
  const { url: address, id } = parseOptions(studySchema, options, '');
  return withQueue(address, async ({ store }) => readStudy(store, await required(store, id)));
}

/** Remove a study with its results and jobs from a cluster. */
export async function remove(options: ClusterStudyOptions): Promise<void> {
  const { url: address, id } = parseOptions(studySchema, options, '');
  await withQueue(address, async ({ store, runner }, queue) => {
    await required(store, id);
    await queue.remove(id, runner);
    await store.deleteStudy(id);
  });
}
