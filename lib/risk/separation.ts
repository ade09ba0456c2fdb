import { z } from 'zod';
import { parseOptions } from '../base/options.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture/mixture.js';
import { linearAttentionAccuracy, meanPoolingAccuracy } from './separation/linear-models.js';
import { accuracyBound, noiselessExamples, spansPlane } from './separation/noiseless-examples.js';
import { isAlwaysSeparated, promptAttentionAccuracy } from './separation/prompt-attention.js';
import { selfAttentionAccuracy } from './separation/self-attention.js';

/** Options of {@link separation}. */
export interface SeparationOptions {
  /** Any mixture; its noise is ignored: the accuracies are those of noiseless examples. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
}

/**
 * How a best accuracy was found. All are exact but `'lower-bound'`.
 *
 * - `'closed-form'`: parameters of accuracy 1 are known.
 * - `'enumeration'`: the parameters fall into finitely many cells with one accuracy each; one point of every cell was tried.
 *   Breakpoints between cells come from formulas or bracketed roots; cells narrower than about 1e-10, relatively, are left out.
 * - `'bracketed-maximisation'`: one parameter matters, and all values of it at which a prediction changes were bracketed.
 * - `'attained-bound'`: a search found parameters that reach an upper bound valid for all parameters.
 * - `'lower-bound'`: the best of a search; better parameters may exist, up to `upperBound`.
 */
export type SeparationMethod =
  | 'closed-form'
  | 'enumeration'
  | 'bracketed-maximisation'
  | 'attained-bound'
  | 'lower-bound';

/** The best accuracy of one model. */
export interface SeparationCeiling {
  /** Largest noiseless accuracy over all finite parameters in exact arithmetic, in [0, 1]; a score of 0 counts one half. */
  readonly accuracy: number;
  /** How it was found, and so whether it is exact. */
  readonly method: SeparationMethod;
  /** What no parameters exceed, in (accuracy, 1]; only with the method `'lower-bound'`: else it is the accuracy. */
  readonly upperBound?: number;
}

/** What {@link separation} returns. */
export interface Separation {
  /** Softmax prompt-attention, score ⟨w, Xᵀφ(Xq)⟩. */
  readonly promptAttention: SeparationCeiling;
  /** Linear prompt-attention, score (1/T)⟨w, XᵀXq⟩. */
  readonly linearAttention: SeparationCeiling;
  /** Softmax self-attention with a pooled head, score (1/T)⟨w, Xᵀφ(XBXᵀ)ᵀ1⟩. */
  readonly selfAttention: SeparationCeiling;
  /** Mean pooling, score (1/T)⟨w, Xᵀ1⟩. */
  readonly meanPooling: SeparationCeiling;
}

/** A sum of weights that should have few digits gets them back: 0.85, not 0.8499999999999999. */
function tidy(accuracy: number): number {
  const short = Number(accuracy.toPrecision(12));
  return Math.min(1, Math.abs(short - accuracy) < 1e-14 ? short : accuracy);
}

function ceiling(accuracy: number, method: SeparationMethod, upperBound?: number): SeparationCeiling {
  const found = { accuracy: tidy(accuracy), method };
  return upperBound === undefined ? found : { ...found, upperBound: tidy(upperBound) };
}

// Derivations: theory.md §8 for the special cases, the files of `separation/` in general.
const schema = z.strictObject({ mixture: mixtureSchema });

/**
 * The best accuracies that the four models can have on noiseless examples of a mixture, whatever their parameters: no
 * training of a model at noise level 0 can beat its ceiling (its `upperBound`, where `method` is `'lower-bound'`).
 *
 * Accuracy is over the law of (y, δ), not over a sample. It depends on ζ, π and the confusion, and on Q, W and ρ only if q⋆ and w⋆
 * are linearly dependent (a norm is 0 or ρ = ±1). `noiseLevel`, `relevantNoiseLevel` and `labelNoise` are ignored. Softmax prompt-attention reaches 1 whenever
 * ζ > 0, every δq > −1 and q⋆, w⋆ are independent. Infinite parameters add nothing to finite ones, with one exception: attention
 * that underflows to 0 can turn scores that only tend to 0 into ties.
 *
 * The comparison of the models is that of Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023; the ceilings were derived for this package
 * and are checked against brute-force search in its tests. Takes milliseconds; seconds for self-attention with a general
 * confusion and for prompt-attention with many atoms, some with δq ≤ −1.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const { promptAttention, selfAttention, linearAttention, meanPooling } = risk.separation({
 *   mixture: {
 *     tokens: 4, dimension: 20, relevantFraction: 0.5, contextNorm: 1, signalNorm: 1,
 *     confusion: [{ deltaQ: 0, deltaW: 0, probability: 0.5 }, { deltaQ: 2, deltaW: 2, probability: 0.5 }],
 *   },
 * });
 * console.log(promptAttention.accuracy, linearAttention.accuracy); // 1 1
 * console.log(selfAttention.accuracy, meanPooling.accuracy); // 0.5 0.5
 * ```
 */
export function separation(options: SeparationOptions): Separation {
  const { mixture } = parseOptions(schema, options, '');
  const { relevantFraction } = mixture;
  const examples = noiselessExamples(mixture);
  const bound = accuracyBound(examples, relevantFraction, { odd: false });
  const enumerated = (accuracy: number): SeparationCeiling => ceiling(accuracy, 'enumeration');
  const meanPooling = enumerated(meanPoolingAccuracy(examples, relevantFraction));
  const linearAttention = enumerated(linearAttentionAccuracy(examples, relevantFraction));
  // With tokens of one kind only, attention has nothing to choose from.
  if (relevantFraction === 0 || relevantFraction === 1)
    return { promptAttention: meanPooling, linearAttention, selfAttention: meanPooling, meanPooling };
  const isPlane = spansPlane(mixture);
  return {
    promptAttention: bestPromptAttention(),
    linearAttention,
    selfAttention: bestSelfAttention(),
    meanPooling,
  };

  function bestSelfAttention(): SeparationCeiling {
    const { accuracy, method, upperBound } = selfAttentionAccuracy(examples, relevantFraction, isPlane);
    return ceiling(accuracy, method, upperBound);
  }

  function bestPromptAttention(): SeparationCeiling {
    if (isPlane && isAlwaysSeparated(examples)) return ceiling(1, 'closed-form');
    const { accuracy, isExhaustive } = promptAttentionAccuracy(examples, relevantFraction, bound);
    if (isExhaustive) return enumerated(accuracy);
    return accuracy === bound ? ceiling(accuracy, 'attained-bound') : ceiling(accuracy, 'lower-bound', bound);
  }
}
