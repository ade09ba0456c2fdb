import type { OwnFloat64Array, OwnUint8Array, OwnUint32Array } from './arrays.js';
import { loadAddon } from './load-native.js';
import type {
  NativeDescentRisk,
  NativeDescentTrials,
  NativeEngineInfo,
  NativeExamples,
  NativeFit,
  NativeFitRequest,
  NativeHead,
  NativeImageTokensRequest,
  NativeJob,
  NativeKey,
  NativeKnownPromptRisk,
  NativeLoss,
  NativeMixture,
  NativeModel,
  NativeModelRequest,
  NativeOptimizer,
  NativePrincipalComponents,
  NativeSample,
  NativeThreeStepIterates,
  NativeThreeStepOptions,
  NativeThreeStepRisk,
  NativeTrialRange,
  NativeTrials,
  NativeWordVectors,
  NativeWordVectorsRequest,
} from './native-types.js';

export type * from './native-types.js';

/** Everything the addon exports. Sizes are re-checked by the addon; meaning is validated by the callers in this folder. */
export interface NativeAddon {
  engineInfo(): NativeEngineInfo;
  /** The core's lists. */
  describe(): {
    readonly heads: readonly { readonly name: string; readonly ridge: 'none' | 'non-negative' | 'positive' }[];
  } & Readonly<
    Record<
      | (
          | 'noises'
          | 'models'
          | 'losses'
          | 'optimizers'
          | 'schedules'
          | 'threeStepHeads'
          | 'methods'
          | 'solvers'
          | 'limits'
        )
      // Results name these by their places.
      | ('trialStatuses' | 'headSolvers' | 'fallbacks' | 'fitStops'),
      readonly string[]
    >
  >;
  /** Run all vector code of the process on another instruction set, before anything else runs. For tests alone. */
  forceSimdTarget(request: { readonly target: string }): void;
  /** Gaussian noise only. */
  trialFeatures(
    request: NativeKey & {
      readonly mixture: NativeMixture;
      readonly examples: number;
      readonly inverseTemperature: number;
      readonly trial: number;
    },
  ): NativeJob<{
    /** n×d. */
    readonly features: OwnFloat64Array;
    /** n. */
    readonly labels: OwnFloat64Array;
  }>;
  simulateKnownPrompt(
    request: NativeKey &
      NativeTrialRange & {
        readonly mixture: NativeMixture;
        readonly examples: number;
        readonly inverseTemperature: number;
        readonly head: NativeHead;
        /** Not read for the averaging head. */
        readonly solver: 'direct' | 'iterative' | 'auto';
        /** Of conjugate gradients, as predicted, beyond which 'auto' factorises at once; read with 'auto' only. */
        readonly mostIterations?: number | undefined;
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
  descentRisk(
    request: NativeKey & {
      readonly mixture: NativeMixture;
      readonly model: NativeModel;
      readonly loss: 'square' | 'logistic';
      readonly examples: number;
      readonly optimizer: NativeOptimizer;
      /** One number per step, as the next. */
      readonly promptSteps: Float64Array;
      readonly headSteps: Float64Array;
      /** 0 to start at zero. */
      readonly initialScale: number;
      readonly recordEvery: number;
      readonly fluctuations: boolean;
      readonly draws: number;
      readonly threads: number;
    },
  ): NativeJob<NativeDescentRisk>;
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
  }): { readonly head: OwnFloat64Array; readonly prompt: OwnFloat64Array };
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
  ): NativeJob<{
    readonly error: number;
    readonly standardError: number;
    readonly effectiveDraws: number;
    readonly reliable: boolean;
  }>;
  knownPromptRisk(
    request: NativeKey & {
      readonly mixture: NativeMixture;
      readonly sampleRatios: Float64Array;
      /** One per sample ratio. */
      readonly ridges: Float64Array;
      /** n of each point, over whose label imbalance the risk is averaged; 0 for the limit itself. Default: all 0. */
      readonly examples?: Float64Array | undefined;
      readonly inverseTemperature: number;
      readonly head: NativeHead['kind'];
      readonly intercept?: NativeHead['intercept'];
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
  }): OwnFloat64Array;
  longContextRisk(request: {
    readonly mixture: NativeMixture;
    readonly sampleRatio: number;
    readonly inverseTemperature: number;
    readonly head: NativeHead;
  }): { readonly error: number; readonly signalToNoise: number };
  /** Position of the first NaN or infinite entry, or −1. */
  firstNonFinite(array: Float64Array): number;
  modelScores(request: NativeModelRequest): NativeJob<OwnFloat64Array>;
  modelAttention(request: NativeModelRequest): NativeJob<OwnFloat64Array>;
  modelGradient(request: NativeModelRequest & { readonly loss: NativeLoss }): NativeJob<{
    readonly loss: number;
    readonly error: number;
    /** In the order of the parameters; zeros for what is not trained. */
    readonly gradient: OwnFloat64Array;
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
    /** n, of weighted averaging only. */
    readonly weights?: Float64Array | undefined;
  }): NativeJob<{
    readonly head: OwnFloat64Array;
    readonly status: 'ok' | 'singular' | 'separable' | 'not-converged';
    readonly iterations: number;
    readonly residual: number;
    /** What is subtracted from scores, with a free intercept only. */
    readonly intercept?: number;
  }>;
  /** Canvases made of pieces of images, cut into patches and embedded; counts groups of canvases. */
  imageTokens(request: NativeImageTokensRequest): NativeJob<{
    /** n×T×d. */
    readonly tokens: OwnFloat64Array;
    /** n×T. */
    readonly relevance: OwnUint8Array;
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
  /** The words as native/core/text/cooccurrence.h has them: V for one without a vector, V + 1 behind every text. */
  learnWordVectors(request: NativeWordVectorsRequest): NativeJob<NativeWordVectors>;
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
  }): NativeJob<{ readonly fastest: OwnFloat64Array; readonly mean: OwnFloat64Array }>;
  /** One block of Philox4x32-10: four words from four counter words and two key words. */
  philox4x32(counter: Uint32Array, key: Uint32Array): OwnUint32Array;
  /** Numbers `first … first + count − 1` of the stream (seed, cellKey, purpose, trial). */
  randomNumbers(
    request: NativeKey & {
      readonly kind: 'normal' | 'single-normal' | 'uniform' | 'sign';
      readonly purpose: number;
      readonly trial: number;
      readonly first: number;
      readonly count: number;
    },
  ): OwnFloat64Array;
}

export const native = loadAddon() as NativeAddon;
