import type { OwnFloat64Array } from './arrays.js';
import {
  cellKey,
  type Experiment,
  kLeastThreeStepDimension,
  type ResolvedExperiment,
  type ResolvedGradientDescent,
} from './experiment.js';
import { imageKinds } from './images/experiments/run.js';
import { runJob } from './job.js';
import { type ExperimentKind, errorOf, type TrialRequest } from './kind.js';
import { memoryLimit } from './memory.js';
import { hasScalarNoise } from './mixture.js';
import { type NativeModel, native, toNativeHead, toNativeMixture, toNativeThreeStep } from './native.js';
import { gradientDescent, kLeastDescentDimension } from './risk/gradient-descent.js';
import { knownPrompt } from './risk/known-prompt.js';
import { threeStep } from './risk/three-step.js';
import { resolveSolver, worthwhileIterations } from './solver.js';
import { textKinds } from './text/experiments/run.js';
import { toNativeOptimizer } from './training/optimizer.js';
import { recordedSteps } from './training/records.js';

type Kinds = { readonly [Kind in Experiment['kind']]: ExperimentKind<Extract<ResolvedExperiment, { kind: Kind }>> };

/** What every native simulation is told, whatever the kind. */
function common(
  experiment: Extract<ResolvedExperiment, { mixture: unknown }>,
  { seed, signal: _, onProgress: __, ...range }: TrialRequest,
) {
  return {
    mixture: toNativeMixture(experiment.mixture),
    seed: BigInt(seed),
    cellKey: cellKey(experiment),
    memory: memoryLimit(),
    ...range,
  };
}

function descentModel({ model, mixture }: ResolvedGradientDescent): NativeModel {
  const size = { tokens: mixture.tokens, dimension: mixture.dimension };
  if (model !== 'self-attention') return { kind: model, ...size };
  const head = { prompts: 0, outputs: 1, pooledHead: true };
  return { kind: 'matrix-attention', ...size, ...head, trainsAttention: true, trainsWeights: true };
}

const kPromptMetrics = ['contextOverlap', 'signalOverlap', 'promptNorm'] as const;
const kIterateCosines = ['w1', 'q1', 'w2'].flatMap((iterate) => [`${iterate}ContextCosine`, `${iterate}SignalCosine`]);

/** Metrics of gradient descent beside `error`, `trainingLoss`, `trainingError` and `headNorm`. */
const kModelMetrics: Readonly<Record<ResolvedGradientDescent['model'], readonly string[]>> = {
  'prompt-attention': [...kPromptMetrics, 'relevantAttention'],
  'linear-attention': kPromptMetrics,
  'mean-pooling': ['relevantAttention'],
  'self-attention': ['weightNorm', 'relevantAttention'],
};

/** Metrics of gradient descent that its law has. */
type LawMetric = 'trainingLoss' | 'headNorm' | 'relevantAttention' | (typeof kPromptMetrics)[number];

/** Every kind of experiment: adding one is adding its schema to `experimentSchema` and an entry here. */
const kKinds: Kinds = {
  'known-prompt': {
    metrics: (experiment, method) => [
      ...['error', 'relevantAttention', 'headNorm'],
      ...(resolveSolver(experiment, method) === 'iterative' ? ['solverIterations', 'solverResidual'] : []),
    ],
    recordedSteps: () => new Float64Array(),
    simulate: async (experiment, request) => {
      const solver = resolveSolver(experiment, request.method) ?? 'direct';
      const { metrics, ...others } = await runJob(
        () =>
          native.simulateKnownPrompt({
            ...common(experiment, request),
            examples: experiment.examples,
            inverseTemperature: experiment.inverseTemperature,
            head: toNativeHead(experiment.head),
            // Chosen for its cost, it may give way to a surer one.
            solver: solver === 'iterative' && experiment.solver !== 'iterative' ? 'auto' : solver,
            mostIterations: worthwhileIterations(experiment),
          }),
        request,
      );
      const { solverUsed, solverFallback, ...measured } = metrics as Record<string, OwnFloat64Array>;
      return {
        ...others,
        metrics: measured,
        solverUsed: Uint8Array.from(solverUsed as Float64Array),
        solverFallback: Uint8Array.from(solverFallback as Float64Array),
      };
    },
    async theory(experiment, options) {
      if (!hasScalarNoise(experiment.mixture)) return null;
      const law = await knownPrompt({ ...experiment, ...options });
      return {
        error: errorOf(law),
        relevantAttention: { mean: law.relevantAttention, standardError: law.relevantAttentionStandardError },
      };
    },
  },
  'three-step': {
    metrics: () => ['error', ...kPromptMetrics, 'relevantAttention', ...kIterateCosines],
    recordedSteps: () => new Float64Array(),
    simulate: (experiment, request) =>
      runJob(
        () =>
          native.simulateThreeStep({
            ...common(experiment, request),
            ...toNativeThreeStep(experiment),
            examples: Uint32Array.from(experiment.examples),
          }),
        request,
      ),
    async theory(experiment, options) {
      if (!hasScalarNoise(experiment.mixture)) return null;
      const fluctuations = experiment.mixture.dimension >= kLeastThreeStepDimension;
      const law = await threeStep({ ...experiment, ...options, fluctuations });
      const others = [...kPromptMetrics, 'relevantAttention'] as const;
      return {
        error: errorOf(law),
        ...Object.fromEntries(
          others.map((name) => [name, { mean: law[name], standardError: law[`${name}StandardError`] }]),
        ),
      };
    },
  },
  'gradient-descent': {
    metrics: ({ model }) => ['error', 'trainingLoss', 'trainingError', 'headNorm', ...kModelMetrics[model]],
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
      const law = await gradientDescent({ ...experiment, ...options, data, model, fluctuations, recordEvery });
      const last = law.steps.length - 1;
      const at = (path: Float64Array) => path[last] as number;
      const others = kModelMetrics[model].concat('trainingLoss', 'headNorm') as readonly LawMetric[];
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
  },
  ...imageKinds,
  ...textKinds,
};

/** The entry of an experiment's kind, ready to be called with that experiment. */
export function kindOf(experiment: ResolvedExperiment): ExperimentKind<ResolvedExperiment> {
  return kKinds[experiment.kind] as ExperimentKind<ResolvedExperiment>;
}
