import { contours } from 'd3-contour';

/** Test errors that contours are drawn at, where they lie within a map. */
const kErrors = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4];
/** Contours of a map; more of them are no help. */
const kMostContours = 6;
/** Two places on the grid are one up to rounding. */
const kRounding = 1e-9;

/** One axis of a map: its levels in ascending order, on a scale that is linear or logarithmic. */
export interface MapAxis {
  readonly levels: readonly number[];
  readonly logarithmic: boolean;
}

/** A point of a contour, in the order of its line. */
export interface ContourPoint {
  readonly x: number;
  readonly y: number;
  readonly error: number;
  /** Which line it belongs to: a contour may be in several parts. */
  readonly line: string;
  readonly order: number;
  /** The error as text at one end of the longest line, else empty. */
  readonly label: string;
}

/** The errors that a map of values has contours at: some of those that people ask for. */
export function contourErrors(values: readonly number[]): readonly number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const inside = kErrors.filter((error) => error > low && error < high);
  if (inside.length <= kMostContours) return inside;
  // The two extreme ones and some between.
  const step = (inside.length - 1) / (kMostContours - 1);
  return Array.from({ length: kMostContours }, (_, i) => inside[Math.round(i * step)] as number);
}

/** The level at a place of the grid, whose i-th level lies at i + ½. */
function levelAt({ levels, logarithmic }: MapAxis, place: number): number {
  const index = Math.min(Math.max(place - 0.5, 0), levels.length - 1);
  const below = Math.min(Math.floor(index), levels.length - 2);
  const share = index - below;
  const [a, b] = [levels[below] as number, levels[below + 1] as number];
  return logarithmic ? a * (b / a) ** share : a + share * (b - a);
}

/** The parts of a closed line that do not run along the edge of the grid, where the map ends but the contour does not. */
function openParts(ring: readonly (readonly number[])[], [width, height]: readonly [number, number]) {
  const isEdge = ([x = 0, y = 0]: readonly number[]) =>
    x < 0.5 + kRounding || y < 0.5 + kRounding || x > width - 0.5 - kRounding || y > height - 0.5 - kRounding;
  const edges = ring.slice(0, -1).map(isEdge);
  const first = edges.indexOf(true);
  if (first < 0) return [ring];
  const parts: (readonly number[])[][] = [];
  let part: (readonly number[])[] = [];
  for (let i = 0; i <= edges.length; ++i) {
    const at = (first + i) % edges.length;
    part.push(ring[at] as readonly number[]);
    if (!edges[at]) continue;
    // From one edge to another, with something between.
    if (part.length > 2) parts.push(part);
    part = [ring[at] as readonly number[]];
  }
  return parts;
}

/**
 * Lines of equal error over a grid of two factors, by marching squares.
 *
 * @param values Row after row, x.levels.length·y.levels.length of them, rows in the order of the levels of y.
 * @param errors Those of the lines; one that the map does not reach has none. Default {@link contourErrors}.
 */
export function contourLines(
  values: readonly number[],
  x: MapAxis,
  y: MapAxis,
  errors: readonly number[] = contourErrors(values),
): readonly ContourPoint[] {
  const size = [x.levels.length, y.levels.length] as const;
  const shapes = contours()
    .size([...size])
    .thresholds([...errors])([...values]);
  return shapes.flatMap(({ value: error, coordinates }) => {
    const lines = coordinates.flat().flatMap((ring) => openParts(ring, size));
    const longest = lines.reduce<readonly (readonly number[])[]>(
      (most, line) => (line.length > most.length ? line : most),
      [],
    );
    return lines.flatMap((line, i) => {
      const labelled = Math.floor(line.length / 2);
      return line.map(([right = 0, up = 0], order) => ({
        x: levelAt(x, right),
        y: levelAt(y, up),
        error,
        line: `${error} ${i}`,
        order,
        label: line === longest && order === labelled ? String(error) : '',
      }));
    });
  });
}
