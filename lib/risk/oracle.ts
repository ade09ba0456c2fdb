import { z } from 'zod';
import { normalTail } from '../base/distributions.js';
import { OptionRangeError } from '../base/errors.js';
import { integerFrom, numberIn, parseOptions } from '../base/options.js';
import {
  type ContextualMixture,
  type ContextualMixtureOptions,
  hasRelevantNoise,
  mixtureSchema,
  requireGaussianNoise,
} from '../mixture/mixture.js';
import { requireCoreMixture } from './core-mixture.js';

/** Options of {@link oracle}. */
export interface OracleOptions {
  /**
   * Gaussian noise with `relevantNoiseLevel` > 0 on at least one relevant token, the single confusion atom (0, 0), correlation 0, positive rate
   * 1/2, no label noise, dimension ≥ 10.
   */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** n, training examples: an integer in [1, 2³¹). */
  readonly examples: number;
}

/** What {@link oracle} returns. */
export interface Oracle {
  /** The least test error of any method after n examples, averaged over directions of w⋆, at this n and d. */
  readonly error: number;
  /** Mean cosine of the oracle's head and w⋆. */
  readonly signalCosine: number;
  /** The error where w⋆ is known: Φ(−W√k/σ_R). */
  readonly limit: number;
}

/** Options of {@link oracleExamples}. */
export interface OracleExamplesOptions {
  /** As for {@link oracle}. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** The error to be reached, in (0, 1). */
  readonly targetError: number;
}

/** An error that some number of examples reaches. */
export interface OracleReachable {
  /** n, the least number of examples with which any method can reach the error. */
  readonly examples: number;
}

/** An error that no number of examples reaches. */
export interface OracleUnreachable {
  /** Says so. */
  readonly unreachable: true;
  /** The error where w⋆ is known. */
  readonly limit: number;
}

/** What {@link oracleExamples} returns. */
export type OracleExamples = OracleReachable | OracleUnreachable;

const schema = z.strictObject({ mixture: mixtureSchema, examples: integerFrom(1, 2 ** 31 - 1) });
const examplesSchema = z.strictObject({
  mixture: mixtureSchema,
  targetError: numberIn('a number in (0, 1)', (value) => value > 0 && value < 1),
});
/** The cosine of few directions has singularities too near to the real numbers for the quadrature. */
const kLeastDimension = 10;
/** Beyond this many no number of examples is looked for. */
const kMostExamples = 2 ** 31 - 1;

/** Throws unless the mean of an example's relevant tokens is all that matters, and its noise is what hides w⋆. */
function requireOracle(mixture: ContextualMixture): void {
  const require = (holds: boolean, option: string, expected: string, value: unknown) => {
    if (!holds) throw new OptionRangeError(`mixture.${option}`, `${expected} for the oracle`, value);
  };
  const { labelNoise, dimension, relevantTokens } = mixture;
  requireGaussianNoise(mixture, 'mixture', 'the oracle');
  requireCoreMixture(mixture, 'the oracle');
  require(relevantTokens > 0, 'relevantTokens', 'at least 1', relevantTokens);
  require(hasRelevantNoise(mixture), 'relevantNoiseLevel', 'above 0 (without it two examples tell w⋆)', 0);
  require(labelNoise === 0, 'labelNoise', '0', labelNoise);
  require(dimension >= kLeastDimension, 'dimension', `at least ${kLeastDimension}`, dimension);
}

/** W√k/σ_R, the signal of an example's relevant tokens in units of their noise. */
const strengthOf = ({ signalNorm, relevantTokens, relevantNoiseLevel }: ContextualMixture) =>
  (signalNorm * Math.sqrt(relevantTokens)) / relevantNoiseLevel;

/** Step and range, in standard deviations, of the trapezoidal rules: better than 1e-8 at the least dimension (test/risk/oracle.test.ts). */
const kStep = 1 / 4;
const kRange = 9;

/**
 * Means over w̄, in units of σ_R/√(kn): √n·strength + g along w⋆ with a normal number g, and a chi number in the d − 2 other directions orthogonal
 * to q⋆. The latter goes by its logarithm, whose density is about normal with the deviation 1/√(2(d − 2)).
 */
function oracleAt(mixture: ContextualMixture, examples: number): Oracle {
  const strength = strengthOf(mixture);
  const along = Math.sqrt(examples) * strength;
  const degrees = mixture.dimension - 2;
  let total = 0;
  let error = 0;
  let signalCosine = 0;
  // The tail towards 0 is longer than a normal one.
  for (let x = -2 * kRange; x <= kRange; x += kStep) {
    const shift = x / Math.sqrt(2 * degrees);
    const chi = Math.sqrt(degrees) * Math.exp(shift);
    const weight = Math.exp(degrees * (shift + 0.5 * (1 - Math.exp(2 * shift))));
    for (let g = -kRange; g <= kRange; g += kStep) {
      const probability = weight * Math.exp(-0.5 * g * g);
      const cosine = (along + g) / Math.hypot(along + g, chi);
      total += probability;
      error += probability * normalTail(strength * cosine);
      signalCosine += probability * cosine;
    }
  }
  return { error: error / total, signalCosine: signalCosine / total, limit: normalTail(strength) };
}

/**
 * What no method can beat: the error of an oracle that knows q⋆, which tokens are relevant, and all noise levels, after n examples. It learns the
 * direction of w⋆ from the means of relevant tokens alone, and there is nothing else to learn it from.
 *
 * For an example with label y the mean of its relevant tokens less q⋆ is z = y w⋆ + (σ_R/√k) g; irrelevant tokens are noise, the same for
 * either label. w̄ = Σ y_i z_i/n is sufficient for w⋆, and if nothing is known of the direction of w⋆ but that it is orthogonal to q⋆, the posterior
 * is a von Mises–Fisher law about w̄, so that sign⟨w̄, z⟩ is Bayes' rule:
 *
 *     error = E Φ(−(W√k/σ_R) cos∠(w̄, w⋆)),   w̄ = w⋆ + σ_R/√(kn) g
 *
 * for n, d → ∞ Φ(−S√(αS²/(αS² + 1))), S = W√k/σ_R (theory.md §11, §12). Every method errs at least as often on
 * average over directions of w⋆, so for each method there is a direction in which it does; methods that treat all directions alike do in every one.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option or a mixture in which more is known.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 16, dimension: 200, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6, relevantNoiseLevel: 0.7 };
 * console.log(risk.oracle({ mixture, examples: 400 }).error.toFixed(4)); // 0.0564
 * ```
 */
export function oracle(options: OracleOptions): Oracle {
  const { mixture, examples } = parseOptions(schema, options, '');
  requireOracle(mixture);
  return oracleAt(mixture, examples);
}

/**
 * The least number of examples with which any method can reach an error: the least n at which {@link oracle} does.
 *
 * @throws As {@link oracle}; {@link OptionRangeError} if more than 2³¹ − 1 examples are needed.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 16, dimension: 200, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6, relevantNoiseLevel: 0.7 };
 * const least = risk.oracleExamples({ mixture, targetError: 0.06 });
 * if ('examples' in least) console.log(least.examples); // 314
 * ```
 */
export function oracleExamples(options: OracleExamplesOptions): OracleExamples {
  const { mixture, targetError } = parseOptions(examplesSchema, options, '');
  requireOracle(mixture);
  const limit = normalTail(strengthOf(mixture));
  if (targetError <= limit) return { unreachable: true, limit };
  let enough = 1;
  while (oracleAt(mixture, enough).error > targetError) {
    if (enough === kMostExamples)
      throw new OptionRangeError('targetError', `one that ${kMostExamples} examples reach`, targetError);
    enough = Math.min(kMostExamples, 2 * enough);
  }
  // The error decreases with n: `few` are not enough.
  let few = Math.floor(enough / 2);
  while (enough - few > 1) {
    const middle = Math.floor((few + enough) / 2);
    if (oracleAt(mixture, middle).error > targetError) few = middle;
    else enough = middle;
  }
  return { examples: enough };
}
