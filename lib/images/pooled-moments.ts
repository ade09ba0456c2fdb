import { OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { native } from '../base/native.js';
import { kChoicePurpose } from '../real-data/choices.js';

/** Draws of the scores behind W of the effective mixture. */
const kDraws = 4096;

export const average = (values: ArrayLike<number>) =>
  (Array.prototype.reduce.call(values, (sum, value) => (sum as number) + (value as number), 0) as number) /
  values.length;

/** Scores of the tokens of examples. */
export interface ScoreMoments {
  /** Mean relevant minus mean irrelevant score. */
  readonly lead: number;
  /** Standard deviation of irrelevant scores. */
  readonly deviation: number;
}

export function scoreMoments(scores: Float64Array, relevance: Uint8Array): ScoreMoments {
  const relevant = average(scores.filter((_, t) => relevance[t] === 1));
  const others = scores.filter((_, t) => relevance[t] === 0);
  const irrelevant = average(others);
  return {
    lead: relevant - irrelevant,
    deviation: Math.sqrt(average(others.map((score) => (score - irrelevant) ** 2))),
  };
}

export function massMoments(masses: Float64Array) {
  const mass = average(masses);
  return { mass, variance: average(masses.map((value) => (value - mass) ** 2)) };
}

/**
 * (E[A]W)²/v for noise of variance v, from D = m̄ᵀS⁻¹m̄: within a class the feature varies with A too, so that along w⋆ the
 * covariance S is v + Var(A)W², and D = (E[A]W)²/(v + Var(A)W²).
 */
export function noiseRatio(
  squared: number,
  { mass, variance }: { readonly mass: number; readonly variance: number },
): number {
  const rest = 1 - (squared * variance) / mass ** 2;
  if (!(rest > 0))
    throw new OptionRangeError(
      'prompt',
      'one whose attention on relevant tokens varies less between examples',
      variance,
    );
  return squared / rest;
}

/**
 * E[A], Var A and E[s²], s² = Σ φ_t² over irrelevant tokens and σ_R² times that over relevant ones, when scores are Gaussian: relevant ones
 * lead by `lead`, and their deviation is σ_R times that of the others.
 */
export function pooledMoments(
  tokens: number,
  relevant: number,
  { lead, deviation }: ScoreMoments,
  relevantNoise: number,
) {
  const normals = native.randomNumbers({
    kind: 'normal',
    purpose: kChoicePurpose,
    trial: 0,
    first: 0,
    count: kDraws * tokens,
    seed: 0n,
    cellKey: hashKey('pooled moments'),
  });
  const masses = new Float64Array(kDraws);
  let noise = 0;
  for (let i = 0; i < kDraws; ++i) {
    const scores = normals
      .subarray(i * tokens, (i + 1) * tokens)
      .map((normal, t) => (t < relevant ? lead + relevantNoise * deviation * normal : deviation * normal));
    const largest = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - largest));
    const total = weights.reduce((a, b) => a + b);
    const levels = weights.map((weight, t) => (weight / total) * (t < relevant ? relevantNoise : 1));
    masses[i] = weights.subarray(0, relevant).reduce((a, b) => a + b) / total;
    noise += levels.reduce((sum, level) => sum + level ** 2, 0) / kDraws;
  }
  return { ...massMoments(masses), noise };
}
