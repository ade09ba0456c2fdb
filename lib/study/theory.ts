import { type Estimate, kindOf } from '../kinds.js';
import type { StudyCell } from './cells.js';
import type { StudySpec } from './spec.js';

/** What the law of a cell says of the means of its metrics; null where there is no law. */
export type CellTheory = Readonly<Record<string, Estimate>> | null;

/**
 * The law of a cell, with numerical standard errors. Its draws depend on the seed alone, so that neighbouring cells share
 * them and curves are smooth.
 */
export function cellTheory(spec: StudySpec, cell: StudyCell, signal: AbortSignal | undefined): Promise<CellTheory> {
  const draws = typeof spec.theory === 'object' ? spec.theory.draws : undefined;
  return kindOf(cell.experiment).theory(cell.experiment, { seed: spec.seed, draws, signal });
}
