import { z } from 'zod';
import { ConvergenceError } from '../../base/errors.js';
import { type Estimate, type ExperimentKind, errorOf as errorOfLaw } from '../../base/kind.js';
import { integerFrom, oneOf } from '../../base/options.js';
import { type Head, type HeadOptions, headSchema, type WeightedAveragingHead } from '../../heads/head.js';
import { promptAttention } from '../../models/index.js';
import { errorOf, mean, relevantMass } from '../../real-data/evaluation.js';
import { shared } from '../../real-data/shared.js';
import { runTrials, type TrialContext, type TrialOutcome } from '../../real-data/trials.js';
import { knownPrompt } from '../../risk/known-prompt.js';
import { fitHead } from '../../training/index.js';
import { type EmbeddingOptions, embeddingSchema } from '../embedding-options.js';
import { estimateMixture, type MixtureEstimate, pooledFeatures } from '../estimate.js';
import { measuredNoiseRisk } from '../measured-noise.js';
import { type BagTask, twoKindsSchema } from '../task.js';
import { type CountedTrainingOptions, dataSchema, trainingObject, whyDense } from './options.js';
import { embeddingOf, examplesOf, testExamplesOf } from './resources.js';
import { train } from './training.js';

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
    head: headSchema
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

/** Trials that no study reaches: bags for the prompt and for the estimates, independent of all others. */
const kPromptTrial = 2 ** 20 - 1;
const kEstimationTrial = 2 ** 20 - 2;
/** Standard deviation of the numbers that the prompt is learned from. */
const kInitialScale = 0.1;

type Shared = Omit<TrialContext, 'trial'>;

/** The prompt of an experiment, the same in all of its trials; `'diverged'` if its training does at every learning rate. */
export function learnedPrompt(
  { data, task, embedding, prompt }: ResolvedImageRisk,
  { seed, threads, signal: own }: Shared,
): Promise<Float64Array | 'diverged'> {
  const { examples, ...training } = prompt;
  return shared({ prompt: { data, task, embedding, prompt, seed: String(seed) } }, own, async (signal) => {
    const fitted = await embeddingOf(data, 'image', embedding, signal);
    const bags = await examplesOf(data, 'train', task, fitted, {
      seed,
      threads,
      signal,
      trial: kPromptTrial,
      examples,
    });
    const start = { initial: { scale: kInitialScale }, seed, threads, signal };
    const trained = await train(promptAttention, bags, training, start);
    return trained === 'diverged' ? trained : trained.parameters.prompt;
  });
}

/** The mixtures that stand for the tokens under the learned prompt. */
export function plugInOf(experiment: ResolvedImageRisk, context: Shared): Promise<MixtureEstimate> {
  const { data, task, embedding, prompt, estimationExamples: examples } = experiment;
  const { seed, threads } = context;
  const key = { plugIn: { data, task, embedding, prompt, examples, seed: String(seed) } };
  return shared(key, context.signal, async (signal) => {
    const fitted = await embeddingOf(data, 'image', embedding, signal);
    const q = await learnedPrompt(experiment, { ...context, signal });
    if (q === 'diverged') throw new ConvergenceError('the prompt diverges at every one of prompt.learningRates', {});
    const options = { seed, threads, signal, trial: kEstimationTrial, examples };
    return estimateMixture(await examplesOf(data, 'train', task, fitted, options), q, { threads, signal });
  });
}

const kRiskMetrics = ['error', 'relevantAttention'] as const;

/** Learn a head with the learned prompt on the bags of one trial; why there is none if it cannot be found. */
async function riskTrial(experiment: ResolvedImageRisk, context: TrialContext): Promise<TrialOutcome> {
  const { data, task, embedding, examples, head } = experiment;
  const { threads, signal } = context;
  const fitted = await embeddingOf(data, 'image', embedding, signal);
  const prompt = await learnedPrompt(experiment, context);
  if (prompt === 'diverged') return prompt;
  const bags = await examplesOf(data, 'train', task, fitted, { ...context, examples });
  const features = await pooledFeatures(bags, prompt, { threads, signal });
  const { head: w, status } = await fitHead(features, bags.labels, head, { signal });
  if (status !== 'ok') return status;
  const test = await testExamplesOf(experiment, fitted, context);
  const parameters = { prompt, head: w };
  const scores = await promptAttention.scores(parameters, test, { threads, signal });
  const attention = await promptAttention.attention(parameters, test, { threads, signal });
  return { error: errorOf(scores, test.labels), relevantAttention: mean(relevantMass(attention, test)) };
}

/** The law of the experiment with the estimated mixture. */
export async function riskLaw(
  experiment: ResolvedImageRisk,
  options: Shared & { readonly draws?: number | undefined },
): Promise<Readonly<Record<string, Estimate>>> {
  const estimate = await plugInOf(experiment, options);
  const { examples, head } = experiment;
  const plugIn = experiment.plugIn ?? (isPlainLeastSquares(head) ? 'measured' : 'moments');
  if (plugIn === 'measured') {
    // Their error bar is that of the estimates, which is not known.
    const error = measuredNoiseRisk(estimate.measured, examples / estimate.effective.mixture.dimension);
    return {
      error: { mean: error, standardError: Number.NaN },
      relevantAttention: { mean: estimate.relevantAttention, standardError: Number.NaN },
    };
  }
  const { draws, seed, signal } = options;
  const law = await knownPrompt({ ...estimate[plugIn], examples, head, draws, seed, signal });
  return {
    error: errorOfLaw(law),
    relevantAttention: { mean: law.relevantAttention, standardError: law.relevantAttentionStandardError },
  };
}

/** A head on the features of a learned prompt. */
export const imageRiskKind: ExperimentKind<ImageRiskExperiment, ResolvedImageRisk> = {
  schema: imageRiskSchema,
  example: {
    kind: 'image-risk',
    task: { kind: 'bag', tokens: 2, relevantTokens: 1, context: [0, 1], others: [2] },
    examples: 5,
  },
  methodOptions: ['data', 'head'],
  whyDense,
  metrics: () => kRiskMetrics,
  recordedSteps: () => new Float64Array(),
  isCounted: () => false,
  simulate: (experiment, request) => runTrials(kRiskMetrics, request, (context) => riskTrial(experiment, context)),
  theory: (experiment, options) => riskLaw(experiment, { ...options, threads: 1 }),
  risk: undefined,
};
