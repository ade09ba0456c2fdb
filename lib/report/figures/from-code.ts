import type { TopLevelSpec } from 'vega-lite';
import { z } from 'zod';
import { OptionRangeError, StoreError } from '../../base/errors.js';
import { installCommand } from '../../base/optional-packages.js';
import { oneOf, parseOptions } from '../../base/options.js';
import type { StudyRow } from '../../study/rows.js';
import { levelsText, levelText, metricLabel } from '../labels.js';
import { curvesFigure } from './draw.js';
import { type FigureSource, readSource, type SourceContent } from './figure-source.js';
import { horizontalFactor, independentFactors, layoutOf } from './layout.js';
import { kPngPackages, loadPngRenderer, renderSvg } from './render.js';
import { factorsTitle } from './series.js';
import { kColors, kShapes } from './style.js';

/** From so many levels on, a number has colours in an order. */
const kLeastOrdered = 5;

/** A scale of an axis; `'symlog'` is logarithmic with a place for 0 and negative numbers. */
export type FigureScale = 'linear' | 'log' | 'symlog';

/** What {@link figure} draws, and how. Names are those of fields of the source. */
export interface FigureOptions {
  /**
   * Along the horizontal axis: a factor of rows (default as in reports: `steps`, `examples`, or the one with most levels), a field of records or
   * a curve (required), of a simulation `'steps'` (default where it has a path), `'trial'` (default where not) or a metric.
   */
  readonly x?: string | undefined;
  /** Along the vertical axis: `'error'`, another metric of rows or a simulation, a field of records or a curve. Default `'error'`. */
  readonly y?: string | undefined;
  /**
   * What tells series apart. One field has colours, shapes and dashes; of two the first has colours, the second shapes and dashes. Default for
   * rows: every factor that is not used otherwise, and the study where there are several; else none.
   */
  readonly series?: string | readonly string[] | undefined;
  /** One panel for each of its values. Default none, for rows what series cannot tell apart. */
  readonly facet?: string | undefined;
  /** Scales of the axes. Default: those that suit the values. */
  readonly scale?:
    | {
        /** Of the horizontal axis. */
        readonly x?: FigureScale | undefined;
        /** Of the vertical axis. */
        readonly y?: FigureScale | undefined;
      }
    | undefined;
  /**
   * `false`: none. Of records and curves: the field with the standard error (the interval is ± 1.96 times that), or those with its two
   * ends. Default for rows and along a simulation: 95 % intervals by Student's t; else none.
   */
  readonly interval?: boolean | string | readonly [string, string] | undefined;
  /** `false`: without the law of rows. Of records: the field with the value of a law. Default: what rows have. */
  readonly theory?: boolean | string | undefined;
  /** Default: what is drawn against what. */
  readonly title?: string | undefined;
}

/** A figure. */
export interface Figure {
  /** Its Vega-Lite specification, as plain JSON: to change, or to draw on a page. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** The figure as an SVG document. */
  svg(): Promise<string>;
  /**
   * The figure as a PNG file, with two pixels per unit.
   *
   * @throws {@link StoreError} if the optional packages that draw it are not installed.
   */
  png(): Promise<Uint8Array>;
}

const name = z.string({ error: 'the name of a field' });
const scale = oneOf(['linear', 'log', 'symlog']).optional();
const optionsSchema = z.strictObject({
  x: name.optional(),
  y: name.default('error'),
  series: z.union([name, z.array(name)], { error: 'the name of a field, or several' }).optional(),
  facet: name.optional(),
  scale: z.strictObject({ x: scale, y: scale }).default({}),
  interval: z
    .union([z.boolean(), name, z.tuple([name, name])], { error: 'true, false, the name of a field, or two names' })
    .default(true),
  theory: z.union([z.boolean(), name], { error: 'true, false or the name of a field' }).default(true),
  title: z.string({ error: 'a text' }).optional(),
});

/** Which fields are along the axis, in series and in panels. */
interface Places {
  readonly x: string;
  readonly series: readonly string[];
  readonly facets: readonly string[];
}

/** Where the factors of rows go that nothing is said of. */
function placesOfRows(rows: readonly StudyRow[], x: string | undefined, facet: string | undefined): Places {
  const isOne = new Set(rows.map(({ study }) => study)).size <= 1;
  if (x === undefined && facet === undefined && isOne) {
    const { horizontal = 'study', series, panels } = layoutOf(rows);
    return { x: horizontal, series, facets: panels };
  }
  const along = x ?? horizontalFactor(rows) ?? 'study';
  const others = independentFactors(rows).filter((path) => path !== along && path !== facet);
  const study = isOne || facet === 'study' ? [] : ['study'];
  return { x: along, series: [...study, ...others], facets: facet === undefined ? [] : [facet] };
}

function placesOf({ rows, x: usual }: SourceContent, options: z.infer<typeof optionsSchema>): Places {
  const { x, facet } = options;
  const series = options.series === undefined ? undefined : [options.series].flat();
  if (rows !== undefined && rows.length > 0) {
    const places = placesOfRows(rows, x, facet);
    return series === undefined ? places : { ...places, series, facets: facet === undefined ? [] : [facet] };
  }
  const along = x ?? usual;
  if (along === undefined) throw new OptionRangeError('x', 'the name of a field', x);
  return { x: along, series: series ?? [], facets: facet === undefined ? [] : [facet] };
}

/** Refuse a scale that has no place for some of the values. */
function checkScale(option: string, wanted: FigureScale | undefined, values: readonly (number | null)[]): void {
  if (wanted === 'log' && values.some((value) => value !== null && value <= 0))
    throw new OptionRangeError(option, "'linear' or 'symlog' where values are 0 or negative", wanted);
}

/**
 * Draw a simulation, rows of one or several studies, a curve of a law or plain records, in the style of reports: points with intervals,
 * laws as lines, points that would hide each other side by side. Nothing is drawn before `svg` or `png` is called.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, a field that the source does not have, more series than can be
 * told apart, or a source without points.
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { figure, risk } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const sampleRatios = [1.25, 1.5, 2, 3, 5, 10];
 * const curves = await Promise.all(
 *   [0, 0.5].map(async (inverseTemperature) => {
 *     const head = { kind: 'least-squares' } as const;
 *     const { error } = await risk.knownPromptCurve({ mixture, inverseTemperature, head, sampleRatios });
 *     return sampleRatios.map((ratio, i) => ({ ratio, inverseTemperature, error: error[i] }));
 *   }),
 * );
 * const drawn = figure(curves.flat(), { x: 'ratio', y: 'error', series: 'inverseTemperature', title: 'What a prompt is worth' });
 * writeFileSync('worth.svg', await drawn.svg());
 * ```
 */
export function figure(source: FigureSource, options: FigureOptions = {}): Figure {
  const parsed = parseOptions(optionsSchema, options, '');
  const { y } = parsed;
  const content = readSource(source, parsed);
  const { x, series, facets } = placesOf(content, parsed);
  const known = new Set(content.points.flatMap(({ fields }) => Object.keys(fields)));
  for (const [option, path] of [
    ['x', x],
    ...series.map((each) => ['series', each]),
    ...facets.map((each) => ['facet', each]),
  ])
    if (known.size > 0 && !known.has(path as string))
      throw new OptionRangeError(option as string, `one of ${[...known].map((each) => `'${each}'`).join(', ')}`, path);
  const [color, shape] = series.length === 2 ? [series.slice(0, 1), series.slice(1)] : [series, series];
  const points = content.points.flatMap(({ fields, ...point }) => {
    const level = fields[x];
    if (level === undefined || (point.value === null && point.theory === null)) return [];
    const [first, second] = [levelsText(fields, color), levelsText(fields, shape)];
    const place = { series: first === second ? first : `${first}, ${second}`, color: first, shape: second };
    return {
      ...point,
      ...place,
      x: typeof level === 'number' ? level : levelText(level),
      panel: levelsText(fields, facets),
    };
  });
  if (points.length === 0) throw new OptionRangeError('source', `something with values of '${y}' at '${x}'`, source);
  for (const [channel, limit] of [
    ['color', kColors.length],
    ['shape', kShapes.length],
  ] as const) {
    const count = new Set(points.map((point) => point[channel])).size;
    if (count > limit)
      throw new OptionRangeError('series', `fields that tell at most ${limit} apart; facet takes more`, count);
  }
  const { scale } = parsed;
  checkScale(
    'scale.x',
    scale.x,
    points.map((point) => (typeof point.x === 'number' ? point.x : null)),
  );
  checkScale(
    'scale.y',
    scale.y,
    points.flatMap(({ value, theory }) => [value, theory]),
  );
  const levels = new Set(content.points.map(({ fields }) => fields[color[0] ?? '']));
  const isNumeric = color.length === 1 && [...levels].every((level) => typeof level === 'number');
  const studies = [...new Set(content.rows?.map(({ study }) => study) ?? [])];
  const spec = curvesFigure({
    points,
    horizontal: x,
    vertical: {
      label: metricLabel(y),
      limits: y === 'error' ? [0, 1] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      mayBeLogarithmic: y === 'error',
    },
    scale,
    titles: [factorsTitle(color), factorsTitle(shape)],
    isOrdered: isNumeric && levels.size >= kLeastOrdered,
    title: parsed.title,
    study: studies.join(', '),
    omitted: '',
    panelTitle: factorsTitle(facets),
    pointsAre: content.pointsAre,
    isConnected: content.isConnected,
  });
  return drawnFigure(spec);
}

/** A specification that can be drawn; what draws it is loaded when asked for. */
function drawnFigure(spec: TopLevelSpec): Figure {
  const svg = () => renderSvg(spec);
  return {
    spec: spec as unknown as Figure['spec'],
    svg,
    async png() {
      const draw = await loadPngRenderer();
      if (draw !== undefined) return draw(await svg());
      throw new StoreError(`PNG figures need packages that are not installed: ${installCommand(kPngPackages)}`);
    },
  };
}
