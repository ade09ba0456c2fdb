import type { Estimate } from '../kinds.js';
import type { StudyCell } from './cells.js';
import type { FactorValue } from './factors.js';
import type { StudyRun } from './provenance.js';
import type { StudySpec } from './spec.js';
import { type CellStatistics, zScore } from './statistics.js';
import type { CellTheory } from './theory.js';

/** The result of one cell of a study. */
export interface StudyRow extends CellStatistics {
  /** Name of the study. */
  readonly study: string;
  /** SHA-256 of the study without its trials, hexadecimal. */
  readonly specHash: string;
  /** SHA-256 of the cell's experiment, hexadecimal. */
  readonly cell: string;
  /** Position of the cell in the grid, from 0. */
  readonly index: number;
  /** Level of every factor. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /**
   * Test error by the law of the experiment; null if the study asked for none or there is none, NaN if its
   * equations could not be solved.
   */
  readonly theory: number | null;
  /** Numerical standard error of `theory`. */
  readonly theoryStandardError: number | null;
  /** (meanError − theory) / √(standardError² + theoryStandardError²); null where it is undefined. */
  readonly z: number | null;
  /** What the law says of other metrics; their standard errors are NaN where it does not give one. */
  readonly metricTheory: Readonly<Record<string, Estimate>>;
  /** Seconds spent on the trials, over all runs, as if the machine had done nothing else meanwhile. */
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
  /** SHA-256 of the study without its trials, hexadecimal. */
  readonly specHash: string;
  /** Number of cells of the grid. */
  readonly cells: number;
  /** Cells that have reached their stopping rule. */
  readonly finishedCells: number;
  /** One row per cell that has results, in grid order. */
  readonly rows: readonly StudyRow[];
  /** The processes that computed them: versions, commit, engine, host, times. */
  readonly runs: readonly StudyRun[];
  /** What a reader of the rows should know, one sentence each; usually empty. */
  readonly warnings: readonly string[];
}

/** Where the trials of a cell come from. */
export interface CellOrigin {
  readonly wallSeconds: number;
  /** Engine fingerprints. */
  readonly engines: ReadonlySet<string>;
}

/** The row of a cell. */
export function studyRow(
  spec: StudySpec,
  specHash: string,
  cell: StudyCell,
  statistics: CellStatistics,
  theory: CellTheory,
  { wallSeconds, engines }: CellOrigin,
): StudyRow {
  const { error = null, ...metricTheory } = theory ?? {};
  return Object.freeze({
    study: spec.name,
    specHash,
    cell: cell.key,
    index: cell.index,
    factors: cell.factors,
    ...statistics,
    theory: error?.mean ?? null,
    theoryStandardError: error?.standardError ?? null,
    z: zScore({ mean: statistics.meanError, standardError: statistics.standardError }, error),
    metricTheory,
    wallSeconds,
    engine: [...engines].sort().join(' + '),
  });
}

/** Warnings about a set of rows taken together. */
export function rowWarnings(rows: readonly StudyRow[]): readonly string[] {
  const engines = [...new Set(rows.flatMap((row) => row.engine.split(' + ').filter((engine) => engine !== '')))].sort();
  const lawless = rows.filter(({ theory }) => Number.isNaN(theory)).length;
  return [
    ...(engines.length < 2
      ? []
      : [
          `these rows were computed by several engines (${engines.join(', ')}): results are bit-identical only within one`,
        ]),
    ...(lawless === 0 ? [] : [`the law of ${lawless} of these rows could not be computed: its theory is NaN`]),
  ];
}
