import type { z } from 'zod';
import type { OwnFloat64Array, OwnUint8Array } from './arrays.js';
import type { MetricName } from './metrics.js';

/** `'projected'`: exact in distribution, with noise drawn only where it is looked at. `'dense'`: every token is drawn. */
export type SimulationMethod = 'projected' | 'dense';

/**
 * `'direct'`: factorises the Gram matrix of the features, or the features themselves where that is too ill-conditioned.
 * `'iterative'`: conjugate gradients on lazily drawn noise; chosen by `'auto'`, a trial for which they are predicted to take
 * too long, or that they do not solve, is solved directly.
 */
export type HeadSolver = 'direct' | 'iterative';

/** Which trials of an experiment to run, and how. */
export interface TrialRequest {
  readonly seed: number | bigint;
  readonly method: SimulationMethod;
  readonly firstTrial: number;
  readonly trials: number;
  readonly testDraws: number;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the number of trials finished. */
  readonly onProgress?: ((completed: number) => void) | undefined;
}

/** A request with the key that its random numbers are drawn under. */
export interface KeyedTrialRequest extends TrialRequest {
  readonly cellKey: Uint32Array;
}

/** Raw results of consecutive trials. */
export interface TrialResults {
  /** One array per metric, `error` among them, with one number per trial. */
  readonly metrics: Readonly<Record<string, OwnFloat64Array>>;
  /** Metrics along the training, trials×records per metric, for experiments that record them. */
  readonly path?: Readonly<Record<string, OwnFloat64Array>> | undefined;
  /** One code per trial: 0 if it ran through, else it failed and its metrics are NaN. */
  readonly status: OwnUint8Array;
  /** How well the test error of each trial is known; absent where it is measured on a fixed set of examples. */
  readonly testError?: TrialAccuracy | undefined;
  /** How the heads were to be found; known prompt only, where there is something to solve. */
  readonly solver?: HeadSolver | undefined;
  /** Codes of what found the head of each trial, and of why it was not the first choice; known prompt only. */
  readonly solverUsed?: OwnUint8Array | undefined;
  readonly solverFallback?: OwnUint8Array | undefined;
}

/** How well the test errors of trials are known: one number per trial. */
export interface TrialAccuracy {
  /** Standard error of the trial's own test error, over the draws that estimate it; NaN where the trial failed. */
  readonly standardError: OwnFloat64Array;
  /**
   * Draws that its test error amounts to: (Σv)²/Σv² over the weighted draws behind it, the number of errors where errors are
   * counted, Infinity where it is closed form; NaN where the trial failed.
   */
  readonly effectiveDraws: OwnFloat64Array;
  /** 1 where error ± 1.96 `standardError` can be trusted, else 0. */
  readonly reliable: OwnUint8Array;
}

/** A value and its standard error. */
export interface Estimate {
  /** The value. */
  readonly mean: number;
  /** Its standard error; NaN where it is not known. */
  readonly standardError: number;
  /** (Σv)²/Σv² over the weighted draws behind it, Infinity where it is exact; left out where it is not known. */
  readonly effectiveDraws?: number | undefined;
  /** False where the standard error cannot be trusted. Default true. */
  readonly reliable?: boolean | undefined;
}

/** How the law of an experiment is computed. */
export interface LawOptions {
  readonly seed: number | bigint;
  /** Draws behind the law; by default the law's own choice. */
  readonly draws: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * One kind of experiment: all that the package has to know about it. `lib/simulation/kinds.ts` lists them; the union of experiments, errors,
 * keys of random numbers, what the command line offers, tests and the table of docs/model.md are read from there.
 */
export interface ExperimentKind<Given, Resolved, Metric extends string = MetricName> {
  /** Validates an experiment and fills in the defaults. */
  readonly schema: z.ZodType<Resolved>;
  /** An experiment of the kind, as small as one can be. */
  readonly example: Given;
  /**
   * Options that name a method and stay out of the key of random numbers, as `kind` does: what they name is compared on common random
   * numbers.
   */
  readonly methodOptions: readonly (keyof Resolved & string)[];
  /** Why an experiment has no projected method, to be put behind `'dense'`; undefined if it has one. */
  whyDense(experiment: Resolved): string | undefined;
  /** Names of the metrics of a trial, `error` first. */
  metrics(experiment: Resolved, method: SimulationMethod): readonly ('error' | Metric)[];
  /** Steps taken before each record of a path; empty if the experiment records none. */
  recordedSteps(experiment: Resolved): OwnFloat64Array;
  /** Whether the test error of a trial is a share of fresh examples, which many errors must be seen for. */
  isCounted(experiment: Resolved): boolean;
  /** Run trials. They depend on the seed, the key and their indices only. */
  simulate(experiment: Resolved, request: KeyedTrialRequest): Promise<TrialResults>;
  /** What the law of the experiment says of the metrics it covers, `error` among them; null where there is no law. */
  theory(experiment: Resolved, options: LawOptions): Promise<Readonly<Record<string, Estimate>> | null>;
  /** The function of `risk` that takes an experiment as it is, for `prompt-attention risk`; undefined if there is none. */
  readonly risk: 'knownPrompt' | 'threeStep' | 'gradientDescent' | undefined;
}

/** The test error of a law, with what the law says of how well it is known. */
export function errorOf(
  law: Pick<Estimate, 'standardError' | 'effectiveDraws' | 'reliable'> & { readonly error: number },
): Estimate {
  const { error: mean, standardError, effectiveDraws, reliable } = law;
  return { mean, standardError, effectiveDraws, reliable };
}
