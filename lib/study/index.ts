export { complexityFigure } from '../complexity/figure.js';
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
export { report } from '../report/report.js';
export { type CompareOptions, compare, type PairedDifference } from './compare.js';
export type { FactorValue } from './definition/factors.js';
export type { LevelRange } from './definition/levels.js';
export type { TrialsRule } from './definition/schedule.js';
export { define } from './definition/spec.js';
export type {
  Levels,
  PartialExperiment,
  StudyOptions,
  StudySpec,
  TheoryOptions,
  TrialsRuleOptions,
} from './definition/study-options.js';
export { type ColumnsOptions, columns, type ExportOptions, exportResults, type StudyColumns } from './export.js';
export { type MergeOptions, merge } from './merge.js';
export type { StudyProgress } from './progress.js';
export type { Provenance, StudyRun } from './provenance.js';
export { open, progress, type StoredProgress } from './read.js';
export type { ReliabilityMark } from './reliability.js';
export type { StudyAgreement, StudyResult, StudyRow } from './rows.js';
export { run, type Shard, type StudyRunOptions } from './run.js';
export type { CellStatistics, Estimate, PathEstimate } from './statistics.js';
