import { quantileSorted } from 'simple-statistics';
import { studentQuantile } from '../base/distributions.js';
import type { Estimate } from '../base/kind.js';
import { effectiveTrials, meanMarks, type ReliabilityMark, type TestErrors } from './reliability.js';

export type { Estimate } from '../base/kind.js';

/** Mean and standard error of a metric that has a value at several points of a trial. */
export interface PathEstimate {
  /** Mean at each point. */
  readonly mean: readonly number[];
  /** Monte Carlo standard error of each mean. */
  readonly standardError: readonly number[];
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
  /** Lower end of the 95 % interval of the mean test error, by Student's t; NaN with fewer than two trials. */
  readonly intervalLow: number;
  /** Upper end of that interval. */
  readonly intervalHigh: number;
  /**
   * (Σe)²/Σe² over the test errors e of the trials: about how many of them carry the mean. 0 if no trial had an error, NaN if none ran
   * through.
   */
  readonly effectiveTrials: number;
  /**
   * The same over all draws of all trials: (Σe)²/Σ(e²/m) with m the effective draws behind the test error of a trial. Infinity where test
   * errors are exact, NaN where it is not known.
   */
  readonly effectiveDraws: number;
  /** What is wrong with `meanError` and its interval; empty if nothing is. */
  readonly marks: readonly ReliabilityMark[];
  /** 5 % quantile of the test error over trials, with linear interpolation between order statistics. */
  readonly quantile5: number;
  /** Median of the test error over trials. */
  readonly quantile50: number;
  /** 95 % quantile of the test error over trials. */
  readonly quantile95: number;
  /** Mean and standard error of every metric but `error`. */
  readonly metrics: Readonly<Record<string, Estimate>>;
  /** The same for metrics that have a value at several points of a trial. */
  readonly paths: Readonly<Record<string, PathEstimate>>;
}

/** Trials as they are stored: a metric along the training is one metric with several values per trial; {@link kTestErrorArrays} likewise. */
export interface StoredResults {
  readonly metrics: Readonly<Record<string, Float64Array>>;
  readonly status: Uint8Array;
}

/** Results of trials, whoever holds their arrays. */
interface GivenResults extends StoredResults {
  readonly path?: Readonly<Record<string, Float64Array>> | undefined;
  readonly testError?:
    | { readonly standardError: Float64Array; readonly effectiveDraws: Float64Array; readonly reliable: Uint8Array }
    | undefined;
}

/** What is stored beside the metrics about the test error of every trial. */
export const kTestErrorArrays = ['errorStandardError', 'errorEffectiveDraws', 'errorReliable'] as const;

const isMetric = (name: string) => !(kTestErrorArrays as readonly string[]).includes(name);

/** The results of trials as they are stored. */
export function storedResults({ metrics, path = {}, status, testError }: GivenResults): StoredResults {
  const paths = Object.entries(path).map(([name, values]) => [`${name}Path`, values] as const);
  const testErrors = testError && {
    errorStandardError: testError.standardError,
    errorEffectiveDraws: testError.effectiveDraws,
    errorReliable: Float64Array.from(testError.reliable),
  };
  return { metrics: { ...metrics, ...Object.fromEntries(paths), ...testErrors }, status };
}

/** Squares of values up to this many times the scale are summed as they are. */
const kMostScaled = 2 ** 100;

/** Mean and variance, value by value (Welford's recurrence): the same digits however the values were split into batches. */
export class Moments {
  private count = 0;
  private average = 0;
  private squares = 0;
  /** A power of two that differences are multiplied by, so that squares of values such as 10⁻²⁰⁰ do not underflow. */
  private scale = 0;

  add(value: number): void {
    if (Math.abs(value) * this.scale > kMostScaled || this.scale === 0) this.rescale(Math.abs(value));
    this.count += 1;
    const difference = value - this.average;
    this.average += difference / this.count;
    this.squares += difference * this.scale * ((value - this.average) * this.scale);
  }

  private rescale(value: number): void {
    if (!(value > 0 && value < Number.POSITIVE_INFINITY)) return;
    const scale = 2 ** Math.min(1000, -Math.floor(Math.log2(value)));
    if (this.scale > 0) this.squares *= (scale / this.scale) ** 2;
    this.scale = scale;
  }

  estimate(): Estimate {
    const variance = this.squares / (this.count - 1) / this.count;
    return {
      mean: this.count > 0 ? this.average : Number.NaN,
      standardError: this.count > 1 ? Math.sqrt(variance) / (this.scale || 1) : Number.NaN,
    };
  }
}

/**
 * Half-width of the interval of a mean in standard errors: of 95 %, the 97.5 % quantile of Student's t with `values` − 1 degrees of
 * freedom.
 */
export function intervalFactor(values: number, confidence = 0.95): number {
  return studentQuantile(values - 1, (1 + confidence) / 2);
}

/** A quantile of ascending values, with linear interpolation between them; NaN if there are none. */
export function quantileOf(sorted: Float64Array, level: number): number {
  return sorted.length > 0 ? quantileSorted(sorted as unknown as number[], level) : Number.NaN;
}

/** Test errors are multiplied by this before they are squared, against underflow. */
const kDrawnScale = 2 ** 400;

/** Collects the trials of one cell, batch by batch in trial order. */
export class CellAccumulator {
  /** Trials added. */
  trials = 0;
  private failed = 0;
  private readonly moments = new Map<string, Moments[]>();
  private readonly errors: Float64Array[] = [];
  /** Σe²/m over the trials, m their effective draws, scaled … */
  private drawn = 0;
  /** … and what test errors that are not reliable may add up to. */
  private unreliable = 0;
  private exact = true;

  add({ metrics, status }: StoredResults): void {
    const trials = status.length;
    this.addTestErrors({ metrics, status });
    for (const [name, values] of Object.entries(metrics)) {
      if (!isMetric(name)) continue;
      const points = values.length / trials;
      const moments = this.moments.get(name) ?? Array.from({ length: points }, () => new Moments());
      this.moments.set(name, moments);
      for (let i = 0; i < values.length; ++i)
        if (status[Math.floor(i / points)] === 0) moments[i % points]?.add(values[i] as number);
    }
    const failed = status.reduce((count, code) => count + (code === 0 ? 0 : 1), 0);
    const errors = metrics.error as Float64Array;
    this.errors.push(failed === 0 ? errors : errors.filter((_, trial) => status[trial] === 0));
    this.failed += failed;
    this.trials += trials;
  }

  private addTestErrors({ metrics, status }: StoredResults): void {
    const errors = metrics.error as Float64Array;
    const { errorStandardError, errorEffectiveDraws, errorReliable } = metrics;
    for (let trial = 0; trial < status.length; ++trial) {
      if (status[trial] !== 0) continue;
      const error = errors[trial] as number;
      const draws = errorEffectiveDraws?.[trial] ?? Number.NaN;
      // A trial without errors adds nothing, whatever its draws.
      if (error > 0 || Number.isNaN(draws)) this.drawn += (error * kDrawnScale * (error * kDrawnScale)) / draws;
      this.exact &&= draws === Number.POSITIVE_INFINITY;
      if (errorReliable?.[trial] === 0) this.unreliable += error + 2 * (errorStandardError?.[trial] || 0);
    }
  }

  /** @param total Sum of the test errors. */
  private effectiveDraws(total: number): number {
    if (this.exact) return Number.POSITIVE_INFINITY;
    return total === 0 && this.drawn === 0 ? 0 : (total * kDrawnScale) ** 2 / this.drawn;
  }

  /** Mean and standard error of a metric over the successful trials. */
  estimate(metric: string): Estimate {
    return (this.moments.get(metric)?.[0] ?? new Moments()).estimate();
  }

  /** Everything about the trials, in which equal trials give equal digits. */
  statistics(): CellStatistics {
    const { mean: meanError, standardError } = this.estimate('error');
    const succeeded = this.trials - this.failed;
    const margin = intervalFactor(succeeded) * standardError;
    const sorted = new Float64Array(succeeded);
    let filled = 0;
    for (const part of this.errors) {
      sorted.set(part, filled);
      filled += part.length;
    }
    sorted.sort();
    const total = meanError * succeeded;
    const draws = succeeded > 0 ? this.effectiveDraws(total) : Number.NaN;
    const testErrors: TestErrors = {
      sorted,
      failed: this.failed,
      unreliable: total > 0 ? this.unreliable / total : 0,
      draws,
      exact: this.exact,
    };
    const others = [...this.moments].filter(([name]) => name !== 'error').sort(([a], [b]) => (a < b ? -1 : 1));
    const estimates = others.map(([name, moments]) => [name, moments.map((point) => point.estimate())] as const);
    return {
      trials: this.trials,
      failed: this.failed,
      meanError,
      standardError,
      intervalLow: meanError - margin,
      intervalHigh: meanError + margin,
      effectiveTrials: succeeded > 0 ? effectiveTrials(sorted) : Number.NaN,
      effectiveDraws: draws,
      marks: meanMarks(testErrors),
      quantile5: quantileOf(sorted, 0.05),
      quantile50: quantileOf(sorted, 0.5),
      quantile95: quantileOf(sorted, 0.95),
      metrics: Object.fromEntries(
        estimates.flatMap(([name, points]) => (points.length === 1 ? [[name, points[0] as Estimate]] : [])),
      ),
      paths: Object.fromEntries(
        estimates.flatMap(([name, points]) => {
          const path = { mean: points.map(({ mean }) => mean), standardError: points.map((p) => p.standardError) };
          return points.length === 1 ? [] : [[name, path]];
        }),
      ),
    };
  }
}

/** Statistics of the trials of one cell. */
export function cellStatistics(results: StoredResults): CellStatistics {
  const accumulator = new CellAccumulator();
  accumulator.add(results);
  return accumulator.statistics();
}

/** Values that agree to this are equal: sums round. */
const kRounding = 1e-12;

/**
 * How many standard errors simulation lies above theory: (mean − theory) / √(se² + theory se²); null where either is missing or the
 * standard errors are unknown, or where both are 0 and the values are equal. Values that differ without an error are infinitely far apart.
 */
export function zScore(simulated: Estimate, theory: Estimate | null): number | null {
  if (theory === null) return null;
  const difference = simulated.mean - theory.mean;
  const standardError = Math.hypot(simulated.standardError, theory.standardError);
  if (standardError === 0 && Math.abs(difference) <= kRounding * Math.abs(theory.mean)) return null;
  const z = difference / standardError;
  return Number.isNaN(z) ? null : z;
}
