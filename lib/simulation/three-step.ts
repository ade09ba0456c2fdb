import { runJob } from '../base/job.js';
import { type ExperimentKind, errorOf } from '../base/kind.js';
import { native } from '../base/native.js';
import { kLeastThreeStepDimension, type ResolvedThreeStep } from '../experiments/three-step.js';
import { hasScalarNoise } from '../mixture/mixture.js';
import { threeStep } from '../risk/three-step.js';
import { toNativeThreeStep } from '../training/three-step.js';
import { common, kPromptMetrics } from './common.js';

const kIterateCosines = ['w1', 'q1', 'w2'].flatMap((iterate) => [`${iterate}ContextCosine`, `${iterate}SignalCosine`]);

/** Three steps on three samples. */
export const threeStepKind: ExperimentKind<ResolvedThreeStep> = {
  metrics: () => ['error', ...kPromptMetrics, 'relevantAttention', ...kIterateCosines],
  recordedSteps: () => new Float64Array(),
  simulate: (experiment, request) =>
    runJob(
      () =>
        native.simulateThreeStep({
          ...common(experiment, request),
          ...toNativeThreeStep(experiment),
          examples: Uint32Array.from(experiment.examples),
        }),
      request,
    ),
  async theory(experiment, options) {
    if (!hasScalarNoise(experiment.mixture)) return null;
    const fluctuations = experiment.mixture.dimension >= kLeastThreeStepDimension;
    const law = await threeStep({ ...experiment, ...options, fluctuations });
    const others = [...kPromptMetrics, 'relevantAttention'] as const;
    return {
      error: errorOf(law),
      ...Object.fromEntries(
        others.map((name) => [name, { mean: law[name], standardError: law[`${name}StandardError`] }]),
      ),
    };
  },
};
