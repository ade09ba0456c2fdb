import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ConvergenceError, OptionRangeError, OptionTypeError } from '../errors.js';
import { type HeadOptions, hashKey, headSchema } from '../experiment.js';
import { type JobOptions, runJob } from '../job.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture.js';
import { type NativeKnownPromptRisk, native, toNativeMixture } from '../native.js';
import {
  abortSignal,
  finiteNumber,
  integerFrom,
  oneOf,
  parseOptions,
  positiveNumber,
  seedSchema,
  threadCount,
} from '../options.js';

/** A head whose risk is asked for: any head that data can be given, and the hinge head in the limit λ → 0. */
export type RiskHead =
  | HeadOptions
  | {
      /** Always `'hinge'`. */
      readonly kind: 'hinge';
      /** The limit λ → 0. */
      readonly ridge: 0;
    };

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
  /** How the head is learned. Without noise (σ = 0, or every token relevant) logistic and hinge need λ > 0. */
  readonly head: RiskHead;
  /**
   * Draws over the scores of irrelevant tokens: an integer in [64, 2³¹), rounded up to 16 batches of prime size. Default 20 000.
   * Not used at τ = 0, where nothing needs to be drawn.
   */
  readonly draws?: number | undefined;
  /** Seed of the draws. Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
}

/** Asymptotic risk at one sample ratio, n, d → ∞ with n/d = `sampleRatio`. */
export interface KnownPromptRisk {
  /** Limit of the test error, in [0, 1]. */
  readonly error: number;
  /** Standard error of `error` from the finite number of draws; 0 where nothing is drawn. */
  readonly standardError: number;
  /** α = n/d. */
  readonly sampleRatio: number;
  /** Limit of the error on the training examples themselves, in [0, 1]. */
  readonly trainingError: number;
  /**
   * Fixed point χ ≥ 0 of the equations; `Infinity` for minimum-norm interpolation and the hard margin, NaN for the averaging
   * head, which has none.
   */
  readonly chi: number;
  /** Limit of the head's coordinates along e1 = q⋆/Q and e2, length 2. */
  readonly inPlaneHead: Float64Array;
  /** Limit of the norm of the head's part orthogonal to both. */
  readonly orthogonalNorm: number;
  /** Limit of ‖w‖. */
  readonly headNorm: number;
  /** Limit of the cosine of w and w⋆, in [−1, 1]; 0 where a norm is 0 or infinite. */
  readonly signalCosine: number;
  /** What is left of the four equations (of w1, w2, r and χ) at the solution, relative to their terms; zeros for explicit formulas. */
  readonly residuals: Float64Array;
  /**
   * For logistic and hinge heads with λ = 0: the sample ratio below which the training classes are linearly separable. Else
   * null.
   */
  readonly separabilityThreshold: number | null;
  /**
   * For logistic and hinge heads with λ = 0: whether `sampleRatio` is below `separabilityThreshold`. The head is then that of the
   * largest margin, scaled to margin 1: the limit λ → 0 of the hinge head, and of the direction of the logistic one, whose
   * norm grows beyond bounds. Else null.
   */
  readonly separable: boolean | null;
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
  /** Limits of the training error, in [0, 1]. */
  readonly trainingError: Float64Array;
  /** Fixed points χ, as in {@link KnownPromptRisk}. */
  readonly chi: Float64Array;
  /** In-plane coordinates of the head, two numbers per sample ratio. */
  readonly inPlaneHead: Float64Array;
  /** Norms of the head's part orthogonal to the plane. */
  readonly orthogonalNorm: Float64Array;
  /** Norms of the head. */
  readonly headNorm: Float64Array;
  /** Cosines of the head and w⋆. */
  readonly signalCosine: Float64Array;
  /** Residuals of the equations, four numbers per sample ratio. */
  readonly residuals: Float64Array;
  /** As in {@link KnownPromptRisk}; the same for all points. */
  readonly separabilityThreshold: number | null;
  /** Expected attention mass on relevant tokens, in [0, 1]; the same for all points. */
  readonly relevantAttention: number;
  /** Standard error of `relevantAttention`. */
  readonly relevantAttentionStandardError: number;
}

const hingeLimit = z.strictObject({ kind: z.literal('hinge'), ridge: z.literal(0) });

/** A head in a risk: λ = 0 of the hinge is its limit λ → 0. */
export const riskHeadSchema = z.custom<unknown>().transform((head, context) => {
  const limit = hingeLimit.safeParse(head);
  if (limit.success) return limit.data;
  const parsed = headSchema.safeParse(head);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) context.issues.push({ ...issue, input: head } as z.core.$ZodRawIssue);
  return z.NEVER;
});

/** The options that every law of a known prompt shares. */
export const knownPromptRiskSchema = {
  kind: z.literal('known-prompt').optional(),
  solver: oneOf(['auto', 'direct', 'iterative']).optional(),
  mixture: mixtureSchema,
  inverseTemperature: finiteNumber,
  head: riskHeadSchema,
  draws: integerFrom(64, 2 ** 31 - 1).default(20_000),
  seed: seedSchema.default(0),
  threads: threadCount,
  signal: abortSignal,
};
const pointSchema = z.strictObject({
  ...knownPromptRiskSchema,
  examples: integerFrom(1, 2 ** 31 - 1).optional(),
  sampleRatio: positiveNumber.optional(),
});
const curveSchema = z.strictObject({
  ...knownPromptRiskSchema,
  sampleRatios: z
    .array(positiveNumber, { error: 'an array of finite numbers > 0' })
    .min(1, { error: 'an array with at least one sample ratio' }),
});

/** The shared options, validated. */
export type ResolvedKnownPromptRisk = Omit<z.output<typeof curveSchema>, 'sampleRatios'>;

/** A sample ratio and a ridge; the ridge is not read by the averaging head. */
export interface RiskPoint {
  readonly sampleRatio: number;
  readonly ridge: number;
}

/** λ of a head; 0 for averaging, which has none. */
export const ridgeOf = (head: ResolvedKnownPromptRisk['head']): number => ('ridge' in head ? head.ridge : 0);

/** Throws unless the laws cover the mixture and head. */
export function requireKnownPromptLaw({ mixture, head }: Pick<ResolvedKnownPromptRisk, 'mixture' | 'head'>): void {
  if (mixture.noise !== 'gaussian') throw new OptionRangeError('mixture.noise', "'gaussian' for a risk", mixture.noise);
  const noiseless = mixture.noiseLevel === 0 || mixture.relevantTokens === mixture.tokens;
  if (noiseless && (head.kind === 'logistic' || head.kind === 'hinge') && head.ridge === 0)
    throw new OptionRangeError('head.ridge', 'above 0 for a mixture without noise', head.ridge);
}

/** The risk at points that share the draws. */
export async function riskAt(
  { mixture, inverseTemperature, head, draws, seed, threads, signal }: ResolvedKnownPromptRisk,
  points: readonly RiskPoint[],
): Promise<KnownPromptRiskCurve> {
  requireKnownPromptLaw({ mixture, head });
  const sampleRatios = Float64Array.from(points, ({ sampleRatio }) => sampleRatio);
  const ridges = Float64Array.from(points, ({ ridge }) => ridge);
  const result = await runJob(
    () =>
      native.knownPromptRisk({
        mixture: toNativeMixture(mixture),
        sampleRatios,
        ridges,
        inverseTemperature,
        head: head.kind,
        draws,
        threads: threads ?? availableParallelism(),
        seed: BigInt(seed),
        cellKey: hashKey({ risk: 'known-prompt' }),
      }),
    { signal },
  );
  requireConverged(result, points, head.kind);
  const { separabilityThreshold, converged: _, ...curve } = result;
  const threshold = separabilityThreshold.find((value) => !Number.isNaN(value));
  const geometry = headGeometry(result, mixture.correlation);
  return { sampleRatios, ...curve, ...geometry, separabilityThreshold: threshold ?? null };
}

function requireConverged(result: NativeKnownPromptRisk, points: readonly RiskPoint[], kind: string): void {
  const failed = result.converged.indexOf(0);
  if (failed < 0) return;
  const { sampleRatio, ridge } = points[failed] as RiskPoint;
  const residuals = [...result.residuals.subarray(4 * failed, 4 * failed + 4)];
  const [w1 = Number.NaN, w2 = Number.NaN] = result.inPlaneHead.subarray(2 * failed, 2 * failed + 2);
  const state = {
    sampleRatio,
    ridge,
    w1,
    w2,
    orthogonalNorm: result.orthogonalNorm[failed] as number,
    chi: result.chi[failed] as number,
    residuals,
  };
  throw new ConvergenceError(
    `the risk of the ${kind} head at sample ratio ${sampleRatio} and ridge ${ridge} was not found to a relative residual of ` +
      `1e-8: the solver reached ${JSON.stringify(state)}`,
    state,
  );
}

/** Norms of heads and their cosines with w⋆ = W(ρ e1 + √(1−ρ²) e2). */
function headGeometry({ inPlaneHead, orthogonalNorm }: NativeKnownPromptRisk, correlation: number) {
  const across = Math.sqrt(1 - correlation ** 2);
  const headNorm = orthogonalNorm.map((norm, i) =>
    Math.hypot(norm, inPlaneHead[2 * i] as number, inPlaneHead[2 * i + 1] as number),
  );
  const signalCosine = headNorm.map((norm, i) => {
    const along = correlation * (inPlaneHead[2 * i] as number) + across * (inPlaneHead[2 * i + 1] as number);
    return norm > 0 ? Math.max(-1, Math.min(1, along / norm)) : 0;
  });
  return { headNorm, signalCosine };
}

/** α from either way of giving it. */
export function sampleRatioOf(
  { examples, sampleRatio }: { readonly examples?: number | undefined; readonly sampleRatio?: number | undefined },
  dimension: number,
): number {
  if ((examples === undefined) === (sampleRatio === undefined))
    throw new OptionTypeError('examples', 'given, or sampleRatio, and not both', examples);
  return sampleRatio ?? (examples as number) / dimension;
}

/**
 * Exact asymptotic risk of a head learned with the known prompt τ q⋆, along a curve of sample ratios that share their
 * draws, so that the curve is smooth.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, and if the noise is not Gaussian;
 * {@link ConvergenceError} as in {@link knownPrompt}.
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
  const { sampleRatios, ...rest } = parseOptions(curveSchema, options, '');
  const ridge = ridgeOf(rest.head);
  return riskAt(
    rest,
    sampleRatios.map((sampleRatio) => ({ sampleRatio, ridge })),
  );
}

/**
 * Exact asymptotic risk of a head learned with the known prompt τ q⋆: n, d → ∞ with α = n/d fixed and everything else
 * (T, ζ, Q, W, ρ, σ, π, confusion, τ) fixed.
 *
 * With u the feature's coordinates in the plane of q⋆ and w⋆, s the scale of its noise, ω = w_Sᵀu + s r g and
 * p = argmin_p ℓ(y, p) + (p − ω)²/(2χs²), the in-plane head w_S, the norm r of the rest and χ solve λ w_S = −E[u ℓ′(p)],
 * r² = αχ²E[s²ℓ′(p)²] and 1 = αE[χs²ℓ″/(1 + χs²ℓ″)] + αλχ; the error is E Φ(−y w_Sᵀu/(s√(r² + w₂²))). Least squares and
 * averaging have closed forms. Derived for this package from the model of Oymak et al. 2023 by the convex Gaussian min-max
 * theorem (Thrampoulidis, Oymak, Hassibi 2015); compared with simulation in docs/known-prompt-risk.md.
 *
 * @param options Give exactly one of `examples` (then α = n/d) and `sampleRatio`.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, and if the noise is not Gaussian;
 * {@link ConvergenceError} if the equations could not be solved to a relative residual of 1e-8.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const { error, standardError, trainingError } = await risk.knownPrompt({
 *   mixture, inverseTemperature: 0.5, head: { kind: 'logistic', ridge: 0.01 }, examples: 400,
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
  const ratio = sampleRatioOf({ examples, sampleRatio }, rest.mixture.dimension);
  const curve = await riskAt(rest, [{ sampleRatio: ratio, ridge: ridgeOf(rest.head) }]);
  const only = (values: Float64Array) => values[0] as number;
  const { separabilityThreshold, relevantAttention, relevantAttentionStandardError } = curve;
  return {
    error: only(curve.error),
    standardError: only(curve.standardError),
    sampleRatio: ratio,
    trainingError: only(curve.trainingError),
    chi: only(curve.chi),
    inPlaneHead: curve.inPlaneHead,
    orthogonalNorm: only(curve.orthogonalNorm),
    headNorm: only(curve.headNorm),
    signalCosine: only(curve.signalCosine),
    residuals: curve.residuals,
    separabilityThreshold,
    separable: separabilityThreshold === null ? null : ratio < separabilityThreshold,
    relevantAttention,
    relevantAttentionStandardError,
  };
}
