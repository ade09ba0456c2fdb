import type { ExperimentKind } from '../../base/kind.js';
import { runTrials } from '../../real-data/trials.js';
import { classificationTrial, kClassificationMetrics } from './classification.js';
import { dilutionTrial, kDilutionMetrics } from './dilution.js';
import type { ResolvedTextClassification, ResolvedTextDilution, ResolvedTextExperiment } from './schemas.js';

type TextKinds = {
  readonly [Kind in ResolvedTextExperiment['kind']]: ExperimentKind<Extract<ResolvedTextExperiment, { kind: Kind }>>;
};

const noLaw = () => Promise.resolve(null);

/** The kinds of experiments on text. */
export const textKinds: TextKinds = {
  'text-classification': {
    metrics: () => kClassificationMetrics,
    recordedSteps: () => new Float64Array(),
    simulate: (experiment: ResolvedTextClassification, request) =>
      runTrials(kClassificationMetrics, request, (context) => classificationTrial(experiment, context)),
    theory: noLaw,
  },
  'text-dilution': {
    metrics: () => kDilutionMetrics,
    recordedSteps: () => new Float64Array(),
    simulate: (experiment: ResolvedTextDilution, request) =>
      runTrials(kDilutionMetrics, request, (context) => dilutionTrial(experiment, context)),
    theory: noLaw,
  },
};
