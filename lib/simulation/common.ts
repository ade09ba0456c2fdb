import type { TrialRequest } from '../base/kind.js';
import { memoryLimit } from '../base/memory.js';
import { cellKey, type ResolvedExperiment } from '../experiments/experiment.js';
import { toNativeMixture } from '../mixture/mixture.js';

/** What every native simulation is told, whatever the kind. */
export function common(
  experiment: Extract<ResolvedExperiment, { mixture: unknown }>,
  { seed, signal: _, onProgress: __, ...range }: TrialRequest,
) {
  return {
    mixture: toNativeMixture(experiment.mixture),
    seed: BigInt(seed),
    cellKey: cellKey(experiment),
    memory: memoryLimit(),
    ...range,
  };
}

/** Metrics of a learned prompt. */
export const kPromptMetrics = ['contextOverlap', 'signalOverlap', 'promptNorm'] as const;
