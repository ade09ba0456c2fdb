// What is counted: coverage of 95 % intervals, spread over seeds against the quoted error, share that is marked.
import { decadeOf } from './settings.js';

/** One call: its value, quoted standard error, and whether it is marked as not reliable. */
export interface Run {
  readonly value: number;
  readonly standardError: number;
  readonly reliable: boolean;
}

/** One setting with what the calls gave and what is right. */
export interface Case {
  readonly part: string;
  readonly setting: unknown;
  readonly truth: number;
  readonly truthError: number;
  readonly runs: readonly Run[];
  /** Messages of calls that threw. */
  readonly failures: readonly string[];
}

export interface Row {
  readonly part: string;
  readonly errors: string;
  readonly settings: number;
  readonly runs: number;
  readonly marked: number;
  readonly failed: number;
  /** Share of the unmarked runs whose interval holds the truth. */
  readonly coverage: number;
  /** Root mean square over settings of (spread over seeds)/(quoted error). */
  readonly spread: number;
  readonly outliers: number;
  /** Settings of 30 runs or more whose mean over seeds is further from the truth than 3 standard errors of it. */
  readonly biased: number;
}

/** (value − truth)/error, the error of the truth included; exact equality to rounding is 0. */
export function zOf(run: Run, { truth, truthError }: Pick<Case, 'truth' | 'truthError'>): number {
  const difference = run.value - truth;
  if (Math.abs(difference) <= 1e-9 * Math.abs(truth) + 1e-290) return 0;
  const scale = Math.hypot(run.standardError, truthError);
  return scale > 0 ? difference / scale : Math.sign(difference) * Number.POSITIVE_INFINITY;
}

function spreadOf({ runs }: Case): number {
  const good = runs.filter(({ reliable, standardError }) => reliable && standardError > 0);
  if (good.length < 5) return Number.NaN;
  const mean = good.reduce((sum, { value }) => sum + value, 0) / good.length;
  const scale = Math.max(...good.map(({ standardError }) => standardError));
  // Rounding of a value without randomness is no spread.
  if (scale < 1e-12 * Math.abs(mean)) return Number.NaN;
  const variance = good.reduce((sum, { value }) => sum + ((value - mean) / scale) ** 2, 0) / (good.length - 1);
  const quoted = good.reduce((sum, { standardError }) => sum + (standardError / scale) ** 2, 0) / good.length;
  return Math.sqrt(variance / quoted);
}

/** Whether the mean over seeds, marked runs among them, is off: errors that cancel in no average are in no standard error. */
function isBiased({ runs, truth, truthError }: Case): boolean {
  if (runs.length < 30) return false;
  const mean = runs.reduce((sum, { value }) => sum + value / runs.length, 0);
  const scale = Math.max(...runs.map(({ value }) => Math.abs(value - mean)));
  const squares = runs.reduce((sum, { value }) => sum + ((value - mean) / (scale || 1)) ** 2, 0);
  const error = Math.hypot(scale * Math.sqrt(squares / (runs.length - 1) / runs.length), truthError);
  return Math.abs(mean - truth) > 3 * error + 1e-9 * Math.abs(truth) + 1e-290;
}

export function medianError(runs: readonly Run[]): number {
  const errors = runs.map(({ standardError }) => standardError).sort((a, b) => a - b);
  return errors[Math.floor(errors.length / 2)] ?? 0;
}

/** Runs that are observations of their own: all see one reference, and if its error is the larger one they miss or hit together. */
function independentRuns({ runs, truthError }: Case): readonly Run[] {
  return runs.length > 0 && truthError > medianError(runs) ? runs.slice(0, 1) : runs;
}

/** Rows of a table, by part and, for errors, by decade. */
export function tabulate(cases: readonly Case[]): Row[] {
  const groups = new Map<string, Case[]>();
  for (const entry of cases) {
    const isError = /^(testError|risk)/.test(entry.part);
    const decade = isError ? decadeOf(entry.truth) : 0;
    const key = `${entry.part}|${String(decade).padStart(2, '0')}`;
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, group]) => rowOf(key, group));
}

function rowOf(key: string, group: readonly Case[]): Row {
  const [part = '', decade] = key.split('|');
  const j = Number(decade);
  const runs = group.flatMap(({ runs: all }) => all);
  const unmarked = group.flatMap((entry) =>
    independentRuns(entry)
      .filter(({ reliable }) => reliable)
      .map((run) => Math.abs(zOf(run, entry))),
  );
  const spreads = group.map(spreadOf).filter((ratio) => !Number.isNaN(ratio));
  return {
    part,
    errors: j === 0 ? 'all' : j === 13 ? 'below 1e-12' : `1e-${j} … 1e-${j - 1}`,
    settings: group.length,
    runs: runs.length,
    marked: runs.filter(({ reliable }) => !reliable).length / runs.length,
    failed: group.reduce((sum, { failures }) => sum + failures.length, 0),
    coverage: unmarked.filter((z) => z <= 1.959964).length / unmarked.length,
    spread: Math.sqrt(spreads.reduce((sum, ratio) => sum + ratio ** 2, 0) / spreads.length),
    outliers: unmarked.filter((z) => z > 5).length,
    biased: group.filter(isBiased).length,
  };
}

const percent = (share: number) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '–');

/** The table in Markdown. */
export function markdownOf(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ part, errors, settings, runs, marked, failed, coverage, spread, outliers, biased }) =>
      `| ${part} | ${errors} | ${settings} | ${runs} | ${percent(marked)} | ${failed} | ${percent(coverage)} | ` +
      `${Number.isFinite(spread) ? spread.toFixed(2) : '–'} | ${outliers} | ${biased} |`,
  );
  return [
    '| part | errors | settings | runs | marked | refused | coverage | spread / quoted | beyond 5 s.e. | mean off |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
