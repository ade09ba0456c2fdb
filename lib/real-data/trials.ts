import type { OwnFloat64Array } from '../base/arrays.js';
import { hashKey } from '../base/hash.js';
import { inLanes } from '../base/job.js';
import type { TrialRequest, TrialResults } from '../base/kind.js';
import type { LinearHeadStatus } from '../training/index.js';

/** Why a trial of an experiment on real data failed. */
export type TrialFailure = Exclude<LinearHeadStatus, 'ok'> | 'diverged';

/** Metrics of one trial, a number each or the values of a path; or why it failed. */
export type TrialOutcome = Readonly<Record<string, number | Float64Array>> | TrialFailure;

/** What a trial runs with. */
export interface TrialContext {
  readonly seed: number | bigint;
  readonly trial: number;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
}

/** Seed of the order of batches and of random starts in one trial. */
export function trainingSeed({ seed, trial }: TrialContext): bigint {
  const [low, high] = hashKey({ training: [String(seed), trial] });
  return (BigInt(high as number) << 32n) | BigInt(low as number);
}

/** Statuses of {@link TrialStatus} by outcome. */
const kStatus: Readonly<Record<TrialFailure, number>> = {
  singular: 1,
  diverged: 2,
  separable: 3,
  'not-converged': 4,
};
const kDone = 0;

const valuesOf = (value: number | Float64Array) => (typeof value === 'number' ? [value] : value);

/** One array per metric, of the values of all trials; those of failed ones are NaN. */
function gather(names: readonly string[], outcomes: readonly TrialOutcome[]): TrialResults {
  const metrics = names.map((name): [string, OwnFloat64Array] => {
    const parts = outcomes.map((outcome) =>
      typeof outcome === 'string' ? undefined : valuesOf(outcome[name] as number | Float64Array),
    );
    const length = parts.find((part) => part !== undefined)?.length ?? 1;
    const failed = new Array<number>(length).fill(Number.NaN);
    return [name, Float64Array.from(parts.flatMap((part) => [...(part ?? failed)]))];
  });
  return {
    metrics: Object.fromEntries(metrics),
    status: Uint8Array.from(outcomes, (outcome) => (typeof outcome === 'string' ? kStatus[outcome] : kDone)),
  };
}

/** Run trials side by side, one thread each; what they share (pretraining, test examples) is made by the first that needs it. */
export async function runTrials(
  names: readonly string[],
  { seed, firstTrial, trials, threads, signal, onProgress }: TrialRequest,
  run: (context: TrialContext) => Promise<TrialOutcome>,
): Promise<TrialResults> {
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  let completed = 0;
  const trialAt = (index: number) => async () => {
    try {
      either.throwIfAborted();
      const outcome = await run({ seed, trial: firstTrial + index, threads: 1, signal: either });
      onProgress?.(++completed);
      return outcome;
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const outcomes = await inLanes(
    threads,
    Array.from({ length: trials }, (_, index) => trialAt(index)),
  );
  return gather(names, outcomes);
}
