import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import type { NativeMixture } from '../base/native.js';
import {
  finiteNumber,
  fraction,
  integerFrom,
  nonNegativeNumber,
  numberIn,
  oneOf,
  parseOptions,
} from '../base/options.js';

/** One atom (δq, δw) of the confusion distribution: the mean of an irrelevant token is −δq q⋆ − δw y w⋆. */
export interface ConfusionAtom {
  /** δq, any finite number. */
  readonly deltaQ: number;
  /** δw, any finite number. */
  readonly deltaW: number;
  /** Probability of the atom, in [0, 1]; the probabilities of a distribution sum to 1 within 1e-9. */
  readonly probability: number;
}

/** Distribution of each coordinate of the token noise; all three have mean 0 and standard deviation `noiseLevel`. */
export type NoiseKind = 'gaussian' | 'rademacher' | 'uniform';

/** The kinds of noise, as the native core's list has them. */
export const kNoises = ['gaussian', 'rademacher', 'uniform'] as const satisfies readonly NoiseKind[];

/**
 * Parameters of the contextual mixture model (Oymak et al. 2023, section 2). Give exactly one of `relevantFraction`
 * and `relevantTokens`, or both if they agree.
 */
export interface ContextualMixtureOptions {
  /** T, tokens per example: an integer in [1, 2³¹). */
  readonly tokens: number;
  /** d, dimension of a token: an integer in [1, 2³¹). */
  readonly dimension: number;
  /** ζ, fraction of relevant tokens in [0, 1]; ζT must be within 1e-9 of an integer. */
  readonly relevantFraction?: number | undefined;
  /** k = ζT, number of relevant tokens: an integer in [0, T]. */
  readonly relevantTokens?: number | undefined;
  /** Q = ‖q⋆‖ ≥ 0. */
  readonly contextNorm: number;
  /** W = ‖w⋆‖ ≥ 0. */
  readonly signalNorm: number;
  /** ρ, cosine of the angle between q⋆ and w⋆, in [−1, 1]. Default 0. Must be ±1 if `dimension` is 1 and W > 0. */
  readonly correlation?: number | undefined;
  /** σ ≥ 0, standard deviation of every coordinate of the noise. Default 1. */
  readonly noiseLevel?: number | undefined;
  /**
   * σ_R ≥ 0, standard deviation of every coordinate of the noise of relevant tokens. Default 0, the paper's model. Above 0 the laws of a known
   * prompt and its projected trials go on; those of training do not: its trials are dense, and it has no laws.
   */
  readonly relevantNoiseLevel?: number | undefined;
  /** Distribution of the noise. Default `'gaussian'`. */
  readonly noise?: NoiseKind | undefined;
  /** π = P(y = +1), in [0, 1]. Default 1/2. */
  readonly positiveRate?: number | undefined;
  /** ε, probability that a label which training sees is the wrong one, in [0, 1/2). Test errors are against the true label. Default 0. */
  readonly labelNoise?: number | undefined;
  /** Distribution of the confusion pair (δq, δw). Default: the single atom (0, 0). */
  readonly confusion?: readonly ConfusionAtom[] | undefined;
  /** `'fixed'`: the first k tokens are relevant. `'random'`: a uniformly random k-subset per example. Default `'fixed'`. */
  readonly relevance?: 'fixed' | 'random' | undefined;
}

/** A validated contextual mixture with every default filled in; frozen. Make one with {@link contextualMixture}. */
export type ContextualMixture = {
  readonly [Name in keyof ContextualMixtureOptions]-?: NonNullable<ContextualMixtureOptions[Name]>;
};

const kMaximumSize = 2 ** 31 - 1;

const structure = z.strictObject(
  {
    tokens: integerFrom(1, kMaximumSize),
    dimension: integerFrom(1, kMaximumSize),
    relevantFraction: fraction.optional(),
    relevantTokens: integerFrom(0).optional(),
    contextNorm: nonNegativeNumber,
    signalNorm: nonNegativeNumber,
    correlation: numberIn('a number in [−1, 1]', (value) => value >= -1 && value <= 1).default(0),
    noiseLevel: nonNegativeNumber.default(1),
    relevantNoiseLevel: nonNegativeNumber.default(0),
    noise: oneOf(kNoises).default('gaussian'),
    positiveRate: fraction.default(0.5),
    labelNoise: numberIn('a number in [0, 1/2)', (value) => value >= 0 && value < 0.5).default(0),
    confusion: z
      .array(
        z.strictObject(
          { deltaQ: finiteNumber, deltaW: finiteNumber, probability: fraction },
          { error: 'an object { deltaQ, deltaW, probability }' },
        ),
        { error: 'an array of atoms { deltaQ, deltaW, probability }' },
      )
      .min(1, { error: 'an array with at least one atom' })
      .default([{ deltaQ: 0, deltaW: 0, probability: 1 }]),
    relevance: oneOf(['fixed', 'random']).default('fixed'),
  },
  { error: 'an object with the parameters of a contextual mixture' },
);

function relevantCount(
  tokens: number,
  relevantFraction: number | undefined,
  relevantTokens: number | undefined,
): number {
  if (relevantFraction === undefined) {
    if (relevantTokens === undefined)
      throw new OptionRangeError('relevantFraction', 'given, unless relevantTokens is', undefined);
    if (relevantTokens > tokens)
      throw new OptionRangeError('relevantTokens', `an integer in [0, tokens = ${tokens}]`, relevantTokens);
    return relevantTokens;
  }
  const count = Math.round(relevantFraction * tokens);
  if (Math.abs(relevantFraction * tokens - count) > 1e-9)
    throw new OptionRangeError(
      'relevantFraction',
      `such that relevantFraction × tokens is an integer (tokens = ${tokens})`,
      relevantFraction,
    );
  if (relevantTokens !== undefined && relevantTokens !== count)
    throw new OptionRangeError(
      'relevantTokens',
      `relevantFraction × tokens = ${count} if both are given`,
      relevantTokens,
    );
  return count;
}

/** Checks that look at several options at once; their errors name the option without the path of the mixture. */
function fromOptions(options: z.output<typeof structure>): ContextualMixture {
  const relevantTokens = relevantCount(options.tokens, options.relevantFraction, options.relevantTokens);
  const total = options.confusion.reduce((sum, atom) => sum + atom.probability, 0);
  if (Math.abs(total - 1) > 1e-9)
    throw new OptionRangeError(
      'confusion',
      `a distribution (the probabilities sum to ${total}, not to 1)`,
      options.confusion,
    );
  if (options.dimension === 1 && options.signalNorm > 0 && Math.abs(options.correlation) < 1)
    throw new OptionRangeError('dimension', 'at least 2 unless correlation is ±1 or signalNorm is 0', 1);
  return Object.freeze({
    ...options,
    relevantTokens,
    relevantFraction: relevantTokens / options.tokens,
    confusion: Object.freeze(options.confusion.map((atom) => Object.freeze(atom))),
  });
}

/** Schema of {@link ContextualMixtureOptions} that yields a frozen {@link ContextualMixture}. */
export const mixtureSchema: z.ZodType<ContextualMixture> = structure.transform((options, context) => {
  try {
    return fromOptions(options);
  } catch (error) {
    if (!(error instanceof OptionRangeError)) throw error;
    context.addIssue({ code: 'custom', message: error.expected, path: [error.option] });
    return z.NEVER;
  }
});

/**
 * Validate the parameters of a contextual mixture and fill in the defaults.
 *
 * An example has a label y = ±1 and T tokens in R^d; k = ζT of them are relevant, x_t = q⋆ + y w⋆, the others are
 * x_t = −δq q⋆ − δw y w⋆ + z_t with independent noise z_t of covariance σ²I
 * (Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023, section 2). Beyond the paper, training sees −y in place of y with probability ε, and
 * relevant tokens have noise of covariance σ_R²I (theory.md §12).
 *
 * @returns A frozen mixture, accepted wherever plain options are.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} naming the option, what was expected and what came.
 * @example
 * ```ts
 * import { contextualMixture } from 'prompt-attention';
 * const mixture = contextualMixture({ tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 });
 * console.log(mixture.relevantTokens); // 8
 * ```
 */
export function contextualMixture(options: ContextualMixtureOptions): ContextualMixture {
  return parseOptions(mixtureSchema, options, 'mixture');
}

/** Whether relevant tokens have noise. */
export function hasRelevantNoise({
  relevantNoiseLevel,
  relevantTokens,
}: Pick<ContextualMixture, 'relevantNoiseLevel' | 'relevantTokens'>): boolean {
  return relevantNoiseLevel > 0 && relevantTokens > 0;
}

/** Whether the noise is a Gaussian number per irrelevant token, and irrelevant tokens alone have noise: what most laws and projected trials need. */
export function hasScalarNoise(mixture: ContextualMixture): boolean {
  return mixture.noise === 'gaussian' && !hasRelevantNoise(mixture);
}

/** Why noise cannot be drawn where it is looked at, to be put behind `'dense'`; undefined if it is Gaussian. */
export function whyNotGaussian({ noise }: ContextualMixture): string | undefined {
  return noise === 'gaussian' ? undefined : `if the noise is ${noise}`;
}

/** The same where relevant tokens must have none; undefined for a mixture with {@link hasScalarNoise}. */
export function whyNotScalar(mixture: ContextualMixture): string | undefined {
  return whyNotGaussian(mixture) ?? (hasRelevantNoise(mixture) ? 'if relevant tokens have noise' : undefined);
}

/** An error for a mixture without Gaussian noise; `path` is that of the mixture, `use` what needs it. */
export function requireGaussianNoise({ noise }: ContextualMixture, path: string, use: string): void {
  if (noise !== 'gaussian') throw new OptionRangeError(`${path}.noise`, `'gaussian' for ${use}`, noise);
}

/** An error for a mixture without {@link hasScalarNoise}; `path` is that of the mixture, `use` what needs it. */
export function requireScalarNoise(mixture: ContextualMixture, path: string, use: string): void {
  requireGaussianNoise(mixture, path, use);
  if (hasRelevantNoise(mixture))
    throw new OptionRangeError(`${path}.relevantNoiseLevel`, `0 for ${use}`, mixture.relevantNoiseLevel);
}

/** Options that came later: with 0 the numbers are those from before. */
const kLaterOptions: ReadonlySet<string> = new Set(['labelNoise', 'relevantNoiseLevel']);

/** Which options of what holds a mixture are part of its key. */
export const isInKey = (name: string, option: unknown): boolean => option !== 0 || !kLaterOptions.has(name);

/** A mixture as the addon takes it. */
export function toNativeMixture(mixture: ContextualMixture): NativeMixture {
  return {
    tokens: mixture.tokens,
    relevantTokens: mixture.relevantTokens,
    dimension: mixture.dimension,
    contextNorm: mixture.contextNorm,
    signalNorm: mixture.signalNorm,
    correlation: mixture.correlation,
    noiseLevel: mixture.noiseLevel,
    relevantNoiseLevel: mixture.relevantNoiseLevel,
    noise: mixture.noise,
    positiveRate: mixture.positiveRate,
    labelNoise: mixture.labelNoise,
    confusion: Float64Array.from(mixture.confusion.flatMap((atom) => [atom.deltaQ, atom.deltaW, atom.probability])),
    randomRelevance: mixture.relevance === 'random',
  };
}
