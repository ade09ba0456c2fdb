import type { OwnFloat64Array } from '../../arrays.js';
import { allFinished } from '../../job.js';
import type { ExperimentKind, TrialRequest, TrialResults } from '../../kind.js';
import { recordedSteps } from '../../training/records.js';
import { bagTrial, kBagMetrics } from './bag.js';
import { kRiskMetrics, riskLaw, riskTrial } from './risk.js';
import type { ResolvedImageBag, ResolvedImageExperiment, ResolvedImageRisk, ResolvedImageTransfer } from './schemas.js';
import { recordEvery, type TrialContext, type TrialFailure, type TrialOutcome } from './training.js';
import { kTransferMetrics, transferTrial } from './transfer.js';

/** Statuses of {@link TrialStatus} by outcome. */
const kStatus: Readonly<Record<TrialFailure, number>> = {
  singular: 1,
  diverged: 2,
  separable: 3,
  'not-converged': 4,
};
const kDone = 0;

const valuesOf = (value: number | Float64Array) => (typeof value === 'number' ? [value] : value);

/** One array per metric, of the values of all trials; those of failed ones are NaN. */
function gather(names: readonly string[], outcomes: readonly TrialOutcome[]): TrialResults {
  const metrics = names.map((name): [string, OwnFloat64Array] => {
    const parts = outcomes.map((outcome) =>
      typeof outcome === 'string' ? undefined : valuesOf(outcome[name] as number | Float64Array),
    );
    const length = parts.find((part) => part !== undefined)?.length ?? 1;
    const failed = new Array<number>(length).fill(Number.NaN);
    return [name, Float64Array.from(parts.flatMap((part) => [...(part ?? failed)]))];
  });
  return {
    metrics: Object.fromEntries(metrics),
    status: Uint8Array.from(outcomes, (outcome) => (typeof outcome === 'string' ? kStatus[outcome] : kDone)),
  };
}

/** Run trials side by side, one thread each; what they share (pretraining, test examples) is made by the first that needs it. */
async function runTrials(
  names: readonly string[],
  { seed, firstTrial, trials, threads, signal, onProgress }: TrialRequest,
  run: (context: TrialContext) => Promise<TrialOutcome>,
): Promise<TrialResults> {
  const outcomes: TrialOutcome[] = new Array(trials);
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  let next = 0;
  let completed = 0;
  const lane = async () => {
    while (next < trials) {
      either.throwIfAborted();
      const index = next++;
      outcomes[index] = await run({ seed, trial: firstTrial + index, threads: 1, signal: either });
      onProgress?.(++completed);
    }
  };
  const lanes = Array.from({ length: Math.min(threads, trials) }, () =>
    lane().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  await allFinished(lanes);
  return gather(names, outcomes);
}

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
