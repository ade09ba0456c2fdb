import type { OwnFloat64Array } from '../../base/arrays.js';
import type { ExperimentKind } from '../../base/kind.js';
import { recordEvery } from '../../real-data/training.js';
import { runTrials } from '../../real-data/trials.js';
import { recordedSteps } from '../../training/records.js';
import type {
  ResolvedImageBag,
  ResolvedImageExperiment,
  ResolvedImageRisk,
  ResolvedImageTransfer,
} from '../experiment-options.js';
import { bagTrial, kBagMetrics } from './bag.js';
import { kRiskMetrics, riskLaw, riskTrial } from './risk.js';
import { kTransferMetrics, transferTrial } from './transfer.js';

type ImageKinds = {
  readonly [Kind in ResolvedImageExperiment['kind']]: ExperimentKind<Extract<ResolvedImageExperiment, { kind: Kind }>>;
};

const noLaw = () => Promise.resolve(null);

/** The kinds of experiments on images. */
export const imageKinds: ImageKinds = {
  'image-bag': {
    metrics: () => kBagMetrics,
    recordedSteps: () => new Float64Array(),
    simulate: (experiment: ResolvedImageBag, request) =>
      runTrials(kBagMetrics, request, (context) => bagTrial(experiment, context)),
    theory: noLaw,
  },
  'image-transfer': {
    metrics: () => kTransferMetrics,
    recordedSteps: ({ training }) => recordedSteps(training.steps, recordEvery(training)),
    async simulate(experiment: ResolvedImageTransfer, request) {
      const names = [...kTransferMetrics, 'attentionPath'];
      const { metrics, status } = await runTrials(names, request, (context) => transferTrial(experiment, context));
      const { attentionPath, ...others } = metrics as typeof metrics & { attentionPath: OwnFloat64Array };
      return { metrics: others, path: { relevantAttention: attentionPath }, status };
    },
    theory: noLaw,
  },
  'image-risk': {
    metrics: () => kRiskMetrics,
    recordedSteps: () => new Float64Array(),
    simulate: (experiment: ResolvedImageRisk, request) =>
      runTrials(kRiskMetrics, request, (context) => riskTrial(experiment, context)),
    theory: (experiment: ResolvedImageRisk, options) => riskLaw(experiment, { ...options, threads: 1 }),
  },
};
