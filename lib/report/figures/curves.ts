import type { TopLevelSpec } from 'vega-lite';
import type { Estimate } from '../../base/kind.js';
import type { StudyRow } from '../../study/rows.js';
import { intervalFactor } from '../../study/statistics.js';
import { levelsText, levelText } from '../labels.js';
import { curvesFigure } from './draw.js';
import type { DrawnPoint, VerticalQuantity } from './layers.js';
import { type Layout, layoutOf } from './layout.js';
import { factorsTitle, type SeriesFactors, seriesFactors, seriesPlace } from './series.js';

/** What a figure shows of every row. */
export interface Quantity extends VerticalQuantity {
  /** Its estimate; null if the row has none. */
  estimate(row: StudyRow): Estimate | null;
  /** What the law says; null if it says nothing, or could not be computed. */
  theory(row: StudyRow): number | null;
  /** Whether both can be trusted. */
  reliable(row: StudyRow): boolean;
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

function toPoint(
  row: StudyRow,
  quantity: Quantity,
  { horizontal, panels }: Layout,
  factors: SeriesFactors,
): DrawnPoint | undefined {
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

/**
 * Vega-Lite specification of a quantity against one factor, one colour and shape per combination of others, simulation as points
 * with 95 % intervals, theory as lines; in panels, if there are more combinations than can be told apart.
 *
 * @param rows Rows of one study, at least one.
 */
export function curvesSpec(rows: readonly StudyRow[], quantity: Quantity): TopLevelSpec {
  const layout = layoutOf(rows);
  const factors = seriesFactors(layout.rows, layout.series, layout.horizontal);
  return curvesFigure({
    points: layout.rows.flatMap((row) => toPoint(row, quantity, layout, factors) ?? []),
    horizontal: layout.horizontal,
    vertical: quantity,
    titles: [factorsTitle(factors.color), factorsTitle(factors.shape)],
    isOrdered: factors.isOrdered,
    study: rows[0]?.study ?? '',
    omitted: layout.omitted,
    panelTitle: factorsTitle(layout.panels),
    pointsAre: 'simulation with 95 % intervals',
  });
}
