/**
 * Best noiseless accuracy of softmax self-attention with the pooled head.
 *
 * Only x = rᵀBD and z = μᵀBD with D = r − μ enter: row r attends to relevant tokens with mass S(L + x), row μ with S(L + z), and the pooled
 * output is A r + (1−A) μ, A = ζ S(L + x) + (1−ζ) S(L + z), S(v) = 1/(1+e^{−v}), L = log(ζ/(1−ζ)).
 *
 * One parameter (`attention-line.ts`, exact) is left in two cases. On a line B is a number. In the plane, if every δq = δw = δ, then
 * μ = −δ r and the output is r c(κ) with κ = rᵀBr; the κ of the two labels are independent and so are the signs of the
 * head on r₊ and r₋, so the accuracy is the best of one label, the same for both, since c depends on δ only.
 *
 * In general B has four parameters, and `searchAccuracy` gives a lower bound. It is exact where it reaches an upper bound: the one
 * of examples with the same or opposite tokens (the score is odd in X), or the one that takes the examples with δq = δw at
 * their best and all others as right.
 */
import { lineAccuracy } from './attention-line.js';
import { accuracyBound, kRounding, type NoiselessExample } from './noiseless-examples.js';
import { searchAccuracy } from './self-attention-search.js';

export interface SelfAttentionCeiling {
  readonly accuracy: number;
  readonly method: 'bracketed-maximisation' | 'attained-bound' | 'lower-bound';
  /** Of all parameters; with `'lower-bound'` only. */
  readonly upperBound?: number;
}

/** The best accuracy of the examples with one label and μ = −δ r, as a weight. */
function parallelWeight(examples: readonly NoiselessExample[], relevantFraction: number): number {
  const line = examples.map(({ weight, irrelevant }) => ({
    label: 1 as const,
    weight,
    relevant: 1,
    irrelevant: irrelevant[0],
  }));
  return lineAccuracy(line, relevantFraction);
}

/** The best accuracy for 0 < ζ < 1, in the plane or (`isPlane` false) on a line. */
export function selfAttentionAccuracy(
  examples: readonly NoiselessExample[],
  relevantFraction: number,
  isPlane: boolean,
): SelfAttentionCeiling {
  if (!isPlane) {
    const line = examples.map(({ label, weight, relevant, irrelevant }) => ({
      label,
      weight,
      relevant: relevant[0],
      irrelevant: irrelevant[0],
    }));
    return { accuracy: lineAccuracy(line, relevantFraction), method: 'bracketed-maximisation' };
  }
  // In these coordinates r = (1, y), so that μ = −δ r iff μ₂ = y μ₁.
  const isParallel = ({ label, irrelevant }: NoiselessExample) => irrelevant[1] === label * irrelevant[0];
  const parallel = examples.filter(isParallel);
  const parallelBest = ([1, -1] as const).reduce(
    (sum, label) =>
      sum +
      parallelWeight(
        parallel.filter((example) => example.label === label),
        relevantFraction,
      ),
    0,
  );
  if (parallel.length === examples.length) return { accuracy: parallelBest, method: 'bracketed-maximisation' };
  const others = examples.filter((example) => !isParallel(example));
  const othersWeight = others.reduce((sum, { weight }) => sum + weight, 0);
  const bound = Math.min(accuracyBound(examples, relevantFraction, { odd: true }), parallelBest + othersWeight);
  const accuracy = searchAccuracy(examples, relevantFraction, bound);
  const isAttained = accuracy > bound - kRounding;
  if (isAttained) return { accuracy: bound, method: 'attained-bound' };
  return { accuracy, method: 'lower-bound', upperBound: bound };
}
