import { mean, quantileSorted, sampleStandardDeviation } from 'simple-statistics';

/** Raw results of consecutive trials, as `simulate` returns them. */
export interface TrialResults {
  /** One array per metric, one number per trial; `error` is always there. */
  readonly metrics: Readonly<Record<string, Float64Array>>;
  /** One code per trial: 0 if it ran through, else it failed and its metrics are NaN. */
  readonly status: Uint8Array;
}

/** A value and its standard error. */
export interface Estimate {
  /** The value. */
  readonly mean: number;
  /** Its standard error. */
  readonly standardError: number;
}

/** What the trials of one cell say. Failed trials are counted and left out of everything else. */
export interface CellStatistics {
  /** Trials run, failed ones included. */
  readonly trials: number;
  /** Trials whose status is not 0. */
  readonly failed: number;
  /** Mean test error, in [0, 1]; NaN if every trial failed. */
  readonly meanError: number;
  /** Monte Carlo standard error of `meanError`: sample standard deviation / √trials; NaN with fewer than two trials. */
  readonly standardError: number;
  /** 5 % quantile of the test error over trials, with linear interpolation between order statistics. */
  readonly quantile5: number;
  /** Median of the test error over trials. */
  readonly quantile50: number;
  /** 95 % quantile of the test error over trials. */
  readonly quantile95: number;
  /** Mean and standard error of every metric but `error`. */
  readonly metrics: Readonly<Record<string, Estimate>>;
}

/** One {@link TrialResults} from several, in the order given; the metrics of the first one. */
export function joinTrials(parts: readonly TrialResults[]): TrialResults {
  const trials = parts.reduce((sum, part) => sum + part.status.length, 0);
  const status = new Uint8Array(trials);
  const metrics: Record<string, Float64Array> = {};
  for (const name of Object.keys(parts[0]?.metrics ?? {})) metrics[name] = new Float64Array(trials);
  let first = 0;
  for (const part of parts) {
    status.set(part.status, first);
    for (const [name, values] of Object.entries(metrics)) values.set(part.metrics[name] as Float64Array, first);
    first += part.status.length;
  }
  return { metrics, status };
}

function successes(results: TrialResults, metric: string): number[] {
  return Array.from(results.metrics[metric] ?? []).filter((_, trial) => results.status[trial] === 0);
}

function estimate(values: number[]): Estimate {
  return {
    mean: values.length > 0 ? mean(values) : Number.NaN,
    standardError: values.length > 1 ? sampleStandardDeviation(values) / Math.sqrt(values.length) : Number.NaN,
  };
}

/** Monte Carlo standard error of the mean test error; NaN with fewer than two successful trials. */
export function errorStandardError(results: TrialResults): number {
  return estimate(successes(results, 'error')).standardError;
}

/** Statistics of the trials of one cell, in trial order, so that equal trials give equal digits. */
export function cellStatistics(results: TrialResults): CellStatistics {
  const errors = successes(results, 'error');
  const { mean: meanError, standardError } = estimate(errors);
  const sorted = [...errors].sort((a, b) => a - b);
  const quantile = (level: number) => (sorted.length > 0 ? quantileSorted(sorted, level) : Number.NaN);
  return {
    trials: results.status.length,
    failed: results.status.length - errors.length,
    meanError,
    standardError,
    quantile5: quantile(0.05),
    quantile50: quantile(0.5),
    quantile95: quantile(0.95),
    metrics: Object.fromEntries(
      Object.keys(results.metrics)
        .filter((name) => name !== 'error')
        .sort()
        .map((name) => [name, estimate(successes(results, name))]),
    ),
  };
}

/**
 * How many standard errors simulation lies above theory: (mean − theory) / √(se² + theory se²); null where either is
 * missing or the standard errors are unknown or both zero.
 */
export function zScore(simulated: Estimate, theory: Estimate | null): number | null {
  if (theory === null) return null;
  const z = (simulated.mean - theory.mean) / Math.hypot(simulated.standardError, theory.standardError);
  return Number.isFinite(z) ? z : null;
}
