/**
 * Multistart search for good self-attention weights B (2×2) on noiseless examples.
 *
 * First B = 0 (mean pooling) and random B of scales from 10^−1.5 to 10^2, each with its best head, exactly. Then, from random B and w,
 * gradient ascent on the smoothed accuracy Σ weight·S(β y⟨w, feature⟩/size), S(x) = 1/(1+e^{−x}), while β grows until S is nearly
 * a step; steps are Adam's, relative to ‖B‖. The random numbers are a fixed sequence: the same mixture always gives the same
 * result.
 */
import { bestHeadWeight } from './half-planes.js';
import { difference, dot, kRounding, type NoiselessExample, pooled, type Vector } from './noiseless-examples.js';

/** B as [B11, B12, B21, B22]. */
type Weights = readonly [number, number, number, number];
/** B and the angle of the head. */
type Parameters = [number, number, number, number, number];

const kStarts = 6000;
const kClimbs = 600;
const kSteps = 250;
/** Steps of a climb between two looks at the accuracy. */
const kLook = 10;

/** Mulberry32: uniform numbers in (0, 1) from a fixed seed. */
function uniformSequence(): () => number {
  let state = 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
}

/** x ↦ ⟨B, u vᵀ⟩ as coefficients of B. */
function bilinear(u: Vector, v: Vector): Weights {
  return [u[0] * v[0], u[0] * v[1], u[1] * v[0], u[1] * v[1]];
}

function inner(a: Weights, b: Weights): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}

/** The best accuracy found; at most `bound`, at which the search stops. */
export function searchAccuracy(examples: readonly NoiselessExample[], relevantFraction: number, bound: number): number {
  const uniform = uniformSequence();
  const symmetric = () => 2 * uniform() - 1;
  const scale = (low: number, high: number) => 10 ** (low + (high - low) * uniform());
  const draw = (make: () => number): Weights => [make(), make(), make(), make()];
  const logOdds = Math.log(relevantFraction / (1 - relevantFraction));
  const weights = examples.map(({ weight }) => weight);
  const forms = examples.map(({ relevant, irrelevant }) => {
    const gap = difference(relevant, irrelevant);
    const size = Math.hypot(...relevant) + Math.hypot(...irrelevant);
    return { relevantRow: bilinear(relevant, gap), irrelevantRow: bilinear(irrelevant, gap), gap, size };
  });
  const attend = (logit: number) => 1 / (1 + Math.exp(-logOdds - logit));
  const accuracyOf = (B: Weights) =>
    bestHeadWeight(
      examples.map((example, i): Vector => {
        const { relevantRow, irrelevantRow } = forms[i] as (typeof forms)[number];
        const attention =
          relevantFraction * attend(inner(B, relevantRow)) + (1 - relevantFraction) * attend(inner(B, irrelevantRow));
        const [x, y] = pooled(example, attention);
        return [example.label * x, example.label * y];
      }),
      weights,
    );

  let found = 0;
  /** Whether the bound is reached. */
  const consider = (B: Weights) => {
    found = Math.max(found, accuracyOf(B));
    return found > bound - kRounding;
  };
  for (let index = 0; index < kStarts; ++index) {
    const size = index === 0 ? 0 : scale(-1.5, 2);
    if (consider(draw(() => size * symmetric()))) return found;
  }

  /** Gradient of the smoothed accuracy with respect to B11, B12, B21, B22 and the angle of the head. */
  const gradient = ([a, b, c, d, angle]: Parameters, sharpness: number): Parameters => {
    const w: Vector = [Math.cos(angle), Math.sin(angle)];
    const turned: Vector = [-w[1], w[0]];
    const sum: Parameters = [0, 0, 0, 0, 0];
    for (const [i, { label, weight, irrelevant }] of examples.entries()) {
      const { relevantRow, irrelevantRow, gap, size } = forms[i] as (typeof forms)[number];
      const p1 = attend(inner([a, b, c, d], relevantRow));
      const p2 = attend(inner([a, b, c, d], irrelevantRow));
      const attention = relevantFraction * p1 + (1 - relevantFraction) * p2;
      const feature: Vector = [irrelevant[0] + attention * gap[0], irrelevant[1] + attention * gap[1]];
      const smooth = 1 / (1 + Math.exp((-sharpness * label * dot(w, feature)) / size));
      const slope = (weight * sharpness * smooth * (1 - smooth) * label) / size;
      const rise = slope * dot(w, gap);
      const fromRelevant = rise * relevantFraction * p1 * (1 - p1);
      const fromIrrelevant = rise * (1 - relevantFraction) * p2 * (1 - p2);
      for (const k of [0, 1, 2, 3] as const)
        sum[k] += fromRelevant * relevantRow[k] + fromIrrelevant * irrelevantRow[k];
      sum[4] += slope * dot(turned, feature);
    }
    return sum;
  };
  for (let climb = 0; climb < kClimbs; ++climb) {
    const size = scale(-1.5, 1.5);
    const at: Parameters = [...draw(() => size * symmetric()), Math.PI * symmetric()];
    const mean: Parameters = [0, 0, 0, 0, 0];
    const square: Parameters = [0, 0, 0, 0, 0];
    for (let step = 1; step <= kSteps; ++step) {
      const slopes = gradient(at, 3 * 10 ** (step / 100));
      const norm = Math.max(0.05, Math.hypot(at[0], at[1], at[2], at[3]));
      for (const k of [0, 1, 2, 3, 4] as const) {
        mean[k] += 0.1 * (slopes[k] - mean[k]);
        square[k] += 0.01 * (slopes[k] ** 2 - square[k]);
        at[k] += (0.05 * (k < 4 ? norm : 1) * mean[k]) / (Math.sqrt(square[k]) + 1e-12);
      }
      if (step % kLook === 0 && consider([at[0], at[1], at[2], at[3]])) return found;
    }
  }
  return found;
}
