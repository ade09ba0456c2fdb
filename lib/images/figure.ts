import type { TopLevelSpec } from 'vega-lite';
import { z } from 'zod';
import { StudyError } from '../errors.js';
import { parseOptions } from '../options.js';
import { marginOf } from '../report/curves.js';
import { cycled, kColors, kConfig, kFrame, kShapes, titleOf } from '../report/style.js';
import { StudyCells } from '../study/cells.js';
import type { StudyResult, StudyRow } from '../study/rows.js';
import type { ResolvedImageExperiment } from './experiments/schemas.js';
import type { ResolvedImageTask } from './task.js';

const studyResult = z.custom<Pick<StudyResult, 'rows' | 'spec'>>(
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
interface Strip {
  readonly title: string;
  readonly points: readonly Point[];
  readonly lines: readonly Point[];
  readonly logarithmic: boolean;
}

/** ζ as the reader knows it, and for canvases what they are. */
function taskText(task: ResolvedImageTask): string {
  const zeta = (value: number) => `ζ = ${Number(value.toPrecision(2))}`;
  if (task.kind === 'bag') return zeta(task.relevantTokens / task.tokens);
  if (task.kind === 'partial-tiled') return `partial-tiled, ${zeta(task.relevantTiles / task.tiles ** 2)}`;
  if (task.kind === 'embedded')
    return `embedded, ${zeta(1 / task.tiles ** 2)}, ${task.stride === 1 ? 'any place' : `places of stride ${task.stride}`}`;
  return task.kind;
}

function seriesText(experiment: ResolvedImageExperiment, paths: readonly string[]): string {
  if (experiment.kind === 'image-bag') return experiment.model;
  if (experiment.kind === 'image-risk') return `law, ${experiment.plugIn ?? 'default'} plug-in`;
  return paths.includes('prompts') ? `m = ${String(experiment.prompts).padStart(2, '\u2007')}` : experiment.method;
}

interface Located {
  readonly row: StudyRow;
  readonly experiment: ResolvedImageExperiment;
  readonly panel: string;
  readonly series: string;
}

function point({ row, experiment, panel, series }: Located, mean: number, standardError: number): Point {
  const margin = marginOf(row, { mean, standardError });
  return { panel, series, n: experiment.examples, value: mean, low: mean - margin, high: mean + margin };
}

function strips(located: readonly Located[]): readonly Strip[] {
  const kind = (located[0] as Located).experiment.kind;
  if (kind === 'image-risk') {
    // The heads are the same for all plug-ins: they are drawn once.
    const first = (located[0] as Located).series;
    const measured = located
      .filter(({ series }) => series === first)
      .map((entry) => point({ ...entry, series: 'measured' }, entry.row.meanError, entry.row.standardError));
    const lines = located
      .filter(({ row }) => row.theory !== null && !Number.isNaN(row.theory))
      .map((entry) => point(entry, entry.row.theory as number, 0));
    return [{ title: 'test error', points: measured, lines, logarithmic: true }];
  }
  const accuracy = located.map((entry) => point(entry, 1 - entry.row.meanError, entry.row.standardError));
  const attention = located
    // The weights of linear attention are no distribution.
    .filter(({ series }) => series !== 'linear-attention')
    .map((entry) => {
      const { mean = Number.NaN, standardError = Number.NaN } = entry.row.metrics.relevantAttention ?? {};
      return point(entry, mean, standardError);
    });
  return [
    { title: 'test accuracy', points: accuracy, lines: accuracy, logarithmic: false },
    { title: 'attention on relevant tokens', points: attention, lines: attention, logarithmic: false },
  ];
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

/** Vega-Lite specification of the figure: see {@link imageFigure}. */
function imageFigureSpec({ rows, spec }: Pick<StudyResult, 'rows' | 'spec'>): TopLevelSpec {
  const cells = StudyCells.of(spec);
  const located = rows.map((row): Located => {
    const { experiment } = cells.at(row.index);
    if (experiment.kind !== 'image-bag' && experiment.kind !== 'image-transfer' && experiment.kind !== 'image-risk')
      throw new StudyError(`${spec.name}: a study of ${experiment.kind}, not of experiments on images`);
    return { row, experiment, panel: taskText(experiment.task), series: seriesText(experiment, cells.paths) };
  });
  if (located.length === 0) throw new StudyError(`${spec.name}: has no results yet`);
  const drawn = strips(located);
  const panels = [...new Set(located.map(({ panel }) => panel))];
  const domain = [...new Set(drawn.flatMap(({ points, lines }) => [...points, ...lines].map(({ series }) => series)))];
  const values = [...new Set(located.map(({ experiment }) => experiment.examples))].sort((a, b) => a - b);
  return {
    ...kFrame,
    title: titleOf(spec.name, '', 'points: means over trials with 95 % intervals'),
    resolve: { legend: { color: 'shared', shape: 'shared' }, scale: { color: 'shared', shape: 'shared' } },
    vconcat: drawn.map((strip) => ({ hconcat: panels.map((panel) => panelSpec(strip, panel, domain, values)) })),
    config: { ...kConfig, aria: false },
  };
}

/**
 * The figure of a study of experiments on images as an SVG document: a panel per task, a line per model, method, number of prompts
 * or plug-in, over the number of training examples, with 95 % intervals.
 *
 * @param result What {@link study.run} or {@link study.open} returned.
 * @throws {@link OptionTypeError} if it is no such thing; {@link StudyError} if the study is of another kind, or has no rows.
 */
export async function imageFigure(result: Pick<StudyResult, 'rows' | 'spec'>): Promise<string> {
  parseOptions(studyResult, result, 'result');
  // Loaded here, so that who only computes does not pay for it.
  const { renderSvg } = await import('../report/render.js');
  return renderSvg(imageFigureSpec(result));
}
