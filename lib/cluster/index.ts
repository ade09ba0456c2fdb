export {
  type ClusterOptions,
  type ClusterStudy,
  type ClusterStudyOptions,
  type ClusterWorker,
  cancel,
  type FailedClusterJob,
  type FailuresOptions,
  failures,
  list,
  type MigrateOptions,
  type Migration,
  migrate,
  read,
  remove,
  retry,
  workers,
} from './operate.js';
export { type CollectOptions, collect, type Submission, type SubmitOptions, submit } from './submit.js';
export type { WorkerEvent, WorkOptions } from './work-options.js';
export { work } from './worker.js';
