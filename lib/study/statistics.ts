import { quantileSorted } from 'simple-statistics';
import type { Estimate, TrialResults } from '../kinds.js';

export type { Estimate } from '../kinds.js';

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

/** Trials as they are stored: a metric along the training is one metric with several values per trial. */
export type StoredResults = Pick<TrialResults, 'metrics' | 'status'>;

/** Mean and variance, value by value (Welford's recurrence): the same digits however the values were split into batches. */
export class Moments {
  private count = 0;
  private average = 0;
  private squares = 0;

  add(value: number): void {
    this.count += 1;
    const difference = value - this.average;
    this.average += difference / this.count;
    this.squares += difference * (value - this.average);
  }

  estimate(): Estimate {
    return {
      mean: this.count > 0 ? this.average : Number.NaN,
      standardError: this.count > 1 ? Math.sqrt(this.squares / (this.count - 1) / this.count) : Number.NaN,
    };
  }
}

/**
 * Half-width of a 95 % interval in standard errors: the 97.5 % quantile of Student's t with `values` − 1 degrees of freedom,
 * exact for 1 and 2 degrees, from then on by its expansion around the normal quantile (relative error below 1 %; below 10⁻⁴
 * from 8 degrees).
 */
export function intervalFactor(values: number): number {
  const degrees = values - 1;
  if (degrees < 1) return Number.NaN;
  if (degrees === 1) return 12.706204736;
  if (degrees === 2) return 4.30265272991;
  const z = 1.959963984540054;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92_160,
  ];
  return terms.reduce((sum, term, i) => sum + term / degrees ** (i + 1), z);
}

/** Collects the trials of one cell, batch by batch in trial order. */
export class CellAccumulator {
  /** Trials added. */
  trials = 0;
  private failed = 0;
  private readonly moments = new Map<string, Moments[]>();
  private readonly errors: Float64Array[] = [];

  add({ metrics, status }: StoredResults): void {
    const trials = status.length;
    for (const [name, values] of Object.entries(metrics)) {
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
    const quantile = (level: number) =>
      succeeded > 0 ? quantileSorted(sorted as unknown as number[], level) : Number.NaN;
    const others = [...this.moments].filter(([name]) => name !== 'error').sort(([a], [b]) => (a < b ? -1 : 1));
    const estimates = others.map(([name, moments]) => [name, moments.map((point) => point.estimate())] as const);
    return {
      trials: this.trials,
      failed: this.failed,
      meanError,
      standardError,
      intervalLow: meanError - margin,
      intervalHigh: meanError + margin,
      quantile5: quantile(0.05),
      quantile50: quantile(0.5),
      quantile95: quantile(0.95),
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

/**
 * How many standard errors simulation lies above theory: (mean − theory) / √(se² + theory se²); null where either is
 * missing or the standard errors are unknown or both zero.
 */
export function zScore(simulated: Estimate, theory: Estimate | null): number | null {
  if (theory === null) return null;
  const z = (simulated.mean - theory.mean) / Math.hypot(simulated.standardError, theory.standardError);
  return Number.isFinite(z) ? z : null;
}
