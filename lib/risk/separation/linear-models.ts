/**
 * Best noiseless accuracies of the two models whose scores are polynomials: both by exact finite enumeration.
 *
 * Mean pooling scores ⟨w, u⟩ with u = ζ r + (1−ζ) μ: the best side of a line through 0.
 *
 * Linear prompt-attention scores wᵀM q with M = ζ r rᵀ + (1−ζ) μ μᵀ. Given q it is the best head on the points M q, which
 * depends only on their order around 0. As q turns that order changes only where some M_i q = 0 or M_i q ∥ M_j q, the
 * zeros of the quadratic forms det(M_i q, M_j q): one q between each two neighbouring zeros is enough. A q on a zero is
 * never better than both its neighbours, by the argument of `bestHeadWeight`: the score is linear in q too.
 */
import { bestHeadWeight } from './half-planes.js';
import { cross, dot, kRounding, type NoiselessExample, pooled, type Vector } from './noiseless-examples.js';

export function meanPoolingAccuracy(examples: readonly NoiselessExample[], relevantFraction: number): number {
  const points = examples.map((example) => {
    const [x, y] = pooled(example, relevantFraction);
    return [example.label * x, example.label * y] as const;
  });
  return bestHeadWeight(
    points,
    examples.map(({ weight }) => weight),
  );
}

/** Symmetric matrix [[a, b], [b, c]]. */
type Matrix = readonly [number, number, number];

function apply([a, b, c]: Matrix, q: Vector): Vector {
  return [a * q[0] + b * q[1], b * q[0] + c * q[1]];
}

/** Angles in [0, π) of the zeros of a x² + 2b xy + c y²; none if it is 0 everywhere. */
function quadraticZeros(a: number, b: number, c: number): readonly number[] {
  const size = Math.max(Math.abs(a), Math.abs(b), Math.abs(c));
  const discriminant = b * b - a * c;
  if (size === 0 || discriminant < -kRounding * size * size) return [];
  const far = b + (b < 0 ? -1 : 1) * Math.sqrt(Math.max(0, discriminant));
  if (far === 0) return a === 0 ? [0] : [Math.PI / 2];
  // x : y = −far : a and −c : far, each without cancellation.
  return [Math.atan2(a, -far), Math.atan2(far, -c)].map((angle) => (angle + Math.PI) % Math.PI);
}

export function linearAttentionAccuracy(examples: readonly NoiselessExample[], relevantFraction: number): number {
  const matrices = examples.map(({ relevant: r, irrelevant: mu }): Matrix => {
    const entry = (i: 0 | 1, j: 0 | 1) => relevantFraction * r[i] * r[j] + (1 - relevantFraction) * mu[i] * mu[j];
    return [entry(0, 0), entry(0, 1), entry(1, 1)];
  });
  const weights = examples.map(({ weight }) => weight);
  const angles = [0];
  for (const [i, m] of matrices.entries()) {
    const columns = [apply(m, [1, 0]), apply(m, [0, 1])] as const;
    for (const other of matrices.slice(0, i)) {
      const others = [apply(other, [1, 0]), apply(other, [0, 1])] as const;
      const mixed = (cross(columns[0], others[1]) + cross(columns[1], others[0])) / 2;
      angles.push(...quadraticZeros(cross(columns[0], others[0]), mixed, cross(columns[1], others[1])));
    }
    // The kernel of a singular M, if it has one.
    const [long] = [...columns].sort((a, b) => dot(b, b) - dot(a, a)) as [Vector];
    angles.push((Math.atan2(-long[0], long[1]) + Math.PI) % Math.PI);
  }
  angles.sort((a, b) => a - b);
  let best = 0;
  for (const [i, low] of angles.entries()) {
    const middle = (low + (angles[i + 1] ?? (angles[0] as number) + Math.PI)) / 2;
    const q: Vector = [Math.cos(middle), Math.sin(middle)];
    const points = matrices.map((m, j): Vector => {
      const label = examples[j]?.label as number;
      const [x, y] = apply(m, q);
      const isZero = Math.hypot(x, y) <= kRounding * (Math.abs(m[0]) + Math.abs(m[1]) + Math.abs(m[2]));
      return isZero ? [0, 0] : [label * x, label * y];
    });
    best = Math.max(best, bestHeadWeight(points, weights));
  }
  return best;
}
