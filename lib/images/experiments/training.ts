import { z } from 'zod';
import type { Model, ModelParameters } from '../../models/index.js';
import { integerFrom, numberIn, positiveNumber } from '../../options.js';
import { type FitResult, fit } from '../../training/index.js';
import type { ContextualImages } from '../contextual-images.js';

/** How a model is trained: Adam on mini-batches with a cosine schedule. */
export interface ImageTrainingOptions {
  /** Number of steps: an integer in [1, 2³¹ − 1). */
  readonly steps?: number | undefined;
  /** Examples per step: an integer ≥ 1. */
  readonly batchSize?: number | undefined;
  /** Largest learning rates, above 0: each is tried, from the same start. */
  readonly learningRates?: readonly number[] | undefined;
  /**
   * Share of the examples held out to choose the learning rate and the best of twenty recorded points, by their loss: in (0, 1). At
   * least one example is held out.
   */
  readonly validationShare?: number | undefined;
}

const kRecords = 20;

const share = numberIn('a number in (0, 1)', (value) => value > 0 && value < 1);

/** Schema of {@link ImageTrainingOptions} with these defaults. */
export function trainingSchema(defaults: { readonly steps: number; readonly learningRates: readonly number[] }) {
  return z
    .strictObject(
      {
        steps: integerFrom(1, 2 ** 31 - 2).default(defaults.steps),
        batchSize: integerFrom(1, 2 ** 31 - 1).default(64),
        learningRates: z
          .array(positiveNumber, { error: 'an array of finite numbers > 0' })
          .min(1, { error: 'an array with at least one learning rate' })
          .default([...defaults.learningRates]),
        validationShare: share.default(0.2),
      },
      { error: 'an object { steps, batchSize, learningRates, validationShare }' },
    )
    .prefault({});
}

/** Training options with every default filled in. */
export type ResolvedTraining = z.output<ReturnType<typeof trainingSchema>>;

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

/** Train on the leading examples; the trailing ones choose among the recorded points. */
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
): Promise<TrainedModel<Name>> {
  const held = Math.max(1, Math.round(training.validationShare * data.examples));
  const cut = data.examples - held;
  const options = {
    loss: model.outputs > 1 ? 'cross-entropy' : 'logistic',
    optimizer: 'adam',
    schedule: { kind: 'cosine', warmUp: Math.min(10, training.steps) },
    steps: training.steps,
    batchSize: training.batchSize,
    recordEvery: Math.max(1, Math.floor(training.steps / kRecords)),
    validation: slice(data, cut, data.examples),
    // Never stops early, but yields the best record.
    patience: training.steps + 1,
    ...start,
  } as const;
  let best: FitResult<Name> | undefined;
  for (const learningRate of training.learningRates) {
    const result = await fit(model, slice(data, 0, cut), { ...options, learningRate });
    if (best === undefined || heldOutLoss(result) < heldOutLoss(best)) best = result;
  }
  const { parameters, history } = best as FitResult<Name>;
  return { parameters, steps: history.step, relevantAttention: history.relevantAttention as Float64Array };
}

/** Loss on the held-out examples at the record whose parameters were kept. */
function heldOutLoss({ history }: FitResult): number {
  return (history.validationLoss as Float64Array).reduce((least, loss) => Math.min(least, loss), Infinity);
}

/** What a model does on test examples. */
export interface ImageEvaluation {
  /** Share misclassified, in [0, 1]; a tie between c classes counts 1 − 1/c. */
  readonly error: number;
  /** Mean over examples (and prompts, or queries) of the attention on relevant tokens. */
  readonly relevantAttention: number;
}

function classifiedWrong(scores: Float64Array, y: number): number {
  if (scores.length === 1) {
    const margin = y * (scores[0] as number);
    return margin > 0 ? 0 : margin === 0 ? 0.5 : 1;
  }
  const largest = scores.reduce((a, b) => Math.max(a, b));
  if (scores[y] !== largest) return 1;
  return 1 - 1 / scores.filter((score) => score === largest).length;
}

/** Share of examples misclassified by their scores, row-major examples×outputs. */
export function errorOf(scores: Float64Array, labels: Float64Array): number {
  const K = scores.length / labels.length;
  return labels.reduce((sum, y, i) => sum + classifiedWrong(scores.subarray(i * K, (i + 1) * K), y), 0) / labels.length;
}

/** Attention on relevant tokens of every example, averaged over the rows that `attention` has per example. */
export function relevantMass(attention: Float64Array, { relevance, examples }: ContextualImages): Float64Array {
  const T = relevance.length / examples;
  const rows = attention.length / relevance.length;
  return Float64Array.from({ length: examples }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < rows * T; ++j) if (relevance[i * T + (j % T)]) sum += attention[i * rows * T + j] as number;
    return sum / rows;
  });
}

export const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Error and attention of a model on examples. */
export async function evaluate<Name extends string>(
  model: Model<Name>,
  parameters: ModelParameters<Name>,
  data: ContextualImages,
  threads: number,
): Promise<ImageEvaluation> {
  const scores = await model.scores(parameters, data, { threads });
  const attention = await model.attention(parameters, data, { threads });
  return { error: errorOf(scores, data.labels), relevantAttention: mean(relevantMass(attention, data)) };
}
