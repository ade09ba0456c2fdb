import { availableParallelism } from 'node:os';
import { OptionRangeError } from '../base/errors.js';
import { allFinished } from '../base/job.js';
import { kindOf } from '../simulation/kinds.js';
import { type StudyCell, StudyCells } from './cells.js';
import type { StudySpec } from './definition/study-options.js';
import { beginRun, type StudyRun } from './provenance.js';
import { runBatch, type Shard, shardPositions } from './run.js';
import { cellTheory } from './theory.js';

/** Cells whose cost is measured. */
const kMeasuredCells = 12;
/** Steps from one of them to the next, without a divisor in common with their number. */
const kStride = 5;
/** No cell is begun after so many seconds. */
const kMostSeconds = 10;
/** Trials of a cell take at least so long to be measured, unless there are fewer. */
const kMeasureSeconds = 0.05;
const kMostMeasuredTrials = 4096;
/** Bytes of a result file without cells, of a cell beside its levels and law, and of a batch beside its results. */
const kEmptyFile = 40_000;
const kCellBytes = 200;
const kBatchBytes = 250;

/** A number between two bounds. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** What a study will take, from a few trials of some of its cells. */
export interface Forecast {
  /** Cells to run. */
  readonly cells: number;
  /** Trials of all of them: the minimum and the maximum of the study. */
  readonly trials: Bounds;
  /** Seconds until the end. */
  readonly seconds: Bounds;
  /** Bytes of raw results in the result file. */
  readonly bytes: Bounds;
  /** Bytes of the result file: the raw results and what is kept of cells and batches. */
  readonly fileBytes: Bounds;
  /** Bytes of memory that the process had at most while it measured: a run of larger cells takes more. */
  readonly memory: number;
  /** Cells that were measured, and the seconds that it took. */
  readonly measured: { readonly cells: number; readonly seconds: number };
  /** Cells that have no law, or lie outside of its range; empty if the study asks for none. */
  readonly withoutLaw: readonly StudyCell[];
}

/** Whether there is a law for a cell. A law that has been aborted before it begins says so, or that there is none, at once. */
async function hasLaw({ experiment }: StudyCell, seed: number | bigint): Promise<boolean> {
  try {
    const signal = AbortSignal.abort();
    return (await kindOf(experiment).theory(experiment, { seed, draws: undefined, signal })) !== null;
  } catch (error) {
    return !(error instanceof OptionRangeError);
  }
}

/** Evenly spaced elements of a list, the first and the last among them. */
function spread(list: readonly number[], count: number): readonly number[] {
  if (list.length <= count) return list;
  return Array.from({ length: count }, (_, i) => list[Math.round((i * (list.length - 1)) / (count - 1))] as number);
}

interface Measurement {
  readonly secondsPerTrial: number;
  readonly secondsOfLaw: number;
  readonly bytesPerTrial: number;
  /** Of what is stored of the cell itself. */
  readonly bytesOfCell: number;
}

async function measure(
  spec: StudySpec,
  cell: StudyCell,
  run: StudyRun,
  options: { readonly threads: number; readonly share: number; readonly signal: AbortSignal | undefined },
): Promise<Measurement> {
  const { threads, share, signal } = options;
  const { maximum } = spec.trials;
  let [trials, secondsPerTrial, bytesPerTrial] = [0, 0, 0];
  for (let next = Math.min(threads, maximum); next > 0; ) {
    const batch = await runBatch(spec, cell, { firstTrial: trials, trials: next }, run, options);
    bytesPerTrial = Object.values(batch.metrics).reduce((sum, values) => sum + values.byteLength, 0) / next;
    // That of the last batch: the first one of a cell pays for what comes once.
    secondsPerTrial = batch.wallSeconds / next;
    trials += next;
    const enough = batch.wallSeconds > kMeasureSeconds;
    next = enough ? 0 : Math.min(4 * next, kMostMeasuredTrials - trials, maximum - trials);
  }
  const begin = performance.now();
  const law = spec.theory ? await cellTheory(spec, cell, signal) : null;
  const secondsOfLaw = ((performance.now() - begin) / 1000) * share;
  const bytesOfCell = kCellBytes + JSON.stringify(cell.factors).length + JSON.stringify(law).length;
  return { secondsPerTrial, bytesPerTrial, secondsOfLaw, bytesOfCell };
}

/**
 * Predict what a study takes, without a result file: evenly spaced cells run a few trials and their law, and the others are taken to cost
 * what these cost on average.
 */
export async function forecast(
  spec: StudySpec,
  options: {
    readonly threads?: number | undefined;
    readonly shard?: Shard | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<Forecast> {
  const { threads = availableParallelism(), shard, signal } = options;
  const begin = performance.now();
  const cells = StudyCells.of(spec);
  const positions = shardPositions(cells.length, shard);
  const { minimum, maximum } = spec.trials;
  const run = await beginRun(null);
  const sample = spread(positions, kMeasuredCells);
  // In an order in which the first few are spread as well, for when time is up before the last.
  const waiting = sample
    .map((position, i) =>
      sample.length === kMeasuredCells ? (sample[(i * kStride) % kMeasuredCells] as number) : position,
    )
    .values();
  const measured: Measurement[] = [];
  const lanes = Math.min(threads, sample.length);
  // Side by side, as in a run: each has its share of the machine.
  await allFinished(
    Array.from({ length: lanes }, async () => {
      for (const position of waiting) {
        if (measured.length > 0 && performance.now() - begin > 1000 * kMostSeconds) return;
        measured.push(await measure(spec, cells.at(position), run, { threads, share: 1 / lanes, signal }));
      }
    }),
  );
  const mean = (name: keyof Measurement) => measured.reduce((sum, each) => sum + each[name], 0) / measured.length;
  const withoutLaw: StudyCell[] = [];
  for (const position of spec.theory ? positions : []) {
    const cell = cells.at(position);
    if (!(await hasLaw(cell, spec.seed))) withoutLaw.push(cell);
  }
  const looks = minimum > 0 ? 1 + Math.ceil(Math.log2(maximum / minimum)) : 0;
  const bounds = (perTrial: number, perCell: number): Bounds => ({
    least: positions.length * (minimum * perTrial + perCell),
    most: positions.length * (maximum * perTrial + perCell),
  });
  return {
    cells: positions.length,
    trials: bounds(1, 0),
    seconds: bounds(mean('secondsPerTrial'), mean('secondsOfLaw')),
    bytes: bounds(mean('bytesPerTrial'), 0),
    fileBytes: {
      least: kEmptyFile + positions.length * (minimum * mean('bytesPerTrial') + mean('bytesOfCell') + kBatchBytes),
      most:
        kEmptyFile + positions.length * (maximum * mean('bytesPerTrial') + mean('bytesOfCell') + looks * kBatchBytes),
    },
    // In kilobytes.
    memory: 1024 * process.resourceUsage().maxRSS,
    measured: { cells: measured.length, seconds: (performance.now() - begin) / 1000 },
    withoutLaw,
  };
}
