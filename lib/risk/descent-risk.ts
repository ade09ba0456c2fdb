import type { OwnFloat64Array } from '../base/arrays.js';
import type { JobOptions } from '../base/job.js';
import type { DescentPathName } from '../base/native-types.js';
import type { GradientDescentExperiment } from '../experiments/gradient-descent.js';

/** What is told of a training beside its error, each with a standard error. */
export const kPathMetrics = [
  'trainingLoss',
  'contextOverlap',
  'signalOverlap',
  'headContextOverlap',
  'headSignalOverlap',
  'promptNorm',
  'headNorm',
  'relevantAttention',
] as const satisfies readonly DescentPathName[];

/** A gradient-descent experiment of Gaussian noise, and how its law is computed. */
export interface GradientDescentRiskOptions
  extends Omit<GradientDescentExperiment, 'kind' | 'data' | 'model' | 'stepSizes' | 'steps'>,
    JobOptions {
  /** May be given, so that a gradient-descent experiment can be passed as it is. */
  readonly kind?: 'gradient-descent' | undefined;
  /**
   * `'fresh'`: examples of its own for every step, which there are equations for. `'reused'`: always the same n, which trials are run for.
   * Default `'reused'`, as in the experiment.
   */
  readonly data?: 'fresh' | 'reused' | undefined;
  /** {@link promptAttention}, {@link linearAttention} or {@link meanPooling}. */
  readonly model: 'prompt-attention' | 'linear-attention' | 'mean-pooling';
  /** Number of steps: an integer in [0, 10⁶]. */
  readonly steps: number;
  /** Step sizes ≥ 0: one for all steps, or, on fresh examples, one for each of them. */
  readonly stepSizes: {
    /** Of the head w: a number, or `steps` of them. */
    readonly head: number | readonly number[];
    /** Of the prompt q: a number, or `steps` of them. */
    readonly prompt: number | readonly number[];
  };
  /**
   * `true`: expectations at the given n and d (needs d ≥ 8 on fresh examples). `false`: the limit n, d → ∞ at this n/d. Default `true`.
   */
  readonly fluctuations?: boolean | undefined;
  /**
   * Examples drawn, for each step on fresh ones, for all trials together on reused ones (some more where trials of a size would be fewer than
   * 32): an integer in [64, 2³¹). Default 20 000.
   */
  readonly draws?: number | undefined;
  /** Seed of the draws. Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
}

/** A size at which trials were run for {@link GradientDescentRisk}. */
export interface TrainedSize {
  /** n; not a whole number where trials of ⌊n⌋ and ⌈n⌉ examples are mixed to keep n/d. */
  readonly examples: number;
  /** d; likewise. */
  readonly dimension: number;
  /** Trials. */
  readonly trials: number;
}

/** The path of a training, one entry per step 0 … S in every array (with `recordEvery` one per recorded step). */
export interface GradientDescentRisk {
  /**
   * Where the numbers are from. `'equations'`: the law of fresh examples. `'trials'`: means over trials at the given n and d.
   * `'extrapolation'`: means over trials at three smaller n of the same n/d, and from them to the given n, or to infinity.
   */
  readonly basis: 'equations' | 'trials' | 'extrapolation';
  /** The sizes of those trials, ascending; empty for the law of fresh examples. */
  readonly sizes: readonly TrainedSize[];
  /** The steps: 0, 1, …, S. */
  readonly steps: OwnFloat64Array;
  /** Test errors, in [0, 1]. */
  readonly error: OwnFloat64Array;
  /** Standard errors of `error`: ±1.96 of them are 95 % intervals where the entry is `reliable`. The others are alike. */
  readonly standardError: OwnFloat64Array;
  /** Mean loss over the examples of the next step: fresh ones, or those that are trained on. */
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
  /** Draws that carry the error, as in {@link KnownPromptRisk}; on reused examples trials, of the size that has the fewest. */
  readonly effectiveDraws: OwnFloat64Array;
  /**
   * Whether the interval of the error can be trusted. Fresh examples: enough draws carry it, more than a few of the paths do, and, where n is
   * above draws/64, `draws` is at least 1024 and the small samples of draws/64 examples behind the term of order 1/n are near enough to the
   * path on all draws (by 0.7 of their standard deviations in the mean) and to each other (a standard deviation of 0.025) for there to be
   * such a term; not after three steps of the normalized rule, whose limit may jump. Reused examples: the mean error of no size is carried by
   * few trials, norms scatter between trials by less than half of their mean, and the curvature of the extrapolation is at most half of the
   * value and three standard errors. More `draws` help.
   */
  readonly reliable: readonly boolean[];
}
