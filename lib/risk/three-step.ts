import { z } from 'zod';
import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { native } from '../base/native.js';
import { abortSignal, integerFrom, parseOptions, seedSchema } from '../base/options.js';
import { kLeastThreeStepDimension, type ThreeStepExperiment, threeStepSchema } from '../experiments/three-step.js';
import { requireScalarNoise, toNativeMixture } from '../mixture/mixture.js';
import { toNativeThreeStep } from '../training/three-step.js';

/** A three-step experiment, of Gaussian noise, and how its law is computed. */
export interface ThreeStepRiskOptions extends Omit<ThreeStepExperiment, 'kind'>, JobOptions {
  /** May be given, so that a three-step experiment can be passed as it is. */
  readonly kind?: 'three-step' | undefined;
  /**
   * `true`: expectations at the given n and d (needs d ≥ 5). `false`: the limit n, d → ∞, which depends on n1/d, n2/d,
   * n3/d only. Default `true`.
   */
  readonly fluctuations?: boolean | undefined;
  /**
   * How much is drawn, an integer in [32, 2³¹). At most draws/4 trajectories (fewer where they are long: 25 000 scores a draw),
   * at least 64, each with 64 or 256 test examples. Without fluctuations 32 × draws draws of the scores. Default 20 000.
   */
  readonly draws?: number | undefined;
  /** Seed of the draws. Default 0. */
  readonly seed?: number | bigint | undefined;
}

/** Expected outcome of a three-step trajectory. Every standard error covers trajectories and scores alike. */
export interface ThreeStepRisk {
  /** Test error, in [0, 1]. */
  readonly error: number;
  /** Standard error of `error`: `error` ± 1.96 of it is a 95 % interval where the result is `reliable`. */
  readonly standardError: number;
  /** ⟨q1, q⋆⟩. */
  readonly contextOverlap: number;
  /** Standard error of `contextOverlap`. */
  readonly contextOverlapStandardError: number;
  /** ⟨q1, w⋆⟩. */
  readonly signalOverlap: number;
  /** Standard error of `signalOverlap`. */
  readonly signalOverlapStandardError: number;
  /** ‖q1‖. */
  readonly promptNorm: number;
  /** Standard error of `promptNorm`. */
  readonly promptNormStandardError: number;
  /** Attention mass on relevant tokens under q1, in [0, 1]. */
  readonly relevantAttention: number;
  /** Standard error of `relevantAttention`. */
  readonly relevantAttentionStandardError: number;
  /** How many trajectories carry `error`: (Σv)²/Σv² over their errors v; 0 if no one errs. Infinity where `error` is exact. */
  readonly effectiveDraws: number;
  /**
   * Whether the interval of `error` can be trusted. False if, after four times the usual number of trajectories, fewer than
   * 30 are effective, or trajectories too rare to be among them may carry more than 5 % of it; or if noise of the moments of
   * a very large third sample may.
   */
  readonly reliable: boolean;
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
 * With fluctuations it is the mean over trajectories that are drawn with everything random in them, exact in distribution
 * at any n and d ≥ 5; only samples of more than 5·10⁶ scores (n (m + 16), with m irrelevant tokens) are replaced by the
 * normal law of their means. Without, averages over examples are expectations and norms of Gaussian remainders √d times
 * their scale: the limit n, d → ∞ with n/d fixed. Random numbers do not depend on n: laws at different n are functions of
 * the same draws, but for the n at which the number of trajectories halves. Derived for this package from the model of Oymak
 * et al. 2023; compared with simulation in docs/three-step.md and in the tests.
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
  requireScalarNoise(mixture, 'mixture', 'a risk');
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
  const { reliable: _, effectiveDraws: __, ...values } = law;
  if (!Object.values(values).every(Number.isFinite)) throw new ConvergenceError('the trajectory overflows', values);
  return law;
}
