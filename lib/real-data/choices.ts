import { hashKey } from '../base/hash.js';
import { native } from '../base/native.js';

/** Purpose of the streams of choices; native/core/random/random.h lists them all. */
export const kChoicePurpose = 15;

/** Which examples to choose for. */
export interface ChoiceRange {
  readonly seed: number | bigint;
  readonly trial: number;
  readonly examples: number;
  /** Says what the choices are for: they are independent for different purposes. */
  readonly purpose: unknown;
}

/** `perExample` uniform numbers for each of some examples; the numbers of an example do not depend on how many there are. */
export function uniformsOf({ seed, trial, examples, purpose }: ChoiceRange, perExample: number): Float64Array {
  return native.randomNumbers({
    kind: 'uniform',
    purpose: kChoicePurpose,
    trial,
    first: 0,
    count: examples * perExample,
    seed: BigInt(seed),
    cellKey: hashKey(purpose),
  });
}

/** The first `count` entries of a random permutation of 0 … size−1 (Fisher–Yates). */
export function choosePlaces(size: number, uniforms: Float64Array): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, place) => place);
  for (const [i, uniform] of uniforms.entries()) {
    const j = i + Math.floor(uniform * (size - i));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order.subarray(0, uniforms.length);
}
