import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { native } from '../base/native.js';
import { abortSignal, integerFrom, nonNegativeNumber, parseOptions, seedSchema, threadCount } from '../base/options.js';
import { type GradientDescentExperiment, gradientDescentSchema } from '../experiments/gradient-descent.js';
import { requireScalarNoise, toNativeMixture } from '../mixture/mixture.js';
import { toNativeOptimizer } from '../training/optimizer.js';

/** A gradient-descent experiment on fresh examples, of Gaussian noise, and how its law is computed. */
export interface GradientDescentRiskOptions
  extends Omit<GradientDescentExperiment, 'kind' | 'data' | 'model' | 'stepSizes' | 'steps'>,
    JobOptions {
  /** May be given, so that a gradient-descent experiment can be passed as it is. */
  readonly kind?: 'gradient-descent' | undefined;
  /** Fresh examples each step: the only data that there is a law for. */
  readonly data: 'fresh';
  /** {@link promptAttention}, {@link linearAttention} or {@link meanPooling}. */
  readonly model: 'prompt-attention' | 'linear-attention' | 'mean-pooling';
  /** Number of steps: an integer in [0, 10⁶]. */
  readonly steps: number;
  /** Step sizes ≥ 0: one for all steps, or one for each of them. */
  readonly stepSizes: {
    /** Of the head w: a number, or `steps` of them. */
    readonly head: number | readonly number[];
    /** Of the prompt q: a number, or `steps` of them. */
    readonly prompt: number | readonly number[];
  };
  /** `true`: expectations at the given n and d (needs d ≥ 8). `false`: the limit n, d → ∞ at this n/d. Default `true`. */
  readonly fluctuations?: boolean | undefined;
  /** Examples drawn for each step: an integer in [64, 2³¹). Default 20 000. */
  readonly draws?: number | undefined;
  /** Seed of the draws. Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
}

/** The path of a training, one entry per step 0 … S in every array (with `recordEvery` one per recorded step). */
export interface GradientDescentRisk {
  /** The steps: 0, 1, …, S. */
  readonly steps: OwnFloat64Array;
  /** Test errors, in [0, 1]. */
  readonly error: OwnFloat64Array;
  /** Standard errors of `error`: ±1.96 of them are 95 % intervals where the entry is `reliable`. The others are alike. */
  readonly standardError: OwnFloat64Array;
  /** Mean loss over the fresh examples of the next step. */
  readonly trainingLoss: OwnFloat64Array;
  /** Standard errors of `trainingLoss`. */
  readonly trainingLossStandardError: OwnFloat64Array;
  /** ⟨q, q⋆⟩; 0 for mean pooling, as all of the prompt. */
  readonly contextOverlap: OwnFloat64Array;
  /** Standard errors of `contextOverlap`. */
  readonly contextOverlapStandardError: OwnFloat64Array;
  /** ⟨q, w⋆⟩. */
  readonly signalOverlap: OwnFloat64Array;
  /** Standard errors of `signalOverlap`. */
  readonly signalOverlapStandardError: OwnFloat64Array;
  /** ⟨w, q⋆⟩. */
  readonly headContextOverlap: OwnFloat64Array;
  /** Standard errors of `headContextOverlap`. */
  readonly headContextOverlapStandardError: OwnFloat64Array;
  /** ⟨w, w⋆⟩. */
  readonly headSignalOverlap: OwnFloat64Array;
  /** Standard errors of `headSignalOverlap`. */
  readonly headSignalOverlapStandardError: OwnFloat64Array;
  /** ‖q‖. */
  readonly promptNorm: OwnFloat64Array;
  /** Standard errors of `promptNorm`. */
  readonly promptNormStandardError: OwnFloat64Array;
  /** ‖w‖. */
  readonly headNorm: OwnFloat64Array;
  /** Standard errors of `headNorm`. */
  readonly headNormStandardError: OwnFloat64Array;
  /** Attention mass on relevant tokens, in [0, 1]; 0 for linear attention, whose weights are none. */
  readonly relevantAttention: OwnFloat64Array;
  /** Standard errors of `relevantAttention`. */
  readonly relevantAttentionStandardError: OwnFloat64Array;
  /** Draws that carry the error, as in {@link KnownPromptRisk}. */
  readonly effectiveDraws: OwnFloat64Array;
  /**
   * Whether the interval of the error can be trusted: enough draws carry it, more than a few of the paths do, and, where n is above
   * draws/64, `draws` is at least 1024 and the small samples of draws/64 examples behind the term of order 1/n are near enough to the
   * path on all draws (by 0.7 of their standard deviations in the mean) and to each other (a standard deviation of 0.025) for there to be
   * such a term; not after three steps of the normalized rule, whose limit may jump. More `draws` help.
   */
  readonly reliable: readonly boolean[];
}

const stepSizes = z.union([nonNegativeNumber, z.array(nonNegativeNumber)], {
  error: 'a number ≥ 0, or an array with one for every step',
});
const { model: _, stepSizes: __, data: ___, kind: ____, ...shape } = gradientDescentSchema.shape;
export const gradientDescentRiskSchema = z
  .strictObject({
    ...shape,
    kind: z.literal('gradient-descent').optional(),
    data: z.literal('fresh', { error: "'fresh': training on reused examples has no law" }),
    model: z.enum(['prompt-attention', 'linear-attention', 'mean-pooling'], {
      error: "'prompt-attention', 'linear-attention' or 'mean-pooling'",
    }),
    steps: integerFrom(0, 1_000_000),
    stepSizes: z.strictObject(
      { head: stepSizes, prompt: stepSizes },
      { error: 'an object { head, prompt } with step sizes ≥ 0' },
    ),
    fluctuations: z.boolean({ error: 'true or false' }).default(true),
    draws: integerFrom(64, 2 ** 31 - 1).default(20_000),
    seed: seedSchema.default(0),
    threads: threadCount,
    signal: abortSignal,
  })
  .refine(({ model, initial }) => model !== 'linear-attention' || initial !== 'zero', {
    error: 'an object { scale } for linear-attention, whose gradient at zero vanishes',
    path: ['initial'],
  });

export type ResolvedGradientDescentRisk = z.output<typeof gradientDescentRiskSchema>;

/** Below it the directions that fluctuate have no room beside those that the path is told by. */
export const kLeastDescentDimension = 8;

function everyStep(name: string, sizes: number | readonly number[], steps: number): Float64Array {
  if (typeof sizes === 'number') return new Float64Array(steps).fill(sizes);
  if (sizes.length !== steps)
    throw new OptionRangeError(`stepSizes.${name}`, `a number, or ${steps} of them, one per step`, sizes);
  return Float64Array.from(sizes);
}

/**
 * The law of gradient descent on fresh examples: what the means of {@link simulate}'s metrics tend to along the training, without
 * simulating, at a cost that grows with neither n nor d.
 *
 * In the limit n, d → ∞ with n/d fixed one step is E[e Σ φ_t x_t] for the head and E[e Σ φ_t (a_t − f) x_t] for the prompt, on q⋆, w⋆ and
 * the directions of q and w, and a Gaussian vector of covariance (d/n) σ² E[e² Σ_t c_t c_tᵀ], c_t = (φ_t, φ_t(a_t − f)), elsewhere
 * (theory.md §13), with e the negative slope of the loss. With fluctuations the term of order 1/n is added, from small trials in
 * the same coordinates that are exact in distribution; up to n = draws/64 those trials are the ones of the experiment itself.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, if the noise is not Gaussian, for Adam, and if
 * fluctuations are asked for below dimension 8; {@link ConvergenceError} if the path overflows.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 200, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const { error, contextOverlap } = await risk.gradientDescent({
 *   mixture, examples: 400, data: 'fresh', model: 'prompt-attention', steps: 4, stepSizes: { head: 1, prompt: 1 },
 * });
 * console.log(error.length, contextOverlap[0]); // 5 0
 * ```
 */
export async function gradientDescent(options: GradientDescentRiskOptions): Promise<GradientDescentRisk> {
  return gradientDescentLaw(parseOptions(gradientDescentRiskSchema, options, ''));
}

/**
 * {@link gradientDescent} of options that are parsed.
 *
 * @param stream Draws under another name are independent of these.
 */
export async function gradientDescentLaw(
  parsed: ResolvedGradientDescentRisk,
  stream?: string,
): Promise<GradientDescentRisk> {
  const { mixture, model, fluctuations, steps, optimizer, initial, signal } = parsed;
  requireScalarNoise(mixture, 'mixture', 'a risk');
  if (optimizer.kind === 'adam')
    throw new OptionRangeError(
      'optimizer.kind',
      "'gradient-descent', 'normalized-gradient-descent' or 'momentum' for a law",
      optimizer.kind,
    );
  if (fluctuations && mixture.dimension < kLeastDescentDimension)
    throw new OptionRangeError('fluctuations', `false for a dimension below ${kLeastDescentDimension}`, fluctuations);
  const { reliable, ...law } = await runJob(
    () =>
      native.descentRisk({
        mixture: toNativeMixture(mixture),
        model: { kind: model, tokens: mixture.tokens, dimension: mixture.dimension },
        loss: parsed.loss,
        examples: parsed.examples,
        optimizer: toNativeOptimizer(optimizer),
        promptSteps: everyStep('prompt', parsed.stepSizes.prompt, steps),
        headSteps: everyStep('head', parsed.stepSizes.head, steps),
        initialScale: initial === 'zero' ? 0 : initial.scale,
        recordEvery: parsed.recordEvery ?? 1,
        fluctuations,
        draws: parsed.draws,
        threads: parsed.threads ?? availableParallelism(),
        seed: BigInt(parsed.seed),
        cellKey: hashKey({ risk: 'gradient-descent', ...(stream !== undefined && { stream }) }),
      }),
    { signal },
  );
  const { effectiveDraws: _, ...values } = law;
  const overflows = (record: number) => Object.values(values).some((path) => !Number.isFinite(path[record]));
  const step = law.steps.find((_, record) => overflows(record));
  if (step !== undefined) throw new ConvergenceError(`the training overflows before step ${step}`, { step });
  return { ...law, reliable: Array.from(reliable, (value) => value === 1) };
}
