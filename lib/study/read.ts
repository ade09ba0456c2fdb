import { StoreError } from '../base/errors.js';
import { agreementOf } from './agreement.js';
import { type Batch, sliceBatch } from './batches.js';
import { type StudyCell, StudyCells } from './cells.js';
import { nextStretch, type TrialRange } from './definition/schedule.js';
import type { StudySpec } from './definition/study-options.js';
import { rowWarnings, type StudyResult, type StudyRow, studyRow } from './rows.js';
import { openForReading } from './sqlite.js';
import { CellAccumulator } from './statistics.js';
import type { StudyHeader, StudyStore } from './store.js';

/** Cells are read together while they have at most this many trials … */
const kTrialsPerRead = 20_000;
/** … and there are at most so many of them. */
const kCellsPerRead = 1000;

/** A cell with everything stored about it. */
export interface StoredCell {
  readonly cell: StudyCell;
  readonly accumulator: CellAccumulator;
  readonly row: StudyRow;
  /** Whether it has reached its stopping rule and its law is known. */
  readonly finished: boolean;
}

/**
 * The batches of a cell without gaps or overlaps, in trial order.
 *
 * @throws {@link StoreError} if trials are missing.
 */
export function consecutive(where: string, batches: readonly Batch[]): readonly Batch[] {
  const parts: Batch[] = [];
  let done = 0;
  for (const batch of batches) {
    const end = batch.firstTrial + batch.status.length;
    if (batch.firstTrial > done)
      throw new StoreError(
        `${where}: damaged: trial ${done} of cell ${batch.cell} is missing; restore the file from a copy, or delete it and run ` +
          'the study again',
      );
    if (end <= done) continue;
    parts.push(sliceBatch(batch, done, end));
    done = end;
  }
  return parts;
}

/** The batches of every cell in [from, to), in their order. */
export function byCell(batches: readonly Batch[], from: number, to: number): readonly (readonly Batch[])[] {
  const lists: Batch[][] = Array.from({ length: to - from }, () => []);
  for (const batch of batches) lists[batch.cell - from]?.push(batch);
  return lists;
}

/** The ranges of cells to read together, from the trials of each cell. */
export function* readRanges(counts: Float64Array): Generator<readonly [number, number]> {
  let from = 0;
  let trials = 0;
  for (let cell = 0; cell < counts.length; ++cell) {
    const own = counts[cell] as number;
    if (cell > from && (trials + own > kTrialsPerRead || cell - from >= kCellsPerRead)) {
      yield [from, cell];
      from = cell;
      trials = 0;
    }
    trials += own;
  }
  yield [from, counts.length];
}

/** What a cell without gaps needs next, judged from its stored trials; undefined if it is finished. */
export async function stretchAfter(
  store: StudyStore,
  study: string,
  spec: StudySpec,
  cell: number,
): Promise<TrialRange | undefined> {
  const accumulator = new CellAccumulator();
  for (const batch of consecutive(store.where, await store.readBatches(study, cell))) accumulator.add(batch);
  return nextStretch(spec.trials, accumulator.trials, () => accumulator.estimate(spec.trials.metric));
}

/** Every cell that has results, in grid order. */
export async function* storedCells(store: StudyStore, header: StudyHeader): AsyncGenerator<StoredCell> {
  const { spec, specHash, id } = header;
  const cells = StudyCells.of(spec);
  const engineOf = new Map((await store.readRuns(id)).map((run) => [run.id, run.engine]));
  for (const [from, to] of readRanges(await store.readTrialCounts(header))) {
    const theories = await store.readTheories(id, from, to);
    const batches = byCell(await store.readBatches(id, from, to), from, to);
    for (let index = from; index < to; ++index) {
      const own = consecutive(store.where, batches[index - from] ?? []);
      const theoryKnown = !spec.theory || theories.has(index);
      if (own.length === 0 && !theories.has(index)) continue;
      const cell = cells.at(index);
      const accumulator = new CellAccumulator();
      const engines = new Set<string>();
      let wallSeconds = 0;
      for (const batch of own) {
        accumulator.add(batch);
        engines.add(engineOf.get(batch.run) ?? 'unknown');
        wallSeconds += batch.wallSeconds;
      }
      const theory = theories.get(index) ?? null;
      const row = studyRow(spec, specHash, cell, accumulator.statistics(), theory, { wallSeconds, engines });
      const look = () => accumulator.estimate(spec.trials.metric);
      const finished = theoryKnown && nextStretch(spec.trials, accumulator.trials, look) === undefined;
      yield { cell, accumulator, row, finished };
    }
  }
}

/** How far a stored study is, from counts alone: quick for any number of trials. */
export interface StoredProgress {
  /** Cells of the grid. */
  readonly cells: number;
  /** Cells that have reached their stopping rule. */
  readonly finishedCells: number;
  /** Trials stored. */
  readonly completedTrials: number;
  /** Estimate of what `completedTrials` will be in the end. */
  readonly expectedTrials: number;
  /** Trials per second of the runs under way, over the last minute or since they began: 0 if nobody is at work. */
  readonly trialsPerSecond: number;
}

const kRateSeconds = 60;

export async function storedProgress(store: StudyStore, header: StudyHeader): Promise<StoredProgress> {
  const counts = await store.readTrialCounts(header);
  const finished = await store.readFinished(header.id);
  const completedTrials = counts.reduce((sum, trials) => sum + trials, 0);
  const finishedTrials = finished.reduce((sum, cell) => sum + (counts[cell] as number), 0);
  // A cell that is not finished is expected to need what the finished ones needed, or the maximum while there is none.
  const typical = finished.length > 0 ? finishedTrials / finished.length : header.spec.trials.maximum;
  return {
    cells: header.cells,
    finishedCells: finished.length,
    completedTrials,
    expectedTrials: Math.round(Math.max(finishedTrials + typical * (header.cells - finished.length), completedTrials)),
    trialsPerSecond: await store.readRate(header, kRateSeconds),
  };
}

/**
 * How far the study in a result file is, also while it runs; for a shard, of the whole grid.
 *
 * @param file A result file written by {@link run}.
 * @throws {@link StoreError} if there is no such file, it is not a result file, or it is damaged.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const { completedTrials, expectedTrials } = await study.progress('benefit-of-context.sqlite');
 * console.log(`${completedTrials} of about ${expectedTrials} trials`);
 * ```
 */
export async function progress(file: string): Promise<StoredProgress> {
  const { store, header } = await openForReading(file);
  try {
    return await store.inOneView((view) => storedProgress(view, header));
  } finally {
    await store.close();
  }
}

/** Everything a store says about a study, as it is at this moment. */
export function readStudy(store: StudyStore, header: StudyHeader): Promise<StudyResult> {
  return store.inOneView(async (view) => {
    const rows: StudyRow[] = [];
    let finishedCells = 0;
    for await (const { row, finished } of storedCells(view, header)) {
      if (row.trials > 0 || finished) rows.push(row);
      finishedCells += finished ? 1 : 0;
    }
    return Object.freeze({
      file: store.where,
      spec: header.spec,
      specHash: header.specHash,
      cells: header.cells,
      finishedCells,
      rows,
      agreement: agreementOf(header.spec, rows),
      runs: await view.readRuns(header.id),
      warnings: rowWarnings(rows),
    });
  });
}

/**
 * Read the rows of a result file, also while the study is running: the rows are those of one moment.
 *
 * @param file A result file written by {@link run}.
 * @throws {@link StoreError} if there is no such file, it is not a result file, or it is damaged.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const { rows, finishedCells, cells } = await study.open('benefit-of-context.sqlite');
 * console.log(`${finishedCells} of ${cells} cells`, rows.map((row) => row.z));
 * ```
 */
export async function open(file: string): Promise<StudyResult> {
  const { store, header } = await openForReading(file);
  try {
    return await readStudy(store, header);
  } finally {
    await store.close();
  }
}
