import { kindOf } from '../kinds.js';
import type { StudyCell } from './cells.js';
import type { Estimate } from './statistics.js';

/**
 * What the law of a cell's experiment says of the means of its metrics, with numerical standard errors; null where there is
 * no law. Its draws depend on the seed alone, so that neighbouring cells share them and curves are smooth.
 */
export function cellTheory(
  cell: StudyCell,
  seed: number | bigint,
  signal: AbortSignal | undefined,
): Promise<Readonly<Record<string, Estimate>> | null> {
  return kindOf(cell.experiment).theory(cell.experiment, { seed, signal });
}
