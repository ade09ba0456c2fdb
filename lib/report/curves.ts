import type { TopLevelSpec } from 'vega-lite';
import type { Estimate } from '../kind.js';
import type { StudyRow } from '../study/rows.js';
import { intervalFactor } from '../study/statistics.js';
import { levelsText, levelText, optionLabel } from './labels.js';
import { type Layout, layoutOf } from './layout.js';
import { cycled, isLogarithmic, kColors, kConfig, kDashes, kFrame, kShapes, titleOf } from './style.js';

/** Errors that span more than this ratio are drawn on a logarithmic axis. */
const kLogarithmicRatio = 30;
/** Up to so many levels each get a tick of their own. */
const kMostTicks = 12;
/** A linear axis from 0 ends above its highest value by this factor or more. */
const kHeadroom = 1.05;
/** Space between the outermost points and the frame, in pixels. */
const kPadding = 18;

/** What a figure shows of every row. */
export interface Quantity {
  /** Title of the vertical axis. */
  readonly label: string;
  /** Its estimate; null if the row has none. */
  estimate(row: StudyRow): Estimate | null;
  /** What the law says; null if it says nothing, or could not be computed. */
  theory(row: StudyRow): number | null;
  /** Whether both can be trusted. */
  reliable(row: StudyRow): boolean;
  /** Values that it cannot exceed. */
  readonly limits: readonly [number, number];
  /** Whether values of very different size are drawn on a logarithmic axis. */
  readonly mayBeLogarithmic: boolean;
}

const numberOrNull = (value: number | null) => (Number.isNaN(value) ? null : value);

/** Half the width of the 95 % interval of an estimate of a row, the same as in tables; 0 where it is not known. */
export function marginOf({ trials, failed }: StudyRow, { standardError }: Estimate): number {
  return intervalFactor(trials - failed) * standardError || 0;
}

/** The mean test error. */
export const kTestError: Quantity = {
  label: 'test error',
  estimate: ({ meanError, standardError }) => (Number.isNaN(meanError) ? null : { mean: meanError, standardError }),
  theory: ({ theory }) => numberOrNull(theory),
  reliable: ({ reliable }) => reliable,
  limits: [0, 1],
  mayBeLogarithmic: true,
};

/** The mean of another metric. */
export function metricQuantity(name: string, label: string): Quantity {
  return {
    label,
    estimate: ({ metrics }) => {
      const estimate = metrics[name];
      return estimate === undefined || Number.isNaN(estimate.mean) ? null : estimate;
    },
    theory: ({ metricTheory }) => numberOrNull(metricTheory[name]?.mean ?? null),
    // What is known about reliability is about test errors.
    reliable: () => true,
    limits: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    mayBeLogarithmic: false,
  };
}

/** One cell as the figure shows it. */
interface Point {
  readonly x: number | string;
  readonly series: string;
  readonly panel: string;
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly theory: number | null;
  /** Whether the value is drawn as one that cannot be trusted. */
  readonly marked: boolean;
}

function toPoint(row: StudyRow, quantity: Quantity, { horizontal, series, panels }: Layout): Point | undefined {
  const level = horizontal === undefined ? row.study : row.factors[horizontal];
  const estimate = quantity.estimate(row);
  const theory = quantity.theory(row);
  if (estimate === null && theory === null) return undefined;
  const [least, most] = quantity.limits;
  const margin = estimate === null ? 0 : marginOf(row, estimate);
  return {
    x: typeof level === 'number' ? level : levelText(level),
    series: levelsText(row.factors, series),
    panel: levelsText(row.factors, panels),
    value: estimate?.mean ?? null,
    low: estimate && Math.max(estimate.mean - margin, least),
    high: estimate && Math.min(estimate.mean + margin, most),
    theory,
    marked: !quantity.reliable(row),
  };
}

/** The horizontal axis for the levels of a factor. */
export function horizontalAxis(path: string | undefined, values: readonly (number | string)[]) {
  const numbers = values.filter((value) => typeof value === 'number');
  const { symbol, words } = optionLabel(path ?? 'study');
  const title = symbol === words ? words : `${words} ${symbol}`;
  if (numbers.length < values.length)
    return {
      field: 'x',
      type: 'nominal' as const,
      sort: null,
      scale: { type: 'point' as const, padding: 0.5 },
      axis: { title, labelAngle: 0, labelLimit: 0 },
    };
  const logarithmic = isLogarithmic(numbers, 4);
  return {
    field: 'x',
    type: 'quantitative' as const,
    scale: logarithmic
      ? { type: 'log' as const, nice: false, padding: kPadding }
      : { type: 'linear' as const, zero: false, nice: false, padding: kPadding },
    axis: {
      title: logarithmic ? `${title} (logarithmic scale)` : title,
      ...(numbers.length <= kMostTicks ? { values: numbers, labelExpr: 'datum.value' } : {}),
    },
  };
}

/** Colour and shape of the series, with one legend for both, and the dashes of their lines. */
export function seriesChannels(series: readonly string[], paths: readonly string[]) {
  const title = paths.map((path) => optionLabel(path).words).join(', ');
  const legend = series.length > 1 ? { title } : null;
  const channel = (range: readonly string[]) => ({
    field: 'series',
    type: 'nominal' as const,
    scale: { domain: [...series], range: cycled(series, range) },
    legend,
  });
  const [solid = [], ...dashes] = cycled(series, kDashes).map((dash) => [...dash]);
  const strokeDash = {
    condition: dashes.map((value, i) => ({ test: `datum.series === ${JSON.stringify(series[i + 1])}`, value })),
    value: solid,
  };
  return { color: channel(kColors), shape: channel(kShapes), strokeDash };
}

function verticalAxis(quantity: Quantity, values: readonly number[], highest: number) {
  if (quantity.mayBeLogarithmic && isLogarithmic(values, kLogarithmicRatio)) {
    // Room for markers and intervals beyond the outermost values of a logarithmic axis.
    const lowest = Math.min(...values) / 1.4;
    const top = Math.min(quantity.limits[1], Math.max(...values) * 1.4);
    return {
      lowest,
      axis: { title: `${quantity.label} (logarithmic scale)`, format: '~g' },
      scale: { type: 'log' as const, nice: false, domain: [lowest, top] },
    };
  }
  return {
    lowest: Number.NEGATIVE_INFINITY,
    axis: { title: quantity.label, tickCount: 6 },
    // The highest line does not lie on the frame.
    scale: {
      type: 'linear' as const,
      zero: true,
      nice: true,
      ...(highest > 0 ? { domainMax: kHeadroom * highest } : {}),
    },
  };
}

/**
 * Vega-Lite specification of a quantity against one factor, one colour and shape per combination of others, simulation as points
 * with 95 % intervals, theory as lines; in panels, if there are more combinations than can be told apart.
 *
 * @param rows Rows of one study, at least one.
 */
export function curvesSpec(rows: readonly StudyRow[], quantity: Quantity): TopLevelSpec {
  const layout = layoutOf(rows);
  const points = layout.rows.flatMap((row) => toPoint(row, quantity, layout) ?? []);
  const series = [...new Set(points.map((point) => point.series))];
  const x = horizontalAxis(layout.horizontal, [...new Set(points.map((point) => point.x))]);
  const quantitative = x.type === 'quantitative';
  const hasTheory = points.some(({ theory }) => theory !== null);
  const hasTrials = points.some(({ value }) => value !== null);
  const hasMarked = points.some(({ value, marked }) => value !== null && marked);
  const shown = points.flatMap(({ value, theory }) => [value, theory].filter((number) => number !== null));
  const { axis, scale, lowest } = verticalAxis(
    quantity,
    shown,
    Math.max(0, ...shown, ...points.map(({ high }) => high ?? 0)),
  );
  const y = (field: string) => ({ field, type: 'quantitative' as const, axis, scale });
  const { color, shape, strokeDash } = seriesChannels(series, layout.series);

  const theoryLayer = {
    transform: [{ filter: 'isValid(datum.theory)' }],
    mark: quantitative
      ? { type: 'line' as const, interpolate: 'monotone' as const, strokeWidth: 1.8, clip: true }
      : { type: 'tick' as const, thickness: 2, width: 28, opacity: 1 },
    encoding: { x, y: y('theory'), color, ...(quantitative ? { strokeDash } : {}) },
  };
  const present = { filter: 'isValid(datum.value)' };
  const layer = [
    ...(hasTheory ? [theoryLayer] : []),
    ...(hasTrials
      ? [
          {
            transform: [present],
            mark: { type: 'rule' as const, strokeWidth: 1.5 },
            encoding: { x, y: y('low'), y2: { field: 'high' }, color },
          },
          {
            transform: [present, { filter: '!datum.marked' }],
            mark: { type: 'point' as const, filled: true, size: 50, opacity: 1, stroke: 'white', strokeWidth: 0.75 },
            encoding: { x, y: y('value'), color, shape },
          },
          ...(hasMarked
            ? [
                {
                  transform: [present, { filter: 'datum.marked' }],
                  mark: {
                    type: 'point' as const,
                    filled: false,
                    fill: 'white',
                    size: 60,
                    opacity: 1,
                    strokeWidth: 1.5,
                  },
                  encoding: { x, y: y('value'), color, shape },
                },
              ]
            : []),
        ]
      : []),
  ];
  const legendOfMarks = [
    ...(hasTrials ? ['points: simulation with 95 % intervals'] : []),
    ...(hasMarked ? ['hollow points: not reliable, see the table'] : []),
    ...(hasTheory ? [`${quantitative ? 'lines' : 'ticks'}: theory`] : []),
  ].join('; ');
  const subtitle = [legendOfMarks, layout.omitted].filter((text) => text !== '').join('. ');
  const values = points.map((point) => ({ ...point, low: point.low && Math.max(point.low, lowest) }));
  const common = { ...kFrame, title: titleOf(rows[0]?.study ?? '', subtitle), data: { values }, config: kConfig };
  if (layout.panels.length === 0) return { ...common, width: 560, height: 360, layer };
  const title = layout.panels.map((path) => optionLabel(path).words).join(', ');
  const panels = [...new Set(points.map(({ panel }) => panel))];
  return {
    ...common,
    facet: { field: 'panel', type: 'nominal', sort: panels, header: { title } },
    columns: Math.min(panels.length, 2),
    spec: { width: 260, height: 220, layer },
  } as TopLevelSpec;
}
