import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { StoreError } from '../base/errors.js';
import { abortSignal, functionOf, integerFrom, parseOptions, resultFilePath } from '../base/options.js';
import { StudyCells } from '../study/cells.js';
import { specDifferences } from '../study/definition/diff.js';
import { gapsIn } from '../study/definition/schedule.js';
import { define } from '../study/definition/spec.js';
import type { StudyOptions, StudySpec } from '../study/definition/study-options.js';
import { requireOneEngine, writeMerged } from '../study/merge.js';
import type { StudyProgress } from '../study/progress.js';
import { open, storedProgress, stretchAfter } from '../study/read.js';
import type { StudyResult } from '../study/rows.js';
import { openForReading } from '../study/sqlite.js';
import { type StudyHeader, type StudyStore, studyId } from '../study/store.js';
import { announceJobs, type ClusterConnection, kSchema, type SqlRunner } from './connection.js';
import { planJobs, type WorkItem } from './plan.js';
import type { JobQueue } from './queue.js';
import { isPassing } from './reasons.js';
import { clusterUrl, findStudy, withCluster } from './session.js';

const kDefaultExpireSeconds = 300;
const kPollMilliseconds = 1000;
/** Who waits spends at most one part in so many of its time, and of the server's, on asking. */
const kPollShare = 20;

/** How a study is submitted. */
export interface SubmitOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; what is left out is taken from the variables PGPASSWORD and so on. */
  readonly url: string;
  /**
   * Seconds after which a job of a worker that does not answer is given to another one: an integer in [5, 86399]. A job takes about ten
   * seconds, or one trial if that takes longer. Default 300.
   */
  readonly expireSeconds?: number | undefined;
  /**
   * Let workers of different engines compute the study: their results agree up to rounding only. Once allowed it stays so. Default
   * false: the first worker to take a job decides, and others leave the study alone and say so.
   */
  readonly mixedEngines?: boolean | undefined;
}

const submitSchema = z.strictObject({
  url: clusterUrl,
  expireSeconds: integerFrom(5, 86_399).default(kDefaultExpireSeconds),
  mixedEngines: z.boolean({ error: 'true or false' }).default(false),
});

/** A study on a cluster. */
export interface Submission {
  /** The first 16 digits of the study's hash. */
  readonly id: string;
  /** Jobs that wait or are under way. */
  readonly jobs: number;
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
  const { url, expireSeconds, mixedEngines } = parseOptions(submitSchema, options, '');
  const id = studyId(spec);
  return withCluster(
    url,
    (connection, queue) =>
      connection.exclusively(async (store, runner) => {
        await queue.create(id, runner);
        const stored = await findStudy(store, id);
        const outstanding = await queue.outstanding(id, runner);
        if (stored === undefined) await store.insertStudy(spec, StudyCells.of(spec));
        else if (outstanding > 0) {
          const differences = specDifferences(stored.spec, spec);
          if (differences !== '')
            throw new StoreError(`${store.where}: the study is still running there with other trials: ${differences}`);
          await noteSubmission(runner, id, mixedEngines);
          return { id, jobs: outstanding };
        } else await store.continueStudy(stored, spec);
        await noteSubmission(runner, id, mixedEngines);
        // What failed or was cancelled is a part of what is missing.
        await queue.forgetStopped(id, runner);
        const items = await missingItems(store, (await findStudy(store, id)) as StudyHeader);
        const jobs = planJobs(items, () => undefined);
        await queue.add(id, jobs, expireSeconds, runner);
        return { id, jobs: jobs.length };
      }),
    { makeTables: true },
  );
}

/** Note whether a study may be computed by several engines. Where nobody has stored anything yet, the first worker decides anew. */
async function noteSubmission(runner: SqlRunner, id: string, mixedEngines: boolean): Promise<void> {
  await runner.executeSql(
    `insert into ${kSchema}.submission as present (study, mixed_engines) values ($1, $2)
     on conflict (study) do update set mixed_engines = present.mixed_engines or excluded.mixed_engines,
       engine = case when exists (select 1 from ${kSchema}.run where run.study = $1) then present.engine end`,
    [id, mixedEngines],
  );
  // Workers that left it alone look again.
  await announceJobs(runner);
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
  url: clusterUrl,
  out: resultFilePath,
  mixedEngines: z.boolean({ error: 'true or false' }).default(false),
  signal: abortSignal,
  onProgress: functionOf<NonNullable<CollectOptions['onProgress']>>().optional(),
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
    const begin = performance.now();
    try {
      const outstanding = await queue.outstanding(header.id);
      const { trialsPerSecond: _, ...progress } = await storedProgress(store, header);
      storedTrials ??= progress.completedTrials;
      onProgress?.({ ...progress, factors: {}, cellTrials: 0, storedTrials });
      if (outstanding === 0) return;
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
    const wait = Math.max(kPollMilliseconds, kPollShare * (performance.now() - begin));
    await sleep(wait, undefined, { signal }).catch(() => {});
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
  const { url, out, mixedEngines, signal, onProgress } = parseOptions(collectSchema, options, '');
  await withCluster(url, async (connection, queue) => {
    const { store } = connection;
    const header = await findStudy(store, studyId(spec));
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
    await requireFinished(store, queue, header, out);
  });
  return open(out);
}

/** A study that nobody works on any more, and that is not finished, must not look as if it were. */
async function requireFinished(store: StudyStore, queue: JobQueue, header: StudyHeader, out: string): Promise<void> {
  const finished = (await store.readFinished(header.id)).length;
  if (finished === header.cells) return;
  const [failure, ...others] = await queue.failures(header.id);
  const cancelled = (await queue.counts()).get(header.id)?.cancelled ?? 0;
  const [why, reason] =
    failure !== undefined
      ? [`${others.length + 1} jobs failed, `, `: ${failure.reason}`]
      : [cancelled > 0 ? `${cancelled} jobs were cancelled, ` : 'no job is left, ', ''];
  throw new StoreError(
    `${store.where}: ${why}${finished} of ${header.cells} cells are finished and in ${out}${reason}; ` +
      'submitting the study again runs what is missing',
  );
}
