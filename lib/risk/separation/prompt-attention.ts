/**
 * Best noiseless accuracy of softmax prompt-attention, by finite enumeration of its parameter space.
 *
 * With κ = ⟨r − μ, q⟩ and L = log(ζ/(1−ζ)) the pooled feature is A r + (1−A) μ, A = 1/(1 + e^{−κ−L}) in (0, 1). Let a = y⟨w, r⟩
 * and b = y⟨w, μ⟩. If both are positive (negative) the example is right (wrong) whatever q; if a > 0 > b it is right
 * where κ > t, if a < 0 < b where κ < t, with t = log|b/a| − L. So for a given head the best accuracy is the largest
 * weight of half-planes {q : ±⟨r − μ, q⟩ > ±t} with a common point: cells of an arrangement of lines, enumerated by
 * `largestDepth`. Unbounded cells are the limit of infinite temperature, where the prompt selects r or μ in each example;
 * bounded cells need a finite temperature and can be better.
 *
 * As w turns, the arrangement changes only where some a or b is 0, where three of its lines meet, or where two parallel
 * ones coincide. The latter two say Σ c_i (log|b_i/a_i| − L) = 0 with constants c. On an arc of heads where no a or b vanishes
 * the left side is smooth with a rational derivative, whose numerator has degree 4: between its zeros there is at most one
 * solution, found by bisection. One head between each two neighbouring critical ones is then enough: O(n³) arcs, O(n³) each.
 *
 * If all δq > −1 and q⋆, w⋆ are independent, no search is needed: the prompt with ⟨q, q⋆⟩ → ∞ and ⟨q, w⋆⟩ = 0 selects r, and
 * the head with ⟨w, q⋆⟩ = 0 and ⟨w, w⋆⟩ > 0 makes every example right.
 */
import { type HalfPlane, largestDepth } from './half-planes.js';
import { cross, difference, dot, kRounding, type NoiselessExample, type Vector } from './noiseless-examples.js';
import { polynomialRoots, rootsBetween } from './roots.js';

/** Examples up to which all critical heads are enumerated; beyond, a few seconds would not be enough. */
const kMostExamples = 40;
/** Heads tried beyond that. */
const kHeads = 720;

/** ⟨w, r⟩ and ⟨w, μ⟩ of an example at the head w(s) = middle + s·(middle turned by 90°). */
interface Scores {
  readonly relevant: readonly [number, number];
  readonly irrelevant: readonly [number, number];
}

function multiply(p: readonly number[], q: readonly number[]): number[] {
  const product = new Array<number>(p.length + q.length - 1).fill(0);
  for (const [i, a] of p.entries())
    for (const [j, b] of q.entries()) product[i + j] = (product[i + j] as number) + a * b;
  return product;
}

/** The s in (low, high), where no score vanishes, at which Σ factor·(log|⟨w,μ⟩/⟨w,r⟩| − L) = 0. */
function meetings(
  terms: readonly { readonly factor: number; readonly scores: Scores }[],
  logOdds: number,
  low: number,
  high: number,
): readonly number[] {
  const used = terms.filter(({ factor }) => factor !== 0);
  if (used.length < 2) return [];
  const value = (s: number) =>
    used.reduce((sum, { factor, scores: { relevant: a, irrelevant: b } }) => {
      return sum + factor * (Math.log(Math.abs((b[0] + s * b[1]) / (a[0] + s * a[1]))) - logOdds);
    }, 0);
  // Derivative: Σ factor·(a_0 b_1 − a_1 b_0)/(a(s) b(s)), times the product of all a(s) b(s), which has one sign here.
  const numerator = new Array<number>(2 * used.length - 1).fill(0);
  for (const [i, { factor, scores }] of used.entries()) {
    const wronskian = scores.relevant[0] * scores.irrelevant[1] - scores.relevant[1] * scores.irrelevant[0];
    const others = used
      .filter((_, j) => j !== i)
      .reduce((p, { scores: other }) => multiply(multiply(p, other.relevant), other.irrelevant), [1]);
    for (const [k, c] of others.entries()) numerator[k] = (numerator[k] as number) + factor * wronskian * c;
  }
  const inset = 1e-13 * (high - low);
  return rootsBetween(value, low + inset, high - inset, polynomialRoots(numerator, low, high));
}

/** The s in (low, high) where three lines meet or two parallel ones coincide. */
function criticalHeads(
  lines: readonly { readonly normal: Vector; readonly scores: Scores }[],
  logOdds: number,
  low: number,
  high: number,
): readonly number[] {
  const found: number[] = [];
  const meet = (terms: readonly [number, Scores][]) =>
    found.push(
      ...meetings(
        terms.map(([factor, scores]) => ({ factor, scores })),
        logOdds,
        low,
        high,
      ),
    );
  const turn = (u: Vector, v: Vector) => {
    const product = cross(u, v);
    return Math.abs(product) <= kRounding * Math.hypot(...u) * Math.hypot(...v) ? 0 : product;
  };
  for (const [i, first] of lines.entries())
    for (const [j, second] of lines.slice(0, i).entries()) {
      if (turn(first.normal, second.normal) === 0) {
        const ratio = dot(first.normal, second.normal) / dot(second.normal, second.normal);
        meet([
          [1, first.scores],
          [-ratio, second.scores],
        ]);
      }
      for (const third of lines.slice(0, j))
        meet([
          [turn(second.normal, third.normal), first.scores],
          [turn(third.normal, first.normal), second.scores],
          [turn(first.normal, second.normal), third.scores],
        ]);
    }
  return found;
}

/** Best accuracy with the head w over all prompts. */
function accuracyOfHead(examples: readonly NoiselessExample[], logOdds: number, w: Vector): number {
  const planes: HalfPlane[] = [];
  let fixed = 0;
  for (const { label, weight, relevant, irrelevant } of examples) {
    const a = label * dot(w, relevant);
    const b = label * dot(w, irrelevant);
    if (a * b < 0) {
      const side = Math.sign(a);
      const [x, y] = difference(relevant, irrelevant);
      const offset = Math.log(Math.abs(b / a)) - logOdds;
      planes.push({ normal: [side * x, side * y], offset: side * offset, weight });
    } else if (a > 0 || b > 0) fixed += weight;
    else if (a === 0 && b === 0) fixed += weight / 2;
  }
  return fixed + largestDepth(planes);
}

export interface PromptAttentionSearch {
  readonly accuracy: number;
  /** Whether every critical head was enumerated. */
  readonly isExhaustive: boolean;
}

/** Whether the closed form applies: accuracy 1. Only for tokens that span a plane, 0 < ζ. */
export function isAlwaysSeparated(examples: readonly NoiselessExample[]): boolean {
  return examples.every(({ irrelevant }) => irrelevant[0] < 1);
}

/** The best accuracy for 0 < ζ < 1; stops as soon as `bound` is reached. */
export function promptAttentionAccuracy(
  examples: readonly NoiselessExample[],
  relevantFraction: number,
  bound: number,
): PromptAttentionSearch {
  const logOdds = Math.log(relevantFraction / (1 - relevantFraction));
  const isExhaustive = examples.length <= kMostExamples;
  // Angles in [0, π) of the heads orthogonal to a token.
  const zeros = examples
    .flatMap(({ relevant, irrelevant }) => [relevant, irrelevant])
    .filter(([x, y]) => x !== 0 || y !== 0)
    .map(([x, y]) => (Math.atan2(x, -y) + Math.PI) % Math.PI);
  if (!isExhaustive) for (let i = 0; i < kHeads; ++i) zeros.push((i * Math.PI) / kHeads);
  const ends = [...new Set(zeros.length > 0 ? zeros : [0])].sort((x, y) => x - y);
  let best = 0;
  for (const [i, begin] of ends.entries()) {
    const end = ends[i + 1] ?? (ends[0] as number) + Math.PI;
    const half = (end - begin) / 2;
    if (half < kRounding) continue;
    const middle: Vector = [Math.cos(begin + half), Math.sin(begin + half)];
    const turned: Vector = [-middle[1], middle[0]];
    const lines = examples
      .filter(({ relevant, irrelevant }) => dot(middle, relevant) * dot(middle, irrelevant) < 0)
      .map(({ relevant, irrelevant }) => ({
        normal: difference(relevant, irrelevant),
        scores: {
          relevant: [dot(middle, relevant), dot(turned, relevant)] as const,
          irrelevant: [dot(middle, irrelevant), dot(turned, irrelevant)] as const,
        },
      }));
    const width = Math.tan(half);
    const criticals = isExhaustive && ends.length > 1 ? criticalHeads(lines, logOdds, -width, width) : [];
    const cuts = [-half, ...criticals.map(Math.atan).sort((x, y) => x - y), half];
    for (const [j, cut] of cuts.slice(1).entries()) {
      const angle = begin + half + (cut + (cuts[j] as number)) / 2;
      if (cut - (cuts[j] as number) < kRounding) continue;
      for (const sign of [1, -1]) {
        const w: Vector = [sign * Math.cos(angle), sign * Math.sin(angle)];
        best = Math.max(best, accuracyOfHead(examples, logOdds, w));
        if (best > bound - kRounding) return { accuracy: bound, isExhaustive };
      }
    }
  }
  return { accuracy: best, isExhaustive };
}
