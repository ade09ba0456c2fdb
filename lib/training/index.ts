export {
  type FittedHead,
  type FittedHeadOptions,
  fitHead,
  headWeights,
  type LinearHeadStatus,
} from '../heads/fit-head.js';
export { type FitHistory, type FitOptions, type FitResult, fit } from './fit.js';
export type {
  AdamOptimizer,
  ConstantSchedule,
  CosineSchedule,
  GradientDescentOptimizer,
  MomentumOptimizer,
  NormalizedGradientDescentOptimizer,
  OptimizerOptions,
  ScheduleOptions,
  StepSchedule,
} from './optimizer.js';
export {
  type LabelledTokens,
  type ThreeStepIterates,
  type ThreeStepOptions,
  threeStep,
} from './three-step.js';
