import { z } from 'zod';
import { OptionRangeError } from '../../errors.js';
import { linearAttention, type Model, meanPooling, promptAttention, selfAttention } from '../../models/index.js';
import { integerFrom, oneOf, positiveNumber } from '../../options.js';
import { type EmbeddingOptions, embeddingSchema } from '../embedding.js';
import { type BagTask, imageTaskSchema } from '../task.js';
import { embeddingOf, examplesOf, shared } from './resources.js';
import type { ImageTrial, TrialContext } from './run.js';
import { evaluate, type ImageTrainingOptions, train, trainingSchema } from './training.js';

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

const models = {
  'prompt-attention': promptAttention,
  'linear-attention': linearAttention,
  'mean-pooling': meanPooling,
  'self-attention': selfAttention,
} as const;

export const imageBagSchema = z.strictObject({
  kind: z.literal('image-bag'),
  data: oneOf(['fashion-mnist', 'mnist']).default('fashion-mnist'),
  task: imageTaskSchema,
  embedding: embeddingSchema.prefault({ kind: 'principal-components' }),
  model: oneOf(['prompt-attention', 'linear-attention', 'mean-pooling', 'self-attention']),
  examples: integerFrom(5, 2 ** 31 - 1),
  initialScale: positiveNumber.default(0.1),
  training: trainingSchema({ steps: 300, learningRates: [0.01, 0.03, 0.1] }),
  testExamples: integerFrom(1, 2 ** 31 - 1).default(2000),
});

/** A bag experiment with every default filled in. */
export type ResolvedImageBag = z.output<typeof imageBagSchema>;

/** Train one model on the bags of one trial. */
export async function bagTrial(
  experiment: ResolvedImageBag,
  trial: number,
  { seed, threads, signal }: TrialContext,
): Promise<ImageTrial> {
  const { data, task, embedding, initialScale, testExamples } = experiment;
  if (task.kind !== 'bag') throw new OptionRangeError('task.kind', "'bag' for a bag experiment", task.kind);
  if (task.context.length !== 2)
    throw new OptionRangeError('task.context', 'two classes for a bag experiment', task.context);
  const model = models[experiment.model] as Model<string>;
  const fitted = await embeddingOf(data, 'image', embedding);
  const test = await shared({ test: { data, task, embedding, testExamples, seed: String(seed) } }, () =>
    examplesOf(data, 'test', task, fitted, { examples: testExamples, seed, trial: 0, threads, signal }),
  );
  const training = await examplesOf(data, 'train', task, fitted, {
    examples: experiment.examples,
    seed,
    trial,
    threads,
    signal,
  });
  const { parameters } = await train(model, training, experiment.training, {
    initial: { scale: initialScale },
    seed: BigInt(seed) * 1_000_003n + BigInt(trial),
    threads,
    signal,
  });
  const shapes = model.parameterShapes({ tokens: task.tokens, dimension: fitted.dimension });
  return {
    ...(await evaluate(model, parameters, test, threads)),
    trainedParameters: model.trained.reduce((sum, name) => sum + (shapes[name] ?? []).reduce((a, b) => a * b, 1), 0),
  };
}
