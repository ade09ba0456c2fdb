import type { Estimate } from '../base/kind.js';
import type { StudyCell } from './cells.js';
import type { FactorValue } from './definition/factors.js';
import type { StudySpec } from './definition/study-options.js';
import type { StudyRun } from './provenance.js';
import { kMarkText, lawMarks, type ReliabilityMark } from './reliability.js';
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
  /** (Σv)²/Σv² over the weighted draws behind `theory`, Infinity where it is exact; null where it is not known. */
  readonly theoryEffectiveDraws: number | null;
  /** Whether nothing is wrong with `meanError`, `theory` and their standard errors: whether `marks` is empty. */
  readonly reliable: boolean;
  /** What is wrong with them. */
  readonly marks: readonly ReliabilityMark[];
  /**
   * (meanError − theory) / √(standardError² + theoryStandardError²); null where it is undefined. It says nothing in a row that is not
   * reliable.
   */
  readonly z: number | null;
  /** What the law says of other metrics; their standard errors are NaN where it does not give one. */
  readonly metricTheory: Readonly<Record<string, Estimate>>;
  /** Seconds spent on the trials, over all runs, as if the machine had done nothing else meanwhile. */
  readonly wallSeconds: number;
  /** Engine fingerprint; several joined by ` + ` if the trials were run by several engines. */
  readonly engine: string;
}

/**
 * How simulation and laws compare over the rows of a study that have a z and are reliable. The z of a row is taken as a standard normal
 * value: that of Student's t, where a row has few trials, is replaced by the normal value that is as improbable.
 */
export interface StudyAgreement {
  /** Rows that are compared. */
  readonly cells: number;
  /** Rows with a z that are not, because they are marked. */
  readonly markedCells: number;
  /** Mean of z. */
  readonly meanZ: number;
  /** Probability of a mean at least as far from 0 if simulation and law agree. */
  readonly meanZProbability: number;
  /** Mean of z²: 1 is expected. */
  readonly meanSquareZ: number;
  /** Probability of a mean square at least as large if they agree. */
  readonly meanSquareZProbability: number;
  /**
   * `'agrees'`: both probabilities are at least 0.025, so that one of 20 studies that agree is not said to. `'finite-size gap'`: one of them is not, but the differences are no larger than
   * what a law of n, d → ∞ may be off at the n and d of the rows. `'disagrees'`: they are.
   */
  readonly verdict: 'agrees' | 'finite-size gap' | 'disagrees';
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
  /** Whether simulation and laws agree, over all rows that can be compared; null if there are none. */
  readonly agreement: StudyAgreement | null;
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
  const marks = [...statistics.marks, ...lawMarks(error)];
  return Object.freeze({
    study: spec.name,
    specHash,
    cell: cell.key,
    index: cell.index,
    factors: cell.factors,
    ...statistics,
    theory: error?.mean ?? null,
    theoryStandardError: error?.standardError ?? null,
    theoryEffectiveDraws: error?.effectiveDraws ?? null,
    reliable: marks.length === 0,
    marks,
    z: zScore({ mean: statistics.meanError, standardError: statistics.standardError }, error),
    metricTheory,
    wallSeconds,
    engine: [...engines].sort().join(' + '),
  });
}

/** Every mark that some of the rows have in words, with the number of rows that have it. */
export function markLegend(rows: readonly Pick<StudyRow, 'marks'>[]): string {
  const counts = Object.entries(kMarkText).map(
    ([mark, text]) => [text, rows.filter(({ marks }) => (marks as readonly string[]).includes(mark)).length] as const,
  );
  return counts.flatMap(([text, count]) => (count === 0 ? [] : [`${text} (${count})`])).join('; ');
}

/** Warnings about a set of rows taken together. */
export function rowWarnings(rows: readonly StudyRow[]): readonly string[] {
  const engines = [...new Set(rows.flatMap((row) => row.engine.split(' + ').filter((engine) => engine !== '')))].sort();
  const lawless = rows.filter(({ theory }) => Number.isNaN(theory)).length;
  const marked = rows.filter(({ reliable }) => !reliable);
  return [
    ...(engines.length < 2
      ? []
      : [
          `these rows were computed by several engines (${engines.join(', ')}): results are bit-identical only within one`,
        ]),
    ...(lawless === 0 ? [] : [`the law of ${lawless} of these rows could not be computed: its theory is NaN`]),
    ...(marked.length === 0
      ? []
      : [`${marked.length} of ${rows.length} rows are marked as not reliable: ${markLegend(marked)}`]),
  ];
}
