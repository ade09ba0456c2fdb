import Table from 'cli-table3';
import type { StudyRow } from '../study/rows.js';
import { levelText, optionLabel } from './labels.js';

/** No frame: columns are told apart by two spaces, the head by a line. */
const kChars = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' ',
};

const kMissing = '–';

/** Formats test errors with one number of decimals, enough to show two digits of the smallest standard error. */
function errorFormat(rows: readonly StudyRow[]): (value: number | null) => string {
  const positive = (values: readonly number[]) => values.filter((value) => value > 0 && Number.isFinite(value));
  const smallestStep = Math.min(...positive(rows.map((row) => row.standardError)), 1e-3);
  const smallestError = Math.min(...positive(rows.map((row) => row.meanError)), 1);
  const decimals = Math.ceil(-Math.log10(smallestStep)) + 1;
  return (value) => {
    if (value === null || Number.isNaN(value)) return kMissing;
    return smallestError < 1e-3 || decimals > 7 ? value.toExponential(2) : value.toFixed(decimals);
  };
}

/** A column of the table of a study. */
export interface TableColumn {
  readonly title: string;
  readonly isFactor: boolean;
  text(row: StudyRow): string;
  /** The number behind the text; undefined for text, NaN for a missing number. */
  value(row: StudyRow): number | undefined;
}

/**
 * The columns of a table of rows: factors, trials, failed trials, mean test error with its Monte Carlo standard error,
 * quantiles of the test error over trials, theory with its numerical standard error, z and seconds.
 */
export function tableColumns(rows: readonly StudyRow[]): readonly TableColumn[] {
  const error = errorFormat(rows);
  const numeric = (title: string, value: (row: StudyRow) => number | null, text: (value: number | null) => string) => ({
    title,
    isFactor: false,
    text: (row: StudyRow) => text(value(row)),
    value: (row: StudyRow) => value(row) ?? Number.NaN,
  });
  const factors = [...new Set(rows.flatMap((row) => Object.keys(row.factors)))].map((path) => ({
    title: optionLabel(path).symbol,
    isFactor: true,
    text: (row: StudyRow) => (row.factors[path] === undefined ? kMissing : levelText(row.factors[path])),
    value: (row: StudyRow) => {
      const level = row.factors[path];
      return typeof level === 'number' ? level : undefined;
    },
  }));
  return [
    ...factors,
    numeric('trials', (row) => row.trials, String),
    numeric('failed', (row) => row.failed, String),
    numeric('error', (row) => row.meanError, error),
    numeric('± s.e.', (row) => row.standardError, error),
    numeric('5 %', (row) => row.quantile5, error),
    numeric('50 %', (row) => row.quantile50, error),
    numeric('95 %', (row) => row.quantile95, error),
    numeric('theory', (row) => row.theory, error),
    numeric('± s.e.', (row) => row.theoryStandardError, error),
    numeric(
      'z',
      (row) => row.z,
      (z) => (z === null ? kMissing : z.toFixed(2).replace('-', '−')),
    ),
    numeric(
      'seconds',
      (row) => row.wallSeconds,
      (seconds) => (seconds ?? 0).toFixed(1),
    ),
  ];
}

/**
 * The rows of a study as a text table, with the columns of {@link tableColumns}.
 *
 * @param rows Rows of one study.
 */
export function studyTable(rows: readonly StudyRow[]): string {
  const columns = tableColumns(rows);
  const table = new Table({
    chars: kChars,
    head: columns.map(({ title }) => title),
    colAligns: columns.map(() => 'right'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
  });
  for (const row of rows) table.push(columns.map(({ text }) => text(row)));
  const [first = '', ...lines] = table.toString().split('\n');
  return [first, '─'.repeat(first.length), ...lines].map((line) => line.trimEnd()).join('\n');
}

/** Longer tables are for files, not for terminals. */
const kMostRows = 60;

/** {@link studyTable} of the first rows, and how to see the others. */
export function shortTable(rows: readonly StudyRow[]): string {
  const table = studyTable(rows.slice(0, kMostRows));
  if (rows.length <= kMostRows) return table;
  return `${table}\n… and ${rows.length - kMostRows} more rows: see the commands report and export`;
}
