import type { HeldExamples, Model, ModelData, ModelParameters } from '../models/index.js';
import { type FitResult, fit as fitModel } from '../training/index.js';

const kRecords = 20;

/** Steps between records. */
export function recordEvery({ steps }: { readonly steps: number }): number {
  return Math.max(1, Math.floor(steps / kRecords));
}

/** Loss on the held-out examples at the record whose parameters were kept. */
function heldOutLoss({ history }: FitResult): number {
  return (history.validationLoss as Float64Array).reduce((least, loss) => Math.min(least, loss), Infinity);
}

/**
 * Train by Adam with a cosine schedule at every learning rate from the same start; held-out examples choose the rate and one of the recorded
 * points. Learning rates at which the training diverges are left out; `'diverged'` if it does at all of them.
 */
export async function trainOn<Name extends string, Trained extends Name>(
  model: Model<Name, Trained>,
  { training, held }: { readonly training: ModelData | HeldExamples; readonly held: ModelData | HeldExamples },
  {
    steps,
    batchSize,
    learningRates,
    initial,
    seed,
    threads,
    signal,
  }: {
    readonly steps: number;
    readonly batchSize: number;
    readonly learningRates: readonly (number | Readonly<Record<Trained, number>>)[];
    readonly initial: ModelParameters<Name> | { readonly scale: number };
    readonly seed: number | bigint;
    readonly threads: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<FitResult<Name> | 'diverged'> {
  const options = {
    loss: model.outputs > 1 ? 'cross-entropy' : 'logistic',
    optimizer: 'adam',
    schedule: { kind: 'cosine', warmUp: Math.min(10, steps) },
    steps,
    batchSize,
    recordEvery: recordEvery({ steps }),
    validation: held,
    // Never stops early, but yields the best record.
    patience: steps + 1,
    initial,
    seed,
    threads,
    signal,
  } as const;
  let best: FitResult<Name> | undefined;
  for (const learningRate of learningRates) {
    const result = await fitModel(model, training, { ...options, learningRate });
    if (result.stopped === 'diverged') continue;
    if (best === undefined || heldOutLoss(result) < heldOutLoss(best)) best = result;
  }
  return best ?? 'diverged';
}
