import { loadAddon } from './load-native.js';
import type { ContextualMixture } from './mixture.js';

/** A mixture as the addon takes it. */
export interface NativeMixture {
  readonly tokens: number;
  readonly relevantTokens: number;
  readonly dimension: number;
  readonly contextNorm: number;
  readonly signalNorm: number;
  readonly correlation: number;
  readonly noiseLevel: number;
  readonly noise: 'gaussian' | 'rademacher' | 'uniform';
  readonly positiveRate: number;
  /** Three numbers per atom: δq, δw, probability. */
  readonly confusion: Float64Array;
  readonly randomRelevance: boolean;
}

/** Where the random numbers of a computation come from. */
export interface NativeKey {
  readonly seed: bigint;
  /** Four words. */
  readonly cellKey: Uint32Array;
}

/** Work under way on the addon's threads. The promise rejects with code `ERR_CANCELLED` after `cancel()`. */
export interface NativeJob<Result> {
  readonly promise: Promise<Result>;
  cancel(): void;
  /** Units of work finished so far (trials, for simulations). */
  completed(): number;
}

export interface NativeHead {
  readonly kind: 'averaging' | 'least-squares' | 'logistic' | 'hinge';
  readonly ridge: number;
}

/** Options of the three-step trajectory apart from its samples. */
export interface NativeThreeStepOptions {
  /** η1, η2, η3. */
  readonly stepSizes: Float64Array;
  readonly head: 'fresh' | 'restarted' | 'continued';
  readonly intercept: boolean;
}

/** n examples of T×d tokens. */
export interface NativeSample {
  /** n×T×d. */
  readonly tokens: Float64Array;
  /** n numbers. */
  readonly labels: Float64Array;
}

/** The trajectory: vectors of length d. */
export interface NativeThreeStepIterates {
  readonly w1: Float64Array;
  readonly q1: Float64Array;
  readonly w2: Float64Array;
  readonly intercept: number;
}

export interface NativeThreeStepRisk {
  readonly error: number;
  readonly standardError: number;
  readonly contextOverlap: number;
  readonly signalOverlap: number;
  readonly promptNorm: number;
  readonly relevantAttention: number;
}

/** Which trials to run, and how. */
export interface NativeTrialRange {
  readonly method: 'projected' | 'dense';
  readonly firstTrial: number;
  readonly trials: number;
  readonly testDraws: number;
  readonly threads: number;
  /** Bytes that all threads may use together. */
  readonly memory: number;
}

export interface NativeTrials {
  readonly metrics: Record<string, Float64Array>;
  readonly status: Uint8Array;
}

export interface NativeDescentTrials extends NativeTrials {
  /** trials×records per metric. */
  readonly path?: Record<string, Float64Array> | undefined;
}

export interface NativeExamples {
  readonly tokens: Float64Array;
  readonly labels: Float64Array;
  readonly relevance: Uint8Array;
  readonly confusion: Uint32Array;
}

export interface NativeKnownPromptRisk {
  readonly error: Float64Array;
  readonly standardError: Float64Array;
  readonly chi: Float64Array;
  /** Two numbers per sample ratio. */
  readonly inPlaneHead: Float64Array;
  readonly orthogonalNorm: Float64Array;
  readonly trainingError: Float64Array;
  /** NaN where it does not matter. */
  readonly separabilityThreshold: Float64Array;
  /** Four numbers per sample ratio. */
  readonly residuals: Float64Array;
  /** 1 where the fixed point was found, else 0. */
  readonly converged: Float64Array;
  readonly relevantAttention: number;
  readonly relevantAttentionStandardError: number;
}

export interface NativeEngineInfo {
  readonly addonVersion: string;
  readonly compiler: string;
  readonly simdTarget: string;
  readonly simdTargets: readonly string[];
  readonly blasConfig: string;
  readonly blasCore: string;
  readonly cpuSimd: string;
}

/** A model as the addon takes it; self-attention and the tuned layer are both matrix attention. */
export type NativeModel =
  | {
      readonly kind: 'prompt-attention' | 'linear-attention' | 'mean-pooling';
      readonly tokens: number;
      readonly dimension: number;
    }
  | {
      readonly kind: 'matrix-attention';
      readonly tokens: number;
      readonly dimension: number;
      /** m_p ≥ 0. */
      readonly prompts: number;
      /** K ≥ 1. */
      readonly outputs: number;
      /** One vector per output for the mean of the prompts' rows, or of all rows without prompts; other rows do not exist. */
      readonly pooledHead: boolean;
      /** Whether gradients of prompts, and of weights, are wanted. The second implies the first. */
      readonly trainsAttention: boolean;
      readonly trainsWeights: boolean;
    };

export interface NativeModelExamples {
  readonly examples: number;
  /** n×T×d; not read if `held` is given. */
  readonly tokens?: Float64Array | undefined;
  /** The name of tokens that `holdTokens` keeps. */
  readonly held?: number | undefined;
  /** n; needed where there is a loss. */
  readonly labels?: Float64Array | undefined;
  /** n×T. */
  readonly relevance?: Uint8Array | undefined;
}

export interface NativeModelRequest {
  readonly model: NativeModel;
  readonly examples: NativeModelExamples;
  /** Prompts, weights, head, one after the other. */
  readonly parameters: Float64Array;
  readonly threads: number;
}

export interface NativeOptimizer {
  readonly kind: 'gradient-descent' | 'momentum' | 'adam';
  readonly momentum: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export interface NativeFitRequest extends NativeModelRequest, NativeKey {
  readonly loss: NativeLoss;
  readonly validation?: NativeModelExamples | undefined;
  readonly optimizer: NativeOptimizer;
  /** Three numbers: of prompts, weights, head; 0 for what stays as it is. */
  readonly learningRates: Float64Array;
  readonly schedule: {
    readonly kind: 'constant' | 'cosine' | 'step';
    readonly warmUp: number;
    readonly final: number;
    readonly every: number;
    readonly factor: number;
  };
  readonly steps: number;
  /** Take over the memory of the tokens: the caller's array is detached. */
  readonly transfer: boolean;
  readonly batchSize: number;
  readonly recordEvery: number;
  /** 0 for none. */
  readonly patience: number;
}

/** One entry per record in every array from `step` on. */
export interface NativeFit {
  readonly parameters: Float64Array;
  readonly stopped: 'steps' | 'patience' | 'diverged';
  readonly steps: number;
  readonly step: Float64Array;
  readonly loss: Float64Array;
  readonly error: Float64Array;
  readonly relevantAttention: Float64Array;
  readonly validationLoss: Float64Array;
  readonly validationError: Float64Array;
  readonly promptNorm: Float64Array;
  readonly weightNorm: Float64Array;
  readonly headNorm: Float64Array;
}

/** One stage of an embedding: z ← a(zA + b). */
export interface NativeEmbeddingStage {
  readonly outputs: number;
  /** inputs×outputs. */
  readonly weights: Float64Array;
  /** outputs. */
  readonly offset: Float64Array;
  /** Whether a is the positive part, or else the identity. */
  readonly rectified: boolean;
}

export interface NativeImageTokensRequest extends NativeKey {
  /** Sides in pixels, below 2¹⁵; patches divide the canvas. */
  readonly layout: {
    readonly height: number;
    readonly width: number;
    readonly patchHeight: number;
    readonly patchWidth: number;
    readonly imageHeight: number;
    readonly imageWidth: number;
  };
  /** n. */
  readonly canvases: number;
  /** Position of the first canvas in the stream of noise. */
  readonly firstCanvas: number;
  readonly imageCount: number;
  /** imageCount×imageHeight×imageWidth. */
  readonly images: Uint8Array;
  /** Nine numbers per piece: canvas, image (2³²−1 for noise), top and left in it, height, width, top and left in the canvas, relevant (0 or 1). */
  readonly pieces: Uint32Array;
  /** At most 8; none leaves the pixels of the patches. */
  readonly stages: readonly NativeEmbeddingStage[];
  /** T×positionSize, put behind the embedding of every patch. */
  readonly positions: Float64Array;
  readonly positionSize: number;
  readonly threads: number;
}

export interface NativePrincipalComponents {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

export type NativeLoss = 'square' | 'logistic' | 'cross-entropy';

/** Everything the addon exports. Sizes are re-checked by the addon; meaning is validated by the callers in this folder. */
export interface NativeAddon {
  engineInfo(): NativeEngineInfo;
  simulateKnownPrompt(
    request: NativeKey &
      NativeTrialRange & {
        readonly mixture: NativeMixture;
        readonly examples: number;
        readonly inverseTemperature: number;
        readonly head: NativeHead;
        /** Not read for the averaging head. */
        readonly solver: 'direct' | 'iterative';
      },
  ): NativeJob<NativeTrials>;
  /** Projected for vector models and rules other than Adam only. */
  simulateDescent(
    request: NativeKey &
      NativeTrialRange & {
        readonly mixture: NativeMixture;
        readonly examples: number;
        /** Of the mixture's sizes; self-attention with a pooled head. */
        readonly model: NativeModel;
        readonly loss: 'square' | 'logistic';
        readonly optimizer: NativeOptimizer;
        readonly steps: number;
        readonly promptStep: number;
        readonly headStep: number;
        /** 0 to start at zero. */
        readonly initialScale: number;
        readonly freshExamples: boolean;
        /** 0 for no path. */
        readonly recordEvery: number;
      },
  ): NativeJob<NativeDescentTrials>;
  simulateThreeStep(
    request: NativeKey &
      NativeTrialRange &
      NativeThreeStepOptions & {
        readonly mixture: NativeMixture;
        /** n1, n2, n3. */
        readonly examples: Uint32Array;
      },
  ): NativeJob<NativeTrials>;
  threeStepDescent(
    request: NativeThreeStepOptions & {
      /** T. */
      readonly tokens: number;
      /** d. */
      readonly dimension: number;
      readonly first: NativeSample;
      readonly second: NativeSample;
      readonly third: NativeSample;
    },
  ): NativeJob<NativeThreeStepIterates>;
  threeStepRisk(
    request: NativeKey &
      NativeThreeStepOptions & {
        readonly mixture: NativeMixture;
        /** n1, n2, n3. */
        readonly examples: Uint32Array;
        readonly fluctuations: boolean;
        readonly draws: number;
      },
  ): NativeJob<NativeThreeStepRisk>;
  populationGradient(request: {
    readonly mixture: NativeMixture;
    /** d numbers. */
    readonly head: Float64Array;
  }): { readonly head: Float64Array; readonly prompt: Float64Array };
  sampleExamples(
    request: NativeKey & {
      readonly mixture: NativeMixture;
      /** 0, 1, 2: the first, second, third training sample of the trial; 8: its test sample. Default 0. */
      readonly sample?: number | undefined;
      readonly trial: number;
      readonly firstExample: number;
      readonly examples: number;
      /** d numbers each, or absent for the canonical frame. */
      readonly contextVector?: Float64Array | undefined;
      readonly signalVector?: Float64Array | undefined;
      /** d×d lower triangular, or absent for σI. */
      readonly noiseFactor?: Float64Array | undefined;
      /** n×T mask, or absent to follow the mixture. */
      readonly relevance?: Uint8Array | undefined;
    },
  ): NativeJob<NativeExamples>;
  testError(
    request: NativeKey & {
      readonly mixture: NativeMixture;
      /** d numbers. */
      readonly prompt: Float64Array;
      /** d numbers. */
      readonly head: Float64Array;
      /** Subtracted from every score. Default 0. */
      readonly intercept?: number | undefined;
      readonly draws: number;
    },
  ): NativeJob<{ readonly error: number; readonly standardError: number }>;
  knownPromptRisk(
    request: NativeKey & {
      readonly mixture: NativeMixture;
      readonly sampleRatios: Float64Array;
      /** One per sample ratio. */
      readonly ridges: Float64Array;
      readonly inverseTemperature: number;
      readonly head: NativeHead['kind'];
      readonly draws: number;
      readonly threads: number;
      /** Solve least squares by the general fixed point too. Default false. */
      readonly general?: boolean | undefined;
    },
  ): NativeJob<NativeKnownPromptRisk>;
  /** Proximal operator of a head's loss of the margin, at `margins` with step sizes `scales`. */
  proximalOperator(request: {
    readonly head: NativeHead['kind'];
    readonly margins: Float64Array;
    /** As many, ≥ 0. */
    readonly scales: Float64Array;
  }): Float64Array;
  longContextRisk(request: {
    readonly mixture: NativeMixture;
    readonly sampleRatio: number;
    readonly inverseTemperature: number;
    readonly head: NativeHead;
  }): { readonly error: number; readonly signalToNoise: number };
  /** Position of the first NaN or infinite entry, or −1. */
  firstNonFinite(array: Float64Array): number;
  modelScores(request: NativeModelRequest): NativeJob<Float64Array>;
  modelAttention(request: NativeModelRequest): NativeJob<Float64Array>;
  modelGradient(request: NativeModelRequest & { readonly loss: NativeLoss }): NativeJob<{
    readonly loss: number;
    readonly error: number;
    /** In the order of the parameters; zeros for what is not trained. */
    readonly gradient: Float64Array;
  }>;
  /** Counts steps. */
  fitModel(request: NativeFitRequest): NativeJob<NativeFit>;
  fitGivenHead(request: {
    readonly examples: number;
    readonly dimension: number;
    /** n×d. */
    readonly features: Float64Array;
    /** n. */
    readonly labels: Float64Array;
    readonly head: NativeHead;
  }): NativeJob<{
    readonly head: Float64Array;
    readonly status: 'ok' | 'singular' | 'separable' | 'not-converged';
    readonly iterations: number;
    readonly residual: number;
  }>;
  /** Canvases made of pieces of images, cut into patches and embedded; counts groups of canvases. */
  imageTokens(request: NativeImageTokensRequest): NativeJob<{
    /** n×T×d. */
    readonly tokens: Float64Array;
    /** n×T. */
    readonly relevance: Uint8Array;
  }>;
  /** Mean, covariance (divided by n) and its eigenvalues, descending, and eigenvectors, one per row. */
  principalComponents(request: {
    /** n. */
    readonly count: number;
    /** d < 2¹⁵. */
    readonly dimension: number;
    /** n×d. */
    readonly rows: Float64Array;
  }): NativeJob<NativePrincipalComponents>;
  /** Keep a copy of tokens for later calls, under the name that is returned. */
  holdTokens(request: { readonly tokens: Float64Array }): number;
  /** Forget them, once the calls under way are done. Does nothing for an unknown name. */
  dropTokens(request: { readonly held: number }): void;
  /** Work per second that each thread did, in its fastest pass and on the mean: numbers, operations or bytes. */
  measureLimit(request: {
    readonly kind: 'normals' | 'exponentials' | 'products' | 'least-squares' | 'triad';
    /** Sizes of the matrix of 'products' and 'least-squares'; `rows` numbers in each array of 'triad'. */
    readonly rows: number;
    readonly columns: number;
    readonly milliseconds: number;
    readonly threads: number;
  }): NativeJob<{ readonly fastest: Float64Array; readonly mean: Float64Array }>;
  /** One block of Philox4x32-10: four words from four counter words and two key words. */
  philox4x32(counter: Uint32Array, key: Uint32Array): Uint32Array;
  /** Numbers `first … first + count − 1` of the stream (seed, cellKey, purpose, trial). */
  randomNumbers(
    request: NativeKey & {
      readonly kind: 'normal' | 'single-normal' | 'uniform' | 'sign';
      readonly purpose: number;
      readonly trial: number;
      readonly first: number;
      readonly count: number;
    },
  ): Float64Array;
}

export const native = loadAddon() as NativeAddon;

export function toNativeMixture(mixture: ContextualMixture): NativeMixture {
  return {
    tokens: mixture.tokens,
    relevantTokens: mixture.relevantTokens,
    dimension: mixture.dimension,
    contextNorm: mixture.contextNorm,
    signalNorm: mixture.signalNorm,
    correlation: mixture.correlation,
    noiseLevel: mixture.noiseLevel,
    noise: mixture.noise,
    positiveRate: mixture.positiveRate,
    confusion: Float64Array.from(mixture.confusion.flatMap((atom) => [atom.deltaQ, atom.deltaW, atom.probability])),
    randomRelevance: mixture.relevance === 'random',
  };
}

export function toNativeHead(head: {
  readonly kind: NativeHead['kind'];
  readonly ridge?: number | undefined;
}): NativeHead {
  return { kind: head.kind, ridge: head.ridge ?? 0 };
}

export function toNativeThreeStep(options: {
  readonly stepSizes: readonly number[];
  readonly head: NativeThreeStepOptions['head'];
  readonly debias: 'none' | 'intercept';
}): NativeThreeStepOptions {
  return {
    stepSizes: Float64Array.from(options.stepSizes),
    head: options.head,
    intercept: options.debias === 'intercept',
  };
}
