import { z } from 'zod';
import { ConvergenceError, OptionRangeError } from '../errors.js';
import { hashKey, kLeastThreeStepDimension, type ThreeStepExperiment, threeStepSchema } from '../experiment.js';
import { type JobOptions, runJob } from '../job.js';
import { native, toNativeMixture, toNativeThreeStep } from '../native.js';
import { abortSignal, integerFrom, parseOptions, seedSchema } from '../options.js';

/** A three-step experiment, of Gaussian noise, and how its law is computed. */
export interface ThreeStepRiskOptions extends Omit<ThreeStepExperiment, 'kind'>, JobOptions {
  /** May be given, so that a three-step experiment can be passed as it is. */
  readonly kind?: 'three-step' | undefined;
  /**
   * `true`: expectations at the given n and d, right up to terms smaller than 1/n (needs d ≥ 5). `false`: the limit
   * n, d → ∞, which depends on n1/d, n2/d, n3/d only. Default `true`.
   */
  readonly fluctuations?: boolean | undefined;
  /** Draws over the scores of irrelevant tokens: an integer in [32, 2³¹). Default 20 000. */
  readonly draws?: number | undefined;
  /** Seed of the draws. Default 0. */
  readonly seed?: number | bigint | undefined;
}

/** Expected outcome of a three-step trajectory. */
export interface ThreeStepRisk {
  /** Test error, in [0, 1]. */
  readonly error: number;
  /** Standard error of `error` from the finite number of draws. */
  readonly standardError: number;
  /** ⟨q1, q⋆⟩. */
  readonly contextOverlap: number;
  /** ⟨q1, w⋆⟩. */
  readonly signalOverlap: number;
  /** ‖q1‖. */
  readonly promptNorm: number;
  /** Attention mass on relevant tokens under q1, in [0, 1]. */
  readonly relevantAttention: number;
}

const schema = z.strictObject({
  ...threeStepSchema.shape,
  kind: z.literal('three-step').optional(),
  fluctuations: z.boolean({ error: 'true or false' }).default(true),
  draws: integerFrom(32, 2 ** 31 - 1).default(20_000),
  seed: seedSchema.default(0),
  signal: abortSignal,
});

/**
 * The law of the three-step trajectory: what the means of {@link simulate}'s metrics tend to, without simulating.
 *
 * The trajectory is a function of averages over examples and of norms of Gaussian remainders. In the limit n, d → ∞ with
 * n/d fixed the averages become expectations and the norms √d times their scale (`fluctuations: false`). With
 * fluctuations, all of them vary as their joint normal law of covariance/n says, and the outcome is averaged over that by
 * Gauss–Hermite quadrature: every term of order 1/n is kept, what is left out is of order 1/n². At small n (below about
 * 100) the correction is only indicative. Derived for this package from the model of Oymak et al. 2023; compared with
 * simulation in docs/three-step.md and in the tests.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, if the noise is not Gaussian, and if
 * fluctuations are asked for below dimension 5; {@link ConvergenceError} if the trajectory overflows (its step sizes, or the
 * mixture's norms, are too large).
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 20, dimension: 400, relevantFraction: 0.2, contextNorm: 2, signalNorm: 1 };
 * const { error, contextOverlap } = await risk.threeStep({ mixture, examples: 2000, stepSizes: [1, 5, 1] });
 * console.log(error, contextOverlap);
 * ```
 */
export async function threeStep(options: ThreeStepRiskOptions): Promise<ThreeStepRisk> {
  const parsed = parseOptions(schema, options, '');
  const { mixture, examples, fluctuations, draws, seed, signal } = parsed;
  if (mixture.noise !== 'gaussian') throw new OptionRangeError('mixture.noise', "'gaussian' for a risk", mixture.noise);
  if (fluctuations && mixture.dimension < kLeastThreeStepDimension)
    throw new OptionRangeError(
      'fluctuations',
      `false for dimension ${mixture.dimension} (below ${kLeastThreeStepDimension})`,
      fluctuations,
    );
  const law = await runJob(
    () =>
      native.threeStepRisk({
        mixture: toNativeMixture(mixture),
        examples: Uint32Array.from(examples),
        ...toNativeThreeStep(parsed),
        fluctuations,
        draws,
        seed: BigInt(seed),
        cellKey: hashKey({ risk: 'three-step' }),
      }),
    { signal },
  );
  if (!Object.values(law).every(Number.isFinite)) throw new ConvergenceError('the trajectory overflows', { ...law });
  return law;
}
