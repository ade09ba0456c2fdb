import type { TopLevelSpec } from 'vega-lite';
import { z } from 'zod';
import type { StudyResult, StudyRow } from '../../study/rows.js';
import { marginOf } from '../figures/curves.js';
import { cycled, kColors, kConfig, kFrame, kShapes, titleOf } from '../figures/style.js';

export const studyResult = z.custom<Pick<StudyResult, 'rows' | 'spec'>>(
  (value) => Array.isArray((value as StudyResult | null)?.rows) && typeof (value as StudyResult).spec === 'object',
  { error: 'what study.run or study.open returned' },
);

const kPanelWidth = 250;
const kPanelHeight = 220;

interface Point {
  readonly panel: string;
  readonly series: string;
  readonly n: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** A row of panels: one metric over n. */
export interface Strip {
  readonly title: string;
  readonly points: readonly Point[];
  readonly lines: readonly Point[];
  readonly logarithmic: boolean;
}

/** A row of results and where it is drawn. */
export interface Placed {
  readonly row: StudyRow;
  /** n. */
  readonly examples: number;
  readonly panel: string;
  readonly series: string;
}

/** A mean with its interval, where its row is drawn. */
export function pointOf({ row, examples, panel, series }: Placed, mean: number, standardError: number): Point {
  const margin = marginOf(row, { mean, standardError });
  return { panel, series, n: examples, value: mean, low: mean - margin, high: mean + margin };
}

function panelSpec(strip: Strip, panel: string, domain: readonly string[], values: readonly number[]) {
  const x = {
    field: 'n',
    type: 'quantitative' as const,
    scale: { type: 'log' as const, nice: false, padding: 14 },
    axis: { title: 'training examples n', values: [...values], labelOverlap: true, grid: false },
  };
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    scale: strip.logarithmic ? { type: 'log' as const } : { zero: false, nice: true },
    axis: { title: strip.title },
  });
  const color = {
    field: 'series',
    type: 'nominal' as const,
    scale: { domain: [...domain], range: cycled(domain, kColors) },
    legend: { title: null, orient: 'bottom' as const, columns: 5 },
  };
  const shape = {
    ...color,
    scale: { domain: [...domain], range: cycled(domain, kShapes) },
  };
  const inPanel = (points: readonly Point[]) => ({
    values: points.filter((entry) => entry.panel === panel && !Number.isNaN(entry.value)),
  });
  // A logarithmic axis has no place for an end below 0: such a bar reaches to the lower edge.
  const edge = strip.logarithmic
    ? Math.min(...strip.points.flatMap(({ value }) => (value > 0 ? value : []))) / 1.4
    : Number.NEGATIVE_INFINITY;
  const bars = inPanel(strip.points)
    .values.filter(({ low, high }) => high > low)
    .map((bar) => ({ ...bar, low: Math.max(bar.low, Math.min(edge, bar.value)) }));
  return {
    title: panel,
    width: kPanelWidth,
    height: kPanelHeight,
    layer: [
      {
        data: inPanel(strip.lines),
        mark: { type: 'line' as const, strokeWidth: 1.5 },
        encoding: { x, y: y('value'), color },
      },
      {
        data: { values: bars },
        mark: { type: 'rule' as const, strokeWidth: 1.5 },
        encoding: { x, y: y('low'), y2: { field: 'high' }, color },
      },
      {
        data: inPanel(strip.points),
        mark: { type: 'point' as const, filled: true, size: 40, opacity: 1 },
        encoding: { x, y: y('value'), color, shape },
      },
    ],
  };
}

/** Vega-Lite specification of a figure: a panel for every metric and place, a line for every series, over n. */
export function panelsSpec(name: string, drawn: readonly Strip[], placed: readonly Placed[]): TopLevelSpec {
  const panels = [...new Set(placed.map(({ panel }) => panel))];
  const domain = [...new Set(drawn.flatMap(({ points, lines }) => [...points, ...lines].map(({ series }) => series)))];
  const values = [...new Set(placed.map(({ examples }) => examples))].sort((a, b) => a - b);
  return {
    ...kFrame,
    title: titleOf(name, '', 'points: means over trials with 95 % intervals'),
    resolve: { legend: { color: 'shared', shape: 'shared' }, scale: { color: 'shared', shape: 'shared' } },
    vconcat: drawn.map((strip) => ({ hconcat: panels.map((panel) => panelSpec(strip, panel, domain, values)) })),
    config: { ...kConfig, aria: false },
  };
}
