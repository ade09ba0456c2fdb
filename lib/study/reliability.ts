import type { Estimate } from '../base/kind.js';

/**
 * Why a number of a row cannot be trusted.
 *
 * - `few-trials`: few trials carry the mean of the test errors, so that its interval covers the truth too rarely.
 * - `heavy-tail`: the largest test errors fall off so slowly that larger ones, which the mean needs, have probably not been seen.
 * - `failed-trials`: more than 1 % of the trials failed; the mean is that of the others.
 * - `test-errors`: test errors of single trials that could not be estimated reliably carry more than 5 % of the mean, and the draws of all
 *   trials together are too few to make up for it.
 * - `law`: the law says of its own value that it is not reliable, or could not be computed.
 */
export type ReliabilityMark = 'few-trials' | 'heavy-tail' | 'failed-trials' | 'test-errors' | 'law';

/** Every mark in words, for legends. */
export const kMarkText: Readonly<Record<ReliabilityMark, string>> = {
  'few-trials': 'few trials carry the mean',
  'heavy-tail': 'larger errors than those seen are likely, and carry the mean',
  'failed-trials': 'more than 1 % of the trials failed',
  'test-errors': 'test errors of single trials are not reliable',
  law: 'the law is not reliable, or could not be computed',
};

/**
 * Least effective trials of a mean that is carried by many, for test errors that differ widely: with effective trials m of N, at least
 * this times 1 − m/N, so that trials that hardly differ may be few. The same as a standard error of at most 14 % of the mean. Chosen so
 * that intervals that are not marked cover 93 % and more: see docs/studies.md.
 */
const kLeastEffectiveTrials = 50;
/** Hill's estimate of the tail index from which a tail counts as heavy … */
const kHeavyTail = 0.55;
/** … provided that the skewness, squared, is more than this many times the trials. */
const kLeastSkewness = 0.02;
/** As many times the squared skewness of a log-normal sample of the same spread are enough trials … */
const kTrialsPerSkewness = 6;
/** … or a sample less skew than this: see {@link kLeastSkewness}. */
const kWideSkewness = 0.04;
/** With fewer trials a tail cannot be told. */
const kLeastTailTrials = 25;
const kMostFailed = 0.01;
const kMostUnreliable = 0.05;
/** Effective draws from which an estimate can be trusted, as in the native core. */
const kLeastEffectiveDraws = 100;

/** What is known about the estimate of the test error of each trial of a sample. */
export interface TestErrors {
  /** Test errors of the trials that ran through, ascending. */
  readonly sorted: Float64Array;
  /** Trials that failed. */
  readonly failed: number;
  /** Effective draws of all trials together; NaN if they are not known. */
  readonly draws: number;
  /** Part of Σe that trials with an unreliable test error may carry. */
  readonly unreliable: number;
  /** Whether every test error is exact. */
  readonly exact: boolean;
}

/** Sum of the values over the largest one, their squares likewise: errors of 10⁻²⁰⁰ have squares too. */
function sums(sorted: Float64Array): readonly [number, number] {
  const largest = sorted.at(-1) ?? 0;
  let [sum, squares] = [0, 0];
  for (const value of sorted) {
    const share = value / largest;
    sum += share;
    squares += share * share;
  }
  return [sum, squares];
}

/** (Σe)²/Σe²: how many equal test errors would determine the mean as well; 0 if all are 0. */
export function effectiveTrials(sorted: Float64Array): number {
  if (sorted.length === 0 || sorted.at(-1) === 0) return 0;
  const [sum, squares] = sums(sorted);
  return sum ** 2 / squares;
}

/** Squared sample skewness over the number of values: close to 1 if one value makes the spread. */
function skewnessShare(sorted: Float64Array): number {
  const largest = sorted.at(-1) as number;
  const mean = sums(sorted)[0] / sorted.length;
  let [second, third] = [0, 0];
  for (const value of sorted) {
    const difference = value / largest - mean;
    second += difference ** 2;
    third += difference ** 3;
  }
  return second > 0 ? third ** 2 / second ** 3 : 0;
}

/** Hill's estimate of the tail index from the largest values: the mean of ln(value / threshold). */
function tailIndex(sorted: Float64Array): number {
  const above = Math.ceil(Math.min(sorted.length / 5, 3 * Math.sqrt(sorted.length)));
  const threshold = sorted[sorted.length - above - 1] as number;
  if (threshold === 0) return 0;
  return sorted.subarray(-above).reduce((sum, value) => sum + Math.log(value / threshold), 0) / above;
}

/**
 * Squared skewness of the log-normal distribution whose logarithms spread above their median like those of the values: what a sample tells
 * about values that it does not hold.
 */
function impliedSkewness(sorted: Float64Array): number {
  const positive = sorted.subarray(sorted.findIndex((value) => value > 0));
  const median = positive[Math.floor(positive.length / 2)] as number;
  const above = positive.subarray(Math.ceil(positive.length / 2));
  const spread = above.reduce((sum, value) => sum + Math.log(value / median) ** 2, 0) / above.length;
  const variance = Math.expm1(spread);
  return variance * (3 + variance) ** 2;
}

/** Whether trials larger than those seen are likely, and carry the mean. */
function isHeavyTailed(sorted: Float64Array): boolean {
  if (sorted.length < kLeastTailTrials || sorted.at(-1) === sorted[0]) return false;
  const skewness = skewnessShare(sorted);
  if (skewness >= kLeastSkewness && tailIndex(sorted) >= kHeavyTail) return true;
  return skewness >= kWideSkewness && sorted.length < kTrialsPerSkewness * impliedSkewness(sorted);
}

/** What is wrong with the mean of the test errors of a cell; empty if nothing is, or if nothing was run. */
export function meanMarks({ sorted, failed, draws, unreliable, exact }: TestErrors): readonly ReliabilityMark[] {
  const succeeded = sorted.length;
  const trials = succeeded + failed;
  if (trials === 0) return [];
  const marks: ReliabilityMark[] = [];
  const none = sorted.at(-1) === 0;
  const effective = effectiveTrials(sorted);
  // No error seen is no error only where it is computed exactly.
  const isFew = none ? !exact : effective < kLeastEffectiveTrials * (1 - effective / succeeded);
  if (succeeded < 2 || isFew) marks.push('few-trials');
  if (isHeavyTailed(sorted)) marks.push('heavy-tail');
  if (failed > kMostFailed * trials) marks.push('failed-trials');
  // Few draws in each trial are many in all of them.
  if (unreliable > kMostUnreliable && !(draws >= kLeastEffectiveDraws)) marks.push('test-errors');
  return marks;
}

/** What is wrong with a law. */
export function lawMarks(law: Estimate | null): readonly ReliabilityMark[] {
  return law !== null && (law.reliable === false || Number.isNaN(law.mean)) ? ['law'] : [];
}
