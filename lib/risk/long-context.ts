import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import { native } from '../base/native.js';
import { finiteNumber, parseOptions, positiveNumber } from '../base/options.js';
import { type AveragingHead, hasIntercept, headSchema, type LeastSquaresHead, toNativeHead } from '../heads/head.js';
import {
  type ContextualMixture,
  type ContextualMixtureOptions,
  mixtureSchema,
  requireScalarNoise,
  toNativeMixture,
} from '../mixture/mixture.js';
import { requireCoreMixture } from './core-mixture.js';

/** Options of {@link longContext}. */
export interface LongContextOptions {
  /** Gaussian noise, the single confusion atom (0, 0), correlation 0 and positive rate 1/2. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** α = n/d > 0. */
  readonly sampleRatio: number;
  /** τ, any finite number: the prompt is τ q⋆. */
  readonly inverseTemperature: number;
  /** How the head is learned: averaging or least squares. */
  readonly head: AveragingHead | LeastSquaresHead;
}

/** What {@link longContext} returns. */
export interface LongContextRisk {
  /** Limit of the test error, in [0, 1]. */
  readonly error: number;
  /** The signal-to-noise ratio (TW²/σ²)·ζ²/(1−ζ)·exp(2τQ² − 2σ²τ²Q²) that all examples share. */
  readonly signalToNoise: number;
  /** 1/(2σ²), the τ of the largest signal-to-noise ratio; its gain over τ = 0 is exp(Q²/(2σ²)). */
  readonly optimalInverseTemperature: number;
}

const schema = z.strictObject({
  mixture: mixtureSchema,
  sampleRatio: positiveNumber,
  inverseTemperature: finiteNumber,
  head: headSchema,
});

/**
 * Risk of a known prompt in the limit of long context, T → ∞ with TW² fixed: closed form, no draws.
 *
 * With S the signal-to-noise ratio and Φ the normal distribution function, least squares at α > 1 has the error
 * Φ(−S√(α−1)/√(αS+1)) and averaging Φ(−S/√(S+1/α)). It holds where σ²τ²Q² ≪ ln T; at larger τ attention rests on few
 * tokens and {@link knownPrompt} is the law to use.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option or a mixture the form does not cover.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 2000, dimension: 200, relevantFraction: 0.25, contextNorm: 1, signalNorm: 0.05 };
 * const { error, optimalInverseTemperature } = risk.longContext({
 *   mixture, sampleRatio: 4, inverseTemperature: 0.5, head: { kind: 'least-squares' },
 * });
 * ```
 */
export function longContext(options: LongContextOptions): LongContextRisk {
  const { mixture, sampleRatio, inverseTemperature, head } = parseOptions(schema, options, '');
  requireCoreMixture(mixture, 'the long-context law');
  requireScalarNoise(mixture, 'mixture', 'a risk');
  if (head.kind !== 'averaging' && head.kind !== 'least-squares')
    throw new OptionRangeError('head.kind', "'averaging' or 'least-squares' for the long-context law", head.kind);
  if (hasIntercept(head))
    throw new OptionRangeError('head.intercept', 'false for the long-context law, whose labels are in balance', true);
  const { error, signalToNoise } = native.longContextRisk({
    mixture: toNativeMixture(mixture),
    sampleRatio,
    inverseTemperature,
    head: toNativeHead(head),
  });
  return { error, signalToNoise, optimalInverseTemperature: 1 / (2 * mixture.noiseLevel ** 2) };
}
