export {
  type ClusterStudy,
  type ClusterStudyOptions,
  type CollectOptions,
  collect,
  list,
  read,
  remove,
  type Submission,
  type SubmitOptions,
  submit,
} from './submit.js';
export { type WorkerEvent, type WorkOptions, work } from './worker.js';
