import Table from 'cli-table3';
import type { StudyAgreement, StudyRow } from '../study/rows.js';
import { agreementText, markLines } from './agreement.js';
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
/** Small numbers that rounding would change by more than this share have an exponent. */
const kMostRounding = 0.1;

/**
 * Formats test errors with one number of decimals, enough to show two digits of the smallest standard error; a number that would lose its
 * digits has an exponent.
 */
function errorFormat(rows: readonly StudyRow[]): (value: number | null) => string {
  const positive = (values: readonly number[]) => values.filter((value) => value > 0 && Number.isFinite(value));
  const smallestStep = Math.min(...positive(rows.map((row) => row.standardError)), 1e-3);
  const smallestError = Math.min(...positive(rows.map((row) => row.meanError)), 1);
  // As many as toFixed has; numbers that need more have an exponent.
  const decimals = Math.min(Math.ceil(-Math.log10(smallestStep)) + 1, 100);
  return (value) => {
    if (value === null || Number.isNaN(value)) return kMissing;
    const fixed = value.toFixed(decimals);
    const isLost =
      value !== 0 && Math.abs(value) < 1e-3 && Math.abs(Number(fixed) - value) > kMostRounding * Math.abs(value);
    return smallestError < 1e-3 || decimals > 7 || isLost ? value.toExponential(2) : fixed;
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

/** A z-score; one that says nothing in brackets. */
function zText(z: number | null, reliable: boolean): string {
  if (z === null) return kMissing;
  const text = (Number.isFinite(z) ? z.toFixed(2) : `${z < 0 ? '-' : ''}∞`).replace('-', '−');
  return reliable ? text : `(${text})`;
}

/** `12`, `12.3` or `1.2e+7`. */
const countText = (value: number | null) =>
  value === null || Number.isNaN(value)
    ? kMissing
    : value === Number.POSITIVE_INFINITY
      ? '∞'
      : value < 1e6
        ? String(Number(value.toFixed(value < 100 ? 1 : 0)))
        : value.toExponential(1);

/** `12.3`, or two digits where that would be 0.0. */
export const secondsText = (seconds: number) =>
  seconds === 0 || seconds >= 0.1 ? seconds.toFixed(1) : String(Number(seconds.toPrecision(2)));

/**
 * The columns of a table of rows: factors, trials, failed and effective trials, mean test error with its Monte Carlo standard error,
 * quantiles of the test error over trials, theory with its numerical standard error, z, seconds, and the marks of rows that have any;
 * without those of trials or of the law where no row has any.
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
  const hasTrials = rows.some(({ trials }) => trials > 0);
  const hasLaw = rows.some(({ theory }) => theory !== null);
  return [
    ...factors,
    ...(hasTrials
      ? [
          numeric('trials', (row) => row.trials, String),
          numeric('failed', (row) => row.failed, String),
          numeric('effective', (row) => row.effectiveTrials, countText),
          numeric('error', (row) => row.meanError, error),
          numeric('± s.e.', (row) => row.standardError, error),
          numeric('5 %', (row) => row.quantile5, error),
          numeric('50 %', (row) => row.quantile50, error),
          numeric('95 %', (row) => row.quantile95, error),
        ]
      : []),
    ...(hasLaw
      ? [
          numeric('theory', (row) => row.theory, error),
          numeric('± s.e.', (row) => row.theoryStandardError, error),
          {
            title: 'z',
            isFactor: false,
            text: ({ z, reliable }: StudyRow) => zText(z, reliable),
            value: ({ z }: StudyRow) => z ?? Number.NaN,
          },
        ]
      : []),
    ...(hasTrials
      ? [
          numeric(
            'seconds',
            (row) => row.wallSeconds,
            (seconds) => secondsText(seconds ?? 0),
          ),
        ]
      : []),
    ...(rows.some(({ reliable }) => !reliable)
      ? [
          {
            title: 'not reliable',
            isFactor: true,
            text: ({ marks }: StudyRow) => marks.join(', '),
            value: () => undefined,
          },
        ]
      : []),
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

/** {@link studyTable} of the first rows and how to see the others; what their marks mean; how they compare with theory. */
export function shortTable(rows: readonly StudyRow[], agreement: StudyAgreement | null): string {
  const legend = markLines(rows);
  return [
    studyTable(rows.slice(0, kMostRows)),
    ...(rows.length <= kMostRows
      ? []
      : [`… and ${rows.length - kMostRows} more rows: see the commands report and export`]),
    ...(legend.length + (agreement === null ? 0 : 1) === 0 ? [] : ['']),
    ...legend,
    ...(agreement === null ? [] : [agreementText(agreement)]),
  ].join('\n');
}
