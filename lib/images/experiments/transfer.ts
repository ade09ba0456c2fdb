import { z } from 'zod';
import { OptionRangeError } from '../../errors.js';
import { hashKey } from '../../experiment.js';
import type { ModelParameters, PromptTunedLayerParameter } from '../../models/index.js';
import { promptTunedLayer } from '../../models/index.js';
import { native } from '../../native.js';
import { integerFrom, oneOf } from '../../options.js';
import { type EmbeddingOptions, embeddingSchema, kChoicePurpose } from '../embedding.js';
import { labelledClasses } from '../layout.js';
import { type ImageTask, imageTaskSchema, type ResolvedImageTask } from '../task.js';
import { embeddingOf, examplesOf, imagesNamed, shared } from './resources.js';
import type { ImageTrial, TrialContext } from './run.js';
import { evaluate, type ImageTrainingOptions, train, trainingSchema } from './training.js';

/** What of a pretrained layer is tuned. */
export type TransferMethod = 'prompts' | 'prompts-and-head' | 'everything' | 'head' | 'scratch';

/**
 * A one-layer attention with a multi-class head is pretrained on full-tiled images and transferred to a task in which some tokens
 * are irrelevant. Plain JSON.
 */
export interface ImageTransferExperiment {
  /** Always `'image-transfer'`. */
  readonly kind: 'image-transfer';
  /** Data set of the labelled images. Default `'fashion-mnist'`. */
  readonly data?: 'fashion-mnist' | 'mnist' | undefined;
  /** The task to transfer to: `'partial-tiled'` or `'embedded'`, with three or more labelled classes. */
  readonly task: ImageTask;
  /** How patches become tokens. Default: 128 random features, whitened. */
  readonly embedding?: EmbeddingOptions | undefined;
  /** Training on full-tiled images of the same classes. Default: 20,000 examples, 4000 steps, learning rate 0.003. */
  readonly pretraining?: (ImageTrainingOptions & { readonly examples?: number | undefined }) | undefined;
  /**
   * What is tuned: the prompts; prompts and head; prompts, attention weights and head; the head alone; or everything from a random
   * start (`'scratch'`).
   */
  readonly method: TransferMethod;
  /** m_p, number of prompts: an integer in [1, 1024]. Default 4. */
  readonly prompts?: number | undefined;
  /** n, examples of the task, those held out included: an integer ≥ 5. */
  readonly examples: number;
  /** Training on the task. Default: 600 steps, learning rates 0.003, 0.01, 0.03, 0.1 and 0.3. */
  readonly training?: ImageTrainingOptions | undefined;
  /** Test examples: an integer ≥ 1. Default 2000. */
  readonly testExamples?: number | undefined;
}

const dataSchema = oneOf(['fashion-mnist', 'mnist']).default('fashion-mnist');
const pretrainingSchema = trainingSchema({ steps: 4000, learningRates: [0.003] });

export const imageTransferSchema = z.strictObject({
  kind: z.literal('image-transfer'),
  data: dataSchema,
  task: imageTaskSchema,
  embedding: embeddingSchema.prefault({ kind: 'random-features' }),
  pretraining: pretrainingSchema
    .unwrap()
    .extend({ examples: integerFrom(5, 60_000).default(20_000) })
    .prefault({}),
  method: oneOf(['prompts', 'prompts-and-head', 'everything', 'head', 'scratch']),
  prompts: integerFrom(1, 1024).default(4),
  examples: integerFrom(5, 2 ** 31 - 1),
  training: trainingSchema({ steps: 600, learningRates: [0.003, 0.01, 0.03, 0.1, 0.3] }),
  testExamples: integerFrom(1, 2 ** 31 - 1).default(2000),
});

/** A transfer experiment with every default filled in. */
export type ResolvedImageTransfer = z.output<typeof imageTransferSchema>;

const kTrained: Readonly<Record<TransferMethod, readonly PromptTunedLayerParameter[]>> = {
  prompts: ['prompts'],
  'prompts-and-head': ['prompts', 'head'],
  everything: ['prompts', 'weights', 'head'],
  head: ['head'],
  scratch: ['prompts', 'weights', 'head'],
};
/** How far tuned prompts start from the pretrained one, as a share of its root mean square. */
const kPromptSpread = 0.5;
/** The pretrained layer is the same in all trials. */
const kPretrainingSeed = 0;

type LayerParameters = ModelParameters<PromptTunedLayerParameter>;

/** The pretrained layer: one prompt that reads full-tiled images. */
async function pretrain(
  { data, task, embedding, pretraining }: ResolvedImageTransfer,
  classes: readonly number[],
  { threads, signal }: TrialContext,
): Promise<LayerParameters> {
  const { examples, ...training } = pretraining;
  const patch = (task as Extract<ResolvedImageTask, { patch: number }>).patch;
  // One tile is enough: attention pools, so that copies of the same tokens change nothing.
  const source: ResolvedImageTask = { kind: 'full-tiled', tiles: 1, patch, classes: [...classes] };
  const fitted = await embeddingOf(data, patch, embedding);
  const images = await examplesOf(data, 'train', source, fitted, {
    examples,
    seed: kPretrainingSeed,
    trial: 0,
    threads,
    signal,
  });
  const layer = promptTunedLayer({ prompts: 1, outputs: classes.length, head: 'pooled', trained: kTrained.scratch });
  const start = { initial: { scale: 1 / Math.sqrt(fitted.dimension) }, seed: kPretrainingSeed, threads, signal };
  return (await train(layer, images, training, start)).parameters;
}

/** Copies of the pretrained prompt with independent noise, so that the prompts can part. */
function startFrom(
  pretrained: LayerParameters,
  prompts: number,
  seed: number | bigint,
  trial: number,
): LayerParameters {
  const source = pretrained.prompts;
  const d = source.length;
  if (prompts === 1) return pretrained;
  const scale = kPromptSpread * Math.sqrt(source.reduce((sum, value) => sum + value * value, 0) / d);
  const noise = native.randomNumbers({
    kind: 'normal',
    purpose: kChoicePurpose,
    trial,
    first: 0,
    count: prompts * d,
    seed: BigInt(seed),
    cellKey: hashKey('tuned prompts'),
  });
  return { ...pretrained, prompts: noise.map((value, j) => (source[j % d] as number) + scale * value) };
}

/** One transfer, with what it is compared to. */
export async function transferTrial(
  experiment: ResolvedImageTransfer,
  trial: number,
  context: TrialContext,
): Promise<ImageTrial> {
  const { data, task, embedding, method, prompts } = experiment;
  if (task.kind !== 'partial-tiled' && task.kind !== 'embedded')
    throw new OptionRangeError('task.kind', "'partial-tiled' or 'embedded' for a transfer", task.kind);
  const classes = labelledClasses(task, imagesNamed(data, 'train'));
  if (classes.length < 3) throw new OptionRangeError('task.classes', 'three or more classes for a transfer', classes);
  const { seed, threads, signal } = context;
  const fitted = await embeddingOf(data, task.patch, embedding);
  const { examples: pretrainingExamples, ...pretraining } = experiment.pretraining;
  const pretrained = await shared(
    { pretrained: { data, patch: task.patch, classes, embedding, pretraining, pretrainingExamples } },
    () => pretrain(experiment, classes, context),
  );
  const test = await shared(
    { test: { data, task, embedding, count: experiment.testExamples, seed: String(seed) } },
    () =>
      examplesOf(data, 'test', task, fitted, { examples: experiment.testExamples, seed, trial: 0, threads, signal }),
  );
  const training = await examplesOf(data, 'train', task, fitted, {
    examples: experiment.examples,
    seed,
    trial,
    threads,
    signal,
  });
  const trained = kTrained[method];
  const layer = promptTunedLayer({ prompts, outputs: classes.length, head: 'pooled', trained });
  const before = startFrom(pretrained, prompts, seed, trial);
  const tuned = await train(layer, training, experiment.training, {
    initial: method === 'scratch' ? { scale: 1 / Math.sqrt(fitted.dimension) } : before,
    seed: BigInt(seed) * 1_000_003n + BigInt(trial),
    threads,
    signal,
  });
  const untuned = await evaluate(layer, before, test, threads);
  const after = await evaluate(layer, tuned.parameters, test, threads);
  const shapes = layer.parameterShapes({ tokens: 1, dimension: fitted.dimension });
  return {
    error: after.error,
    relevantAttention: after.relevantAttention,
    errorBefore: untuned.error,
    relevantAttentionBefore: untuned.relevantAttention,
    trainedParameters: trained.reduce((sum, name) => sum + shapes[name].reduce((a, b) => a * b, 1), 0),
  };
}
