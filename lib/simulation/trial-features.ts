import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { OptionRangeError } from '../base/errors.js';
import { type JobOptions, runJob } from '../base/job.js';
import { native } from '../base/native.js';
import { abortSignal, integerFrom, parseOptions, seedSchema } from '../base/options.js';
import type { KnownPromptExperiment } from '../experiments/known-prompt.js';
import { requireGaussianNoise, toNativeMixture } from '../mixture/mixture.js';
import { cellKey, parseExperiment } from './kinds.js';

/** Options of {@link trialFeatures}. */
export interface TrialFeaturesOptions extends JobOptions {
  /** An integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). */
  readonly seed: number | bigint;
  /** Index of the trial: an integer ≥ 0. Default 0. */
  readonly trial?: number | undefined;
}

/** The training sample of one trial, as its head sees it. */
export interface TrialFeatures {
  /** V, n×d row-major: row i is the pooled feature v_i = X_iᵀφ_i in the frame of q⋆ (first axis) and w⋆ (in the plane of the first two). */
  readonly features: OwnFloat64Array;
  /** y, length n, ±1. */
  readonly labels: OwnFloat64Array;
}

const optionsSchema = z.strictObject({ seed: seedSchema, trial: integerFrom(0).default(0), signal: abortSignal });

/**
 * The features that a known-prompt trial's head is fitted on: those of trial `trial` of `simulate(experiment, { seed })` with the
 * projected method and the direct solver, to the last bit. For checking a head against another solver. (The iterative solver
 * draws features of the same law lazily; they are not these.)
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, a kind other than known-prompt or noise that is not
 * Gaussian; RangeError if the n·d·8 bytes cannot be allocated; the signal's reason if aborted.
 * @example
 * ```ts
 * import { fitHead, trialFeatures } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 30, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const head = { kind: 'least-squares', ridge: 0.1 } as const;
 * const { features, labels } = await trialFeatures(
 *   { kind: 'known-prompt', mixture, examples: 50, inverseTemperature: 0.5, head },
 *   { seed: 1 },
 * );
 * console.log((await fitHead(features, labels, head)).status); // ok
 * ```
 */
export async function trialFeatures(
  experiment: KnownPromptExperiment,
  options: TrialFeaturesOptions,
): Promise<TrialFeatures> {
  const resolved = parseExperiment(experiment, 'experiment');
  if (resolved.kind !== 'known-prompt') throw new OptionRangeError('experiment.kind', "'known-prompt'", resolved.kind);
  const { mixture, examples, inverseTemperature } = resolved;
  requireGaussianNoise(mixture, 'experiment.mixture', 'projected features');
  const { seed, trial, signal } = parseOptions(optionsSchema, options, '');
  return runJob(
    () =>
      native.trialFeatures({
        mixture: toNativeMixture(mixture),
        examples,
        inverseTemperature,
        trial,
        seed: BigInt(seed),
        cellKey: cellKey(resolved),
      }),
    { signal },
  );
}
