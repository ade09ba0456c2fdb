import { canonicalJson } from '../../base/hash.js';
import type { FactorValue } from '../../study/definition/factors.js';
import type { StudyRow } from '../../study/rows.js';
import { levelsText, optionLabel } from '../labels.js';
import { kColors } from './style.js';

/** More lines than there are colours cannot be told apart in one panel. */
const kMostSeries = kColors.length;
/** Of the levels of a factor that has more, so many are drawn. */
const kShownLevels = 7;
/** More panels than this are left out. */
const kMostPanels = 12;

type Factors = Readonly<Record<string, FactorValue>>;

const levelKey = (factors: Factors, path: string) => canonicalJson(factors[path] ?? null);

function distinct(rows: readonly StudyRow[], paths: readonly string[]): number {
  return new Set(rows.map(({ factors }) => paths.map((path) => levelKey(factors, path)).join())).size;
}

/** The factors of some rows, those that the others determine (linked or zipped ones) left out. */
export function independentFactors(rows: readonly StudyRow[]): readonly string[] {
  const paths = [...new Set(rows.flatMap(({ factors }) => Object.keys(factors)))];
  const cells = distinct(rows, paths);
  let kept = paths;
  // From the last one: linked factors come last, and the first one of a zip is its name.
  for (const path of [...paths].reverse()) {
    const others = kept.filter((other) => other !== path);
    if (distinct(rows, others) === cells) kept = others;
  }
  // Factors that do not vary in these rows say nothing, unless there is nothing else.
  return kept.length > 0 ? kept : paths.slice(0, 1);
}

export function isNumeric(rows: readonly StudyRow[], path: string): boolean {
  return rows.every(({ factors }) => typeof factors[path] === 'number');
}

export function levelCount(rows: readonly StudyRow[], path: string): number {
  return distinct(rows, [path]);
}

/** The factor along the horizontal axis: `steps`, of a training, `examples`, else the numeric factor with the most levels, else the first one. */
export function horizontalFactor(rows: readonly StudyRow[]): string | undefined {
  const paths = independentFactors(rows);
  const numeric = paths.filter((path) => isNumeric(rows, path));
  if (numeric.includes('steps') && levelCount(rows, 'steps') > 1) return 'steps';
  if (numeric.includes('examples') && levelCount(rows, 'examples') > 1) return 'examples';
  return [...numeric].sort((a, b) => levelCount(rows, b) - levelCount(rows, a))[0] ?? paths[0];
}

/** How the factors of a study are laid out in a figure. */
export interface Layout {
  /** Along the horizontal axis; undefined if there is no factor. */
  readonly horizontal: string | undefined;
  /** Told apart by colour and shape. */
  readonly series: readonly string[];
  /** One panel per combination. */
  readonly panels: readonly string[];
  /** The rows that are drawn. */
  readonly rows: readonly StudyRow[];
  /** What is not drawn, as a sentence; empty if all is. */
  readonly omitted: string;
}

/** The rows at a few evenly spaced levels of a factor that has many. */
function thinned(rows: readonly StudyRow[], path: string): readonly StudyRow[] {
  const levels = [...new Set(rows.map(({ factors }) => levelKey(factors, path)))];
  const step = (levels.length - 1) / (kShownLevels - 1);
  const shown = new Set(Array.from({ length: kShownLevels }, (_, i) => levels[Math.round(i * step)]));
  return rows.filter(({ factors }) => shown.has(levelKey(factors, path)));
}

/** Lay out the factors of some rows: one along the axis, as many as can be told apart as series, the others as panels. */
export function layoutOf(all: readonly StudyRow[]): Layout {
  const horizontal = horizontalFactor(all);
  let rows = all;
  let omitted = '';
  const others = independentFactors(all).filter((path) => path !== horizontal);
  const series: string[] = [];
  const panels: string[] = [];
  // The last factors become series while they fit: the study lists what it compares last.
  for (const path of [...others].reverse()) {
    if (distinct(rows, [...series, path]) <= kMostSeries) series.unshift(path);
    else panels.unshift(path);
  }
  if (series.length === 0 && panels.length > 0) {
    const path = panels.pop() as string;
    omitted = `${kShownLevels} of ${levelCount(rows, path)} levels of ${optionLabel(path).words} are drawn`;
    rows = thinned(rows, path);
    series.push(path);
  }
  const panelKeys = [...new Set(rows.map(({ factors }) => levelsText(factors, panels)))];
  if (panelKeys.length > kMostPanels) {
    const shown = new Set(panelKeys.slice(0, kMostPanels));
    rows = rows.filter(({ factors }) => shown.has(levelsText(factors, panels)));
    omitted = [omitted, `${kMostPanels} of ${panelKeys.length} panels are drawn`]
      .filter((text) => text !== '')
      .join('; ');
  }
  return { horizontal, series, panels, rows, omitted };
}
