import { sampleStandardDeviation } from 'simple-statistics';
import type { Experiment } from '../simulation/kinds.js';
import { simulate } from '../simulation/simulate.js';

/** Options of a check by simulation. */
export interface CertifyOptions {
  /** Trials at each n: an integer in [2, 2³¹). */
  readonly trials: number;
  /** Seed of the trials: an integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). Default: that of the law. */
  readonly seed?: number | bigint | undefined;
}

/** What simulation saw at one n. */
export interface CertifiedPoint {
  /** n. */
  readonly examples: number;
  /** The law's error there. */
  readonly lawError: number;
  /** Mean test error of the trials that are ok; NaN if none is. */
  readonly error: number;
  /** Its standard error; NaN with fewer than two such trials. */
  readonly standardError: number;
  /** Trials that failed. */
  readonly failed: number;
}

/** What simulation says about an answer. */
export interface Certificate {
  /** Trials at each n. */
  readonly trials: number;
  /**
   * About 0.8 times the answer, the answer, and about 1.25 times the answer. Where the error is not monotone the neighbours are
   * those between where the law is highest before and lowest after the answer.
   */
  readonly points: readonly [CertifiedPoint, CertifiedPoint, CertifiedPoint];
  /**
   * `'confirmed'`: simulated errors are above the target at the first point and at most the target at the last (or at the answer), both by
   * two standard errors. `'refuted'`: the last two are above the target, or the first at most the target, by two standard errors.
   * `'undecided'`: neither; more trials tell.
   */
  readonly verdict: 'confirmed' | 'refuted' | 'undecided';
}

/** Standard errors by which a simulated error must be off the target. */
const kMargin = 2;

async function pointAt(
  experiment: Experiment,
  { trials, seed }: Required<CertifyOptions>,
  lawError: number,
  signal: AbortSignal | undefined,
): Promise<CertifiedPoint> {
  const { metrics, status } = await simulate(experiment, { trials, seed: seed ?? 0, signal });
  const errors = [...metrics.error].filter((_, i) => status[i] === 0);
  const count = errors.length;
  return {
    examples: (experiment as { readonly examples: number }).examples,
    lawError,
    error: count > 0 ? errors.reduce((sum, error) => sum + error) / count : Number.NaN,
    standardError: count > 1 ? sampleStandardDeviation(errors) / Math.sqrt(count) : Number.NaN,
    failed: trials - count,
  };
}

/** Simulates an experiment at three n, with common random numbers only within each. */
export async function certify(
  experimentAt: (examples: number) => Experiment,
  places: readonly { readonly examples: number; readonly lawError: number }[],
  target: number,
  options: Required<CertifyOptions>,
  signal: AbortSignal | undefined,
): Promise<Certificate> {
  const points: CertifiedPoint[] = [];
  for (const { examples, lawError } of places)
    points.push(await pointAt(experimentAt(examples), options, lawError, signal));
  const [before, at, after] = points as [CertifiedPoint, CertifiedPoint, CertifiedPoint];
  const above = ({ error, standardError }: CertifiedPoint) => error - kMargin * standardError > target;
  const below = ({ error, standardError }: CertifiedPoint) => error + kMargin * standardError <= target;
  const confirmed = above(before) && (below(at) || below(after));
  const refuted = below(before) || (above(at) && above(after));
  const verdict = confirmed ? 'confirmed' : refuted ? 'refuted' : 'undecided';
  return { trials: options.trials, points: [before, at, after], verdict };
}
