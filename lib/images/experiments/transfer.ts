import { z } from 'zod';
import type { OwnFloat64Array } from '../../base/arrays.js';
import { OptionRangeError } from '../../base/errors.js';
import { hashKey } from '../../base/hash.js';
import type { ExperimentKind } from '../../base/kind.js';
import { native } from '../../base/native.js';
import { integerFrom, oneOf } from '../../base/options.js';
import {
  type Model,
  type ModelParameters,
  type PromptTunedLayerParameter,
  promptTunedLayer,
} from '../../models/index.js';
import { kChoicePurpose } from '../../real-data/choices.js';
import { shared } from '../../real-data/shared.js';
import { recordEvery } from '../../real-data/training.js';
import { runTrials, type TrialContext, type TrialOutcome, trainingSeed } from '../../real-data/trials.js';
import { recordedSteps } from '../../training/records.js';
import type { Embedding } from '../embedding.js';
import { type EmbeddingOptions, embeddingSchema } from '../embedding-options.js';
import { labelledClasses } from '../layout.js';
import { clutteredTaskSchema, type EmbeddedTask, type PartialTiledTask, type ResolvedImageTask } from '../task.js';
import {
  type CountedTrainingOptions,
  dataSchema,
  type ImageTrainingOptions,
  noLaw,
  trainingObject,
  trainingSchema,
  whyDense,
} from './options.js';
import { embeddingOf, examplesOf, imagesNamed, testExamplesOf } from './resources.js';
import { evaluate, type TrainedModel, train, trainedNumbers } from './training.js';

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
  /** The task to transfer to, with three or more labelled classes. */
  readonly task: PartialTiledTask | EmbeddedTask;
  /** How patches become tokens. Default: 128 random features, whitened. */
  readonly embedding?: EmbeddingOptions | undefined;
  /** Training on full-tiled images of the same classes. Default: 20,000 examples, 4000 steps, learning rate 0.003. */
  readonly pretraining?: CountedTrainingOptions | undefined;
  /**
   * What is tuned: the prompts; prompts and head; prompts, attention weights and head; the head alone; or everything from a random
   * start (`'scratch'`).
   */
  readonly method: TransferMethod;
  /** m_p, number of prompts: an integer in [1, 1024]. Default 4. */
  readonly prompts?: number | undefined;
  /** n, examples of the task, those held out included: an integer ≥ 5. */
  readonly examples: number;
  /** Training on the task. Default: 600 steps, learning rates 0.003, 0.01, 0.03 and 0.1. */
  readonly training?: ImageTrainingOptions | undefined;
  /** Test examples: an integer ≥ 1. Default 2000. */
  readonly testExamples?: number | undefined;
}

export const imageTransferSchema = z.strictObject({
  kind: z.literal('image-transfer'),
  data: dataSchema,
  task: clutteredTaskSchema,
  embedding: embeddingSchema.prefault({ kind: 'random-features' }),
  pretraining: trainingObject({ steps: 4000, learningRates: [0.003] })
    .extend({ examples: integerFrom(5, 60_000).default(20_000) })
    .prefault({}),
  method: oneOf(['prompts', 'prompts-and-head', 'everything', 'head', 'scratch']),
  prompts: integerFrom(1, 1024).default(4),
  examples: integerFrom(5, 2 ** 31 - 1),
  training: trainingSchema({ steps: 600, learningRates: [0.003, 0.01, 0.03, 0.1] }),
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

/** The layer before tuning, one prompt that reads full-tiled images; `'diverged'` if its training does at every learning rate. */
function pretrained(
  { data, task, embedding, pretraining }: ResolvedImageTransfer,
  classes: readonly number[],
  { threads, signal: own }: TrialContext,
): Promise<LayerParameters | 'diverged'> {
  const { examples, ...training } = pretraining;
  const { patch } = task;
  return shared({ pretrained: { data, patch, classes, embedding, pretraining } }, own, async (signal) => {
    // One tile is enough: attention pools, so that copies of the same tokens change nothing.
    const source: ResolvedImageTask = { kind: 'full-tiled', tiles: 1, patch, classes: [...classes] };
    const fitted = await embeddingOf(data, patch, embedding, signal);
    const options = { examples, seed: kPretrainingSeed, trial: 0, threads, signal };
    const images = await examplesOf(data, 'train', source, fitted, options);
    const layer = promptTunedLayer({ prompts: 1, outputs: classes.length, head: 'pooled', trained: kTrained.scratch });
    const start = { initial: { scale: 1 / Math.sqrt(fitted.dimension) }, seed: kPretrainingSeed, threads, signal };
    const trained = await train(layer, images, training, start);
    return trained === 'diverged' ? trained : trained.parameters;
  });
}

/** Copies of the pretrained prompt with independent noise, so that the prompts can part. */
function startFrom(
  source: LayerParameters,
  prompts: number,
  { seed, trial }: Pick<TrialContext, 'seed' | 'trial'>,
): LayerParameters {
  if (prompts === 1) return source;
  const d = source.prompts.length;
  const scale = kPromptSpread * Math.sqrt(source.prompts.reduce((sum, value) => sum + value * value, 0) / d);
  const noise = native.randomNumbers({
    kind: 'normal',
    purpose: kChoicePurpose,
    trial,
    first: 0,
    count: prompts * d,
    seed: BigInt(seed),
    cellKey: hashKey('tuned prompts'),
  });
  return { ...source, prompts: noise.map((value, j) => (source.prompts[j % d] as number) + scale * value) };
}

interface Transferred {
  readonly layer: Model<PromptTunedLayerParameter>;
  readonly before: LayerParameters;
  readonly after: TrainedModel<PromptTunedLayerParameter>;
  readonly embedding: Embedding;
  readonly classes: readonly number[];
}

/** A layer before and after tuning; `'diverged'` if it could not be pretrained or tuned. */
export async function transfer(
  experiment: ResolvedImageTransfer,
  context: TrialContext,
): Promise<Transferred | 'diverged'> {
  const { data, task, embedding, method, prompts } = experiment;
  const classes = labelledClasses(task, imagesNamed(data, 'train'));
  if (classes.length < 3) throw new OptionRangeError('task.classes', 'three or more classes for a transfer', classes);
  const fitted = await embeddingOf(data, task.patch, embedding, context.signal);
  const source = await pretrained(experiment, classes, context);
  if (source === 'diverged') return source;
  const training = await examplesOf(data, 'train', task, fitted, { ...context, examples: experiment.examples });
  const layer = promptTunedLayer({ prompts, outputs: classes.length, head: 'pooled', trained: kTrained[method] });
  const before = startFrom(source, prompts, context);
  const after = await train(layer, training, experiment.training, {
    initial: method === 'scratch' ? { scale: 1 / Math.sqrt(fitted.dimension) } : before,
    seed: trainingSeed(context),
    threads: context.threads,
    signal: context.signal,
  });
  if (after === 'diverged') return after;
  return { layer, before, after, embedding: fitted, classes };
}

/** Metrics of {@link transferTrial} but its path, the attention at every record of the training. */
const kTransferMetrics = [
  'error',
  'relevantAttention',
  'errorBefore',
  'relevantAttentionBefore',
  'trainedParameters',
] as const;

/** Tune the pretrained layer on the examples of one trial. */
async function transferTrial(experiment: ResolvedImageTransfer, context: TrialContext): Promise<TrialOutcome> {
  const transferred = await transfer(experiment, context);
  if (transferred === 'diverged') return transferred;
  const { layer, before, after, embedding } = transferred;
  const test = await testExamplesOf(experiment, embedding, context);
  const untuned = await evaluate(layer, before, test, context);
  const tuned = await evaluate(layer, after.parameters, test, context);
  return {
    ...tuned,
    errorBefore: untuned.error,
    relevantAttentionBefore: untuned.relevantAttention,
    trainedParameters: trainedNumbers(layer, test),
    attentionPath: after.relevantAttention,
  };
}

/** Tuning a pretrained layer. */
export const imageTransferKind: ExperimentKind<ImageTransferExperiment, ResolvedImageTransfer> = {
  schema: imageTransferSchema,
  example: {
    kind: 'image-transfer',
    task: {
      kind: 'partial-tiled',
      tiles: 2,
      patch: 14,
      classes: [0, 1, 2],
      relevantTiles: 1,
      filler: { kind: 'noise' },
    },
    method: 'prompts',
    examples: 5,
  },
  methodOptions: ['data'],
  whyDense,
  metrics: () => kTransferMetrics,
  recordedSteps: ({ training }) => recordedSteps(training.steps, recordEvery(training)),
  isCounted: () => false,
  async simulate(experiment, request) {
    const names = [...kTransferMetrics, 'attentionPath'];
    const { metrics, status } = await runTrials(names, request, (context) => transferTrial(experiment, context));
    const { attentionPath, ...others } = metrics as typeof metrics & { attentionPath: OwnFloat64Array };
    return { metrics: others, path: { relevantAttention: attentionPath }, status };
  },
  theory: noLaw,
  risk: undefined,
};
