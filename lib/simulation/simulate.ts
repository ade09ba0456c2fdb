import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { OwnFloat64Array, OwnUint8Array } from '../base/arrays.js';
import { type EngineInfo, engineInfo } from '../base/engine.js';
import type { JobOptions } from '../base/job.js';
import type { HeadSolver, SimulationMethod, TrialAccuracy } from '../base/kind.js';
import { abortSignal, functionOf, integerFrom, oneOf, parseOptions, seedSchema, threadCount } from '../base/options.js';
import {
  type Experiment,
  kindOf,
  parseExperiment,
  type ResolvedExperiment,
  resolveMethod,
  runExperiment,
} from './kinds.js';

export type { SimulationMethod, TrialAccuracy } from '../base/kind.js';

/** Outcome of one trial, as found in {@link Simulation.status}. */
export const TrialStatus = Object.freeze({
  /** The trial ran through; its metrics are finite. */
  ok: 0,
  /**
   * Least squares too ill-conditioned for double precision, and too large for the memory or the time of a surer solver; its
   * metrics are NaN. Features that are exactly dependent are no failure: the head is then the one of least norm.
   */
  singular: 1,
  /** The loss, a parameter or an iterate was no longer finite (the step sizes are too large); its metrics are NaN. */
  diverged: 2,
  /** A hyperplane separates the classes: a logistic head without ridge does not exist; its metrics are NaN. */
  separable: 3,
  /**
   * The solver of the head did not reach its tolerance, or could not vouch for w to 1e-6 of its norm; its metrics are NaN but `solverIterations`
   * and `solverResidual`.
   */
  notConverged: 4,
});

/** What found the head of a trial, as found in {@link Simulation.solverUsed}. */
export const SolverUsed = Object.freeze({
  /** There was nothing to solve: the averaging head. */
  none: 0,
  /** Conjugate gradients on lazily drawn noise. */
  iterative: 1,
  /** A factorisation of the Gram matrix, refined where that was needed; Newton's or an interior-point method. */
  direct: 2,
  /** An orthogonal factorisation of the features, in double-double arithmetic where that was needed. */
  orthogonal: 3,
});

/** Why the solver of a trial is not the first choice, as found in {@link Simulation.solverFallback}. */
export const SolverFallback = Object.freeze({
  /** It is the first choice. */
  none: 0,
  /** The scales of the features say that conjugate gradients would need too many iterations: they were not tried. */
  predicted: 1,
  /** Conjugate gradients did not end with a head that is right; the features that they have looked at were solved directly. */
  notConverged: 2,
  /** The Gram matrix was too ill-conditioned for its Cholesky factor. */
  illConditioned: 3,
});

/** Options of {@link simulate}. */
export interface SimulationOptions extends JobOptions {
  /** Number of trials: an integer in [1, 2³¹). */
  readonly trials: number;
  /** An integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). */
  readonly seed: number | bigint;
  /**
   * Default `'projected'` where it is exact, else `'dense'`. It is exact for Gaussian noise; in three-step experiments d must
   * be at least 5, in gradient-descent experiments the model must not be self-attention and the optimizer not Adam, and in both relevant
   * tokens must have no noise.
   */
  readonly method?: SimulationMethod | undefined;
  /** Index of the first trial, so that runs can be extended: trials a…b are the same numbers however they are split. Default 0. */
  readonly firstTrial?: number | undefined;
  /** Draws that estimate the test error of each trial: an integer ≥ 1. Default 1000. */
  readonly testDraws?: number | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
  /**
   * Called at most ten times a second with the number of trials finished, and once at the end. What it throws ends the work and rejects
   * the promise.
   */
  readonly onProgress?: ((progress: { readonly completed: number; readonly trials: number }) => void) | undefined;
}

/** Records along the training of every trial. */
export interface SimulationPath {
  /** Steps taken before each record: 0, the multiples of `recordEvery`, and the last step. */
  readonly steps: OwnFloat64Array;
  /**
   * One array of trials × records per metric, the records of a trial one after the other. Record j of trial t is at
   * `t * steps.length + j`; the last record is what {@link Simulation.metrics} holds. A trial that diverged has NaN from the
   * first record that is not finite.
   */
  readonly metrics: Readonly<Record<string, OwnFloat64Array>>;
}

/** What {@link simulate} found. */
export interface Simulation {
  /** Number of trials run. */
  readonly trials: number;
  /** Index of the first one. */
  readonly firstTrial: number;
  /** How they were run. */
  readonly method: SimulationMethod;
  /** How the heads of a known-prompt experiment were to be found; absent where there is nothing to solve. */
  readonly solver?: HeadSolver | undefined;
  /** One {@link SolverUsed} code per trial: what did find its head, or was the last to try; known prompt only. */
  readonly solverUsed?: OwnUint8Array | undefined;
  /** One {@link SolverFallback} code per trial; known prompt only. */
  readonly solverFallback?: OwnUint8Array | undefined;
  /**
   * One array of length `trials` per metric; NaN where a trial failed. `error` is the test error in [0, 1],
   * `relevantAttention` the mean attention mass on relevant tokens in [0, 1]. Known prompt: `headNorm` is ‖w‖; with
   * the iterative solver `solverIterations` and `solverResidual`, the gradient's norm at the head over that at w = 0. Three
   * steps: `contextOverlap` is ⟨q1, q⋆⟩, `signalOverlap` ⟨q1, w⋆⟩, `promptNorm` ‖q1‖, and `w1ContextCosine`,
   * `w1SignalCosine`, `q1ContextCosine`, … `w2SignalCosine` are the cosines of the iterates with q⋆ and w⋆ (0 where a
   * norm is 0). Gradient descent: `headNorm`, `headContextOverlap` ⟨w, q⋆⟩, `headSignalOverlap` ⟨w, w⋆⟩, `trainingLoss` and `trainingError` at the last parameters, over the examples of the
   * step that would come next (with `data: 'fresh'` none of them has been learned from); for models with a
   * prompt `contextOverlap` ⟨q, q⋆⟩, `signalOverlap` ⟨q, w⋆⟩ and `promptNorm` ‖q‖; for self-attention `weightNorm` ‖B‖.
   * Linear attention has no `relevantAttention`: its weights are no distribution.
   */
  readonly metrics: Readonly<Record<string, OwnFloat64Array>> & {
    /** Test error of each trial, in [0, 1]. */
    readonly error: OwnFloat64Array;
  };
  /** Metrics along the training; only for gradient-descent experiments with `recordEvery`. */
  readonly path?: SimulationPath | undefined;
  /** One {@link TrialStatus} code per trial. */
  readonly status: OwnUint8Array;
  /**
   * How well the test error of each trial is known, one number per trial: over its `testDraws` draws, so for the metric `error` only and
   * without the spread between trials. Absent for experiments on images, which test on examples of their own.
   */
  readonly testError?: TrialAccuracy | undefined;
  /**
   * Draws behind the mean test error: (Σ_i e_i)²/Σ_i(e_i²/n_i) over trials of status ok with errors e_i of n_i effective draws.
   * Infinity where every error is closed form, 0 where none was above 0 or no trial is ok. Experiments on images, whose trials share
   * one test set: the number of errors that the mean trial makes on it.
   */
  readonly effectiveDraws: number;
  /**
   * False if the mean test error cannot be trusted for what its trials know of theirs: trials whose own error is not reliable may
   * carry more than 5 % of it; where errors are counted, if all trials together saw fewer than 10, and on images, if the mean trial
   * makes fewer than 10 errors, or 10 right predictions, on the test set. The spread between trials is another
   * matter: a mean that one trial carries is not marked here.
   */
  readonly reliable: boolean;
  /** What computed it. */
  readonly engine: EngineInfo;
}

const optionsSchema = z.strictObject({
  trials: integerFrom(1, 2 ** 31 - 1),
  seed: seedSchema,
  method: oneOf(['projected', 'dense']).optional(),
  firstTrial: integerFrom(0).default(0),
  testDraws: integerFrom(1, 2 ** 31 - 1).default(1000),
  threads: threadCount,
  signal: abortSignal,
  onProgress: functionOf<NonNullable<SimulationOptions['onProgress']>>().optional(),
});

/** Errors that all trials together must have seen where errors are counted; their share that may be unreliable. */
const kLeastErrorsSeen = 10;
const kUnreliableShare = 0.05;

/**
 * What a test set says that all trials share: as many errors as the mean trial made on it, or right predictions if those are fewer.
 * More trials do not add to it.
 */
function heldOutAccuracy(experiment: ResolvedExperiment, error: Float64Array, status: Uint8Array) {
  const ok = error.filter((_, trial) => status[trial] === TrialStatus.ok);
  if (ok.length === 0 || !('testExamples' in experiment)) return { effectiveDraws: 0, reliable: false };
  const mean = ok.reduce((sum, value) => sum + value) / ok.length;
  const rarer = Math.min(mean, 1 - mean) * experiment.testExamples;
  return { effectiveDraws: mean * experiment.testExamples, reliable: rarer >= kLeastErrorsSeen };
}

/** What the trials' own accuracy says of their mean error. */
function meanAccuracy(
  experiment: ResolvedExperiment,
  error: Float64Array,
  status: Uint8Array,
  accuracy: TrialAccuracy | undefined,
) {
  if (accuracy === undefined) return heldOutAccuracy(experiment, error, status);
  const { standardError, effectiveDraws, reliable } = accuracy;
  let total = 0;
  let squares = 0;
  let doubtful = 0;
  let isExact = true;
  for (let i = 0; i < status.length; i++) {
    if (status[i] !== TrialStatus.ok) continue;
    const e = error[i] as number;
    const n = effectiveDraws[i] as number;
    total += e;
    if (n > 0) squares += e * (e / n);
    if (n !== Number.POSITIVE_INFINITY) isExact = false;
    if (reliable[i] === 0) doubtful += e + 1.96 * (standardError[i] as number);
  }
  if (isExact)
    return { effectiveDraws: status.includes(TrialStatus.ok) ? Number.POSITIVE_INFINITY : 0, reliable: true };
  const draws = squares > 0 ? (total * total) / squares : 0;
  return {
    effectiveDraws: draws,
    reliable: kindOf(experiment).isCounted(experiment)
      ? draws >= kLeastErrorsSeen
      : doubtful <= kUnreliableShare * total,
  };
}

/**
 * Run Monte Carlo trials of an experiment on the addon's own threads.
 *
 * A trial draws a training set, fits, and measures the test error of the result. Trial t of an experiment depends on
 * the seed, the experiment and t only: not on threads, on how trials are split over calls, or on other trials.
 * `method`, `head`, `debias`, `model`, `loss`, `optimizer`, `data` and `steps` do not enter the random numbers, so they are
 * compared on common labels.
 *
 * The test error under Gaussian noise is an average of normal tail probabilities over `testDraws` draws, importance sampled where
 * rare scores carry it (see {@link testError}); `testError` of the result tells how well each is known. Under other noise, with noise
 * on relevant tokens, and for self-attention, it is the share of `testDraws` fresh examples misclassified.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; a RangeError with the bytes if a trial of a
 * gradient-descent experiment needs more memory than there is; the signal's reason if aborted. Where only some of the threads
 * fit the memory together, so many are used.
 * @example
 * ```ts
 * import { simulate, summary } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const simulation = await simulate(
 *   { kind: 'known-prompt', mixture, examples: 400, inverseTemperature: 0.5, head: { kind: 'least-squares' } },
 *   { trials: 100, seed: 1 },
 * );
 * console.log(summary(simulation).metrics.error.mean, simulation.metrics.error.length);
 * ```
 */
export async function simulate(experiment: Experiment, options: SimulationOptions): Promise<Simulation> {
  const resolved = parseExperiment(experiment, 'experiment');
  const { seed, trials, firstTrial, testDraws, threads, signal, onProgress, ...rest } = parseOptions(
    optionsSchema,
    options,
    '',
  );
  const method = resolveMethod(resolved, rest.method);
  const { metrics, path, status, testError, solver, solverUsed, solverFallback } = await runExperiment(resolved, {
    seed,
    method,
    firstTrial,
    trials,
    testDraws,
    threads: threads ?? availableParallelism(),
    signal,
    onProgress: onProgress && ((completed) => onProgress({ completed, trials })),
  });
  onProgress?.({ completed: trials, trials });
  return {
    trials,
    firstTrial,
    method,
    ...(solver !== undefined && { solver }),
    ...(solverUsed !== undefined && { solverUsed, solverFallback }),
    metrics: metrics as Simulation['metrics'],
    ...(path !== undefined && { path: { steps: kindOf(resolved).recordedSteps(resolved), metrics: path } }),
    status,
    ...(testError !== undefined && { testError }),
    ...meanAccuracy(resolved, metrics.error as Float64Array, status, testError),
    engine: engineInfo(),
  };
}
