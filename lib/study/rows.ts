import type { StudyCell } from './cells.js';
import type { FactorValue } from './factors.js';
import type { StudySpec } from './spec.js';
import {
  type CellStatistics,
  cellStatistics,
  type Estimate,
  joinTrials,
  type TrialResults,
  zScore,
} from './statistics.js';

/** A stored batch of trials: its raw results, how long it took and what computed it. */
export interface Batch extends TrialResults {
  /** Index of the first trial. */
  readonly firstTrial: number;
  readonly wallSeconds: number;
  /** Engine fingerprint. */
  readonly engine: string;
}

/** The result of one cell of a study. */
export interface StudyRow extends CellStatistics {
  /** Name of the study. */
  readonly study: string;
  /** SHA-256 of the study, hexadecimal. */
  readonly specHash: string;
  /** SHA-256 of the cell's experiment, hexadecimal. */
  readonly cell: string;
  /** Level of every factor. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /** Exact asymptotic test error; null if the study asked for none or there is none. */
  readonly theory: number | null;
  /** Numerical standard error of `theory`. */
  readonly theoryStandardError: number | null;
  /** (meanError − theory) / √(standardError² + theoryStandardError²); null where it is undefined. */
  readonly z: number | null;
  /** Seconds spent on the trials, over all runs. */
  readonly wallSeconds: number;
  /** Engine fingerprint; several joined by ` + ` if the trials were run by several engines. */
  readonly engine: string;
}

/** The rows of a study and how far it is. */
export interface StudyResult {
  /** The result file. */
  readonly file: string;
  /** The study itself. */
  readonly spec: StudySpec;
  /** SHA-256 of the study, hexadecimal. */
  readonly specHash: string;
  /** Number of cells of the grid. */
  readonly cells: number;
  /** Cells that have reached their stopping rule. */
  readonly finishedCells: number;
  /** One row per cell that has at least one trial, in grid order. */
  readonly rows: readonly StudyRow[];
  /** What a reader of the rows should know, one sentence each; usually empty. */
  readonly warnings: readonly string[];
}

/** The row of a cell from its batches (at least one, in trial order) and its theory. */
export function studyRow(
  spec: StudySpec,
  specHash: string,
  cell: StudyCell,
  batches: readonly Batch[],
  theory: Estimate | null,
): StudyRow {
  const statistics = cellStatistics(joinTrials(batches));
  return Object.freeze({
    study: spec.name,
    specHash,
    cell: cell.key,
    factors: cell.factors,
    ...statistics,
    theory: theory?.mean ?? null,
    theoryStandardError: theory?.standardError ?? null,
    z: zScore({ mean: statistics.meanError, standardError: statistics.standardError }, theory),
    wallSeconds: batches.reduce((sum, batch) => sum + batch.wallSeconds, 0),
    engine: [...new Set(batches.map((batch) => batch.engine))].sort().join(' + '),
  });
}

/** Warnings about a set of rows taken together. */
export function rowWarnings(rows: readonly StudyRow[]): readonly string[] {
  const engines = [...new Set(rows.flatMap((row) => row.engine.split(' + ')))].sort();
  if (engines.length < 2) return [];
  return [
    `these rows were computed by several engines (${engines.join(', ')}): results are bit-identical only within one`,
  ];
}
