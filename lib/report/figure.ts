import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { StudyRow } from '../study/rows.js';
import { levelsText, levelText, optionLabel } from './labels.js';

/** Okabe and Ito's palette without yellow, which is too light for thin lines on white. */
const kColors = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#000000', '#E69F00', '#56B4E9'];
const kShapes = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'cross',
  'triangle-down',
  'triangle-right',
  'triangle-left',
];
/** Half-width of a 95 % interval in standard errors. */
const kInterval = 1.96;
/** Errors that span more than this ratio are drawn on a logarithmic axis. */
const kLogarithmicRatio = 30;
/** Up to so many levels each get a tick of their own. */
const kMostTicks = 12;
/** Space between the outermost points and the frame, in pixels. */
const kPadding = 18;
const kFont = 'Helvetica, Arial, sans-serif';

/** One cell as the figure shows it. */
interface FigurePoint {
  readonly x: number | string;
  readonly series: string;
  readonly error: number;
  readonly low: number;
  readonly high: number;
  readonly theory: number | null;
}

/** The factor along the horizontal axis: `examples`, else the numeric factor with the most levels, else the first one. */
function horizontalFactor(rows: readonly StudyRow[]): string | undefined {
  const paths = Object.keys(rows[0]?.factors ?? {});
  const numeric = paths.filter((path) => rows.every((row) => typeof row.factors[path] === 'number'));
  const levels = (path: string) => new Set(rows.map((row) => row.factors[path])).size;
  if (numeric.includes('examples') && levels('examples') > 1) return 'examples';
  return numeric.sort((a, b) => levels(b) - levels(a))[0] ?? paths[0];
}

function isLogarithmic(values: readonly number[], ratio: number): boolean {
  return Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= ratio;
}

function toPoint(row: StudyRow, horizontal: string | undefined, others: readonly string[]): FigurePoint {
  const level = horizontal === undefined ? row.study : row.factors[horizontal];
  const margin = kInterval * (Number.isNaN(row.standardError) ? 0 : row.standardError);
  return {
    x: typeof level === 'number' ? level : levelText(level),
    series: levelsText(row.factors, others),
    error: row.meanError,
    low: Math.max(row.meanError - margin, 0),
    high: Math.min(row.meanError + margin, 1),
    theory: row.theory,
  };
}

/**
 * Vega-Lite specification of the figure of a study: mean test error against one factor, one colour and shape per
 * combination of the others, simulation as points with 95 % intervals, theory as lines.
 *
 * @param rows Rows of one study, at least one.
 */
export function figureSpec(rows: readonly StudyRow[]): TopLevelSpec {
  const horizontal = horizontalFactor(rows);
  const others = Object.keys(rows[0]?.factors ?? {}).filter((path) => path !== horizontal);
  const points = rows.filter((row) => !Number.isNaN(row.meanError)).map((row) => toPoint(row, horizontal, others));
  const series = [...new Set(points.map((point) => point.series))];
  const levels = [...new Set(points.map((point) => point.x))];
  const numbers = levels.filter((level) => typeof level === 'number');
  const quantitative = numbers.length === levels.length;
  const errors = points.flatMap((point) => (point.theory === null ? [point.error] : [point.error, point.theory]));
  const logarithmicError = isLogarithmic(errors, kLogarithmicRatio);
  // Room for markers and intervals beyond the outermost values of a logarithmic axis.
  const lowest = Math.min(...errors) / 1.4;
  const highest = Math.min(1, Math.max(...errors) * 1.4);
  const hasTheory = points.some((point) => point.theory !== null);

  const { symbol, words } = optionLabel(horizontal ?? 'study');
  const xTitle = symbol === words ? words : `${words} ${symbol}`;
  const logarithmicX = quantitative && isLogarithmic(numbers, 4);
  const x = {
    field: 'x',
    ...(quantitative
      ? {
          type: 'quantitative' as const,
          scale: logarithmicX
            ? { type: 'log' as const, nice: false, padding: kPadding }
            : { type: 'linear' as const, zero: false, nice: false, padding: kPadding },
          axis: {
            title: logarithmicX ? `${xTitle} (logarithmic scale)` : xTitle,
            ...(numbers.length <= kMostTicks ? { values: numbers, labelExpr: 'datum.value' } : {}),
          },
        }
      : {
          type: 'nominal' as const,
          sort: null,
          scale: { type: 'point' as const, padding: 0.5 },
          axis: { title: xTitle, labelAngle: 0, labelLimit: 0 },
        }),
  };
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    axis: logarithmicError ? { title: 'test error (logarithmic scale)' } : { title: 'test error', tickCount: 6 },
    scale: logarithmicError
      ? { type: 'log' as const, nice: false, domain: [lowest, highest] }
      : { type: 'linear' as const, zero: true, nice: true },
  });
  const legendTitle = others.map((path) => optionLabel(path).words).join(', ');
  const legend = series.length > 1 ? { title: legendTitle } : null;
  const cycled = (values: readonly string[]) => series.map((_, index) => values[index % values.length] as string);
  const color = {
    field: 'series',
    type: 'nominal' as const,
    scale: { domain: series, range: cycled(kColors) },
    legend,
  };
  const shape = {
    field: 'series',
    type: 'nominal' as const,
    scale: { domain: series, range: cycled(kShapes) },
    legend,
  };

  const theoryLayer = {
    transform: [{ filter: 'isValid(datum.theory)' }],
    mark: quantitative
      ? { type: 'line' as const, interpolate: 'monotone' as const, strokeWidth: 1.8, clip: true }
      : { type: 'tick' as const, thickness: 2, width: 28, opacity: 1 },
    encoding: { x, y: y('theory'), color },
  };
  const interval = logarithmicError ? points.map((point) => ({ ...point, low: Math.max(point.low, lowest) })) : points;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    width: 560,
    height: 360,
    title: {
      text: rows[0]?.study ?? '',
      subtitle: hasTheory
        ? `points: simulation ± ${kInterval} standard errors; ${quantitative ? 'lines' : 'ticks'}: theory`
        : `points: simulation ± ${kInterval} standard errors`,
      anchor: 'start',
      offset: 12,
    },
    data: { values: interval },
    layer: [
      ...(hasTheory ? [theoryLayer] : []),
      { mark: { type: 'rule', strokeWidth: 1.5 }, encoding: { x, y: y('low'), y2: { field: 'high' }, color } },
      {
        mark: { type: 'point', filled: true, size: 50, opacity: 1, stroke: 'white', strokeWidth: 0.75 },
        encoding: { x, y: y('error'), color, shape },
      },
    ],
    config: {
      font: kFont,
      title: { fontSize: 15, fontWeight: 'bold', subtitleFontSize: 12, subtitlePadding: 5 },
      axis: { labelFontSize: 12, titleFontSize: 13, titleFontWeight: 'normal', titlePadding: 10, gridColor: '#e6e6e6' },
      axisX: { grid: false, labelOverlap: true },
      legend: {
        labelFontSize: 12,
        titleFontSize: 12,
        titleFontWeight: 'normal',
        symbolSize: 80,
        rowPadding: 4,
        labelLimit: 400,
        titleLimit: 400,
      },
      view: { stroke: '#888888' },
    },
  };
}

/**
 * The figure of a study as an SVG document: see {@link figureSpec}.
 *
 * @param rows Rows of one study, at least one.
 */
export async function studyFigure(rows: readonly StudyRow[]): Promise<string> {
  const view = new View(parse(compile(figureSpec(rows)).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
