import type { ExperimentKind } from '../base/kind.js';
import type { Experiment, ResolvedExperiment } from '../experiments/experiment.js';
import { imageKinds } from '../images/experiments/run.js';
import { textKinds } from '../text/experiments/run.js';
import { customKind } from './custom.js';
import { gradientDescentKind } from './gradient-descent.js';
import { knownPromptKind } from './known-prompt.js';
import { threeStepKind } from './three-step.js';

type Kinds = { readonly [Kind in Experiment['kind']]: ExperimentKind<Extract<ResolvedExperiment, { kind: Kind }>> };

/** Every kind of experiment: adding one is adding its schema to `experimentSchema` and an entry here. */
const kKinds: Kinds = {
  'known-prompt': knownPromptKind,
  'three-step': threeStepKind,
  'gradient-descent': gradientDescentKind,
  ...imageKinds,
  ...textKinds,
  custom: customKind,
};

/** The entry of an experiment's kind, ready to be called with that experiment. */
export function kindOf(experiment: ResolvedExperiment): ExperimentKind<ResolvedExperiment> {
  return kKinds[experiment.kind] as ExperimentKind<ResolvedExperiment>;
}
