import { runJob } from '../../base/job.js';
import type { ExperimentKind } from '../../base/kind.js';
import type { MetricName } from '../../base/metrics.js';
import { type NativeModel, native } from '../../base/native.js';
import type { DescentPathName } from '../../base/native-types.js';
import { parseOptions } from '../../base/options.js';
import {
  type GradientDescentExperiment,
  gradientDescentSchema,
  type ResolvedGradientDescent,
} from '../../experiments/gradient-descent.js';
import { hasScalarNoise, whyNotScalar } from '../../mixture/mixture.js';
import { freshDescent, freshDescentSchema, kLeastDescentDimension } from '../../risk/fresh-descent.js';
import { toNativeOptimizer } from '../../training/optimizer.js';
import { recordedSteps } from '../../training/records.js';
import { common, kPromptMetrics } from './common.js';

/** Metrics of a head beside those of the training. */
const kHeadMetrics = ['headNorm', 'headContextOverlap', 'headSignalOverlap'] as const;

type Sizeless<Sized> = Sized extends unknown ? Omit<Sized, 'tokens' | 'dimension'> : never;

/** What an experiment has to know of the model that it trains. */
interface TrainedModel {
  /** Metrics beside `error`, `trainingLoss`, `trainingError` and those of the head. */
  readonly metrics: readonly MetricName[];
  /** The model as the addon has it, without its sizes. */
  readonly native: Sizeless<NativeModel>;
  /** Why an experiment with it has no projected method; undefined if it has one. Default: it has. */
  readonly whyDense?: (experiment: ResolvedGradientDescent) => string | undefined;
  /** When the test error under Gaussian noise is a share of examples: with noise on relevant tokens, always or, by default, never. */
  readonly isCounted?: 'with-relevant-noise' | 'always';
}

const kModels: Readonly<Record<ResolvedGradientDescent['model'], TrainedModel>> = {
  'prompt-attention': {
    metrics: [...kPromptMetrics, 'relevantAttention'],
    native: { kind: 'prompt-attention' },
  },
  'linear-attention': {
    metrics: kPromptMetrics,
    native: { kind: 'linear-attention' },
    isCounted: 'with-relevant-noise',
  },
  'mean-pooling': {
    metrics: ['relevantAttention'],
    native: { kind: 'mean-pooling' },
  },
  'self-attention': {
    metrics: ['weightNorm', 'relevantAttention'],
    native: {
      kind: 'matrix-attention',
      prompts: 0,
      outputs: 1,
      pooledHead: true,
      trainsAttention: true,
      trainsWeights: true,
    },
    whyDense: whySelfAttentionIsDense,
    isCounted: 'always',
  },
};

/** Different tokens per dimension from which their Gram matrix and its factor, 20·d² numbers there, take over twice the memory of the dense method. */
const kMostTokensPerDimension = 4;

/** Self-attention is trained on the Gram matrix of its tokens; see native/core/trials/gram_descent.h. */
function whySelfAttentionIsDense({ mixture, examples, data, steps, initial }: ResolvedGradientDescent) {
  if (initial !== 'zero')
    return 'for self-attention from a random start, at which every token looks in a direction of its own';
  const irrelevant = mixture.tokens - mixture.relevantTokens;
  const different =
    Math.min(mixture.relevantTokens, 1) + Math.min(irrelevant, mixture.noiseLevel === 0 ? 1 : irrelevant);
  const tokens = examples * (data === 'fresh' ? steps + 1 : 1) * different;
  if (tokens > kMostTokensPerDimension * mixture.dimension)
    return `for self-attention with ${tokens} different tokens, more than ${kMostTokensPerDimension} per dimension`;
  return undefined;
}

/** A model trained by gradient steps. */
export const gradientDescentKind: ExperimentKind<GradientDescentExperiment, ResolvedGradientDescent> = {
  schema: gradientDescentSchema,
  example: {
    kind: 'gradient-descent',
    mixture: { tokens: 4, dimension: 6, relevantTokens: 1, contextNorm: 1, signalNorm: 1 },
    examples: 10,
    model: 'prompt-attention',
    steps: 1,
    stepSizes: { head: 1, prompt: 1 },
  },
  methodOptions: ['data', 'model', 'steps', 'recordEvery', 'loss', 'optimizer'],
  whyDense(experiment) {
    const reason = whyNotScalar(experiment.mixture);
    if (reason !== undefined) return reason;
    if (experiment.optimizer.kind === 'adam') return 'for the optimizer adam, whose rule depends on the coordinates';
    return kModels[experiment.model].whyDense?.(experiment);
  },
  metrics: ({ model }) => ['error', 'trainingLoss', 'trainingError', ...kHeadMetrics, ...kModels[model].metrics],
  recordedSteps: ({ steps, recordEvery }) =>
    recordEvery === undefined ? new Float64Array() : recordedSteps(steps, recordEvery),
  isCounted({ mixture, model }) {
    const { isCounted } = kModels[model];
    if (isCounted === 'always') return true;
    return isCounted === undefined ? mixture.noise !== 'gaussian' : !hasScalarNoise(mixture);
  },
  simulate: (experiment, request) =>
    runJob(
      () =>
        native.simulateDescent({
          ...common(experiment, request),
          examples: experiment.examples,
          model: {
            ...kModels[experiment.model].native,
            tokens: experiment.mixture.tokens,
            dimension: experiment.mixture.dimension,
          },
          loss: experiment.loss,
          optimizer: toNativeOptimizer(experiment.optimizer),
          steps: experiment.steps,
          promptStep: experiment.stepSizes.prompt,
          headStep: experiment.stepSizes.head,
          initialScale: experiment.initial === 'zero' ? 0 : experiment.initial.scale,
          freshExamples: experiment.data === 'fresh',
          recordEvery: experiment.recordEvery ?? 0,
        }),
      request,
    ),
  async theory(experiment, options) {
    const { mixture, data, model, optimizer, steps } = experiment;
    if (!hasScalarNoise(mixture) || data !== 'fresh' || model === 'self-attention' || optimizer.kind === 'adam')
      return null;
    const fluctuations = mixture.dimension >= kLeastDescentDimension;
    const recordEvery = Math.max(steps, 1);
    const law = await freshDescent(
      parseOptions(freshDescentSchema, { ...experiment, ...options, data, model, fluctuations, recordEvery }, ''),
    );
    const last = law.steps.length - 1;
    const at = (path: Float64Array) => path[last] as number;
    const others = ['trainingLoss', ...kHeadMetrics, ...kModels[model].metrics] as readonly DescentPathName[];
    return {
      error: {
        mean: at(law.error),
        standardError: at(law.standardError),
        effectiveDraws: at(law.effectiveDraws),
        reliable: law.reliable[last] === true,
      },
      ...Object.fromEntries(
        others.map((name) => [name, { mean: at(law[name]), standardError: at(law[`${name}StandardError`]) }]),
      ),
    };
  },
  risk: 'gradientDescent',
};
