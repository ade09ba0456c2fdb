import { inLanes } from '../base/job.js';
import type { Landscape } from './landscape.js';
import type { LawPoint } from './law-points.js';
import { descend, type Sample, vertexOf } from './minimum.js';

/** A place of the search: u stands for τ, `log` for ln λ; λ = ∞ is averaging. */
export interface Place {
  readonly u: number;
  readonly log: number;
  /** ln of the law's error there, on the draws of the search. */
  readonly value: number;
  /** Relative standard error of it. */
  readonly spread: number;
}

/** What can be chosen: τ at |u| ≤ last, one τ if `last` is 0; λ at ln λ in [least, most], one λ if these are equal. */
export interface Axes {
  readonly scaleAt: (u: number) => number;
  readonly ridgeAt: (log: number) => number;
  readonly last: number;
  /** Where the first look at ridges ends; descents go on to `least` and `most`. */
  readonly look: readonly [number, number];
  readonly least: number;
  readonly most: number;
}

/** The whole first look at one head; rows are u, columns ln λ. */
export interface FirstLook {
  readonly us: readonly number[];
  readonly logs: readonly number[];
  readonly places: readonly (readonly (Place | undefined)[])[];
}

/** The first look: steps of u (a factor of 1.65 of a large τ) and of ln λ, and draws. */
const kScaleStep = 0.5;
const kRidgeStep = Math.LN10 / 2;
/** Of ln λ where τ is given. */
const kOnlyRidgeStep = Math.LN10 / 4;
export const kFirstDraws = 1024;
/** Draws on which basins are descended. */
export const kDescentDraws = 4096;
const kMostBasins = 4;
/** How far a minimum may lie below the best point of the look, in multiples of what parabolas through its neighbours say. */
const kDropMargin = 2;
/** Relative differences of errors that make no difference. */
export const kUnevenness = 1e-4;
/** Standard errors within which one basin may turn out lower than another. */
const kNoiseMargin = 4;
/** Where descents end: relative widths in τ and λ at which the error is within about their square of the least. */
const kScaleWidth = 1e-2;
const kRidgeWindow = 0.8;

const placeOf = (u: number, log: number, height: LawPoint | undefined): Place | undefined =>
  height && {
    u,
    log,
    value: Math.log(Math.max(height.error, Number.MIN_VALUE)),
    spread: height.error > 0 ? height.standardError / height.error : 0,
  };

const ladder = (from: number, to: number, step: number): readonly number[] => {
  const count = from === to ? 0 : Math.ceil((to - from) / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => (count === 0 ? from : from + ((to - from) * i) / count));
};

/** The look at every rung of both axes, on few common draws. */
export async function firstLook(landscape: Landscape, axes: Axes, draws: number): Promise<FirstLook> {
  const us = ladder(-axes.last, axes.last, kScaleStep);
  const logs = ladder(...axes.look, axes.last > 0 ? kRidgeStep : kOnlyRidgeStep);
  const ridges = logs.map(axes.ridgeAt);
  const places = await inLanes(
    landscape.threads,
    us.map((u) => async () => {
      const heights = await landscape.at({
        inverseTemperature: axes.scaleAt(u),
        ridges,
        draws: Math.min(draws, kFirstDraws),
        stream: 'first look',
        threads: 1,
      });
      return heights.map((height, j) => placeOf(u, logs[j] as number, height));
    }),
  );
  return { us, logs, places };
}

/** How far below the middle of three values their parabola falls; a neighbour without value counts as equal. */
function dropOf(before: Place | undefined, middle: Place, after: Place | undefined): number {
  const [left, right] = [(before ?? middle).value - middle.value, (after ?? middle).value - middle.value];
  return left + right > 0 ? (left - right) ** 2 / (8 * (left + right)) : 0;
}

/**
 * The local minima of the look that may hold the global one, best first; without those that are no better than what another look, on the
 * same draws, has at the same u.
 */
export function basinsOf({ places }: FirstLook, other?: FirstLook): readonly Place[] {
  const at = (i: number, j: number) => places[i]?.[j];
  const basins: { readonly place: Place; readonly bound: number }[] = [];
  let ceiling = Number.POSITIVE_INFINITY;
  for (const [i, row] of places.entries())
    for (const [j, place] of row.entries()) {
      if (place === undefined) continue;
      ceiling = Math.min(ceiling, place.value + kNoiseMargin * place.spread);
      const neighbours = [-1, 0, 1].flatMap((di) => [-1, 0, 1].map((dj) => [di, dj] as const));
      const lower = neighbours.some(([di, dj]) => {
        const other = at(i + di, j + dj);
        if (other === undefined || (di === 0 && dj === 0)) return false;
        // Of equal neighbours the later one counts.
        return other.value < place.value || (other.value === place.value && (di > 0 || (di === 0 && dj > 0)));
      });
      if (lower) continue;
      const drop = dropOf(at(i - 1, j), place, at(i + 1, j)) + dropOf(at(i, j - 1), place, at(i, j + 1));
      const bottom = place.value - kDropMargin * drop;
      if (bottom >= (other?.places[i]?.[0]?.value ?? Number.POSITIVE_INFINITY) - kUnevenness) continue;
      basins.push({ place, bound: bottom - kNoiseMargin * place.spread });
    }
  return basins
    .filter(({ bound }) => bound <= ceiling)
    .map(({ place }) => place)
    .sort((a, b) => a.value - b.value)
    .slice(0, kMostBasins);
}

/** The local minimum downhill from a place, on `draws` draws. */
export async function descendFrom(
  landscape: Landscape,
  axes: Axes,
  start: Place,
  { draws, step, threads }: { readonly draws: number; readonly step: number; readonly threads: number },
): Promise<Place | undefined> {
  let best: Place | undefined;
  let log = start.log;
  const valueAt = async (u: number) => {
    const place = await lowestRidge(landscape, axes, { u, log, draws, threads });
    if (place === undefined) return Number.POSITIVE_INFINITY;
    if (best === undefined || place.value < best.value) {
      best = place;
      log = place.log;
    }
    return place.value;
  };
  if (axes.last === 0) await valueAt(0);
  else
    await descend(valueAt, {
      start: start.u,
      step: step * kScaleStep,
      width: kScaleWidth,
      low: -axes.last,
      high: axes.last,
    });
  return best;
}

/** The best λ near `log` at one τ: a window that moves until it holds a minimum, and a parabola in a narrower one. */
export async function lowestRidge(
  landscape: Landscape,
  { scaleAt, ridgeAt, least, most }: Axes,
  { u, log, draws, threads }: Readonly<Record<'u' | 'log' | 'draws' | 'threads', number>>,
): Promise<Place | undefined> {
  const look = async (logs: readonly number[]) => {
    const heights = await landscape.at({
      inverseTemperature: scaleAt(u),
      ridges: logs.map(ridgeAt),
      draws,
      stream: 'search',
      threads,
    });
    return heights.map((height, i) => placeOf(u, logs[i] as number, height));
  };
  if (least === most) return (await look([log]))[0];
  const within = (x: number) => Math.min(most, Math.max(least, x));
  const lowestOf = (places: readonly (Place | undefined)[]) =>
    places.reduce((a, b) => (a === undefined || (b !== undefined && b.value < a.value) ? b : a), undefined);
  let centre = within(log);
  let best: Place | undefined;
  for (let size = kRidgeWindow; ; size *= 2) {
    const logs = [...new Set([-2, -1, 0, 1, 2].map((i) => within(centre + i * size)))];
    const places = await look(logs);
    best = lowestOf(places) ?? best;
    if (best === undefined) return undefined;
    const index = places.indexOf(best);
    const [left, right] = [places[index - 1], places[index + 1]];
    const atEnd = best.log === least || best.log === most;
    if (left !== undefined && right !== undefined) {
      const vertex = vertexAmong(left, best, right);
      const narrow = await look([-0.25, 0, 0.25].map((i) => within(vertex + i * size)));
      if (narrow.includes(undefined)) return lowestOf([best, ...narrow]);
      const [last] = await look([within(vertexAmong(...(narrow as [Place, Place, Place])))]);
      return lowestOf([best, ...narrow, last]);
    }
    // An end of the axis, or next to what has no value.
    if (atEnd || (index > 0 && index < places.length - 1) || best.log === centre) return best;
    centre = best.log;
  }
}

function vertexAmong(...places: readonly [Place, Place, Place]): number {
  const [left, middle, right] = places.map(({ log, value }) => ({ x: log, y: value })) as [Sample, Sample, Sample];
  const vertex = vertexOf(left, middle, right) ?? middle.x;
  return Math.min(right.x, Math.max(left.x, vertex));
}
