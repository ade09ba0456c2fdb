import type { HorizontalAxis } from './axes.js';
import { dodged, kScales, type ScaleName } from './dodge.js';
import type { SeriesPlace, seriesChannels } from './series.js';

/** What is drawn of one cell. */
export interface CurvePoint extends SeriesPlace {
  readonly x: number | string;
  readonly panel?: string | undefined;
  readonly value: number | null;
}

/** A point of a curve: an estimate with its interval, a value of a law, or both. */
export interface DrawnPoint extends CurvePoint {
  readonly panel: string;
  readonly low: number | null;
  readonly high: number | null;
  readonly theory: number | null;
  /** Whether the value is drawn as one that cannot be trusted. */
  readonly marked: boolean;
}

/** What is along the vertical axis. */
export interface VerticalQuantity {
  /** Title of the axis. */
  readonly label: string;
  /** Values that it cannot exceed. */
  readonly limits: readonly [number, number];
  /** Whether values of very different size are drawn on a logarithmic axis. */
  readonly mayBeLogarithmic: boolean;
}

/** Points with the places of their markers: side by side where they would hide each other. */
export function placed<Point extends CurvePoint>(
  points: readonly Point[],
  x: HorizontalAxis,
  vertical: ScaleName,
  size: { readonly width: number; readonly height: number },
  reaches: readonly number[] = [],
): readonly (Point & { readonly place: number | string })[] {
  if (x.type === 'nominal') return points.map((point) => ({ ...point, place: point.x }));
  return dodged(points, [kScales[x.scale.type], kScales[vertical]], size, reaches);
}

/** How numbers of an axis are written: small ones with an exponent. */
export const kNumberText = "datum.value !== 0 && abs(datum.value) < 0.001 ? format(datum.value, '.2~e') : datum.label";

/** What the points of a figure have. */
export interface CurveParts {
  readonly hasTheory: boolean;
  readonly hasTrials: boolean;
  /** Whether some are not reliable. */
  readonly hasMarked: boolean;
  /** Whether points are connected by lines. */
  readonly isConnected: boolean;
}

/**
 * The layers of curves: laws as lines, simulation as points with intervals; on an axis of names
 * laws are ticks, and the series of a name stand side by side.
 *
 * @param y The channel of a field.
 */
export function curveLayers(
  x: HorizontalAxis,
  y: (field: string) => object,
  { color, shape, strokeDash, detail }: ReturnType<typeof seriesChannels>,
  { hasTheory, hasTrials, hasMarked, isConnected }: CurveParts,
): readonly object[] {
  const isNumeric = x.type === 'quantitative';
  const line = { type: 'line', interpolate: 'monotone', strokeWidth: 1.8, clip: true };
  const across = isNumeric
    ? { x: { ...x, field: 'place' } }
    : { x, xOffset: { field: 'series', type: 'nominal', sort: null } };
  const present = { filter: 'isValid(datum.value)' };
  const point = { type: 'point', filled: true, size: 50, opacity: 1, stroke: 'white', strokeWidth: 0.75 };
  const hollow = { type: 'point', filled: false, fill: 'white', size: 60, opacity: 1, strokeWidth: 1.5 };
  const theory = {
    transform: [{ filter: 'isValid(datum.theory)' }],
    ...(isNumeric
      ? { mark: line, encoding: { x, y: y('theory'), color, detail, strokeDash } }
      : { mark: { type: 'tick', thickness: 2, opacity: 1 }, encoding: { ...across, y: y('theory'), color } }),
  };
  const connection = {
    transform: [present],
    mark: { type: 'line', strokeWidth: 1.2 },
    encoding: { x, y: y('value'), color, detail, strokeDash },
  };
  const simulation = [
    {
      transform: [present],
      mark: { type: 'rule', strokeWidth: 1.5 },
      encoding: { ...across, y: y('low'), y2: { field: 'high' }, color, detail },
    },
    {
      transform: [present, { filter: '!datum.marked' }],
      mark: point,
      encoding: { ...across, y: y('value'), color, shape },
    },
    ...(hasMarked
      ? [
          {
            transform: [present, { filter: 'datum.marked' }],
            mark: hollow,
            encoding: { ...across, y: y('value'), color, shape },
          },
        ]
      : []),
  ];
  return [
    ...(hasTheory ? [theory] : []),
    ...(isConnected && isNumeric ? [connection] : []),
    ...(hasTrials ? simulation : []),
  ];
}
