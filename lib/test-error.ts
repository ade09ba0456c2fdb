import { z } from 'zod';
import { OptionRangeError } from './errors.js';
import { hashKey } from './experiment.js';
import { type JobOptions, runJob } from './job.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from './mixture.js';
import { native, toNativeMixture } from './native.js';
import { abortSignal, finiteNumber, finiteVector, integerFrom, parseOptions, seedSchema } from './options.js';

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
  /** Number of draws: an integer ≥ 1. Default 100 000. */
  readonly draws?: number | undefined;
  /** Default 0. */
  readonly seed?: number | bigint | undefined;
}

/** What {@link testError} found. */
export interface TestErrorEstimate {
  /** The error, in [0, 1]. */
  readonly error: number;
  /** Its standard error; 0 where the error is closed form. */
  readonly standardError: number;
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
 * tail probabilities Φ(−y(mean − b)/sd): no event is counted, and errors far below 1/draws are resolved. For q = 0 it is closed
 * form. Under other noise it is the share of `draws` fresh examples misclassified, a tie counting one half.
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
        cellKey: hashKey({ testError: mixture }),
      }),
    { signal },
  );
}
