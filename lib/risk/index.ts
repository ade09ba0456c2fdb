/** Laws: what simulations tend to, without simulating. */
export {
  type BestHead,
  type BestHeadOptions,
  type BestPrompt,
  type BestPromptOptions,
  bestHead,
  bestPrompt,
} from './best-head.js';
export type { Certificate, CertifiedPoint, CertifyOptions } from './certificate.js';
export {
  type KnownPromptRisk,
  type KnownPromptRiskCurve,
  type KnownPromptRiskOptions,
  knownPrompt,
  knownPromptCurve,
  type RiskHead,
} from './known-prompt.js';
export { type LongContextOptions, type LongContextRisk, longContext } from './long-context.js';
export { type OptimalOptions, type OptimalParameter, type Optimum, optimal } from './optimal.js';
export {
  type PopulationGradient,
  type PopulationGradientOptions,
  populationGradient,
} from './population-gradient.js';
export {
  type OutOfRangeError,
  type ReachableError,
  type SampleComplexity,
  type SampleComplexityExperiment,
  type SampleComplexityOptions,
  sampleComplexity,
  type UndecidedError,
  type UnreachableError,
} from './sample-complexity.js';
export {
  type Separation,
  type SeparationCeiling,
  type SeparationMethod,
  type SeparationOptions,
  separation,
} from './separation.js';
export { type ThreeStepRisk, type ThreeStepRiskOptions, threeStep } from './three-step.js';
