import type { TopLevelSpec } from 'vega-lite';
import type { StudyRow } from '../../study/rows.js';
import { curvesSpec, kTestError } from './curves.js';
import { renderSvg } from './render.js';

/**
 * Vega-Lite specification of the figure of a study: mean test error against one factor, with theory.
 *
 * @param rows Rows of one study, at least one.
 */
export function figureSpec(rows: readonly StudyRow[]): TopLevelSpec {
  return curvesSpec(rows, kTestError);
}

/**
 * The figure of a study as an SVG document: see {@link figureSpec}.
 *
 * @param rows Rows of one study, at least one.
 */
export function studyFigure(rows: readonly StudyRow[]): Promise<string> {
  return renderSvg(figureSpec(rows));
}
