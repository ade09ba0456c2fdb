import { runJob } from '../../base/job.js';
import { type ExperimentKind, errorOf } from '../../base/kind.js';
import { native } from '../../base/native.js';
import {
  kLeastThreeStepDimension,
  type ResolvedThreeStep,
  type ThreeStepExperiment,
  threeStepSchema,
} from '../../experiments/three-step.js';
import { hasScalarNoise, whyNotScalar } from '../../mixture/mixture.js';
import { threeStep } from '../../risk/three-step.js';
import { toNativeThreeStep } from '../../training/three-step.js';
import { common, kPromptMetrics } from './common.js';

const kIterateCosines = (['w1', 'q1', 'w2'] as const).flatMap(
  (iterate) => [`${iterate}ContextCosine`, `${iterate}SignalCosine`] as const,
);

/** Three steps on three samples. */
export const threeStepKind: ExperimentKind<ThreeStepExperiment, ResolvedThreeStep> = {
  schema: threeStepSchema,
  example: {
    kind: 'three-step',
    mixture: { tokens: 4, dimension: 6, relevantTokens: 1, contextNorm: 1, signalNorm: 1 },
    examples: 10,
    stepSizes: [1, 1, 1],
  },
  methodOptions: ['head', 'debias'],
  whyDense({ mixture }) {
    const { dimension } = mixture;
    const noise = whyNotScalar(mixture);
    if (noise !== undefined || dimension >= kLeastThreeStepDimension) return noise;
    return `for a three-step experiment of dimension ${dimension} (below ${kLeastThreeStepDimension})`;
  },
  metrics: () => ['error', ...kPromptMetrics, 'relevantAttention', ...kIterateCosines],
  recordedSteps: () => new Float64Array(),
  isCounted: ({ mixture }) => mixture.noise !== 'gaussian',
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
  risk: 'threeStep',
};
