export {
  type FittedExponent,
  type SampledExperiment,
  type SampledPoint,
  type SimulatedComplexity,
  type SimulatedComplexityCell,
  type SimulatedComplexityOptions,
  sampleComplexity,
} from '../complexity/index.js';
export type { Report, ReportOptions } from '../report/index.js';
export { type CompareOptions, compare, type PairedDifference } from './compare.js';
export { type ExportOptions, exportResults } from './export.js';
export type { FactorValue } from './factors.js';
export type { LevelRange } from './levels.js';
export { type MergeOptions, merge } from './merge.js';
export type { StudyProgress } from './progress.js';
export type { Provenance, StudyRun } from './provenance.js';
export { open, progress, type StoredProgress } from './read.js';
export type { ReliabilityMark } from './reliability.js';
export { report } from './report.js';
export type { StudyAgreement, StudyResult, StudyRow } from './rows.js';
export { run, type Shard, type StudyRunOptions } from './run.js';
export type { TrialsRule } from './schedule.js';
export { define } from './spec.js';
export type { CellStatistics, Estimate, PathEstimate } from './statistics.js';
export type {
  Levels,
  PartialExperiment,
  StudyOptions,
  StudySpec,
  TheoryOptions,
  TrialsRuleOptions,
} from './study-options.js';
