/**
 * Weighted half-planes: the most weight of points on one side of a line through 0, and of half-planes with a common point.
 * Both are exact up to configurations narrower than the rounding tolerance, which are left out.
 */
import { cross, dot, kRounding, type Vector } from './noiseless-examples.js';

/** A half-plane ⟨normal, q⟩ > offset. */
export interface HalfPlane {
  readonly normal: Vector;
  readonly offset: number;
  readonly weight: number;
}

/**
 * max over w of Σ weight·(1 if ⟨w, point⟩ > 0, ½ if it is 0).
 *
 * A tie of a point other than 0 is never needed: turning w a little either way makes it right once and wrong once, so
 * one way is at least as good. The points right under a w in general position are those of an open half-plane, hence
 * those at angles [0, π) from the first of them counterclockwise: one candidate per point, O(n²) in all.
 */
export function bestHeadWeight(points: readonly Vector[], weights: readonly number[]): number {
  const units = points.map(([x, y]): Vector | undefined => {
    const size = Math.hypot(x, y);
    return size === 0 ? undefined : [x / size, y / size];
  });
  let ties = 0;
  let best = 0;
  for (const [i, first] of units.entries()) {
    if (first === undefined) {
      ties += weights[i] as number;
      continue;
    }
    let weight = 0;
    for (let j = 0; j < units.length; ++j) {
      const point = units[j];
      if (point === undefined) continue;
      const turn = cross(first, point);
      if (turn > kRounding || (turn > -kRounding && dot(first, point) > 0)) weight += weights[j] as number;
    }
    if (weight > best) best = weight;
  }
  return best + ties / 2;
}

/** Relative distance within which a point counts as lying on a line. */
const kOnLine = 1e-10;

/**
 * The largest weight of half-planes with a common point.
 *
 * Every cell of the arrangement of their boundaries has a vertex or, if all are parallel, the foot of a normal on its own
 * boundary. Around such a point q only the half-planes whose boundary passes through q are still open, and which of
 * them hold in direction p is ⟨normal, p⟩ > 0. O(n³).
 */
export function largestDepth(planes: readonly HalfPlane[]): number {
  let best = 0;
  const consider = (q: Vector) => {
    let weight = 0;
    const normals: Vector[] = [];
    const weights: number[] = [];
    for (const plane of planes) {
      const level = dot(plane.normal, q);
      const gap = level - plane.offset;
      const size = Math.abs(plane.normal[0] * q[0]) + Math.abs(plane.normal[1] * q[1]) + Math.abs(plane.offset);
      if (Math.abs(gap) <= kOnLine * size) {
        normals.push(plane.normal);
        weights.push(plane.weight);
      } else if (gap > 0) weight += plane.weight;
    }
    best = Math.max(best, weight + bestHeadWeight(normals, weights));
  };
  for (const [i, { normal, offset }] of planes.entries()) {
    const scale = offset / dot(normal, normal);
    consider([normal[0] * scale, normal[1] * scale]);
    for (const other of planes.slice(i + 1)) {
      const turn = cross(normal, other.normal);
      if (Math.abs(turn) <= kRounding * Math.hypot(...normal) * Math.hypot(...other.normal)) continue;
      consider([
        (offset * other.normal[1] - other.offset * normal[1]) / turn,
        (other.offset * normal[0] - offset * other.normal[0]) / turn,
      ]);
    }
  }
  return best;
}
