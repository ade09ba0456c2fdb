import type { TopLevelSpec } from 'vega-lite';
import type { StudyRow } from '../study/rows.js';
import { horizontalAxis, marginOf, metricQuantity, seriesChannels } from './curves.js';
import { levelsText, levelText, metricLabel, optionLabel } from './labels.js';
import { layoutOf } from './layout.js';
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
  readonly title: string;
  readonly subtitle: string;
  readonly metrics: readonly string[];
}

function panelFacet({ title, subtitle, metrics }: PanelOptions, values: readonly object[], layer: readonly object[]) {
  const names = metrics.map((name) => metricLabel(name));
  return {
    ...kFrame,
    title: titleOf(title, subtitle),
    data: { values },
    facet: { field: 'metric', type: 'nominal', sort: names, header: { title: null } },
    columns: Math.min(metrics.length, 2),
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
  const values = metrics.flatMap((name) => {
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
        series: levelsText(row.factors, layout.series),
        value: estimate?.mean ?? null,
        low: estimate && estimate.mean - margin,
        high: estimate && estimate.mean + margin,
        theory,
      };
    });
  });
  const x = horizontalAxis(layout.horizontal, [...new Set(values.map((point) => point.x))]);
  const names = [...new Set(values.map(({ series }) => series))];
  const { color, shape, strokeDash } = seriesChannels(names, layout.series);
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    scale: { zero: false },
    axis: { title: null, tickCount: 5 },
  });
  const hasTheory = values.some(({ theory }) => theory !== null);
  const line = { type: 'line', interpolate: 'monotone', strokeWidth: 1.8 };
  const layer = [
    ...(hasTheory && x.type === 'quantitative'
      ? [
          {
            transform: [{ filter: 'isValid(datum.theory)' }],
            mark: line,
            encoding: { x, y: y('theory'), color, strokeDash },
          },
        ]
      : []),
    { mark: { type: 'rule', strokeWidth: 1.5 }, encoding: { x, y: y('low'), y2: { field: 'high' }, color } },
    {
      mark: { type: 'point', filled: true, size: 45, opacity: 1, stroke: 'white', strokeWidth: 0.75 },
      encoding: { x, y: y('value'), color, shape },
    },
  ];
  const marks = `points: simulation with 95 % intervals${hasTheory ? '; lines: theory' : ''}`;
  const subtitle = [marks, layout.omitted].filter((text) => text !== '').join('. ');
  return panelFacet({ title, subtitle, metrics }, values, layer);
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
  const values = shown.flatMap((row) =>
    metrics.flatMap((name) =>
      (row.paths[name]?.mean ?? []).map((value, i) => ({
        metric: metricLabel(name),
        x: stepsOf(row)[i],
        series: levelsText(row.factors, paths),
        value,
      })),
    ),
  );
  const { color } = seriesChannels([...new Set(values.map((point) => point.series))], paths);
  const legend = color.legend && { title: paths.map((path) => optionLabel(path).words).join(', ') };
  const encoding = {
    x: { field: 'x', type: 'quantitative', axis: { title: 'steps' }, scale: { zero: true, nice: false } },
    y: { field: 'value', type: 'quantitative', scale: { zero: false }, axis: { title: null, tickCount: 5 } },
    color: { ...color, legend },
    strokeDash: { field: 'series', type: 'nominal', legend },
  };
  const omitted = shown.length < rows.length ? `. ${shown.length} of ${rows.length} cells are drawn` : '';
  const subtitle = `mean over trials${omitted}`;
  return panelFacet({ title, subtitle, metrics }, values, [{ mark: { type: 'line', strokeWidth: 1.8 }, encoding }]);
}
