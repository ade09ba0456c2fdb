import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { OptionRangeError } from '../base/errors.js';
import { native } from '../base/native.js';
import { finiteVector, parseOptions } from '../base/options.js';
import {
  type ContextualMixture,
  type ContextualMixtureOptions,
  mixtureSchema,
  toNativeMixture,
} from '../mixture/mixture.js';

/** A mixture and the head at which the prompt's gradient is taken. */
export interface PopulationGradientOptions {
  /** Any kind of noise: beyond its third moments, which vanish, it enters through its covariance only. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** w, length d, in the canonical frame (q⋆ = Q e1, w⋆ = W(ρ e1 + √(1−ρ²) e2)). */
  readonly head: Float64Array;
}

/** Expected negative gradients at the prompt q = 0. */
export interface PopulationGradient {
  /** −∇_w L(w = 0, q = 0), length d. */
  readonly head: OwnFloat64Array;
  /** −∇_q L(w, q = 0), length d. */
  readonly prompt: OwnFloat64Array;
}

const schema = z.strictObject({ mixture: mixtureSchema, head: finiteVector });

/**
 * Expected negative gradients of the square loss ½(y − f)² of softmax prompt-attention at the prompt q = 0: what the first
 * two steps of {@link simulate}'s three-step trajectory follow on average. Exact, no draws.
 *
 * With Δ = r − μ (relevant minus irrelevant mean), D = Δᵀw, f0 = ζ rᵀw + (1−ζ) μᵀw, V = ζσ_R² + (1−ζ)σ² and v1 = (σ² − σ_R²)(1−ζ)/T,
 *
 * - −∇_w L(0, 0) = (1 − 2ε)((2π−1)(ζ − (1−ζ)E δq) q⋆ + (ζ − (1−ζ)E δw) w⋆),
 * - −∇_q L(w, 0) = E[((1−2ε) y − f0)(ζ(1−ζ)D Δ + V(1 − 1/T) w) + ζ v1 (‖w‖² Δ + D w)] over y and (δq, δw).
 *
 * Derived for this package from the model of Oymak et al. 2023.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const { prompt } = risk.populationGradient({
 *   mixture: { tokens: 32, dimension: 3, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
 *   head: Float64Array.of(0, 0.5, 0),
 * });
 * // The part along q⋆.
 * console.log(prompt[0]?.toFixed(3)); // 0.167
 * ```
 */
export function populationGradient(options: PopulationGradientOptions): PopulationGradient {
  const { mixture, head } = parseOptions(schema, options, '');
  if (head.length !== mixture.dimension)
    throw new OptionRangeError('head', `of length dimension = ${mixture.dimension}`, head);
  return native.populationGradient({ mixture: toNativeMixture(mixture), head });
}
