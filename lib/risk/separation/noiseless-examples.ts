/**
 * The noiseless examples of a mixture, in coordinates that make the four models simplest.
 *
 * Without noise an example with label y and confusion (δq, δw) holds k copies of r = q⋆ + y w⋆ and m copies of
 * μ = −δq q⋆ − δw y w⋆ (theory.md §1). Every model uses tokens only through inner products with q and w, or through
 * ⟨x, B x'⟩, with q, w and B free: an invertible linear map of the plane of q⋆ and w⋆ can be absorbed into them. If q⋆ and w⋆ are
 * linearly independent they may therefore be taken as the unit vectors,
 *
 *     r = (1, y),   μ = (−δq, −y δw),
 *
 * and no best accuracy depends on Q, W or ρ. Otherwise everything lies on one line, and only the ratio of the two numbers
 * q⋆ and w⋆ matters; the second coordinate is then 0.
 */
import type { ContextualMixture } from '../../mixture/mixture.js';

export type Vector = readonly [number, number];

/** One pair (y, δ) of positive probability. */
export interface NoiselessExample {
  readonly label: 1 | -1;
  readonly weight: number;
  /** r, the relevant token. */
  readonly relevant: Vector;
  /** μ, the irrelevant token. */
  readonly irrelevant: Vector;
}

/** Relative size below which a number that is the difference of others counts as 0. */
export const kRounding = 1e-12;

export function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1];
}

export function cross(a: Vector, b: Vector): number {
  return a[0] * b[1] - a[1] * b[0];
}

export function difference(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1]];
}

/** a r + (1 − a) μ; exactly 0 where it is 0 up to rounding. */
export function pooled({ relevant, irrelevant }: NoiselessExample, relevantAttention: number): Vector {
  const mix = (r: number, mu: number) => {
    const sum = relevantAttention * r + (1 - relevantAttention) * mu;
    return Math.abs(sum) <= kRounding * (Math.abs(r) + Math.abs(mu)) ? 0 : sum;
  };
  return [mix(relevant[0], irrelevant[0]), mix(relevant[1], irrelevant[1])];
}

/** Whether q⋆ and w⋆ are linearly independent. */
export function spansPlane({ contextNorm, signalNorm, correlation }: ContextualMixture): boolean {
  return contextNorm > 0 && signalNorm > 0 && Math.abs(correlation) < 1;
}

export function noiselessExamples(mixture: ContextualMixture): readonly NoiselessExample[] {
  const { contextNorm, signalNorm, correlation, positiveRate, confusion } = mixture;
  const unit = Math.max(contextNorm, signalNorm) || 1;
  const onLine = Math.sign(correlation || 1) * (signalNorm / unit);
  const token = spansPlane(mixture)
    ? (inContext: number, inSignal: number): Vector => [inContext, inSignal]
    : (inContext: number, inSignal: number): Vector => [inContext * (contextNorm / unit) + inSignal * onLine, 0];
  const total = confusion.reduce((sum, { probability }) => sum + probability, 0);
  const examples = new Map<string, NoiselessExample>();
  for (const label of [1, -1] as const)
    for (const { deltaQ, deltaW, probability } of confusion) {
      const weight = ((label > 0 ? positiveRate : 1 - positiveRate) * probability) / total;
      if (weight === 0) continue;
      const relevant = token(1, label);
      const irrelevant = token(-deltaQ, -label * deltaW);
      const key = `${label} ${irrelevant[0] + 0} ${irrelevant[1] + 0}`;
      examples.set(key, { label, weight: weight + (examples.get(key)?.weight ?? 0), relevant, irrelevant });
    }
  return [...examples.values()];
}

function equal(a: Vector, b: Vector, sign: number): boolean {
  const size = Math.hypot(...a) + Math.hypot(...b);
  return Math.hypot(a[0] - sign * b[0], a[1] - sign * b[1]) <= kRounding * size;
}

/** Whether the tokens of `a` are `sign` times the tokens of `b`, in some order. */
function sameTokens(a: NoiselessExample, b: NoiselessExample, sign: number, relevantFraction: number): boolean {
  const relevant = relevantFraction === 0 || equal(a.relevant, b.relevant, sign);
  const irrelevant = relevantFraction === 1 || equal(a.irrelevant, b.irrelevant, sign);
  if (relevant && irrelevant) return true;
  return relevantFraction === 0.5 && equal(a.relevant, b.irrelevant, sign) && equal(a.irrelevant, b.relevant, sign);
}

/**
 * An accuracy that no score f invariant to the order of tokens can exceed, given f(0) = 0: examples with the same tokens get
 * the same score, whatever their labels. If f is `odd`, f(−X) = −f(X), then also opposite examples get opposite scores,
 * and an example with the tokens of its own opposite is a tie.
 */
export function accuracyBound(
  examples: readonly NoiselessExample[],
  relevantFraction: number,
  { odd }: { readonly odd: boolean },
): number {
  const zero: NoiselessExample = { label: 1, weight: 0, relevant: [0, 0], irrelevant: [0, 0] };
  const classes: { readonly first: NoiselessExample; right: number; wrong: number }[] = [];
  let bound = 0;
  for (const example of examples) {
    const isTie =
      sameTokens(example, zero, 1, relevantFraction) || (odd && sameTokens(example, example, -1, relevantFraction));
    if (isTie) {
      bound += example.weight / 2;
      continue;
    }
    const member = (sign: number) => classes.find(({ first }) => sameTokens(example, first, sign, relevantFraction));
    const same = member(1);
    const opposite = same === undefined && odd ? member(-1) : undefined;
    const known = same ?? opposite;
    if (known === undefined) classes.push({ first: example, right: example.weight, wrong: 0 });
    else if ((known.first.label === example.label) === (same !== undefined)) known.right += example.weight;
    else known.wrong += example.weight;
  }
  for (const { right, wrong } of classes) bound += Math.max(right, wrong);
  return 1 - bound < kRounding ? 1 : bound;
}
