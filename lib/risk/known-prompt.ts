import { z } from 'zod';
import { OptionRangeError, OptionTypeError } from '../errors.js';
import { type HeadOptions, hashKey, headSchema } from '../experiment.js';
import { type JobOptions, runJob } from '../job.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture.js';
import { native, toNativeHead, toNativeMixture } from '../native.js';
import { abortSignal, finiteNumber, integerFrom, oneOf, parseOptions, positiveNumber, seedSchema } from '../options.js';

/** What the risk of a known prompt depends on, apart from the number of examples. */
export interface KnownPromptRiskOptions extends JobOptions {
  /** Allowed so that a known-prompt experiment can be passed as it is. */
  readonly kind?: 'known-prompt' | undefined;
  /** Allowed for the same reason; the law does not depend on it. */
  readonly solver?: 'auto' | 'direct' | 'iterative' | undefined;
  /** The mixture; its noise must be Gaussian. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** τ, any finite number: the prompt is τ q⋆. */
  readonly inverseTemperature: number;
  /** How the head is learned. */
  readonly head: HeadOptions;
  /** Draws over the scores of irrelevant tokens: an integer in [64, 2³¹). Default 100 000. Not used at τ = 0, which is closed form. */
  readonly draws?: number | undefined;
  /** Seed of the draws. Default 0. */
  readonly seed?: number | bigint | undefined;
}

/** Asymptotic risk at one sample ratio, n, d → ∞ with n/d = `sampleRatio`. */
export interface KnownPromptRisk {
  /** Limit of the test error, in [0, 1]. */
  readonly error: number;
  /** Standard error of `error` from the finite number of draws; 0 where the value is closed form. */
  readonly standardError: number;
  /** α = n/d. */
  readonly sampleRatio: number;
  /** Fixed point χ ≥ 0 of the equations; `Infinity` for minimum-norm interpolation, NaN for the averaging head, which has none. */
  readonly chi: number;
  /** Limit of the head's coordinates along e1 = q⋆/Q and e2, length 2. */
  readonly inPlaneHead: Float64Array;
  /** Limit of the norm of the head's part orthogonal to both. */
  readonly orthogonalNorm: number;
  /** Expected attention mass on relevant tokens, in [0, 1]. */
  readonly relevantAttention: number;
  /** Standard error of `relevantAttention`. */
  readonly relevantAttentionStandardError: number;
}

/** {@link KnownPromptRisk} at several sample ratios, one entry per ratio, from shared draws. */
export interface KnownPromptRiskCurve {
  /** α = n/d of each point. */
  readonly sampleRatios: Float64Array;
  /** Limits of the test error, in [0, 1]. */
  readonly error: Float64Array;
  /** Standard errors of `error` from the finite number of draws; the errors of neighbouring points are correlated. */
  readonly standardError: Float64Array;
  /** Fixed points χ, as in {@link KnownPromptRisk}. */
  readonly chi: Float64Array;
  /** In-plane coordinates of the head, two numbers per sample ratio. */
  readonly inPlaneHead: Float64Array;
  /** Norms of the head's part orthogonal to the plane. */
  readonly orthogonalNorm: Float64Array;
  /** Expected attention mass on relevant tokens, in [0, 1]; the same for all points. */
  readonly relevantAttention: number;
  /** Standard error of `relevantAttention`. */
  readonly relevantAttentionStandardError: number;
}

const common = {
  kind: z.literal('known-prompt').optional(),
  solver: oneOf(['auto', 'direct', 'iterative']).optional(),
  mixture: mixtureSchema,
  inverseTemperature: finiteNumber,
  head: headSchema,
  draws: integerFrom(64, 2 ** 31 - 1).default(100_000),
  seed: seedSchema.default(0),
  signal: abortSignal,
};
const pointSchema = z.strictObject({
  ...common,
  examples: integerFrom(1, 2 ** 31 - 1).optional(),
  sampleRatio: positiveNumber.optional(),
});
const curveSchema = z.strictObject({
  ...common,
  sampleRatios: z
    .array(positiveNumber, { error: 'an array of finite numbers > 0' })
    .min(1, { error: 'an array with at least one sample ratio' }),
});

function requireGaussian(mixture: ContextualMixture): void {
  if (mixture.noise !== 'gaussian') throw new OptionRangeError('mixture.noise', "'gaussian' for a risk", mixture.noise);
}

/**
 * Exact asymptotic risk of a head learned with the known prompt τ q⋆, along a curve of sample ratios that share their
 * draws, so that the curve is smooth.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, and if the noise is not Gaussian.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const { error } = await risk.knownPromptCurve({
 *   mixture, inverseTemperature: 0.5, head: { kind: 'least-squares' }, sampleRatios: [0.5, 1, 2, 4],
 * });
 * ```
 */
export async function knownPromptCurve(
  options: KnownPromptRiskOptions & { readonly sampleRatios: readonly number[] },
): Promise<KnownPromptRiskCurve> {
  const { mixture, inverseTemperature, head, draws, seed, signal, sampleRatios } = parseOptions(
    curveSchema,
    options,
    '',
  );
  requireGaussian(mixture);
  const ratios = Float64Array.from(sampleRatios);
  const result = await runJob(
    () =>
      native.knownPromptRisk({
        mixture: toNativeMixture(mixture),
        sampleRatios: ratios,
        inverseTemperature,
        head: toNativeHead(head),
        draws,
        seed: BigInt(seed),
        cellKey: hashKey({ risk: 'known-prompt' }),
      }),
    { signal },
  );
  return { sampleRatios: ratios, ...result };
}

/**
 * Exact asymptotic risk of a head learned with the known prompt τ q⋆: n, d → ∞ with α = n/d fixed and everything else
 * (T, ζ, Q, W, ρ, σ, π, confusion, τ) fixed.
 *
 * With u the feature's coordinates in the plane of q⋆ and w⋆ and s the scale of its noise, least squares solves
 * α E[s²χ/(1+s²χ)] + αλχ = 1, w_S = (E[κuuᵀ] + λI)⁻¹E[κuy] with κ = 1/(1+s²χ), and
 * r²(1 − αχ²E[s⁴κ²]) = αχ²E[s²κ²(y − uᵀw_S)²]; the error is E Φ(−y w_Sᵀu/(s√(r² + w₂²))). Derived for this package from
 * the model of Oymak et al. 2023; checked against simulation in the tests.
 *
 * @param options Give exactly one of `examples` (then α = n/d) and `sampleRatio`.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, and if the noise is not Gaussian.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const { error, standardError } = await risk.knownPrompt({
 *   mixture, inverseTemperature: 0.5, head: { kind: 'least-squares' }, examples: 400,
 * });
 * ```
 */
export async function knownPrompt(
  options: KnownPromptRiskOptions & {
    readonly examples?: number | undefined;
    readonly sampleRatio?: number | undefined;
  },
): Promise<KnownPromptRisk> {
  const { examples, sampleRatio, ...rest } = parseOptions(pointSchema, options, '');
  if ((examples === undefined) === (sampleRatio === undefined))
    throw new OptionTypeError('examples', 'given, or sampleRatio, and not both', examples);
  const ratio = sampleRatio ?? (examples as number) / rest.mixture.dimension;
  const curve = await knownPromptCurve({ ...rest, sampleRatios: [ratio] });
  return {
    error: curve.error[0] as number,
    standardError: curve.standardError[0] as number,
    sampleRatio: ratio,
    chi: curve.chi[0] as number,
    inPlaneHead: curve.inPlaneHead,
    orthogonalNorm: curve.orthogonalNorm[0] as number,
    relevantAttention: curve.relevantAttention,
    relevantAttentionStandardError: curve.relevantAttentionStandardError,
  };
}
