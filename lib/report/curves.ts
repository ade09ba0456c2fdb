import type { TopLevelSpec } from 'vega-lite';
import type { Estimate } from '../kind.js';
import type { StudyRow } from '../study/rows.js';
import { intervalFactor } from '../study/statistics.js';
import { horizontalAxis } from './axes.js';
import { levelsText, levelText, optionLabel } from './labels.js';
import { curveLayers, placed } from './layers.js';
import { type Layout, layoutOf } from './layout.js';
import {
  factorsTitle,
  type SeriesFactors,
  type SeriesPlace,
  seriesChannels,
  seriesFactors,
  seriesPlace,
} from './series.js';
import { capital, isLogarithmic, kConfig, kFrame, titleOf } from './style.js';

/** Errors that span more than this ratio are drawn on a logarithmic axis. */
const kLogarithmicRatio = 30;
/** A linear axis from 0 ends above its highest value by this factor or more. */
const kHeadroom = 1.05;

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
interface Point extends SeriesPlace {
  readonly x: number | string;
  readonly panel: string;
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly theory: number | null;
  /** Whether the value is drawn as one that cannot be trusted. */
  readonly marked: boolean;
}

function toPoint(
  row: StudyRow,
  quantity: Quantity,
  { horizontal, panels }: Layout,
  factors: SeriesFactors,
): Point | undefined {
  const level = horizontal === undefined ? row.study : row.factors[horizontal];
  const estimate = quantity.estimate(row);
  const theory = quantity.theory(row);
  if (estimate === null && theory === null) return undefined;
  const [least, most] = quantity.limits;
  const margin = estimate === null ? 0 : marginOf(row, estimate);
  return {
    x: typeof level === 'number' ? level : levelText(level),
    ...seriesPlace(row.factors, factors),
    panel: levelsText(row.factors, panels),
    value: estimate?.mean ?? null,
    low: estimate && Math.max(estimate.mean - margin, least),
    high: estimate && Math.min(estimate.mean + margin, most),
    theory,
    marked: !quantity.reliable(row),
  };
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
  const factors = seriesFactors(layout.rows, layout.series, layout.horizontal);
  const points = layout.rows.flatMap((row) => toPoint(row, quantity, layout, factors) ?? []);
  const x = horizontalAxis(layout.horizontal, [...new Set(points.map((point) => point.x))]);
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
  const titles = [factorsTitle(factors.color), factorsTitle(factors.shape)] as const;
  const channels = seriesChannels(points, titles, factors.isOrdered);
  const size = layout.panels.length === 0 ? { width: 640, height: 380 } : { width: 320, height: 230 };
  const values = placed(points, x, scale.type, size).map((point) => ({
    ...point,
    low: point.low && Math.max(point.low, lowest),
  }));
  const layer = curveLayers(x, y, channels, { hasTheory, hasTrials, hasMarked });
  const isNumeric = x.type === 'quantitative';
  const isConnected = isNumeric && !hasTheory && hasTrials;
  const isDodged = isNumeric && values.some(({ x, place }) => x !== place);
  const legendOfMarks = [
    ...(hasTrials ? [`points${isConnected ? ', connected' : ''}: simulation with 95 % intervals`] : []),
    ...(isDodged ? ['side by side where they coincide'] : []),
    ...(hasMarked ? ['hollow points: not reliable, see the table'] : []),
    ...(hasTheory ? [`${isNumeric ? 'lines' : 'ticks'}: theory`] : []),
  ].join('; ');
  const subtitle = [legendOfMarks, layout.omitted].filter((text) => text !== '').join('. ');
  const against = layout.horizontal === undefined ? '' : ` against ${optionLabel(layout.horizontal).words}`;
  const common = {
    ...kFrame,
    title: titleOf(`${capital(quantity.label)}${against}`, rows[0]?.study ?? '', subtitle),
    data: { values },
    config: kConfig,
  };
  if (layout.panels.length === 0) return { ...common, ...size, layer } as TopLevelSpec;
  const title = layout.panels.map((path) => optionLabel(path).words).join(', ');
  const panels = [...new Set(points.map(({ panel }) => panel))];
  return {
    ...common,
    facet: { field: 'panel', type: 'nominal', sort: panels, header: { title } },
    columns: Math.min(panels.length, 2),
    spec: { ...size, layer },
  } as TopLevelSpec;
}
