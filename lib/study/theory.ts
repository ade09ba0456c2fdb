import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import type { Estimate } from '../base/kind.js';
import { kindOf } from '../simulation/kinds.js';
import type { StudyCell } from './cells.js';
import type { StudySpec } from './definition/study-options.js';

/** What the law of a cell says of the means of its metrics; null where there is no law, NaN where it could not be computed. */
export type CellTheory = Readonly<Record<string, Estimate>> | null;

/**
 * The law of a cell, with numerical standard errors. Its draws depend on the seed alone, so that neighbouring cells share
 * them and curves are smooth.
 */
export async function cellTheory(
  spec: StudySpec,
  cell: StudyCell,
  signal: AbortSignal | undefined,
): Promise<CellTheory> {
  const draws = typeof spec.theory === 'object' ? spec.theory.draws : undefined;
  try {
    return await kindOf(cell.experiment).theory(cell.experiment, { seed: spec.seed, draws, signal });
  } catch (error) {
    // One cell must not cost the others their results; the row and a warning tell of it. A range is that of the law: the experiment
    // itself was checked before.
    const isLaw = error instanceof ConvergenceError || error instanceof OptionRangeError;
    if (isLaw) return { error: { mean: Number.NaN, standardError: Number.NaN, reliable: false } };
    throw error;
  }
}
