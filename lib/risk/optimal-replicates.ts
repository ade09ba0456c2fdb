import { sampleStandardDeviation } from 'simple-statistics';
import { inLanes } from '../base/job.js';
import type { Landscape } from './landscape.js';
import type { Axes, Place } from './optimal-search.js';

/** Independent repetitions of a comparison, each on a sixteenth of the draws. */
export const kReplicates = 16;
const kLeastDraws = 64;
/** Student's t for 95 % and 15 degrees of freedom. */
const kStudent = 2.13;
/** Relative differences below this are those of the solver's tolerance. */
const kTolerance = 1e-4;
/** Half the widths of the differences that give slope and curvature: 10 % of τ, and a factor of 1.5 of λ. */
const kScaleDifference = 0.1;
const kRidgeDifference = 0.4;

const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Errors of all places on each replicate; NaN where there is none. */
export async function replicateErrors(
  landscape: Landscape,
  axes: Axes,
  places: readonly Pick<Place, 'u' | 'log'>[],
): Promise<readonly (readonly number[])[]> {
  const draws = Math.max(kLeastDraws, Math.ceil(landscape.options.draws / kReplicates));
  return inLanes(
    landscape.threads,
    Array.from({ length: kReplicates }, (_, replicate) => async () => {
      const errors: number[] = [];
      for (const { u, log } of places) {
        const look = { inverseTemperature: axes.scaleAt(u), ridges: [axes.ridgeAt(log)], draws, threads: 1 };
        const [height] = await landscape.at({ ...look, stream: `replicate ${replicate}` });
        errors.push(height?.error ?? Number.NaN);
      }
      return errors;
    }),
  );
}

/** Mean of column `i` minus column `j`, whether it is above 0 at all, and whether it is beyond its noise. */
export function compare(
  replicates: readonly (readonly number[])[],
  i: number,
  j: number,
): { readonly difference: number; readonly above: boolean; readonly worse: boolean } {
  const rows = replicates
    .map((errors) => [errors[i] as number, errors[j] as number] as const)
    .filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
  if (rows.length < kReplicates / 2) return { difference: Number.POSITIVE_INFINITY, above: true, worse: true };
  const differences = rows.map(([a, b]) => a - b);
  const difference = meanOf(differences);
  const noise = sampleStandardDeviation(differences) / Math.sqrt(rows.length);
  const least = kTolerance * meanOf(rows.map(([, b]) => b));
  return { difference, above: difference > least, worse: difference > kStudent * noise + least };
}

/**
 * Standard errors of the place of a minimum found on as many draws as all replicates have: those of the slope, by its scatter over
 * replicates, through the inverse of the curvature. NaN for what was not chosen and where the curvature is not that of a minimum.
 */
export async function placeErrors(
  landscape: Landscape,
  axes: Axes,
  { u, log }: Pick<Place, 'u' | 'log'>,
  chosen: { readonly scale: boolean; readonly ridge: boolean },
): Promise<{ readonly scale: number; readonly log: number }> {
  const none = { scale: Number.NaN, log: Number.NaN };
  if (!chosen.scale && !chosen.ridge) return none;
  const [du, dl] = [chosen.scale ? kScaleDifference : 0, chosen.ridge ? kRidgeDifference : 0];
  const stencil = [-1, 0, 1]
    .flatMap((i) => [-1, 0, 1].map((j) => ({ i, j })))
    .filter(({ i, j }) => (chosen.scale || i === 0) && (chosen.ridge || j === 0));
  const errors = await replicateErrors(
    landscape,
    axes,
    stencil.map(({ i, j }) => ({ u: u + i * du, log: log + j * dl })),
  );
  const column = (i: number, j: number) => stencil.findIndex((at) => at.i === i && at.j === j);
  const means = stencil.map((_, c) => meanOf(errors.map((row) => row[c] as number)));
  const f = (values: readonly number[], i: number, j: number) => values[column(i, j)] as number;
  const slope = (values: readonly number[], i: number, j: number, size: number) =>
    (f(values, i, j) - f(values, -i, -j)) / (2 * size);
  const bend = (i: number, j: number, size: number) =>
    (f(means, i, j) - 2 * f(means, 0, 0) + f(means, -i, -j)) / size ** 2;
  const scatter = (of: (row: readonly number[]) => number) =>
    sampleStandardDeviation(errors.map(of)) / Math.sqrt(kReplicates);
  if (!chosen.ridge || !chosen.scale) {
    const [i, j, size] = chosen.scale ? ([1, 0, du] as const) : ([0, 1, dl] as const);
    const curvature = bend(i, j, size);
    const error = curvature > 0 ? scatter((row) => slope(row, i, j, size)) / curvature : Number.NaN;
    return chosen.scale ? { ...none, scale: error } : { ...none, log: error };
  }
  const [uu, ll] = [bend(1, 0, du), bend(0, 1, dl)];
  const ul = (f(means, 1, 1) - f(means, 1, -1) - f(means, -1, 1) + f(means, -1, -1)) / (4 * du * dl);
  const determinant = uu * ll - ul * ul;
  if (!(determinant > 0 && uu > 0)) return none;
  // Rows of the inverse of the curvature, applied to the slopes of each replicate.
  const shift = (a: number, b: number) =>
    scatter((row) => (a * slope(row, 1, 0, du) + b * slope(row, 0, 1, dl)) / determinant);
  return { scale: shift(ll, -ul), log: shift(-ul, uu) };
}
