/**
 * Simulate, train and predict prompt-tuning of one-layer attention under the contextual mixture model.
 *
 * @module prompt-attention
 * @group Reference
 */
export type { OwnFloat64Array, OwnUint8Array, OwnUint32Array } from './arrays.js';
export * as cluster from './cluster/index.js';
export { type EngineInfo, engineInfo } from './engine.js';
export {
  ConvergenceError,
  DataError,
  type ErrorCode,
  NativeError,
  OptionRangeError,
  OptionTypeError,
  StoreError,
  StudyError,
} from './errors.js';
export { type Examples, type SampleExamplesOptions, sampleExamples } from './examples.js';
export type {
  Debias,
  Experiment,
  GradientDescentExperiment,
  KnownPromptExperiment,
  SimulationMethod,
  ThreeStepExperiment,
  ThreeStepHead,
} from './experiment.js';
export type {
  AveragingHead,
  HeadOptions,
  HingeHead,
  LeastSquaresHead,
  LogisticHead,
  WeightedAveragingHead,
} from './head.js';
export type {
  CountedTrainingOptions,
  ImageBagExperiment,
  ImageExperiment,
  ImageRiskExperiment,
  ImageTrainingOptions,
  ImageTransferExperiment,
  TransferMethod,
} from './images/experiments/schemas.js';
export * as images from './images/index.js';
export type { JobOptions } from './job.js';
export { type MachineLimits, type MeasureLimitsOptions, measureLimits } from './limits.js';
export {
  type ConfusionAtom,
  type ContextualMixture,
  type ContextualMixtureOptions,
  contextualMixture,
  type NoiseKind,
} from './mixture.js';
export * from './models/index.js';
export type { FigureCurve, FigureRecord, FigureSource } from './report/figure-source.js';
export { type Figure, type FigureOptions, type FigureScale, figure } from './report/from-code.js';
export * as risk from './risk/index.js';
export {
  type Simulation,
  type SimulationOptions,
  type SimulationPath,
  SolverFallback,
  SolverUsed,
  simulate,
  type TrialAccuracy,
  TrialStatus,
} from './simulate.js';
export type { HeadSolver } from './solver.js';
export * as study from './study/index.js';
export {
  type Exceedance,
  type MetricSummary,
  type PathSummary,
  type QuantileValue,
  type Summary,
  type SummaryOptions,
  summary,
} from './summary.js';
export { type TestErrorEstimate, type TestErrorOptions, testError } from './test-error.js';
export type {
  LearnedVectors,
  SavedVectors,
  TextBaseline,
  TextClassificationExperiment,
  TextDilutionExperiment,
  TextExperiment,
  TextExperimentOptions,
  TextModel,
  TextTrainingOptions,
  VectorsSource,
} from './text/experiments/schemas.js';
export * as text from './text/index.js';
export * from './training/index.js';
export { type TrialFeatures, type TrialFeaturesOptions, trialFeatures } from './trial-features.js';
