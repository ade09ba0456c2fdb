import type { TopLevelSpec } from 'vega-lite';
import type { StudyRow } from '../../study/rows.js';
import { levelsText, levelText, metricLabel } from '../labels.js';
import { horizontalAxis } from './axes.js';
import { marginOf, metricQuantity } from './curves.js';
import { curveLayers, kNumberText, placed } from './layers.js';
import { layoutOf } from './layout.js';
import { factorsTitle, seriesChannels, seriesFactors, seriesPlace } from './series.js';
import { kConfig, kFrame, titleOf } from './style.js';

const kPanelSize = { width: 250, height: 170 };

/** The rows of every panel that a figure of one quantity has, with what they have in common: here the panels are metrics. */
export function rowsByPanel(
  rows: readonly StudyRow[],
): readonly { readonly text: string; readonly rows: readonly StudyRow[] }[] {
  const layout = layoutOf(rows);
  const groups = new Map<string, StudyRow[]>();
  for (const row of layout.rows) {
    const text = levelsText(row.factors, layout.panels);
    groups.set(text, [...(groups.get(text) ?? []), row]);
  }
  return [...groups].map(([text, own]) => ({ text, rows: own }));
}

interface PanelOptions {
  readonly study: string;
  readonly title: string;
  readonly subtitle: string;
  readonly metrics: readonly string[];
}

function panelFacet(
  { study, title, subtitle, metrics }: PanelOptions,
  values: readonly object[],
  layer: readonly object[],
) {
  const names = metrics.map((name) => metricLabel(name));
  return {
    ...kFrame,
    title: titleOf(title, study, subtitle),
    data: { values },
    facet: { field: 'metric', type: 'nominal', sort: names, header: { title: null } },
    columns: metrics.length === 4 ? 2 : Math.min(metrics.length, 3),
    spec: { ...kPanelSize, layer },
    resolve: { scale: { y: 'independent' } },
    config: kConfig,
  } as unknown as TopLevelSpec;
}

/**
 * Means of several metrics against one factor, one panel each, with theory where there is one.
 *
 * @param rows Rows of one study, at least one.
 */
export function metricsSpec(rows: readonly StudyRow[], metrics: readonly string[], title: string): TopLevelSpec {
  const layout = layoutOf(rows);
  const factors = seriesFactors(layout.rows, layout.series, layout.horizontal);
  const pointsOf = (name: string) => {
    const quantity = metricQuantity(name, name);
    return layout.rows.flatMap((row) => {
      const estimate = quantity.estimate(row);
      const theory = quantity.theory(row);
      const level = layout.horizontal === undefined ? row.study : row.factors[layout.horizontal];
      if (estimate === null && theory === null) return [];
      const margin = estimate === null ? 0 : marginOf(row, estimate);
      return {
        metric: metricLabel(name),
        x: typeof level === 'number' ? level : levelText(level),
        ...seriesPlace(row.factors, factors),
        value: estimate?.mean ?? null,
        low: estimate && estimate.mean - margin,
        high: estimate && estimate.mean + margin,
        theory,
        marked: false,
      };
    });
  };
  const levels = layout.rows.map(({ factors, study }) => {
    const level = layout.horizontal === undefined ? study : factors[layout.horizontal];
    return typeof level === 'number' ? level : levelText(level);
  });
  const x = horizontalAxis(layout.horizontal, [...new Set(levels)]);
  // Each metric has an axis of its own.
  const values = metrics.flatMap((name) => placed(pointsOf(name), x, 'linear', kPanelSize));
  const titles = [factorsTitle(factors.color), factorsTitle(factors.shape)] as const;
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    scale: { zero: false },
    axis: { title: null, tickCount: 5, labelExpr: kNumberText },
  });
  const hasTheory = values.some(({ theory }) => theory !== null);
  const channels = seriesChannels(values, titles, factors.isOrdered);
  const layer = curveLayers(x, y, channels, {
    hasTheory,
    hasTrials: values.some(({ value }) => value !== null),
    hasMarked: false,
    isConnected: !hasTheory,
  });
  const marks = `points: simulation with 95 % intervals${hasTheory ? '; lines: theory' : ''}`;
  const subtitle = [marks, layout.omitted].filter((text) => text !== '').join('. ');
  return panelFacet({ study: rows[0]?.study ?? '', title, subtitle, metrics }, values, layer);
}

/** Of the cells of a study, so many have their paths drawn. */
const kShownPaths = 7;

/**
 * Means of metrics along the steps of a trial, one panel per metric, one line per cell.
 *
 * @param rows Rows of one study that have paths, at least one.
 * @param stepsOf Steps taken before each record of a row's paths.
 */
export function pathsSpec(
  rows: readonly StudyRow[],
  metrics: readonly string[],
  title: string,
  stepsOf: (row: StudyRow) => Float64Array,
): TopLevelSpec {
  const { series, horizontal } = layoutOf(rows);
  const step = Math.max(1, (rows.length - 1) / (kShownPaths - 1));
  const shown = rows.filter((_, i) => rows.length <= kShownPaths || Math.round(i % step) === 0).slice(0, kShownPaths);
  const paths = [...(horizontal === undefined ? [] : [horizontal]), ...series];
  const factors = seriesFactors(shown, paths, 'steps');
  const values = shown.flatMap((row) =>
    metrics.flatMap((name) =>
      (row.paths[name]?.mean ?? []).map((value, i) => ({
        metric: metricLabel(name),
        x: stepsOf(row)[i] as number,
        ...seriesPlace(row.factors, factors),
        value,
      })),
    ),
  );
  const titles = [factorsTitle(factors.color), factorsTitle(factors.shape)] as const;
  const { color, strokeDash, detail } = seriesChannels(values, titles, factors.isOrdered);
  const encoding = {
    x: horizontalAxis('steps', [...new Set(values.map(({ x }) => x))]),
    y: {
      field: 'value',
      type: 'quantitative',
      scale: { zero: false },
      axis: { title: null, tickCount: 5, labelExpr: kNumberText },
    },
    color,
    strokeDash,
    detail,
  };
  const omitted = shown.length < rows.length ? `. ${shown.length} of ${rows.length} cells are drawn` : '';
  const subtitle = `mean over trials${omitted}`;
  return panelFacet({ study: rows[0]?.study ?? '', title, subtitle, metrics }, values, [
    { mark: { type: 'line', strokeWidth: 1.8 }, encoding },
  ]);
}
