import { z } from 'zod';
import type { KindRules } from '../base/kind.js';
import { integerFrom, numberIn, oneOf, positiveNumber } from '../base/options.js';
import { type Head, type HeadOptions, headSchema, type WeightedAveragingHead } from '../heads/head.js';
import { type EmbeddingOptions, embeddingSchema } from './embedding-options.js';
import { type BagTask, clutteredTaskSchema, type EmbeddedTask, type PartialTiledTask, twoKindsSchema } from './task.js';

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

/** A training on a number of examples of its own. */
export interface CountedTrainingOptions extends ImageTrainingOptions {
  /** Training examples: an integer ≥ 1. */
  readonly examples?: number | undefined;
}

const share = numberIn('a number in (0, 1)', (value) => value > 0 && value < 1);

function trainingObject(defaults: { readonly steps: number; readonly learningRates: readonly number[] }) {
  return z.strictObject(
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
  );
}

const trainingSchema = (defaults: Parameters<typeof trainingObject>[0]) => trainingObject(defaults).prefault({});

/** Training options with every default filled in. */
export type ResolvedTraining = z.output<ReturnType<typeof trainingObject>>;

const dataSchema = oneOf(['fashion-mnist', 'mnist']).default('fashion-mnist');

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

const whyDense = () => 'for an experiment on images';

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

export const imageBagRules: KindRules<ResolvedImageBag> = {
  methodOptions: ['data', 'model'],
  whyDense,
};

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

export const imageTransferRules: KindRules<ResolvedImageTransfer> = {
  methodOptions: ['data'],
  whyDense,
};

/**
 * The head of a learned prompt on bags, and the risk law's prediction for it. One prompt is learned on bags of its own; then
 * heads are learned with that prompt on n fresh bags. The law gets a mixture estimated from bags: see {@link images.estimateMixture}.
 * Plain JSON.
 */
export interface ImageRiskExperiment {
  /** Always `'image-risk'`. */
  readonly kind: 'image-risk';
  /** Data set. Default `'fashion-mnist'`. */
  readonly data?: 'fashion-mnist' | 'mnist' | undefined;
  /** The bags; two context classes. */
  readonly task: BagTask;
  /** How images become tokens. Default: 32 principal components, whitened. */
  readonly embedding?: EmbeddingOptions | undefined;
  /** The bags that the prompt is learned from, and how. Default: 1000 bags, 300 steps, learning rates 0.01, 0.03 and 0.1. */
  readonly prompt?: CountedTrainingOptions | undefined;
  /** n, bags that the head is learned from: an integer ≥ 1. */
  readonly examples: number;
  /** How the head is learned. Default: least squares without ridge. */
  readonly head?: Exclude<HeadOptions, WeightedAveragingHead> | undefined;
  /**
   * What of the {@link images.MixtureEstimate} the law is computed with. `'measured'` and `'effective'` are for least squares without
   * ridge. Default: `'measured'` for it, `'moments'` for other heads.
   */
  readonly plugIn?: 'measured' | 'effective' | 'moments' | undefined;
  /** Bags that the mixture is estimated from: an integer ≥ 100. Default 5000. */
  readonly estimationExamples?: number | undefined;
  /** Test bags: an integer ≥ 1. Default 5000. */
  readonly testExamples?: number | undefined;
}

export const imageRiskSchema = z
  .strictObject({
    kind: z.literal('image-risk'),
    data: dataSchema,
    task: twoKindsSchema,
    embedding: embeddingSchema.prefault({ kind: 'principal-components' }),
    prompt: trainingObject({ steps: 300, learningRates: [0.01, 0.03, 0.1] })
      .extend({ examples: integerFrom(5, 2 ** 31 - 1).default(1000) })
      .prefault({}),
    examples: integerFrom(1, 2 ** 31 - 1),
    // The module of this schema is one that imports this one.
    head: z
      .lazy(() => headSchema)
      .transform((head, context) => {
        if (head.kind !== 'weighted-averaging') return head;
        context.addIssue('a head without weights, which real tokens do not tell');
        return z.NEVER;
      })
      .default({ kind: 'least-squares', ridge: 0 }),
    plugIn: oneOf(['measured', 'effective', 'moments']).optional(),
    estimationExamples: integerFrom(100, 2 ** 31 - 1).default(5000),
    testExamples: integerFrom(1, 2 ** 31 - 1).default(5000),
  })
  .refine(({ plugIn, head }) => plugIn === undefined || plugIn === 'moments' || isPlainLeastSquares(head), {
    error: "'moments' unless the head is least squares without ridge",
    path: ['plugIn'],
  });

/** Whether a linear map of the features changes nothing for a head. */
export const isPlainLeastSquares = (head: Head) => head.kind === 'least-squares' && head.ridge === 0;

/** A risk experiment with every default filled in. */
export type ResolvedImageRisk = z.output<typeof imageRiskSchema>;

export const imageRiskRules: KindRules<ResolvedImageRisk> = {
  methodOptions: ['data', 'head'],
  whyDense,
};

/** An experiment on images. */
export type ImageExperiment = ImageBagExperiment | ImageTransferExperiment | ImageRiskExperiment;

/** An experiment on images with every default filled in. */
export type ResolvedImageExperiment = ResolvedImageBag | ResolvedImageTransfer | ResolvedImageRisk;
