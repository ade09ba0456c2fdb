import type { OwnFloat64Array } from '../base/arrays.js';
/** Steps taken before each record of a training: 0, the multiples of `recordEvery`, and the last step. */
export function recordedSteps(steps: number, recordEvery: number): OwnFloat64Array {
  return Float64Array.from({ length: Math.ceil(steps / recordEvery) + 1 }, (_, i) => Math.min(i * recordEvery, steps));
}
