import { z } from 'zod';
import type { ExperimentKind } from '../../base/kind.js';
import { integerFrom, oneOf, positiveNumber } from '../../base/options.js';
import { linearAttention, type Model, meanPooling, promptAttention, selfAttention } from '../../models/index.js';
import { runTrials, type TrialContext, type TrialOutcome, trainingSeed } from '../../real-data/trials.js';
import { type EmbeddingOptions, embeddingSchema } from '../embedding-options.js';
import { type BagTask, twoKindsSchema } from '../task.js';
import { dataSchema, type ImageTrainingOptions, noLaw, trainingSchema, whyDense } from './options.js';
import { embeddingOf, examplesOf, testExamplesOf } from './resources.js';
import { evaluate, train, trainedNumbers } from './training.js';

/** The four models of the theory on bags of images whose labels are two kinds of one context. Plain JSON. */
export interface ImageBagExperiment {
  /** Always `'image-bag'`. */
  readonly kind: 'image-bag';
  /** Data set. Default `'fashion-mnist'`. */
  readonly data?: 'fashion-mnist' | 'mnist' | undefined;
  /** The bags; two context classes. */
  readonly task: BagTask;
  /** How images become tokens. Default: 32 principal components, whitened. */
  readonly embedding?: EmbeddingOptions | undefined;
  /** Which model: {@link promptAttention}, {@link linearAttention}, {@link meanPooling} or {@link selfAttention}. */
  readonly model: 'prompt-attention' | 'linear-attention' | 'mean-pooling' | 'self-attention';
  /** n, bags, those held out included: an integer ≥ 5. */
  readonly examples: number;
  /** Standard deviation of initial parameters (over √d for attention weights), above 0. Default 0.1. */
  readonly initialScale?: number | undefined;
  /** Training. Default: 300 steps, learning rates 0.01, 0.03 and 0.1. */
  readonly training?: ImageTrainingOptions | undefined;
  /** Test bags: an integer ≥ 1. Default 2000. */
  readonly testExamples?: number | undefined;
}

export const imageBagSchema = z.strictObject({
  kind: z.literal('image-bag'),
  data: dataSchema,
  task: twoKindsSchema,
  embedding: embeddingSchema.prefault({ kind: 'principal-components' }),
  model: oneOf(['prompt-attention', 'linear-attention', 'mean-pooling', 'self-attention']),
  examples: integerFrom(5, 2 ** 31 - 1),
  initialScale: positiveNumber.default(0.1),
  training: trainingSchema({ steps: 300, learningRates: [0.01, 0.03, 0.1] }),
  testExamples: integerFrom(1, 2 ** 31 - 1).default(2000),
});

/** A bag experiment with every default filled in. */
export type ResolvedImageBag = z.output<typeof imageBagSchema>;

const models = {
  'prompt-attention': promptAttention,
  'linear-attention': linearAttention,
  'mean-pooling': meanPooling,
  'self-attention': selfAttention,
} as const;

const kBagMetrics = ['error', 'relevantAttention', 'trainedParameters'] as const;

/** Train one model on the bags of one trial. */
async function bagTrial(experiment: ResolvedImageBag, context: TrialContext): Promise<TrialOutcome> {
  const { data, task, embedding, initialScale } = experiment;
  const model = models[experiment.model] as Model<string>;
  const fitted = await embeddingOf(data, 'image', embedding, context.signal);
  const training = await examplesOf(data, 'train', task, fitted, { ...context, examples: experiment.examples });
  const trained = await train(model, training, experiment.training, {
    initial: { scale: initialScale },
    seed: trainingSeed(context),
    threads: context.threads,
    signal: context.signal,
  });
  if (trained === 'diverged') return trained;
  const test = await testExamplesOf(experiment, fitted, context);
  return {
    ...(await evaluate(model, trained.parameters, test, context)),
    trainedParameters: trainedNumbers(model, test),
  };
}

/** Models on bags. */
export const imageBagKind: ExperimentKind<ImageBagExperiment, ResolvedImageBag> = {
  schema: imageBagSchema,
  example: {
    kind: 'image-bag',
    task: { kind: 'bag', tokens: 2, relevantTokens: 1, context: [0, 1], others: [2] },
    model: 'mean-pooling',
    examples: 5,
  },
  methodOptions: ['data', 'model'],
  whyDense,
  metrics: () => kBagMetrics,
  recordedSteps: () => new Float64Array(),
  isCounted: () => false,
  simulate: (experiment, request) => runTrials(kBagMetrics, request, (context) => bagTrial(experiment, context)),
  theory: noLaw,
  risk: undefined,
};
