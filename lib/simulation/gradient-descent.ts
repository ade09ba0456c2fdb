import { runJob } from '../base/job.js';
import type { ExperimentKind } from '../base/kind.js';
import { type NativeModel, native } from '../base/native.js';
import type { DescentPathName } from '../base/native-types.js';
import { parseOptions } from '../base/options.js';
import type { ResolvedGradientDescent } from '../experiments/gradient-descent.js';
import { hasScalarNoise } from '../mixture/mixture.js';
import { freshDescent, freshDescentSchema, kLeastDescentDimension } from '../risk/fresh-descent.js';
import { toNativeOptimizer } from '../training/optimizer.js';
import { recordedSteps } from '../training/records.js';
import { common, kPromptMetrics } from './common.js';

function descentModel({ model, mixture }: ResolvedGradientDescent): NativeModel {
  const size = { tokens: mixture.tokens, dimension: mixture.dimension };
  if (model !== 'self-attention') return { kind: model, ...size };
  const head = { prompts: 0, outputs: 1, pooledHead: true };
  return { kind: 'matrix-attention', ...size, ...head, trainsAttention: true, trainsWeights: true };
}

/** Metrics of a head beside those of the training. */
const kHeadMetrics = ['headNorm', 'headContextOverlap', 'headSignalOverlap'] as const;

/** Metrics of gradient descent beside `error`, `trainingLoss`, `trainingError` and those of its head. */
const kModelMetrics: Readonly<Record<ResolvedGradientDescent['model'], readonly string[]>> = {
  'prompt-attention': [...kPromptMetrics, 'relevantAttention'],
  'linear-attention': kPromptMetrics,
  'mean-pooling': ['relevantAttention'],
  'self-attention': ['weightNorm', 'relevantAttention'],
};

/** A model trained by gradient steps. */
export const gradientDescentKind: ExperimentKind<ResolvedGradientDescent> = {
  metrics: ({ model }) => ['error', 'trainingLoss', 'trainingError', ...kHeadMetrics, ...kModelMetrics[model]],
  recordedSteps: ({ steps, recordEvery }) =>
    recordEvery === undefined ? new Float64Array() : recordedSteps(steps, recordEvery),
  simulate: (experiment, request) =>
    runJob(
      () =>
        native.simulateDescent({
          ...common(experiment, request),
          examples: experiment.examples,
          model: descentModel(experiment),
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
    const others = ['trainingLoss', ...kHeadMetrics, ...kModelMetrics[model]] as readonly DescentPathName[];
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
};
