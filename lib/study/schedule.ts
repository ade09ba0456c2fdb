/**
 * How many trials a cell gets. Looks happen at `minimum`, 2·`minimum`, 4·`minimum`, … trials; a cell stops at the first look
 * where the standard error of its mean test error is small enough, or at `maximum`. Time, threads and interruptions have no
 * part in it.
 */
export interface TrialsRule {
  /** Trials before the first look at the standard error: an integer ≥ 1. */
  readonly minimum: number;
  /** Trials after which a cell stops in any case: an integer ≥ `minimum`. */
  readonly maximum: number;
  /** Monte Carlo standard error of the mean test error that is small enough: a finite number ≥ 0. */
  readonly standardError: number;
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
/** … unless the stretch between two looks would then need more than this many batches. */
const kBatchesPerStretch = 32;

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
 * The next batch of a cell that has `done` trials, or undefined if the cell is finished.
 *
 * For looks see {@link TrialsRule}. The stretch between two looks is cut into batches of 64 trials, or
 * into 32 batches if that makes them larger: a killed process loses at most one batch. Everything follows from the trial
 * count and the stored trials, never from time or threads, so that an interrupted and resumed study ends with the same
 * trials as an uninterrupted one.
 *
 * @param standardError Monte Carlo standard error of the mean test error of the `done` trials; called only at a look. NaN
 * counts as too large.
 */
export function nextBatch(rule: TrialsRule, done: number, standardError: () => number): TrialRange | undefined {
  if (done >= rule.maximum) return undefined;
  const { from, to } = stretchAt(rule, done);
  const atLook = done > 0 && done === from;
  if (atLook && standardError() <= rule.standardError) return undefined;
  const size = Math.max(kBatchTrials, Math.ceil((to - from) / kBatchesPerStretch));
  const end = Math.min(to, from + size * (Math.floor((done - from) / size) + 1));
  return { firstTrial: done, trials: end - done };
}

/**
 * How many trials a cell will have when it stops, judged from its standard error so far: the first look by which the
 * standard error, falling as 1/√trials, is small enough. Before the first look, `maximum`. For progress only.
 */
export function expectedTrials(rule: TrialsRule, done: number, standardError: number): number {
  if (done < rule.minimum || Number.isNaN(standardError)) return rule.maximum;
  const needed = standardError <= rule.standardError ? done : done * (standardError / rule.standardError) ** 2;
  let look = rule.minimum;
  while (look < needed && look < rule.maximum) look = Math.min(2 * look, rule.maximum);
  return look;
}
