import { hashKey } from '../../experiment.js';
import type { Model, ModelParameters } from '../../models/index.js';
import { type FitResult, fit as fitModel, type LinearHeadStatus } from '../../training/index.js';
import type { ContextualImages } from '../contextual-images.js';
import { errorOf, mean, relevantMass } from '../evaluation.js';
import type { ResolvedTraining } from './schemas.js';

const kRecords = 20;

/** Examples first … end−1. */
export function slice(data: ContextualImages, first: number, end: number): ContextualImages {
  const T = data.relevance.length / data.examples;
  return {
    ...data,
    examples: end - first,
    tokens: data.tokens.subarray(first * T * data.dimension, end * T * data.dimension),
    labels: data.labels.subarray(first, end),
    relevance: data.relevance.subarray(first * T, end * T),
  };
}

/** Parameters after training, and the attention on relevant tokens on the way. */
export interface TrainedModel<Name extends string> {
  readonly parameters: ModelParameters<Name>;
  readonly steps: Float64Array;
  readonly relevantAttention: Float64Array;
}

/** Steps between records. */
export function recordEvery({ steps }: ResolvedTraining): number {
  return Math.max(1, Math.floor(steps / kRecords));
}

/**
 * Train on the leading examples; the trailing ones choose among the recorded points. Learning rates at which the training diverges are
 * left out; `'diverged'` if it does at all of them.
 */
export async function train<Name extends string, Trained extends Name>(
  model: Model<Name, Trained>,
  data: ContextualImages,
  training: ResolvedTraining,
  start: {
    readonly initial: ModelParameters<Name> | { readonly scale: number };
    readonly seed: number | bigint;
    readonly threads: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<TrainedModel<Name> | 'diverged'> {
  const held = Math.max(1, Math.round(training.validationShare * data.examples));
  const cut = data.examples - held;
  const options = {
    loss: model.outputs > 1 ? 'cross-entropy' : 'logistic',
    optimizer: 'adam',
    schedule: { kind: 'cosine', warmUp: Math.min(10, training.steps) },
    steps: training.steps,
    batchSize: training.batchSize,
    recordEvery: recordEvery(training),
    validation: slice(data, cut, data.examples),
    // Never stops early, but yields the best record.
    patience: training.steps + 1,
    ...start,
  } as const;
  let best: FitResult<Name> | undefined;
  for (const learningRate of training.learningRates) {
    const result = await fitModel(model, slice(data, 0, cut), { ...options, learningRate });
    if (result.stopped === 'diverged') continue;
    if (best === undefined || heldOutLoss(result) < heldOutLoss(best)) best = result;
  }
  if (best === undefined) return 'diverged';
  const { parameters, history } = best;
  return { parameters, steps: history.step, relevantAttention: history.relevantAttention as Float64Array };
}

/** Loss on the held-out examples at the record whose parameters were kept. */
function heldOutLoss({ history }: FitResult): number {
  return (history.validationLoss as Float64Array).reduce((least, loss) => Math.min(least, loss), Infinity);
}

/** Why a trial of an experiment on images failed. */
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

/** How many numbers of a model are trained. */
export function trainedNumbers(model: Model<string>, { relevance, examples, dimension }: ContextualImages): number {
  const shapes = model.parameterShapes({ tokens: relevance.length / examples, dimension });
  return model.trained.reduce((sum, name) => sum + (shapes[name] ?? []).reduce((a, b) => a * b, 1), 0);
}

/** What a model does on test examples. */
export interface ImageEvaluation {
  /** Share misclassified, in [0, 1]; a tie between c classes counts 1 − 1/c. */
  readonly error: number;
  /** Mean over examples (and prompts, or queries) of the attention on relevant tokens. */
  readonly relevantAttention: number;
}

/** Error and attention of a model on examples. */
export async function evaluate<Name extends string, Trained extends Name>(
  model: Model<Name, Trained>,
  parameters: ModelParameters<Name>,
  data: ContextualImages,
  { threads, signal }: Pick<TrialContext, 'threads' | 'signal'>,
): Promise<ImageEvaluation> {
  const scores = await model.scores(parameters, data, { threads, signal });
  const attention = await model.attention(parameters, data, { threads, signal });
  return { error: errorOf(scores, data.labels), relevantAttention: mean(relevantMass(attention, data)) };
}
