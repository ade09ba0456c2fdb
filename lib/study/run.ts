import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { Estimate } from '../base/kind.js';
import { abortSignal, functionOf, integerFrom, parseOptions, resultFilePath, threadCount } from '../base/options.js';
import { runExperiment } from '../simulation/kinds.js';
import type { Batch } from './batches.js';
import { type StudyCell, StudyCells } from './cells.js';
import { kMostBatchTrials, nextBatch, type TrialRange } from './definition/schedule.js';
import { define } from './definition/spec.js';
import type { StudyOptions, StudySpec } from './definition/study-options.js';
import { ProgressEstimate, type StudyProgress } from './progress.js';
import { beginRun, type StudyRun } from './provenance.js';
import { consecutive, readStudy } from './read.js';
import type { StudyResult } from './rows.js';
import { openForRun, pendingWarning } from './sqlite.js';
import { CellAccumulator, storedResults } from './statistics.js';
import type { StudyHeader, StudyStore } from './store.js';
import { cellTheory } from './theory.js';
import { ResultWriter } from './writer.js';

/** One of several runs that share a study's cells. */
export interface Shard {
  /** Which one: an integer in [1, `count`]. It runs the cells whose position in the grid, counted from 1, is `index`, `index` + `count`, … */
  readonly index: number;
  /** How many there are. */
  readonly count: number;
}

/** How a study is run; nothing in it changes a result. */
export interface StudyRunOptions {
  /** The result file. Made if it does not exist; continued if it holds the same study. Its directory must exist. */
  readonly out: string;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
  /** Run only these cells; {@link merge} joins the result files. Default: all cells. */
  readonly shard?: Shard | undefined;
  /** Aborting rejects with the signal's reason; every finished batch stays in the file. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most ten times a second within a batch, and after each batch. */
  readonly onProgress?: ((progress: StudyProgress) => void) | undefined;
}

const optionsSchema = z.strictObject({
  out: resultFilePath,
  threads: threadCount,
  shard: z
    .strictObject({ index: integerFrom(1), count: integerFrom(1) }, { error: 'an object { index, count }' })
    .refine(({ index, count }) => index <= count, { error: 'an integer ≤ shard.count', path: ['index'] })
    .optional(),
  signal: abortSignal,
  onProgress: functionOf<NonNullable<StudyRunOptions['onProgress']>>().optional(),
});

/** Positions of the cells that a shard runs; of all cells without one. */
export function shardPositions(cells: number, { index, count }: Shard = { index: 1, count: 1 }): readonly number[] {
  const length = Math.max(0, Math.ceil((cells - index + 1) / count));
  return Array.from({ length }, (_, i) => index - 1 + i * count);
}

/** A batch is meant to take at most so long: what a killed process loses. */
const kBatchSeconds = 1;
/** The first batch of a cell, whose cost is not known yet. */
const kFirstBatchTrials = 64;

/** How many trials take about `seconds`, when one takes `each`: at least one per thread, and no more than a batch may have. */
export function trialsFor(seconds: number, each: number, threads: number): number {
  return Math.min(Math.max(threads, Math.ceil(seconds / each)), kMostBatchTrials);
}

/** The trials of a range of a cell; `share` is the part of the machine's threads that they may take. */
export async function runBatch(
  spec: StudySpec,
  cell: StudyCell,
  range: TrialRange,
  run: StudyRun,
  options: {
    readonly threads: number;
    readonly share?: number | undefined;
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((completed: number) => void) | undefined;
  },
): Promise<Batch> {
  const { method, testDraws, experiment, index } = cell;
  const { threads, share = 1, signal, onProgress } = options;
  const begin = performance.now();
  const request = { ...range, seed: spec.seed, method, testDraws, threads, signal, onProgress };
  const { metrics, status } = storedResults(await runExperiment(experiment, request));
  const wallSeconds = ((performance.now() - begin) / 1000) * share;
  return { cell: index, firstTrial: range.firstTrial, metrics, status, wallSeconds, run: run.id };
}

/** Runs the unfinished cells of a study, several at a time, so that small batches keep all threads busy too. */
class StudyRunner {
  private readonly waiting: Iterator<number>;
  private lanes = 0;

  constructor(
    private readonly header: StudyHeader,
    private readonly store: StudyStore,
    private readonly writer: ResultWriter,
    private readonly run: StudyRun,
    /** Positions of the cells to run. */
    private readonly positions: readonly number[],
    /** Those of them that need nothing more. */
    finished: ReadonlySet<number>,
    private readonly estimate: ProgressEstimate,
    private readonly options: { readonly threads: number } & Pick<StudyRunOptions, 'onProgress'>,
  ) {
    for (const [slot, position] of positions.entries()) if (finished.has(position)) estimate.finish(slot);
    this.waiting = [...positions.keys()].filter((slot) => !finished.has(positions[slot] as number)).values();
  }

  /** Run everything; the first failure stops all lanes. */
  async all(signal: AbortSignal | undefined): Promise<void> {
    const failed = new AbortController();
    const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
    const count = Math.min(this.options.threads, this.positions.length);
    const outcomes = await Promise.allSettled(
      Array.from({ length: count }, async () => {
        this.lanes += 1;
        try {
          await this.lane(either);
        } catch (error) {
          failed.abort(error);
          throw error;
        } finally {
          this.lanes -= 1;
        }
      }),
    );
    // The lanes that were stopped by another one's failure reject with that failure.
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  private async lane(signal: AbortSignal): Promise<void> {
    for (let next = this.waiting.next(); next.done !== true; next = this.waiting.next()) {
      signal.throwIfAborted();
      await this.cell(next.value, signal);
    }
  }

  private async cell(slot: number, signal: AbortSignal): Promise<void> {
    const { spec, id } = this.header;
    const index = this.positions[slot] as number;
    const cell = StudyCells.of(spec).at(index);
    const report = () => this.options.onProgress?.(this.estimate.snapshot(slot, cell.factors));
    await this.theory(cell, signal);
    const accumulator = new CellAccumulator();
    if (this.estimate.trialsOf(slot) > 0)
      for (const batch of consecutive(this.store.where, await this.store.readBatches(id, index)))
        accumulator.add(batch);
    const look = (): Estimate => {
      const estimate = accumulator.estimate(spec.trials.metric);
      this.estimate.look(slot, accumulator.trials, estimate);
      return estimate;
    };
    // The first batch tells what a trial costs.
    let most = kFirstBatchTrials;
    for (;;) {
      const range = nextBatch(spec.trials, accumulator.trials, look, most);
      if (range === undefined) break;
      const threads = Math.max(1, Math.floor(this.options.threads / this.lanes));
      const begin = performance.now();
      const batch = await runBatch(spec, cell, range, this.run, {
        threads,
        share: threads / this.options.threads,
        signal,
        onProgress: (completed) => {
          this.estimate.advance(slot, range.firstTrial + completed);
          report();
        },
      });
      accumulator.add(batch);
      await this.writer.addBatch(batch);
      most = trialsFor(kBatchSeconds, (performance.now() - begin) / 1000 / range.trials, threads);
      this.estimate.advance(slot, accumulator.trials);
      report();
    }
    await this.writer.addFinished(index);
    this.estimate.finish(slot);
    report();
  }

  private async theory(cell: StudyCell, signal: AbortSignal): Promise<void> {
    const { spec, id } = this.header;
    if (!spec.theory || (await this.store.readTheories(id, cell.index, cell.index + 1)).has(cell.index)) return;
    await this.writer.addTheory({ cell: cell.index, theory: await cellTheory(spec, cell, signal) });
  }
}

/** Close a store after `work`; if both fail it is the work that says why. */
async function closing<Result>(store: StudyStore, work: () => Promise<Result>): Promise<Result> {
  let result: Result;
  try {
    result = await work();
  } catch (error) {
    await store.close().catch(() => {});
    throw error;
  }
  await store.close();
  return result;
}

/**
 * Run a study, or what is left of it, into a result file.
 *
 * Results are stored a few times a second; a run that was killed or aborted is continued by running the same study into the
 * same file, and ends with the same rows as if it had not been interrupted (except for `wallSeconds`). The `trials` of the study
 * may have grown since: then only the missing ones run.
 *
 * @param study A study, or the path of a study file.
 * @throws {@link StudyError} if the study is not valid; {@link OptionTypeError} or {@link OptionRangeError} for a bad
 * option; {@link StoreError} if the file cannot be written, holds another study (the error lists what differs), or another
 * process is running a study into it; the signal's reason if aborted.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const { rows } = await study.run(
 *   {
 *     name: 'quick',
 *     seed: 1,
 *     experiment: {
 *       kind: 'known-prompt',
 *       mixture: { tokens: 8, dimension: 40, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
 *       head: { kind: 'averaging' },
 *     },
 *     factors: { examples: [40, 80], inverseTemperature: [0, 0.5] },
 *     trials: 64,
 *   },
 *   { out: 'quick.sqlite' },
 * );
 * for (const row of rows) console.log(row.factors, row.meanError, row.theory);
 * ```
 */
export async function run(study: StudyOptions | StudySpec | string, options: StudyRunOptions): Promise<StudyResult> {
  const spec = define(study);
  const { out, threads = availableParallelism(), shard, signal, onProgress } = parseOptions(optionsSchema, options, '');
  signal?.throwIfAborted();
  const cells = StudyCells.of(spec);
  const { store, header } = await openForRun(out, spec, cells);
  const result = await closing(store, async () => {
    const positions = shardPositions(cells.length, shard);
    const counts = await store.readTrialCounts(header);
    const estimate = new ProgressEstimate(
      spec.trials,
      positions.map((position) => counts[position] as number),
    );
    const thisRun = await beginRun(shard === undefined ? null : `${shard.index}/${shard.count}`);
    const writer = new ResultWriter(store, header.id, thisRun);
    const finished = new Set(await store.readFinished(header.id));
    const runner = new StudyRunner(header, store, writer, thisRun, positions, finished, estimate, {
      threads,
      onProgress,
    });
    try {
      await runner.all(signal);
    } finally {
      // Also when aborted: everything finished is kept.
      await writer.finish();
    }
    return await readStudy(store, header);
  });
  return Object.freeze({ ...result, warnings: [...result.warnings, ...pendingWarning(out)] });
}
