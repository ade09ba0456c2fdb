import type { KeyedTrialRequest } from '../../base/kind.js';
import { memoryLimit } from '../../base/memory.js';
import { type ContextualMixture, toNativeMixture } from '../../mixture/mixture.js';

/** What every native simulation is told, whatever the kind. */
export function common(
  experiment: { readonly mixture: ContextualMixture },
  { seed, signal: _, onProgress: __, ...range }: KeyedTrialRequest,
) {
  return {
    mixture: toNativeMixture(experiment.mixture),
    seed: BigInt(seed),
    memory: memoryLimit(),
    ...range,
  };
}

/** Metrics of a learned prompt. */
export const kPromptMetrics = ['contextOverlap', 'signalOverlap', 'promptNorm'] as const;
