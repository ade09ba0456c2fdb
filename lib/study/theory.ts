import { knownPrompt } from '../risk/known-prompt.js';
import type { StudyCell } from './cells.js';
import type { Estimate } from './statistics.js';

/**
 * Exact asymptotic risk of a cell's experiment with its numerical standard error; null where there is no theory (noise that
 * is not Gaussian, training by gradient descent). Its draws depend on the seed alone, so that neighbouring cells share them and curves are smooth.
 */
export async function cellTheory(
  cell: StudyCell,
  seed: number | bigint,
  signal: AbortSignal | undefined,
): Promise<Estimate | null> {
  if (cell.experiment.kind !== 'known-prompt') return null;
  const { mixture, examples, inverseTemperature, head } = cell.experiment;
  if (mixture.noise !== 'gaussian') return null;
  const { error, standardError } = await knownPrompt({ mixture, examples, inverseTemperature, head, seed, signal });
  return { mean: error, standardError };
}
