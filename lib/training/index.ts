export { type FitHistory, type FitOptions, type FitResult, fit } from './fit.js';
export type {
  AdamOptimizer,
  ConstantSchedule,
  CosineSchedule,
  GradientDescentOptimizer,
  MomentumOptimizer,
  OptimizerOptions,
  ScheduleOptions,
  StepSchedule,
} from './optimizer.js';
