export type { FactorValue } from './factors.js';
export type { StudyProgress } from './progress.js';
export type { StudyResult, StudyRow } from './rows.js';
export { open, run, type StudyRunOptions } from './run.js';
export type { TrialsRule } from './schedule.js';
export { define, type PartialExperiment, type StudyOptions, type StudySpec } from './spec.js';
export type { CellStatistics, Estimate } from './statistics.js';
