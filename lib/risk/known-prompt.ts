import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { ConvergenceError, OptionRangeError, OptionTypeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { type NativeKnownPromptRisk, native } from '../base/native.js';
import {
  abortSignal,
  finiteNumber,
  integerFrom,
  oneOf,
  parseOptions,
  positiveNumber,
  seedSchema,
  threadCount,
} from '../base/options.js';
import { hasIntercept } from '../heads/head.js';
import {
  type ContextualMixture,
  type ContextualMixtureOptions,
  hasRelevantNoise,
  mixtureSchema,
  requireGaussianNoise,
  toNativeMixture,
} from '../mixture/mixture.js';
import { type RiskHead, riskHeadSchema } from './risk-head.js';

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
   * Draws over the scores of irrelevant tokens: an integer in [64, 2³¹), rounded up to 32 batches of prime size. Default 20 000.
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
  /** Test error, in [0, 1]: its limit, or with `examples` the limit averaged over their label imbalance. */
  readonly error: number;
  /**
   * Standard error of `error` from the finite number of draws, such that ±1.96 of it cover 95 %; 0 where nothing is drawn. The other
   * standard errors are alike.
   */
  readonly standardError: number;
  /** Draws (Σv)²/Σv² that carry the error, v what each adds to it; `Infinity` where nothing is drawn. */
  readonly effectiveDraws: number;
  /**
   * False where fewer than 100 draws carry the error, so that its interval cannot be trusted, where relevant tokens have noise and rare scores
   * may carry 1 % of the error, where the error jumps within what is known
   * of the head's limit, and without a ridge where most of what the head fits is cleaner than double precision can tell apart.
   */
  readonly reliable: boolean;
  /** α = n/d. */
  readonly sampleRatio: number;
  /** Limit of the error on the training examples themselves, in [0, 1]. */
  readonly trainingError: number;
  /** Standard error of `trainingError`. */
  readonly trainingErrorStandardError: number;
  /**
   * Fixed point χ ≥ 0 of the equations; `Infinity` for minimum-norm interpolation and the hard margin, NaN for the averaging
   * head, which has none.
   */
  readonly chi: number;
  /** Standard error of `chi`. */
  readonly chiStandardError: number;
  /** Limit of the head's coordinates along e1 = q⋆/Q and e2, length 2. */
  readonly inPlaneHead: OwnFloat64Array;
  /** Standard errors of `inPlaneHead`. */
  readonly inPlaneHeadStandardError: OwnFloat64Array;
  /** Limit of the norm of the head's part orthogonal to both. */
  readonly orthogonalNorm: number;
  /** Standard error of `orthogonalNorm`. */
  readonly orthogonalNormStandardError: number;
  /** Limit of ‖w‖. */
  readonly headNorm: number;
  /** Standard error of `headNorm`. */
  readonly headNormStandardError: number;
  /** Limit of the cosine of w and w⋆, in [−1, 1]; 0 where a norm is 0 or infinite. */
  readonly signalCosine: number;
  /** Standard error of `signalCosine`. */
  readonly signalCosineStandardError: number;
  /** Limit of the intercept b, which is subtracted from scores: with the head's `intercept: true` only. */
  readonly intercept?: number;
  /** Standard error of `intercept`, with it. */
  readonly interceptStandardError?: number;
  /**
   * What is left of the four equations (of w1, w2, r and χ) at the solution, relative to their terms; zeros for explicit formulas. With a
   * free intercept a fifth number, of its equation.
   */
  readonly residuals: OwnFloat64Array;
  /**
   * For logistic and hinge heads with λ = 0: the sample ratio below which the training classes are linearly separable; `Infinity`
   * where it is above 10¹². Else null.
   */
  readonly separabilityThreshold: number | null;
  /** Standard error of `separabilityThreshold`, or null. */
  readonly separabilityThresholdStandardError: number | null;
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
  readonly sampleRatios: OwnFloat64Array;
  /**
   * Whether the equations of each point were solved. Where they were not its numbers are NaN: one point that fails does not take
   * the curve with it.
   */
  readonly converged: readonly boolean[];
  /** Limits of the test error, in [0, 1]. */
  readonly error: OwnFloat64Array;
  /** Standard errors of `error` from the finite number of draws; the errors of neighbouring points are correlated. */
  readonly standardError: OwnFloat64Array;
  /** Draws that carry the error of each point, as in {@link KnownPromptRisk}. */
  readonly effectiveDraws: OwnFloat64Array;
  /** Whether the interval of each point can be trusted, as in {@link KnownPromptRisk}. */
  readonly reliable: readonly boolean[];
  /** Limits of the training error, in [0, 1]. */
  readonly trainingError: OwnFloat64Array;
  /** Standard errors of `trainingError`. */
  readonly trainingErrorStandardError: OwnFloat64Array;
  /** Fixed points χ, as in {@link KnownPromptRisk}. */
  readonly chi: OwnFloat64Array;
  /** Standard errors of `chi`. */
  readonly chiStandardError: OwnFloat64Array;
  /** In-plane coordinates of the head, two numbers per sample ratio. */
  readonly inPlaneHead: OwnFloat64Array;
  /** Standard errors of `inPlaneHead`. */
  readonly inPlaneHeadStandardError: OwnFloat64Array;
  /** Norms of the head's part orthogonal to the plane. */
  readonly orthogonalNorm: OwnFloat64Array;
  /** Standard errors of `orthogonalNorm`. */
  readonly orthogonalNormStandardError: OwnFloat64Array;
  /** Norms of the head. */
  readonly headNorm: OwnFloat64Array;
  /** Standard errors of `headNorm`. */
  readonly headNormStandardError: OwnFloat64Array;
  /** Cosines of the head and w⋆. */
  readonly signalCosine: OwnFloat64Array;
  /** Standard errors of `signalCosine`. */
  readonly signalCosineStandardError: OwnFloat64Array;
  /** Limits of the intercept, as in {@link KnownPromptRisk}. */
  readonly intercept?: OwnFloat64Array;
  /** Standard errors of `intercept`. */
  readonly interceptStandardError?: OwnFloat64Array;
  /** Residuals of the equations, four numbers per sample ratio, five with a free intercept. */
  readonly residuals: OwnFloat64Array;
  /** As in {@link KnownPromptRisk}; the same for all points. */
  readonly separabilityThreshold: number | null;
  /** Its standard error, or null. */
  readonly separabilityThresholdStandardError: number | null;
  /** Expected attention mass on relevant tokens, in [0, 1]; the same for all points. */
  readonly relevantAttention: number;
  /** Standard error of `relevantAttention`. */
  readonly relevantAttentionStandardError: number;
}

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
/** The options of {@link knownPrompt}. */
export const knownPromptPointSchema = z.strictObject({
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
  /** n, where the error is to be averaged over the label imbalance of so many examples. */
  readonly examples?: number | undefined;
}

/** λ of a head; 0 for averaging, which has none. */
export const ridgeOf = (head: ResolvedKnownPromptRisk['head']): number => ('ridge' in head ? head.ridge : 0);

/** Throws unless the laws cover the mixture and head. */
export function requireKnownPromptLaw({ mixture, head }: Pick<ResolvedKnownPromptRisk, 'mixture' | 'head'>): void {
  requireGaussianNoise(mixture, 'mixture', 'a risk');
  const noiseless =
    (mixture.noiseLevel === 0 || mixture.relevantTokens === mixture.tokens) && !hasRelevantNoise(mixture);
  if (noiseless && (head.kind === 'logistic' || head.kind === 'hinge') && head.ridge === 0)
    throw new OptionRangeError('head.ridge', 'above 0 for a mixture without noise', head.ridge);
}

async function riskAt(
  { mixture, inverseTemperature, head, draws, seed, threads, signal }: ResolvedKnownPromptRisk,
  points: readonly RiskPoint[],
): Promise<NativeKnownPromptRisk> {
  requireKnownPromptLaw({ mixture, head });
  return runJob(
    () =>
      native.knownPromptRisk({
        mixture: toNativeMixture(mixture),
        sampleRatios: Float64Array.from(points, ({ sampleRatio }) => sampleRatio),
        ridges: Float64Array.from(points, ({ ridge }) => ridge),
        examples: Float64Array.from(points, ({ examples }) => examples ?? 0),
        inverseTemperature,
        head: head.kind,
        intercept: hasIntercept(head),
        draws,
        threads: threads ?? availableParallelism(),
        seed: BigInt(seed),
        cellKey: hashKey({ risk: 'known-prompt' }),
      }),
    { signal },
  );
}

function requireConverged(result: NativeKnownPromptRisk, { sampleRatio, ridge }: RiskPoint, kind: string): void {
  if (result.converged[0] === 1) return;
  const [w1 = Number.NaN, w2 = Number.NaN] = result.inPlaneHead;
  const state = {
    sampleRatio,
    ridge,
    w1,
    w2,
    orthogonalNorm: result.orthogonalNorm[0] as number,
    chi: result.chi[0] as number,
    residuals: [...result.residuals],
  };
  throw new ConvergenceError(
    `the risk of the ${kind} head at sample ratio ${sampleRatio} and ridge ${ridge} was not found to a relative residual of ` +
      `1e-8: the solver reached ${JSON.stringify(state)}`,
    state,
  );
}

const orNull = (value: number | undefined): number | null =>
  value === undefined || Number.isNaN(value) ? null : value;

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
 * draws, so that the curve is smooth. It is the limit itself, without label imbalance; points whose equations were not solved
 * are NaN and told by `converged`.
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
  const { sampleRatios, ...rest } = parseOptions(curveSchema, options, '');
  const ridge = ridgeOf(rest.head);
  const { converged, reliable, separabilityThreshold, separabilityThresholdStandardError, ...numbers } = await riskAt(
    rest,
    sampleRatios.map((sampleRatio) => ({ sampleRatio, ridge })),
  );
  const isSolved = (point: number) => converged[point] === 1;
  // Of arrays with one number, or several, per point.
  const solvedOnly = (values: Float64Array) =>
    values.map((value, i) => (isSolved(Math.floor((i * sampleRatios.length) / values.length)) ? value : Number.NaN));
  const columns = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, typeof value === 'number' ? value : solvedOnly(value)]),
  ) as typeof numbers;
  const told = separabilityThreshold.findIndex((value) => !Number.isNaN(value));
  return {
    ...columns,
    sampleRatios: Float64Array.from(sampleRatios),
    converged: Array.from(converged, (value) => value === 1),
    reliable: Array.from(reliable, (value, i) => value === 1 && isSolved(i)),
    separabilityThreshold: orNull(separabilityThreshold[told]),
    separabilityThresholdStandardError: orNull(separabilityThresholdStandardError[told]),
  };
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
 * @param options Give exactly one of `examples` and `sampleRatio`. With `examples`, α = n/d and the limit is averaged over the share of
 * label +1 among n examples (binomial), which gives every head a random component along q⋆ of order Q/√n and
 * its error a term of order 1/n; with `sampleRatio` it is the limit itself.
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
  const { examples, sampleRatio, ...rest } = parseOptions(knownPromptPointSchema, options, '');
  const point = {
    sampleRatio: sampleRatioOf({ examples, sampleRatio }, rest.mixture.dimension),
    ridge: ridgeOf(rest.head),
    examples,
  };
  const { relevantAttention, relevantAttentionStandardError, ...columns } = await riskAt(rest, [point]);
  requireConverged({ ...columns, relevantAttention, relevantAttentionStandardError }, point, rest.head.kind);
  const { intercept, interceptStandardError, ...always } = columns;
  const only = (name: Exclude<keyof typeof always, 'inPlaneHead' | 'inPlaneHeadStandardError' | 'residuals'>) =>
    always[name][0] as number;
  const separabilityThreshold = orNull(only('separabilityThreshold'));
  return {
    error: only('error'),
    standardError: only('standardError'),
    effectiveDraws: only('effectiveDraws'),
    reliable: only('reliable') === 1,
    sampleRatio: point.sampleRatio,
    trainingError: only('trainingError'),
    trainingErrorStandardError: only('trainingErrorStandardError'),
    chi: only('chi'),
    chiStandardError: only('chiStandardError'),
    inPlaneHead: columns.inPlaneHead,
    inPlaneHeadStandardError: columns.inPlaneHeadStandardError,
    orthogonalNorm: only('orthogonalNorm'),
    orthogonalNormStandardError: only('orthogonalNormStandardError'),
    headNorm: only('headNorm'),
    headNormStandardError: only('headNormStandardError'),
    signalCosine: only('signalCosine'),
    signalCosineStandardError: only('signalCosineStandardError'),
    ...(intercept && interceptStandardError
      ? { intercept: intercept[0] as number, interceptStandardError: interceptStandardError[0] as number }
      : {}),
    residuals: columns.residuals,
    separabilityThreshold,
    separabilityThresholdStandardError: orNull(only('separabilityThresholdStandardError')),
    separable: separabilityThreshold === null ? null : point.sampleRatio < separabilityThreshold,
    relevantAttention,
    relevantAttentionStandardError,
  };
}
