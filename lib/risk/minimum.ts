/** A value of a function that is being minimised. */
export interface Sample {
  readonly x: number;
  /** Infinity where the function could not be computed. */
  readonly y: number;
}

/** Rounds of looking for a bracket: each doubles the step. */
const kMaximumRounds = 40;
/** Every third section is golden, whatever parabolas say: the bracket shrinks. */
const kGoldenEvery = 3;
const kGolden = (3 - Math.sqrt(5)) / 2;

/** Where the parabola through three points has its least value; undefined if it has none. */
export function vertexOf(left: Sample, middle: Sample, right: Sample): number | undefined {
  const before = (middle.y - left.y) / (middle.x - left.x);
  const after = (right.y - middle.y) / (right.x - middle.x);
  const curvature = (after - before) / (right.x - left.x);
  if (!(curvature > 0) || !Number.isFinite(curvature)) return undefined;
  return (
    middle.x - (before * (right.x - middle.x) + after * (middle.x - left.x)) / ((right.x - left.x) * 2 * curvature)
  );
}

/**
 * A local minimum of f in [low, high] downhill from `start`, to within `width`: steps of growing size until the values rise,
 * then parabolas through the three best points, with golden sections where these do not shrink the bracket. An end of the interval
 * is returned if the values fall towards it. Deterministic; f is not called twice at a point.
 */
export async function descend(
  f: (x: number) => Promise<number>,
  { start, step, width, low, high }: Readonly<Record<'start' | 'step' | 'width' | 'low' | 'high', number>>,
): Promise<Sample> {
  const at = async (x: number): Promise<Sample> => ({ x, y: await f(x) });
  const within = (x: number) => Math.min(high, Math.max(low, x));
  let middle = await at(start);
  let left = start > low ? await at(within(start - step)) : undefined;
  let right = start < high ? await at(within(start + step)) : undefined;
  for (let round = 0, size = step; round < kMaximumRounds; ++round) {
    size *= 2;
    if (left !== undefined && left.y < middle.y && !(right !== undefined && right.y < left.y)) {
      [right, middle] = [middle, left];
      left = middle.x > low ? await at(within(middle.x - size)) : undefined;
    } else if (right !== undefined && right.y < middle.y) {
      [left, middle] = [middle, right];
      right = middle.x < high ? await at(within(middle.x + size)) : undefined;
    } else break;
  }
  // At an end of the interval the bracket is closed by the end itself.
  let [a, b] = [left ?? middle, right ?? middle];
  for (let section = 1; b.x - a.x > width; ++section) {
    const inside = a.x < middle.x && middle.x < b.x && section % kGoldenEvery > 0;
    const vertex = inside ? vertexOf(a, middle, b) : undefined;
    const wider = middle.x - a.x > b.x - middle.x ? 'left' : 'right';
    const golden = wider === 'left' ? middle.x - kGolden * (middle.x - a.x) : middle.x + kGolden * (b.x - middle.x);
    // A vertex next to a known point says that it is the minimum: a look at `width`/3 to the far side proves it.
    let x = vertex ?? golden;
    if (vertex !== undefined && Math.abs(x - middle.x) < width / 3)
      x = middle.x + (wider === 'left' ? -width / 3 : width / 3);
    if (!(x > a.x && x < b.x) || x === middle.x) x = golden;
    const trial = await at(x);
    if (trial.y < middle.y) {
      if (trial.x < middle.x) b = middle;
      else a = middle;
      middle = trial;
    } else if (trial.x < middle.x) a = trial;
    else b = trial;
  }
  return middle;
}
