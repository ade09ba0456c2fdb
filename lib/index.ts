/**
 * Simulate, train and predict prompt-tuning of one-layer attention under the contextual mixture model.
 *
 * @module prompt-attention
 * @group Reference
 */

export type { OwnFloat64Array, OwnUint8Array, OwnUint32Array } from './base/arrays.js';
export { type EngineInfo, engineInfo } from './base/engine.js';
export {
  ConvergenceError,
  DataError,
  type ErrorCode,
  NativeError,
  OptionRangeError,
  OptionTypeError,
  StoreError,
  StudyError,
} from './base/errors.js';
export type { JobOptions } from './base/job.js';
export type { HeadSolver, SimulationMethod } from './base/kind.js';
export { type MachineLimits, type MeasureLimitsOptions, measureLimits } from './base/limits.js';
export * as cluster from './cluster/index.js';
export {
  type CustomExperiment,
  type CustomMetrics,
  type CustomOptions,
  type CustomTheory,
  type CustomTrial,
  type DefinedExperiment,
  defineExperiment,
  type ExperimentDefinition,
  type TrialRandom,
} from './experiments/custom.js';
export type { GradientDescentExperiment } from './experiments/gradient-descent.js';
export type { KnownPromptExperiment } from './experiments/known-prompt.js';
export type { ThreeStepExperiment } from './experiments/three-step.js';
export type {
  AveragingHead,
  HeadOptions,
  HingeHead,
  LeastSquaresHead,
  LogisticHead,
  WeightedAveragingHead,
} from './heads/head.js';
export type { ImageBagExperiment } from './images/experiments/bag.js';
export type { ImageExperiment } from './images/experiments/kinds.js';
export type { CountedTrainingOptions, ImageTrainingOptions } from './images/experiments/options.js';
export type { ImageRiskExperiment } from './images/experiments/risk.js';
export type { ImageTransferExperiment, TransferMethod } from './images/experiments/transfer.js';
export * as images from './images/index.js';
export { type Examples, type SampleExamplesOptions, sampleExamples } from './mixture/examples.js';
export {
  type ConfusionAtom,
  type ContextualMixture,
  type ContextualMixtureOptions,
  contextualMixture,
  type NoiseKind,
} from './mixture/mixture.js';
export { type TestErrorEstimate, type TestErrorOptions, testError } from './mixture/test-error.js';
export * from './models/index.js';
export type { FigureCurve, FigureRecord, FigureSource } from './report/figures/figure-source.js';
export { type Figure, type FigureOptions, type FigureScale, figure } from './report/figures/from-code.js';
export * as risk from './risk/index.js';
export type { Experiment } from './simulation/kinds.js';
export {
  type Simulation,
  type SimulationOptions,
  type SimulationPath,
  SolverFallback,
  SolverUsed,
  simulate,
  type TrialAccuracy,
  TrialStatus,
} from './simulation/simulate.js';
export { type TrialFeatures, type TrialFeaturesOptions, trialFeatures } from './simulation/trial-features.js';
export * as study from './study/index.js';
export {
  type Exceedance,
  type MetricSummary,
  type PathSummary,
  type QuantileValue,
  type Summary,
  type SummaryOptions,
  summary,
} from './study/summary.js';
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
export type { Debias, ThreeStepHead } from './training/three-step.js';
