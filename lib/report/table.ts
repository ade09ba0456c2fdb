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

/**
 * The rows of a study as a text table: factors, trials, failed trials, mean test error with its Monte Carlo standard error,
 * quantiles of the test error over trials, theory with its numerical standard error, z and seconds.
 *
 * @param rows Rows of one study.
 */
export function studyTable(rows: readonly StudyRow[]): string {
  const paths = Object.keys(rows[0]?.factors ?? {});
  const error = errorFormat(rows);
  const head = [
    ...paths.map((path) => optionLabel(path).symbol),
    ...['trials', 'failed', 'error', '± s.e.', '5 %', '50 %', '95 %', 'theory', '± s.e.', 'z', 'seconds'],
  ];
  const table = new Table({
    chars: kChars,
    head,
    colAligns: head.map(() => 'right'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
  });
  for (const row of rows) {
    table.push([
      ...paths.map((path) => levelText(row.factors[path])),
      String(row.trials),
      String(row.failed),
      error(row.meanError),
      error(row.standardError),
      error(row.quantile5),
      error(row.quantile50),
      error(row.quantile95),
      error(row.theory),
      error(row.theoryStandardError),
      row.z === null ? kMissing : row.z.toFixed(2).replace('-', '−'),
      row.wallSeconds.toFixed(1),
    ]);
  }
  const [first = '', ...lines] = table.toString().split('\n');
  return [first, '─'.repeat(first.length), ...lines].map((line) => line.trimEnd()).join('\n');
}
