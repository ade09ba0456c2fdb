import type { Estimate } from '../../base/kind.js';

/**
 * How many trials a cell gets. Looks happen at `minimum`, 2·`minimum`, 4·`minimum`, … trials; a cell stops at the first look
 * where the standard error of the mean of `metric` is at most max(`standardError`, `relativeStandardError` · |mean|), or at
 * `maximum`. Time, threads and interruptions have no part in it.
 *
 * Looking often and stopping when the interval happens to be short makes intervals too short. Looks at doubling counts are
 * few, and between two of them the standard error falls by √2, so that chance alone rarely decides: see docs/studies.md for
 * the coverage measured.
 */
export interface TrialsRule {
  /** Trials before the first look at the standard error: an integer ≥ 1. */
  readonly minimum: number;
  /** Trials after which a cell stops in any case: an integer ≥ `minimum`. */
  readonly maximum: number;
  /** The metric whose mean is to be known: any metric of the experiment. Default `error`. */
  readonly metric: string;
  /** Monte Carlo standard error of that mean that is small enough: a finite number ≥ 0. Default 0. */
  readonly standardError: number;
  /** The same as a fraction of the mean. Default 0. */
  readonly relativeStandardError: number;
}

/** A run of consecutive trials of one cell, computed and stored as one piece. */
export interface TrialRange {
  /** Index of the first trial, from 0. */
  readonly firstTrial: number;
  /** Number of trials, at least 1. */
  readonly trials: number;
}

/** A batch has at most this many trials … */
const kBatchTrials = 64;
/** … unless the stretch between two looks would then need more than this many batches … */
const kBatchesPerStretch = 32;
/** … and never more than this many. */
export const kMostBatchTrials = 16_384;

/** Whether a cell whose metric was estimated at a look needs no more trials. NaN counts as too large. */
export function isEnough(rule: TrialsRule, { mean, standardError }: Estimate): boolean {
  return standardError <= Math.max(rule.standardError, rule.relativeStandardError * Math.abs(mean));
}

/** The two looks around trial count `done`: the last one at or before it (0 before the first), and the next one. */
function stretchAt(rule: TrialsRule, done: number): { readonly from: number; readonly to: number } {
  let from = 0;
  let to = Math.min(rule.minimum, rule.maximum);
  while (to <= done && to < rule.maximum) {
    from = to;
    to = Math.min(2 * to, rule.maximum);
  }
  return { from, to };
}

/**
 * What is missing of a cell that has `done` trials: the trials up to its next look; undefined if the cell is finished.
 *
 * @param look Estimate of the rule's metric from the `done` trials; called only at a look.
 */
export function nextStretch(rule: TrialsRule, done: number, look: () => Estimate): TrialRange | undefined {
  if (done >= rule.maximum) return undefined;
  const { from, to } = stretchAt(rule, done);
  if (done > 0 && done === from && isEnough(rule, look())) return undefined;
  return { firstTrial: done, trials: to - done };
}

/**
 * What is missing of the stretches that a cell's trials lie in: the gaps between them and up to the next look.
 *
 * @param ranges Trials that are there, by first trial, without overlaps.
 */
export function gapsIn(rule: TrialsRule, ranges: readonly TrialRange[]): readonly TrialRange[] {
  const gaps: TrialRange[] = [];
  let done = 0;
  const until = (end: number) => {
    if (end > done) gaps.push({ firstTrial: done, trials: end - done });
  };
  for (const { firstTrial, trials } of ranges) {
    until(firstTrial);
    done = firstTrial + trials;
  }
  if (done > 0) until(stretchAt(rule, done - 1).to);
  return gaps;
}

/**
 * The next batch of a cell that has `done` trials, or undefined if the cell is finished.
 *
 * For looks see {@link TrialsRule}. The stretch between two looks is cut into batches of 64 trials, or into 32 batches if that
 * makes them larger, of at most `most` trials: a killed process loses little. How many trials there are in the end follows from
 * the rule and the trials, never from time or threads, so that an interrupted and resumed study ends with the same ones as an
 * uninterrupted one.
 *
 * @param look Estimate of the rule's metric from the `done` trials; called only at a look.
 * @param most An integer in [1, 16 384]: what can be computed soon enough.
 */
export function nextBatch(
  rule: TrialsRule,
  done: number,
  look: () => Estimate,
  most = kMostBatchTrials,
): TrialRange | undefined {
  if (nextStretch(rule, done, look) === undefined) return undefined;
  const { from, to } = stretchAt(rule, done);
  const size = Math.min(Math.max(kBatchTrials, Math.ceil((to - from) / kBatchesPerStretch)), most);
  const end = Math.min(to, from + size * (Math.floor((done - from) / size) + 1));
  return { firstTrial: done, trials: end - done };
}

/**
 * How many trials a cell will have when it stops, judged from what is known so far: the first look by which the
 * standard error, falling as 1/√trials, is small enough. Before the first look, `maximum`. For progress only.
 */
export function expectedTrials(rule: TrialsRule, done: number, estimate: Estimate): number {
  const { mean, standardError } = estimate;
  if (done < rule.minimum || Number.isNaN(standardError)) return rule.maximum;
  const target = Math.max(rule.standardError, rule.relativeStandardError * Math.abs(mean));
  const needed = isEnough(rule, estimate) ? done : done * (standardError / target) ** 2;
  let look = rule.minimum;
  while (look < needed && look < rule.maximum) look = Math.min(2 * look, rule.maximum);
  return look;
}

/**
 * Whether trials kept under the rule `from` are the first ones of what the rule `to` asks for, so that a study may be continued
 * under it: it must not stop a cell earlier.
 */
export function isGrowth(from: TrialsRule, to: TrialsRule): boolean {
  if (to.minimum >= from.maximum) return true;
  return (
    to.minimum === from.minimum &&
    to.maximum >= from.maximum &&
    to.metric === from.metric &&
    to.standardError <= from.standardError &&
    to.relativeStandardError <= from.relativeStandardError
  );
}
