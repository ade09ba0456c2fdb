import type { LawPoint } from '../risk/law-points.js';
import { vertexOf } from '../risk/minimum.js';

/** A law's error at several n, any real numbers; points of one call may share work. `undefined` where it was not found. */
export type Law = (examples: readonly number[]) => Promise<readonly (LawPoint | undefined)[]>;

/** A rung of a ladder of n. */
export interface Rung {
  readonly examples: number;
  /** Infinity where the law was not found. */
  readonly error: number;
  readonly standardError: number;
  readonly reliable: boolean;
}

/** Points between two rungs where a dip may be. */
const kDipPoints = 3;
/** The relative width of the bracket at which a refinement ends where n are not counted. */
const kBracketWidth = 1e-9;
/** Where the screen is above the target by this factor the law is. */
const kScreenMargin = 1.1;
/** Of the bracket: half the distance of the two points about the interpolated crossing. */
const kPairDistance = 0.02;
/** Above this n is not counted one by one. */
const kCounted = 2 ** 31 - 1;
/** The slope of the law at the crossing is taken over this relative distance in n. */
const kSlopeDistance = 0.1;

export const rungsAt = async (law: Law, examples: readonly number[]): Promise<readonly Rung[]> => {
  const points = await law(examples);
  return examples.map((n, i) => {
    const { error = Number.POSITIVE_INFINITY, standardError = 0, reliable = false } = points[i] ?? {};
    return { examples: n, error, standardError, reliable };
  });
};

/** Whole numbers from n up: `perDecade` of them per factor of ten below `dense`, `perDecadeAbove` above. */
export function ladderOf(
  from: number,
  to: number,
  { dense, perDecade, perDecadeAbove }: Readonly<Record<'dense' | 'perDecade' | 'perDecadeAbove', number>>,
): readonly number[] {
  const rungs = [from];
  for (let n = from; n < to; ) {
    n = Math.min(to, Math.max(n + 1, Math.round(n * 10 ** (1 / (n < dense ? perDecade : perDecadeAbove)))));
    rungs.push(n);
  }
  return rungs;
}

/** Whether the law was not found. */
export const isUnsolved = ({ error }: Rung): boolean => error === Number.POSITIVE_INFINITY;

/** A law that is searched: `law` itself, and one that costs little and is not above it by more than kScreenMargin. */
export interface SearchedLaw {
  readonly screen: Law;
  readonly law: Law;
  /** Points of `law` that are asked for at a time. */
  readonly lanes: number;
}

/** n strictly between two, counted where they are small. */
function between(low: number, high: number, count: number): readonly number[] {
  const inner = Array.from({ length: count }, (_, i) => low * (high / low) ** ((i + 1) / (count + 1)));
  if (high > kCounted) return inner;
  return [...new Set(inner.map(Math.round))].filter((n) => n > low && n < high);
}

/** Rungs added where a dip between two rungs, by the parabola through the lowest and its neighbours, could reach the target. */
async function withDips(law: Law, rungs: readonly Rung[], target: number): Promise<readonly Rung[]> {
  const logs = rungs.map(({ examples, error }) => ({ x: Math.log(examples), y: Math.log(error) }));
  const dips = rungs.flatMap(({ error }, i) => {
    const [left, middle, right] = [logs[i - 1], logs[i], logs[i + 1]];
    if (left === undefined || middle === undefined || right === undefined || error <= target) return [];
    if (!(left.y >= middle.y && right.y >= middle.y)) return [];
    const vertex = vertexOf(left, middle, right);
    const fall =
      (vertex === undefined ? 0 : Math.abs(vertex - middle.x) / (right.x - left.x)) * (left.y + right.y - 2 * middle.y);
    return Number.isFinite(fall) && middle.y - fall <= Math.log(target) ? [i] : [];
  });
  const inner: number[] = dips.flatMap((i) => [
    ...between((rungs[i - 1] as Rung).examples, (rungs[i] as Rung).examples, kDipPoints),
    ...between((rungs[i] as Rung).examples, (rungs[i + 1] as Rung).examples, kDipPoints),
  ]);
  if (inner.length === 0) return rungs;
  const added = await rungsAt(law, [...new Set(inner)]);
  return [...rungs, ...added].sort((a, b) => a.examples - b.examples);
}

/** Where a law first comes down to a target, on a ladder, and what it is like there. */
export interface Crossing {
  /** The first n at which the law is at most the target, and the one before it, at which it is not. */
  readonly at: Rung;
  readonly before: Rung;
  /** n of the crossing itself. */
  readonly examples: number;
  /** Standard error of it; Infinity where the law is flat. */
  readonly standardError: number;
  /** Whether the law was not found at some n before it. */
  readonly unsolved: boolean;
  /** Whether the law is at most the target on every later rung. */
  readonly lasting: boolean;
}

/** The law in place of the screen, up to the first rung at which it is at most the target. */
async function withLaw({ screen, law, lanes }: SearchedLaw, rungs: readonly Rung[], target: number) {
  if (law === screen) return rungs;
  const values = [...rungs];
  const open = rungs.flatMap(({ error }, i) => (error <= kScreenMargin * target ? [i] : []));
  for (let first = 0; first < open.length; first += lanes) {
    const some = open.slice(first, first + lanes);
    const found = await rungsAt(
      law,
      some.map((i) => (rungs[i] as Rung).examples),
    );
    for (const [j, i] of some.entries()) values[i] = found[j] as Rung;
    if (found.some(({ error }) => error <= target)) break;
  }
  return values;
}

/** Where in a bracket, by interpolation of the logarithms, the law comes down to the target: a share of it. */
function shareOf(before: Rung, at: Rung, target: number): number {
  const [above, below] = [Math.log(before.error / target), Math.log(at.error / target)];
  return Number.isFinite(above) && Number.isFinite(below) && above > below ? above / (above - below) : 0.5;
}

/** Two n about the interpolated crossing, or, every other time, the middle: the bracket shrinks whatever the law does. */
function within(before: Rung, at: Rung, target: number, halve: boolean): readonly number[] {
  const [low, high] = [before.examples, at.examples];
  if (halve) return between(low, high, 1);
  const share = shareOf(before, at, target);
  const whole = (n: number) => (high > kCounted ? n : Math.round(n));
  const place = low * (high / low) ** share;
  const distance = kPairDistance * (high - low);
  const pair = [place - distance, place + distance].map(whole).filter((n) => n > low && n < high);
  return pair.length > 0 ? [...new Set(pair)] : between(low, high, 1);
}

/** The first crossing of the target from above on a ladder, `first` if the law is not above it to begin with, `none` if it stays above. */
export async function firstCrossing(
  searched: SearchedLaw,
  ladder: readonly number[],
  target: number,
): Promise<{ readonly rungs: readonly Rung[]; readonly found: Crossing | 'first' | 'none' }> {
  const { screen, law } = searched;
  const screened = await withDips(screen, await rungsAt(screen, ladder), target);
  const rungs = await withLaw(searched, screened, target);
  const reached = rungs.findIndex(({ error }) => error <= target);
  if (reached < 0) return { rungs, found: 'none' };
  if (reached === 0) return { rungs, found: 'first' };
  let [before, at] = [rungs[reached - 1] as Rung, rungs[reached] as Rung];
  let unsolved = rungs.slice(0, reached).some(isUnsolved);
  const isWide = () =>
    at.examples > kCounted ? at.examples / before.examples - 1 > kBracketWidth : at.examples - before.examples > 1;
  for (let halve = false; isWide(); ) {
    const width = at.examples - before.examples;
    const inner = await rungsAt(law, within(before, at, target, halve));
    unsolved ||= inner.some(isUnsolved);
    const first = inner.findIndex(({ error }) => error <= target);
    [before, at] = [first === 0 ? before : (inner.at(first < 0 ? -1 : first - 1) as Rung), inner[first] ?? at];
    halve = at.examples - before.examples > 0.5 * width;
  }
  const lasting = rungs.slice(reached).every(({ error }) => error <= target);
  return { rungs, found: { at, before, ...(await placeOf(law, before, at, target)), unsolved, lasting } };
}

/** n of the crossing by interpolation, and its standard error: that of the law over the law's slope. */
async function placeOf(law: Law, before: Rung, at: Rung, target: number) {
  const examples = before.examples + shareOf(before, at, target) * (at.examples - before.examples);
  const distance = Math.max(1, at.examples * kSlopeDistance);
  const whole = (n: number) => (n > kCounted ? n : Math.round(n));
  const sides = await rungsAt(law, [Math.max(1, whole(at.examples - distance)), whole(at.examples + distance)]);
  const [low, high] = sides as [Rung, Rung];
  const slope = (low.error - high.error) / (high.examples - low.examples);
  const standardError =
    at.standardError === 0
      ? 0
      : Number.isFinite(slope) && slope > 0
        ? at.standardError / slope
        : Number.POSITIVE_INFINITY;
  return { examples, standardError };
}
