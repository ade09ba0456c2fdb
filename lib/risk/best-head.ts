import type { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import { parseOptions } from '../base/options.js';
import type { ContextualMixture } from '../mixture/mixture.js';
import { hasCoreConfusion } from './core-mixture.js';
import {
  type KnownPromptRisk,
  type KnownPromptRiskOptions,
  knownPrompt,
  knownPromptPointSchema,
  sampleRatioOf,
} from './known-prompt.js';
import { optimal } from './optimal.js';

/** Options of {@link bestPrompt}; those of {@link bestHead} but for the prompt scale. */
export interface BestPromptOptions
  extends Pick<KnownPromptRiskOptions, 'mixture' | 'draws' | 'seed' | 'threads' | 'signal'> {
  /** n, or give `sampleRatio`. */
  readonly examples?: number | undefined;
  /** α = n/d, or give `examples`. */
  readonly sampleRatio?: number | undefined;
}

/** Options of {@link bestHead}. */
export interface BestHeadOptions extends BestPromptOptions {
  /** τ, any finite number: the prompt is τ q⋆. */
  readonly inverseTemperature: number;
}

/** What no head on the features of a known prompt is better than. */
export interface BestHead
  extends Pick<
    KnownPromptRisk,
    | 'error'
    | 'standardError'
    | 'effectiveDraws'
    | 'reliable'
    | 'sampleRatio'
    | 'signalCosine'
    | 'signalCosineStandardError'
    | 'relevantAttention'
    | 'relevantAttentionStandardError'
  > {
  /**
   * Whether the mixture is one for which weighted averaging is known to be the best of all functions of the features: ρ = 0, π = ½,
   * confusion (0, 0) only, some token relevant. Elsewhere the numbers are those of weighted averaging, which other heads may be below.
   */
  readonly optimal: boolean;
}

/** What {@link bestPrompt} returns: {@link BestHead} at the best τ. */
export interface BestPrompt extends BestHead {
  /** τ of the least error. */
  readonly inverseTemperature: number;
  /** Its standard error from the finite number of draws; NaN if `atLimit`. */
  readonly inverseTemperatureStandardError: number;
  /** Whether no finite τ is best: `inverseTemperature` is then the outermost that was looked at. */
  readonly atLimit: boolean;
}

const headSchema = knownPromptPointSchema.omit({ kind: true, solver: true, head: true });
const promptSchema = headSchema.omit({ inverseTemperature: true });

const head = { kind: 'weighted-averaging' } as const;

function isOptimal(mixture: ContextualMixture): boolean {
  const { correlation, positiveRate, relevantTokens } = mixture;
  return correlation === 0 && positiveRate === 0.5 && hasCoreConfusion(mixture) && relevantTokens > 0;
}

/**
 * The least error that a head can have on the features of the known prompt τ q⋆, n, d → ∞ with n/d = α: that of weighted averaging,
 * E Φ(−(A/s) W c) with c = W√(αJ)/√(αJW² + 1) the cosine of the head and w⋆ and J = E[A²/s²] (theory.md §11).
 *
 * In the core model with ρ = 0 and π = ½ and with w⋆ of any direction being as likely as any other, its direction is the mean of what the
 * features tell of w⋆ (a von Mises–Fisher distribution), so that no function of the features, however found, has a smaller expected
 * error at any n and d. docs/limits.md has the argument and what holds elsewhere.
 *
 * @param options Give exactly one of `examples` and `sampleRatio`; the first stands for α = n/d.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, if the noise is not Gaussian and if labels are wrong.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 16, dimension: 300, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6 };
 * const { error, signalCosine } = await risk.bestHead({ mixture, inverseTemperature: 0.7, sampleRatio: 2 });
 * console.log(error.toFixed(3), signalCosine.toFixed(2)); // 0.030 0.99
 * ```
 */
export async function bestHead(options: BestHeadOptions): Promise<BestHead> {
  const { examples, sampleRatio, ...rest } = parseOptions(headSchema, options, '');
  return bestHeadAt({ ...rest, sampleRatio: sampleRatioOf({ examples, sampleRatio }, rest.mixture.dimension) });
}

/** Which labels are wrong the average does not know, but another function of the features might. */
function requireTrueLabels({ labelNoise }: ContextualMixture): void {
  if (labelNoise > 0) throw new OptionRangeError('mixture.labelNoise', '0 for the limit of all heads', labelNoise);
}

async function bestHeadAt(
  options: Omit<z.output<typeof headSchema>, 'examples' | 'sampleRatio'> & { readonly sampleRatio: number },
): Promise<BestHead> {
  requireTrueLabels(options.mixture);
  const law = await knownPrompt({ ...options, head });
  return {
    error: law.error,
    standardError: law.standardError,
    effectiveDraws: law.effectiveDraws,
    reliable: law.reliable,
    sampleRatio: law.sampleRatio,
    signalCosine: law.signalCosine,
    signalCosineStandardError: law.signalCosineStandardError,
    relevantAttention: law.relevantAttention,
    relevantAttentionStandardError: law.relevantAttentionStandardError,
    optimal: isOptimal(options.mixture),
  };
}

/**
 * The prompt scale τ of the least {@link bestHead} error: with it, the least error that prompt-attention with a prompt along q⋆ can have
 * at α = n/d. The search is that of {@link optimal}.
 *
 * @param options Give exactly one of `examples` and `sampleRatio`; the first stands for α = n/d.
 * @throws As {@link bestHead}; {@link ConvergenceError} if the law was found at no point.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 16, dimension: 300, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6 };
 * const { inverseTemperature, error } = await risk.bestPrompt({ mixture, sampleRatio: 2, draws: 2000 });
 * console.log(inverseTemperature, error);
 * ```
 */
export async function bestPrompt(options: BestPromptOptions): Promise<BestPrompt> {
  const { examples, sampleRatio: given, ...rest } = parseOptions(promptSchema, options, '');
  requireTrueLabels(rest.mixture);
  const sampleRatio = sampleRatioOf({ examples, sampleRatio: given }, rest.mixture.dimension);
  const { inverseTemperature, inverseTemperatureStandardError, atLimit } = await optimal({
    ...rest,
    head,
    sampleRatio,
  });
  return {
    ...(await bestHeadAt({ ...rest, sampleRatio, inverseTemperature })),
    inverseTemperature,
    inverseTemperatureStandardError,
    atLimit: atLimit.includes('inverseTemperature'),
  };
}
