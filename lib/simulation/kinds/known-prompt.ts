import type { OwnFloat64Array } from '../../base/arrays.js';
import { runJob } from '../../base/job.js';
import { type ExperimentKind, errorOf } from '../../base/kind.js';
import { native } from '../../base/native.js';
import {
  type KnownPromptExperiment,
  knownPromptSchema,
  type ResolvedKnownPrompt,
} from '../../experiments/known-prompt.js';
import { resolveSolver, worthwhileIterations } from '../../experiments/solver.js';
import { toNativeHead } from '../../heads/head.js';
import { whyNotGaussian } from '../../mixture/mixture.js';
import { knownPrompt } from '../../risk/known-prompt.js';
import { common } from './common.js';

/** A head on the features of a known prompt. */
export const knownPromptKind: ExperimentKind<KnownPromptExperiment, ResolvedKnownPrompt> = {
  schema: knownPromptSchema,
  example: {
    kind: 'known-prompt',
    mixture: { tokens: 4, dimension: 6, relevantTokens: 1, contextNorm: 1, signalNorm: 1 },
    examples: 10,
    inverseTemperature: 1,
    head: { kind: 'averaging' },
  },
  methodOptions: ['head', 'solver'],
  whyDense: ({ mixture }) => whyNotGaussian(mixture),
  metrics: (experiment, method) => [
    ...(['error', 'relevantAttention', 'headNorm'] as const),
    ...(resolveSolver(experiment, method) === 'iterative' ? (['solverIterations', 'solverResidual'] as const) : []),
  ],
  recordedSteps: () => new Float64Array(),
  isCounted: ({ mixture }) => mixture.noise !== 'gaussian',
  simulate: async (experiment, request) => {
    const solver = resolveSolver(experiment, request.method);
    const { metrics, ...others } = await runJob(
      () =>
        native.simulateKnownPrompt({
          ...common(experiment, request),
          examples: experiment.examples,
          inverseTemperature: experiment.inverseTemperature,
          head: toNativeHead(experiment.head),
          // Chosen for its cost, it may give way to a surer one.
          solver: solver === 'iterative' && experiment.solver !== 'iterative' ? 'auto' : (solver ?? 'direct'),
          mostIterations: worthwhileIterations(experiment),
        }),
      request,
    );
    const { solverUsed, solverFallback, ...measured } = metrics as Record<string, OwnFloat64Array>;
    return {
      ...others,
      metrics: measured,
      solver,
      solverUsed: Uint8Array.from(solverUsed as Float64Array),
      solverFallback: Uint8Array.from(solverFallback as Float64Array),
    };
  },
  async theory(experiment, options) {
    if (experiment.mixture.noise !== 'gaussian') return null;
    const law = await knownPrompt({ ...experiment, ...options });
    return {
      error: errorOf(law),
      relevantAttention: { mean: law.relevantAttention, standardError: law.relevantAttentionStandardError },
    };
  },
  risk: 'knownPrompt',
};
