import {
  cellKey,
  type Experiment,
  kLeastThreeStepDimension,
  type ResolvedExperiment,
  type ResolvedGradientDescent,
  type SimulationMethod,
} from './experiment.js';
import { imageKinds } from './images/experiments/run.js';
import { runJob } from './job.js';
import { memoryLimit } from './memory.js';
import { type NativeModel, native, toNativeHead, toNativeMixture, toNativeThreeStep } from './native.js';
import { knownPrompt } from './risk/known-prompt.js';
import { threeStep } from './risk/three-step.js';
import { resolveSolver, worthwhileIterations } from './solver.js';
import { toNativeOptimizer } from './training/optimizer.js';
import { recordedSteps } from './training/records.js';

/** Which trials of an experiment to run, and how. */
export interface TrialRequest {
  readonly seed: number | bigint;
  readonly method: SimulationMethod;
  readonly firstTrial: number;
  readonly trials: number;
  readonly testDraws: number;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the number of trials finished. */
  readonly onProgress?: ((completed: number) => void) | undefined;
}

/** Raw results of consecutive trials. */
export interface TrialResults {
  /** One array per metric, `error` among them, with one number per trial. */
  readonly metrics: Readonly<Record<string, Float64Array>>;
  /** Metrics along the training, trials×records per metric, for experiments that record them. */
  readonly path?: Readonly<Record<string, Float64Array>> | undefined;
  /** One code per trial: 0 if it ran through, else it failed and its metrics are NaN. */
  readonly status: Uint8Array;
  /** How well the test error of each trial is known; absent where it is measured on a fixed set of examples. */
  readonly testError?: TrialAccuracy | undefined;
  /** Codes of what found the head of each trial, and of why it was not the first choice; known prompt only. */
  readonly solverUsed?: Uint8Array | undefined;
  readonly solverFallback?: Uint8Array | undefined;
}

/** How well the test errors of trials are known: one number per trial. */
export interface TrialAccuracy {
  /** Standard error of the trial's own test error, over the draws that estimate it; NaN where the trial failed. */
  readonly standardError: Float64Array;
  /**
   * Draws that its test error amounts to: (Σv)²/Σv² over the weighted draws behind it, the number of errors where errors are
   * counted, Infinity where it is closed form; NaN where the trial failed.
   */
  readonly effectiveDraws: Float64Array;
  /** 1 where error ± 1.96 `standardError` can be trusted, else 0. */
  readonly reliable: Uint8Array;
}

/** A value and its standard error. */
export interface Estimate {
  /** The value. */
  readonly mean: number;
  /** Its standard error; NaN where it is not known. */
  readonly standardError: number;
  /** (Σv)²/Σv² over the weighted draws behind it, Infinity where it is exact; left out where it is not known. */
  readonly effectiveDraws?: number | undefined;
  /** False where the standard error cannot be trusted. Default true. */
  readonly reliable?: boolean | undefined;
}

/** How the law of an experiment is computed. */
export interface LawOptions {
  readonly seed: number | bigint;
  /** Draws behind the law; by default the law's own choice. */
  readonly draws: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What the rest of the package has to know about one kind of experiment. */
export interface ExperimentKind<Resolved> {
  /** Names of the metrics of a trial, `error` first. */
  metrics(experiment: Resolved, method: SimulationMethod): readonly string[];
  /** Steps taken before each record of a path; empty if the experiment records none. */
  recordedSteps(experiment: Resolved): Float64Array;
  /** Run trials. They depend on the seed, the experiment and their indices only. */
  simulate(experiment: Resolved, request: TrialRequest): Promise<TrialResults>;
  /** What the law of the experiment says of the metrics it covers, `error` among them; null where there is no law. */
  theory(experiment: Resolved, options: LawOptions): Promise<Readonly<Record<string, Estimate>> | null>;
}

/** The test error of a law, with what the law says of how well it is known. */
export function errorOf(
  law: Pick<Estimate, 'standardError' | 'effectiveDraws' | 'reliable'> & { readonly error: number },
): Estimate {
  const { error: mean, standardError, effectiveDraws, reliable } = law;
  return { mean, standardError, effectiveDraws, reliable };
}

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
      const { solverUsed, solverFallback, ...measured } = metrics as Record<string, Float64Array>;
      return {
        ...others,
        metrics: measured,
        solverUsed: Uint8Array.from(solverUsed as Float64Array),
        solverFallback: Uint8Array.from(solverFallback as Float64Array),
      };
    },
    async theory(experiment, options) {
      if (experiment.mixture.noise !== 'gaussian') return null;
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
      if (experiment.mixture.noise !== 'gaussian') return null;
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
    theory: () => Promise.resolve(null),
  },
  ...imageKinds,
};

/** The entry of an experiment's kind, ready to be called with that experiment. */
export function kindOf(experiment: ResolvedExperiment): ExperimentKind<ResolvedExperiment> {
  return kKinds[experiment.kind] as ExperimentKind<ResolvedExperiment>;
}
