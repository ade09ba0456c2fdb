/** Markers closer than this hide each other, in pixels … */
const kCloseness = 6;
/** … and are drawn so far apart. */
const kApart = 7;

/** A point that may hide another one of its panel. */
interface Marker {
  readonly x: number | string;
  readonly panel?: string | undefined;
  readonly value: number | null;
}

/** A scale of an axis: what its values are linear in, and back. */
export interface AxisScale {
  on(value: number): number;
  off(place: number): number;
}

/** Names that Vega-Lite has for scales: symlog is logarithmic with a place for 0. */
export type ScaleName = 'linear' | 'log' | 'symlog';

/** Scales by their names. */
export const kScales: Readonly<Record<ScaleName, AxisScale>> = {
  linear: { on: (value) => value, off: (place) => place },
  log: { on: Math.log, off: Math.exp },
  symlog: {
    on: (value) => Math.sign(value) * Math.log1p(Math.abs(value)),
    off: (place) => Math.sign(place) * Math.expm1(Math.abs(place)),
  },
};

/** The extent of some numbers on a scale. */
function extent(values: readonly number[], { on }: AxisScale): number {
  const places = values.map(on);
  return Math.max(...places) - Math.min(...places);
}

/**
 * Horizontal places of points on an axis of numbers: where markers of one level would hide each other, side by side, a few pixels from the
 * level; else the level itself.
 *
 * @param size Width and height of a panel in pixels.
 * @param reaches Values that the vertical axis reaches, whether or not there are points.
 */
export function dodged<Point extends Marker>(
  points: readonly Point[],
  [x, y]: readonly [AxisScale, AxisScale],
  { width, height }: { readonly width: number; readonly height: number },
  reaches: readonly number[] = [],
): readonly (Point & { readonly place: number | string })[] {
  const levels = points.flatMap((point) => (typeof point.x === 'number' ? [point.x] : []));
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  const [across, up] = [extent(levels, x), extent([...values, ...reaches], y)];
  const places = new Map<Point, number>();
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    if (point.value === null || typeof point.x !== 'number') continue;
    const key = `${point.panel ?? ''}\n${point.x}`;
    groups.set(key, [...(groups.get(key) ?? []), point]);
  }
  for (const group of groups.values()) {
    const sorted = group.toSorted((a, b) => (a.value as number) - (b.value as number));
    const pixel = (point: Point) => (up > 0 ? (height * y.on(point.value as number)) / up : 0);
    for (let from = 0; from < sorted.length; ) {
      let to = from + 1;
      while (to < sorted.length && pixel(sorted[to] as Point) - pixel(sorted[to - 1] as Point) < kCloseness) ++to;
      // In the order of the series, from left to right.
      const cluster = group.filter((point) => sorted.indexOf(point) >= from && sorted.indexOf(point) < to);
      for (const [i, point] of cluster.entries()) {
        const pixels = (i - (cluster.length - 1) / 2) * kApart;
        if (pixels !== 0) places.set(point, x.off(x.on(point.x as number) + (pixels * across) / width));
      }
      from = to;
    }
  }
  return points.map((point) => ({ ...point, place: places.get(point) ?? point.x }));
}
