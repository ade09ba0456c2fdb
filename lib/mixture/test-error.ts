import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { native } from '../base/native.js';
import { abortSignal, finiteNumber, finiteVector, integerFrom, parseOptions, seedSchema } from '../base/options.js';
import {
  type ContextualMixture,
  type ContextualMixtureOptions,
  isInKey,
  mixtureSchema,
  toNativeMixture,
} from './mixture.js';

/** Options of {@link testError}. */
export interface TestErrorOptions extends JobOptions {
  /** Law of the examples. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** q, length d, in the canonical frame (q⋆ = Q e1, w⋆ = W(ρ e1 + √(1−ρ²) e2)). */
  readonly prompt: Float64Array;
  /** w, length d, in the same frame. */
  readonly head: Float64Array;
  /** b: predictions are sign(f − b). Default 0. */
  readonly intercept?: number | undefined;
  /**
   * Number of draws: an integer ≥ 1. Default 100 000. Under Gaussian noise a pilot of at most 256 others says whether so many will
   * do; where not, there are more: up to 8192 plain draws, or where rare scores carry the error importance sampled ones, up to 64 times
   * as many as asked for and up to 2²⁰. With noise on relevant tokens draws are plain, up to 65,536.
   */
  readonly draws?: number | undefined;
  /** Default 0. */
  readonly seed?: number | bigint | undefined;
}

/** What {@link testError} found. */
export interface TestErrorEstimate {
  /** The error, in [0, 1]. */
  readonly error: number;
  /** Its standard error: error ± 1.96 of them covers 95 % where `reliable`. 0 where the error is closed form. */
  readonly standardError: number;
  /**
   * Number of draws that the error amounts to: (Σv)²/Σv² over the weighted draws v behind it, the number of errors seen where errors
   * are counted, Infinity where it is closed form.
   */
  readonly effectiveDraws: number;
  /**
   * Whether the interval can be trusted: at least 100 effective draws, of plain ones 30, and a mean that is not too skewed; where errors
   * are counted at least 10 errors and 10 right predictions. An error of 0 that is not reliable is one too small to be seen.
   */
  readonly reliable: boolean;
}

const schema = z.strictObject({
  mixture: mixtureSchema,
  prompt: finiteVector,
  head: finiteVector,
  intercept: finiteNumber.default(0),
  draws: integerFrom(1, 2 ** 31 - 1).default(100_000),
  seed: seedSchema.default(0),
  signal: abortSignal,
});

/**
 * Test error of softmax prompt-attention sign(⟨w, Xᵀφ(Xq)⟩ − b) with given prompt q, head w and intercept b.
 *
 * Under Gaussian noise the score given the label and the scores along q is Gaussian, so the error is an average of normal
 * tail probabilities Φ(−y(mean − b)/sd), and no event is counted. Where rare scores carry the error (large signals, few tokens)
 * draws are importance sampled, from a mixture that shifts one score or all of them. For q = 0, and without noise, it is closed
 * form. With noise on relevant tokens draws are plain, and an error that rare scores may carry is not `reliable`. Under other noise it is
 * the share of `draws` fresh examples misclassified, a tie counting one half.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { testError } from 'prompt-attention';
 * const { error } = await testError({
 *   mixture: { tokens: 32, dimension: 3, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 },
 *   prompt: Float64Array.of(1, 0, 0),
 *   head: Float64Array.of(0, 1, 0),
 * });
 * ```
 */
export async function testError(options: TestErrorOptions): Promise<TestErrorEstimate> {
  const { mixture, prompt, head, intercept, draws, seed, signal } = parseOptions(schema, options, '');
  for (const [option, vector] of Object.entries({ prompt, head }))
    if (vector.length !== mixture.dimension)
      throw new OptionRangeError(option, `of length dimension = ${mixture.dimension}`, vector);
  return runJob(
    () =>
      native.testError({
        mixture: toNativeMixture(mixture),
        prompt,
        head,
        intercept,
        draws,
        seed: BigInt(seed),
        cellKey: hashKey({ testError: mixture }, isInKey),
      }),
    { signal },
  );
}
