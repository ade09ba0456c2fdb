import type { TopLevelSpec } from 'vega-lite';
import type { StudyRow } from '../../study/rows.js';
import { curvesSpec, kTestError } from './curves.js';
import { heatmapSpec, mapAxes } from './heatmap.js';
import { layoutOf } from './layout.js';
import { renderSvg } from './render.js';

/**
 * Vega-Lite specification of the figure of a study: mean test error against one factor, with theory; over two, as a map with lines of
 * equal error, where curves would leave levels out.
 *
 * @param rows Rows of one study, at least one.
 */
export function figureSpec(rows: readonly StudyRow[]): TopLevelSpec {
  const axes = layoutOf(rows).omitted === '' ? undefined : mapAxes(rows);
  return axes === undefined ? curvesSpec(rows, kTestError) : heatmapSpec(rows, axes);
}

/**
 * The figure of a study as an SVG document: see {@link figureSpec}.
 *
 * @param rows Rows of one study, at least one.
 */
export function studyFigure(rows: readonly StudyRow[]): Promise<string> {
  return renderSvg(figureSpec(rows));
}
