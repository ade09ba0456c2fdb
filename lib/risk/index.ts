/** Laws: what simulations tend to, without simulating. */

export type { Certificate, CertifiedPoint, CertifyOptions } from '../complexity/certificate.js';
export {
  type OutOfRangeError,
  type ReachableError,
  type SampleComplexity,
  type SampleComplexityExperiment,
  type SampleComplexityOptions,
  sampleComplexity,
  type UndecidedError,
  type UnreachableError,
} from '../complexity/law.js';
export { gradientDescent } from '../extrapolation/gradient-descent.js';
export {
  type BestHead,
  type BestHeadOptions,
  type BestPrompt,
  type BestPromptOptions,
  bestHead,
  bestPrompt,
} from './best-head.js';
export type { GradientDescentRisk, GradientDescentRiskOptions, TrainedSize } from './descent-risk.js';
export {
  type KnownPromptRisk,
  type KnownPromptRiskCurve,
  type KnownPromptRiskOptions,
  knownPrompt,
  knownPromptCurve,
} from './known-prompt.js';
export { type LongContextOptions, type LongContextRisk, longContext } from './long-context.js';
export { type OptimalOptions, type OptimalParameter, type Optimum, optimal } from './optimal.js';
export {
  type OptimalSteps,
  type OptimalStepsOptions,
  type OptimalStepsPoint,
  optimalSteps,
} from './optimal-steps.js';
export {
  type Oracle,
  type OracleExamples,
  type OracleExamplesOptions,
  type OracleOptions,
  type OracleReachable,
  type OracleUnreachable,
  oracle,
  oracleExamples,
} from './oracle.js';
export {
  type PopulationGradient,
  type PopulationGradientOptions,
  populationGradient,
} from './population-gradient.js';
export type { RiskHead } from './risk-head.js';
export {
  type Separation,
  type SeparationCeiling,
  type SeparationMethod,
  type SeparationOptions,
  separation,
} from './separation.js';
export { type ThreeStepRisk, type ThreeStepRiskOptions, threeStep } from './three-step.js';
