import type { TopLevelSpec } from 'vega-lite';
import type { PairedDifference } from '../../study/compare.js';
import { levelsText, levelText } from '../labels.js';
import { horizontalAxis } from './axes.js';
import { seriesChannels } from './series.js';
import { kConfig, kFrame, titleOf } from './style.js';

const kMostSeries = 9;

/** `least-squares − averaging`. */
export function differenceText({ level, baseline }: PairedDifference): string {
  const text = (levels: PairedDifference['level']) => levelsText(levels, Object.keys(levels));
  return `${text(level)} − ${text(baseline)}`;
}

/** The factor along the axis: `examples`, else the numeric one with the most levels, else the first. */
function horizontalOf(differences: readonly PairedDifference[]): string | undefined {
  const paths = [...new Set(differences.flatMap(({ factors }) => Object.keys(factors)))];
  const levels = (path: string) => new Set(differences.map(({ factors }) => JSON.stringify(factors[path]))).size;
  const numeric = paths.filter((path) => differences.every(({ factors }) => typeof factors[path] === 'number'));
  if (numeric.includes('examples') && levels('examples') > 1) return 'examples';
  return [...numeric].sort((a, b) => levels(b) - levels(a)).find((path) => levels(path) > 1) ?? paths[0];
}

/**
 * Paired differences of the test error with their 95 % intervals, against one factor.
 *
 * @param differences At least one.
 */
export function differencesSpec(study: string, differences: readonly PairedDifference[]): TopLevelSpec {
  const horizontal = horizontalOf(differences);
  const all = differences.map((difference) => {
    const { factors } = difference;
    const level = horizontal === undefined ? study : factors[horizontal];
    const others = levelsText(
      factors,
      Object.keys(factors).filter((path) => path !== horizontal),
    );
    return {
      x: typeof level === 'number' ? level : levelText(level),
      series: [differenceText(difference), others].filter((text) => text !== '').join(', '),
      value: difference.difference,
      low: difference.intervalLow,
      high: difference.intervalHigh,
    };
  });
  const names = [...new Set(all.map(({ series }) => series))];
  const series = names.slice(0, kMostSeries);
  const values = all
    .filter((point) => series.includes(point.series))
    .map((point) => ({ ...point, color: point.series, shape: point.series }));
  const x = horizontalAxis(horizontal, [...new Set(values.map((point) => point.x))]);
  const places = series.map((name) => ({ series: name, color: name, shape: name }));
  const { color, shape } = seriesChannels(places, ['', ''], false);
  const legend = { title: null, orient: 'bottom', columns: 1 } as const;
  const y = (field: string) => ({ field, type: 'quantitative' as const, axis: { title: 'difference of test errors' } });
  const omitted = series.length < names.length ? `. ${series.length} of ${names.length} comparisons are drawn` : '';
  return {
    ...kFrame,
    width: 640,
    height: 280,
    title: titleOf('Paired differences of test errors', study, `points with 95 % intervals${omitted}`),
    data: { values },
    layer: [
      { mark: { type: 'rule', stroke: '#888888', strokeDash: [4, 4] }, encoding: { y: { datum: 0 } } },
      {
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, y: y('low'), y2: { field: 'high' }, color: { ...color, legend } },
      },
      {
        mark: { type: 'point', filled: true, size: 50, opacity: 1, stroke: 'white', strokeWidth: 0.75 },
        encoding: { x, y: y('value'), color: { ...color, legend }, shape: { ...shape, legend } },
      },
    ],
    config: kConfig,
  } as unknown as TopLevelSpec;
}
