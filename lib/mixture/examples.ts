import { z } from 'zod';
import type { OwnFloat64Array, OwnUint8Array, OwnUint32Array } from '../base/arrays.js';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { native } from '../base/native.js';
import { abortSignal, arrayOf, finiteVector, integerFrom, parseOptions, seedSchema } from '../base/options.js';
import {
  type ContextualMixture,
  type ContextualMixtureOptions,
  contextualMixture,
  isInKey,
  toNativeMixture,
} from './mixture.js';

/** Options of {@link sampleExamples}. */
export interface SampleExamplesOptions extends JobOptions {
  /** n, number of examples: an integer ≥ 1. */
  readonly examples: number;
  /** An integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). */
  readonly seed: number | bigint;
  /** Index of the first example, so that a sample can be drawn in parts: example i depends on mixture, seed and i only. Default 0. */
  readonly firstExample?: number | undefined;
  /** q⋆, length d; its norm must be the mixture's `contextNorm` within 1e-9. Default Q e1. Give both vectors or none. */
  readonly contextVector?: Float64Array | undefined;
  /** w⋆, length d; its norm and its cosine with q⋆ must be the mixture's within 1e-9. Default W(ρ e1 + √(1−ρ²) e2). */
  readonly signalVector?: Float64Array | undefined;
  /** L, d×d row-major, lower triangular: the noise is L times noise of unit variance, so its covariance is LLᵀ in place of σ²I. Relevant tokens keep σ_R²I. */
  readonly noiseFactor?: Float64Array | undefined;
  /** n×T mask with k ones per example: the relevance set of each example, in place of the mixture's `relevance`. */
  readonly relevance?: Uint8Array | undefined;
}

/** Examples of a contextual mixture, row-major. */
export interface Examples {
  /** n. */
  readonly examples: number;
  /** X, n×T×d. */
  readonly tokens: OwnFloat64Array;
  /** The labels that training sees, length n, ±1. */
  readonly labels: OwnFloat64Array;
  /** y, length n, ±1: other than `labels` with probability `mixture.labelNoise`. */
  readonly trueLabels: OwnFloat64Array;
  /** n×T, 1 where a token is relevant. */
  readonly relevance: OwnUint8Array;
  /** Length n, index of each example's atom in `mixture.confusion`. */
  readonly confusion: OwnUint32Array;
  /** The mixture they were drawn from. */
  readonly mixture: ContextualMixture;
}

const kVectorTolerance = 1e-9;

const optionsSchema = z.strictObject({
  examples: integerFrom(1, 2 ** 31 - 1),
  seed: seedSchema,
  firstExample: integerFrom(0).default(0),
  contextVector: finiteVector.optional(),
  signalVector: finiteVector.optional(),
  noiseFactor: finiteVector.optional(),
  relevance: arrayOf('Uint8Array').optional(),
  signal: abortSignal,
});

function requireLength(option: string, value: { readonly length: number } | undefined, length: number): void {
  if (value !== undefined && value.length !== length) throw new OptionRangeError(option, `of length ${length}`, value);
}

function innerProduct(x: Float64Array, y: Float64Array): number {
  return x.reduce((sum, value, j) => sum + value * (y[j] as number), 0);
}

function requireFrame(mixture: ContextualMixture, contextVector?: Float64Array, signalVector?: Float64Array): void {
  requireLength('contextVector', contextVector, mixture.dimension);
  requireLength('signalVector', signalVector, mixture.dimension);
  if (contextVector === undefined && signalVector === undefined) return;
  if (contextVector === undefined) throw new OptionTypeError('contextVector', 'given if signalVector is', undefined);
  if (signalVector === undefined) throw new OptionTypeError('signalVector', 'given if contextVector is', undefined);
  const { contextNorm: Q, signalNorm: W, correlation } = mixture;
  const requireNear = (option: string, what: string, value: number, expected: number, scale: number) => {
    if (Math.abs(value - expected) > kVectorTolerance * Math.max(1, scale))
      throw new OptionRangeError(option, `such that ${what} is the mixture's ${expected}`, value);
  };
  requireNear('contextVector', 'its norm', Math.sqrt(innerProduct(contextVector, contextVector)), Q, Q);
  requireNear('signalVector', 'its norm', Math.sqrt(innerProduct(signalVector, signalVector)), W, W);
  const product = innerProduct(contextVector, signalVector);
  requireNear('signalVector', 'its inner product with contextVector', product, Q * W * correlation, Q * W);
}

function requireLowerTriangular(noiseFactor: Float64Array | undefined, dimension: number): void {
  requireLength('noiseFactor', noiseFactor, dimension * dimension);
  for (let row = 0; noiseFactor !== undefined && row < dimension; ++row)
    if (noiseFactor.subarray(row * dimension + row + 1, (row + 1) * dimension).some((value) => value !== 0))
      throw new OptionRangeError('noiseFactor', `lower triangular (row ${row} is not)`, noiseFactor);
}

/**
 * Draw dense examples of a contextual mixture.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; RangeError if the n·T·d·8 bytes of the
 * tokens cannot be allocated.
 * @example
 * ```ts
 * import { sampleExamples } from 'prompt-attention';
 * const { tokens, labels } = await sampleExamples(
 *   { tokens: 8, dimension: 16, relevantTokens: 2, contextNorm: 2, signalNorm: 1, relevance: 'random' },
 *   { examples: 100, seed: 1 },
 * );
 * console.log(tokens.length, labels.length); // 12800 100
 * ```
 */
export async function sampleExamples(
  mixture: ContextualMixtureOptions | ContextualMixture,
  options: SampleExamplesOptions,
): Promise<Examples> {
  const resolved = contextualMixture(mixture);
  const parsed = parseOptions(optionsSchema, options, '');
  requireFrame(resolved, parsed.contextVector, parsed.signalVector);
  requireLowerTriangular(parsed.noiseFactor, resolved.dimension);
  requireLength('relevance', parsed.relevance, parsed.examples * resolved.tokens);
  const result = await runJob(
    () =>
      native.sampleExamples({
        mixture: toNativeMixture(resolved),
        examples: parsed.examples,
        firstExample: parsed.firstExample,
        trial: 0,
        contextVector: parsed.contextVector,
        signalVector: parsed.signalVector,
        noiseFactor: parsed.noiseFactor,
        relevance: parsed.relevance,
        seed: BigInt(parsed.seed),
        cellKey: hashKey({ mixture: resolved }, isInKey),
      }),
    { signal: parsed.signal },
  );
  return { examples: parsed.examples, mixture: resolved, ...result };
}
