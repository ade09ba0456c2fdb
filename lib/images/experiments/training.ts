import type { Model, ModelParameters } from '../../models/index.js';
import { errorOf, mean, relevantMass } from '../../real-data/evaluation.js';
import { trainOn } from '../../real-data/training.js';
import type { TrialContext } from '../../real-data/trials.js';
import type { ContextualImages } from '../contextual-images.js';
import type { ResolvedTraining } from './options.js';

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
  const parts = { training: slice(data, 0, cut), held: slice(data, cut, data.examples) };
  const best = await trainOn(model, parts, { ...training, ...start });
  if (best === 'diverged') return best;
  const { parameters, history } = best;
  return { parameters, steps: history.step, relevantAttention: history.relevantAttention as Float64Array };
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
