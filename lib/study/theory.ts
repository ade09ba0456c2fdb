import { kLeastThreeStepDimension, type ResolvedExperiment } from '../experiment.js';
import { knownPrompt } from '../risk/known-prompt.js';
import { threeStep } from '../risk/three-step.js';
import type { StudyCell } from './cells.js';
import type { Estimate } from './statistics.js';

function law(
  experiment: Exclude<ResolvedExperiment, { kind: 'gradient-descent' }>,
  options: { readonly seed: number | bigint; readonly signal: AbortSignal | undefined },
): Promise<{ readonly error: number; readonly standardError: number }> {
  switch (experiment.kind) {
    case 'known-prompt':
      return knownPrompt({ ...experiment, ...options });
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
  const { error, standardError } = await law(cell.experiment, { seed, signal });
  return { mean: error, standardError };
}
