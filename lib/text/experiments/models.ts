import {
  type HeldExamples,
  linearAttention,
  type Model,
  type ModelParameters,
  meanPooling,
  promptAttention,
  promptTunedLayer,
  selfAttention,
} from '../../models/index.js';
import { trainOn } from '../../real-data/training.js';
import type { ResolvedTextTraining, TextModel } from './schemas.js';

const kModels = {
  'prompt-attention': promptAttention,
  'linear-attention': linearAttention,
  'mean-pooling': meanPooling,
  'self-attention': selfAttention,
} as const;

/** The model of an experiment; the layer trains its prompts and its pooled head. */
export function modelOf(model: TextModel, prompts: number): Model<string> {
  if (model === 'prompt-tuned-layer')
    return promptTunedLayer({ prompts, head: 'pooled', trained: ['prompts', 'head'] }) as Model<string>;
  return kModels[model] as Model<string>;
}

/** Where training starts: random numbers, but for the weights of the layer, which are I. */
export function initialOf(
  model: Model<string>,
  size: { readonly tokens: number; readonly dimension: number },
  { scale, seed }: { readonly scale: number; readonly seed: number | bigint },
): ModelParameters<string> {
  const initial = model.initial(size, { scale, seed });
  if (model.name !== 'prompt-tuned-layer') return initial;
  const { dimension } = size;
  const weights = new Float64Array(dimension * dimension);
  for (let j = 0; j < dimension; ++j) weights[j * (dimension + 1)] = 1;
  return { ...initial, weights };
}

/** All pairs of learning rates, of what a model has. */
function ratesOf(
  { trained }: Model<string>,
  { attentionRates, headRates }: ResolvedTextTraining,
): Readonly<Record<string, number>>[] {
  const attention = trained.filter((name) => name !== 'head');
  const ofAttention = attention.length === 0 ? [0] : attentionRates;
  return ofAttention.flatMap((rate) =>
    headRates.map((head) => ({ ...Object.fromEntries(attention.map((name) => [name, rate])), head })),
  );
}

/** A model before and after its training. */
export interface TextModelStates {
  readonly model: Model<string>;
  readonly before: ModelParameters<string>;
  readonly after: ModelParameters<string>;
}

/** Train a model; `'diverged'` if it does so at all learning rates. */
export async function trainText(
  experiment: {
    readonly model: TextModel;
    readonly prompts: number;
    readonly initialScale: number;
    readonly training: ResolvedTextTraining;
  },
  parts: { readonly training: HeldExamples; readonly held: HeldExamples },
  options: { readonly seed: number | bigint; readonly threads: number; readonly signal?: AbortSignal | undefined },
): Promise<TextModelStates | 'diverged'> {
  const { steps, batchSize } = experiment.training;
  const model = modelOf(experiment.model, experiment.prompts);
  const { tokensPerExample: tokens, dimension } = parts.training;
  const before = initialOf(model, { tokens, dimension }, { scale: experiment.initialScale, seed: options.seed });
  const fitted = await trainOn(model, parts, {
    steps,
    batchSize,
    learningRates: ratesOf(model, experiment.training),
    initial: before,
    ...options,
  });
  return fitted === 'diverged' ? fitted : { model, before, after: fitted.parameters };
}

/** How many of some examples are trained on; the others, at least one, are held out. */
export function trainedOn(examples: number, { validationShare }: ResolvedTextTraining): number {
  return examples - Math.min(examples - 1, Math.max(1, Math.round(validationShare * examples)));
}
