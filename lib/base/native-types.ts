import type { OwnFloat64Array, OwnUint8Array, OwnUint32Array } from './arrays.js';
// What crosses the boundary between TypeScript and the addon: requests and results, with the size of every array.

/** A mixture as the addon takes it. */
export interface NativeMixture {
  readonly tokens: number;
  readonly relevantTokens: number;
  readonly dimension: number;
  readonly contextNorm: number;
  readonly signalNorm: number;
  readonly correlation: number;
  readonly noiseLevel: number;
  readonly relevantNoiseLevel: number;
  readonly noise: 'gaussian' | 'rademacher' | 'uniform';
  readonly positiveRate: number;
  readonly labelNoise: number;
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
  readonly kind: 'averaging' | 'weighted-averaging' | 'least-squares' | 'logistic' | 'hinge';
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
  readonly w1: OwnFloat64Array;
  readonly q1: OwnFloat64Array;
  readonly w2: OwnFloat64Array;
  readonly intercept: number;
}

export interface NativeThreeStepRisk {
  readonly error: number;
  readonly standardError: number;
  readonly contextOverlap: number;
  readonly contextOverlapStandardError: number;
  readonly signalOverlap: number;
  readonly signalOverlapStandardError: number;
  readonly promptNorm: number;
  readonly promptNormStandardError: number;
  readonly relevantAttention: number;
  readonly relevantAttentionStandardError: number;
  readonly effectiveDraws: number;
  readonly reliable: boolean;
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
  readonly metrics: Record<string, OwnFloat64Array>;
  /** One number per trial: standard error and effective draws of its test error, and 1 where they can be trusted. */
  readonly testError: {
    readonly standardError: OwnFloat64Array;
    readonly effectiveDraws: OwnFloat64Array;
    readonly reliable: OwnUint8Array;
  };
  readonly status: OwnUint8Array;
}

export interface NativeDescentTrials extends NativeTrials {
  /** trials×records per metric. */
  readonly path?: Record<string, OwnFloat64Array> | undefined;
}

/** What the law of gradient descent tells beside the error; of each also the standard error. */
export type DescentPathName =
  | 'trainingLoss'
  | 'contextOverlap'
  | 'signalOverlap'
  | 'headContextOverlap'
  | 'headSignalOverlap'
  | 'promptNorm'
  | 'headNorm'
  | 'relevantAttention';

/** One entry per record in every array; `reliable` is 1 or 0. */
export type NativeDescentRisk = Readonly<
  Record<
    | 'steps'
    | 'error'
    | 'standardError'
    | 'effectiveDraws'
    | 'reliable'
    | DescentPathName
    | `${DescentPathName}StandardError`,
    OwnFloat64Array
  >
>;

export interface NativeExamples {
  readonly tokens: OwnFloat64Array;
  readonly labels: OwnFloat64Array;
  readonly trueLabels: OwnFloat64Array;
  readonly relevance: OwnUint8Array;
  readonly confusion: OwnUint32Array;
}

/** Numbers of each point of a curve, with their standard errors. */
export interface NativeKnownPromptRisk {
  readonly error: OwnFloat64Array;
  readonly standardError: OwnFloat64Array;
  readonly trainingError: OwnFloat64Array;
  readonly trainingErrorStandardError: OwnFloat64Array;
  readonly chi: OwnFloat64Array;
  readonly chiStandardError: OwnFloat64Array;
  /** Two numbers per point, as the next. */
  readonly inPlaneHead: OwnFloat64Array;
  readonly inPlaneHeadStandardError: OwnFloat64Array;
  readonly orthogonalNorm: OwnFloat64Array;
  readonly orthogonalNormStandardError: OwnFloat64Array;
  readonly headNorm: OwnFloat64Array;
  readonly headNormStandardError: OwnFloat64Array;
  readonly signalCosine: OwnFloat64Array;
  readonly signalCosineStandardError: OwnFloat64Array;
  /** NaN where it does not matter. */
  readonly separabilityThreshold: OwnFloat64Array;
  readonly separabilityThresholdStandardError: OwnFloat64Array;
  readonly effectiveDraws: OwnFloat64Array;
  /** 1 or 0, as the next. */
  readonly reliable: OwnFloat64Array;
  readonly converged: OwnFloat64Array;
  /** Four numbers per point. */
  readonly residuals: OwnFloat64Array;
  readonly relevantAttention: number;
  readonly relevantAttentionStandardError: number;
}

export interface NativeEngineInfo {
  readonly compiler: string;
  readonly simdTarget: string;
  readonly blasConfig: string;
  readonly blasCore: string;
  readonly cpuSimd: string;
}

/** Models whose attention is one vector per example, as the core's list has them. */
export const kVectorModels = ['prompt-attention', 'linear-attention', 'mean-pooling'] as const;

/** A model as the addon takes it; self-attention and the tuned layer are both matrix attention. */
export type NativeModel =
  | {
      readonly kind: (typeof kVectorModels)[number];
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
  /** n×T×d, or Σ lengths × d; not read if `held` is given. */
  readonly tokens?: Float64Array | undefined;
  /** The name of tokens that `holdTokens` keeps. */
  readonly held?: number | undefined;
  /** n, each in [1, T]; without them every example has T tokens. */
  readonly lengths?: Uint32Array | undefined;
  /** n; needed where there is a loss. */
  readonly labels?: Float64Array | undefined;
  /** One for every token. */
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
  readonly kind: 'gradient-descent' | 'normalized-gradient-descent' | 'momentum' | 'adam';
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
  readonly parameters: OwnFloat64Array;
  readonly stopped: 'steps' | 'patience' | 'diverged';
  readonly steps: number;
  readonly step: OwnFloat64Array;
  readonly loss: OwnFloat64Array;
  readonly error: OwnFloat64Array;
  readonly relevantAttention: OwnFloat64Array;
  readonly validationLoss: OwnFloat64Array;
  readonly validationError: OwnFloat64Array;
  readonly promptNorm: OwnFloat64Array;
  readonly weightNorm: OwnFloat64Array;
  readonly headNorm: OwnFloat64Array;
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
  readonly mean: OwnFloat64Array;
  readonly covariance: OwnFloat64Array;
  readonly values: OwnFloat64Array;
  readonly vectors: OwnFloat64Array;
}

export interface NativeWordVectorsRequest extends NativeKey {
  readonly words: Uint32Array;
  /** V. */
  readonly vocabulary: number;
  /** d ≤ V. */
  readonly dimension: number;
  readonly window: number;
  readonly shift: number;
  readonly smoothing: number;
  readonly power: number;
  readonly threads: number;
}

export interface NativeWordVectors {
  /** V×d. */
  readonly vectors: OwnFloat64Array;
  /** d. */
  readonly singularValues: OwnFloat64Array;
  /** Of the matrix that are not 0. */
  readonly entries: number;
}

export type NativeLoss = 'square' | 'logistic' | 'cross-entropy';
