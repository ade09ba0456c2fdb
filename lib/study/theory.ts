import { kLeastThreeStepDimension, type ResolvedExperiment } from '../experiment.js';
import { knownPrompt } from '../risk/known-prompt.js';
import { threeStep } from '../risk/three-step.js';
import type { StudyCell } from './cells.js';
import type { Estimate } from './statistics.js';

function law(
  experiment: Exclude<ResolvedExperiment, { kind: 'gradient-descent' }>,
  options: { readonly seed: number | bigint; readonly signal: AbortSignal | undefined },
): Promise<{ readonly error: number; readonly standardError: number }> | null {
  switch (experiment.kind) {
    case 'known-prompt': {
      const { head } = experiment;
      return head.kind === 'logistic' ? null : knownPrompt({ ...experiment, head, ...options });
    }
    case 'three-step': {
      const fluctuations = experiment.mixture.dimension >= kLeastThreeStepDimension;
      return threeStep({ ...experiment, ...options, fluctuations });
    }
  }
}

/**
 * Test error that the law of a cell's experiment predicts, with its numerical standard error; null where there is no law
 * (noise that is not Gaussian, training by gradient descent). Its draws depend on the seed alone, so that neighbouring cells
 * share them and curves are smooth.
 */
export async function cellTheory(
  cell: StudyCell,
  seed: number | bigint,
  signal: AbortSignal | undefined,
): Promise<Estimate | null> {
  if (cell.experiment.mixture.noise !== 'gaussian' || cell.experiment.kind === 'gradient-descent') return null;
  const limit = await law(cell.experiment, { seed, signal });
  return limit && { mean: limit.error, standardError: limit.standardError };
}
