import { z } from 'zod';
import { integerFrom } from '../base/options.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture/mixture.js';
import { type Debias, type ThreeStepHead, threeStepOptions } from '../training/three-step.js';

/**
 * Three steps of gradient descent on three independent samples of n1, n2, n3 examples, square loss (1/2n) Σ (y_i − f_i)²,
 * f(X) = ⟨w, Xᵀφ(Xq)⟩ with φ the softmax (Oymak et al. 2023, the analysed trajectory):
 *
 * - w1 = (η1/n1) Σ y_i x̄_i, with x̄_i the mean token: the head's step from w = 0, q = 0;
 * - q1 = (η2/n2) Σ (y_i − x̄_iᵀw1) C_i w1, with C_i the covariance of the tokens of example i: the prompt's step from q = 0;
 * - w2 = (η3/n3) Σ y_i v_i, with v_i = X_iᵀφ(X_i q1): the head's step from w = 0 (`head: 'fresh'`). `'restarted'` has the
 *   residual y_i − w1ᵀv_i in place of y_i, that is the gradient at (w1, q1); `'continued'` adds that step to w1.
 *
 * Plain JSON: the same object in TypeScript, in a study file, in a queue.
 */
export interface ThreeStepExperiment {
  /** Names the experiment. */
  readonly kind: 'three-step';
  /** The data; any noise. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** [n1, n2, n3], or one number for all three: integers in [1, 2³¹). */
  readonly examples: number | readonly [number, number, number];
  /** [η1, η2, η3], finite and ≥ 0. */
  readonly stepSizes: readonly [number, number, number];
  /** Default `'fresh'`. */
  readonly head?: ThreeStepHead | undefined;
  /** `'intercept'`: predictions are sign(f − b), b = (1/n3) Σ ⟨w2, v_i⟩ over the third sample. Default `'none'`. */
  readonly debias?: Debias | undefined;
}

const exampleCount = integerFrom(1, 2 ** 31 - 1);

export const threeStepSchema = z.strictObject({
  kind: z.literal('three-step'),
  mixture: mixtureSchema,
  examples: z
    .union([exampleCount, z.tuple([exampleCount, exampleCount, exampleCount])], {
      error: 'an integer ≥ 1 and ≤ 2147483647, or three of them',
    })
    .transform((n): [number, number, number] => (typeof n === 'number' ? [n, n, n] : n)),
  ...threeStepOptions,
});

/** A three-step experiment with every default filled in. */
export type ResolvedThreeStep = z.output<typeof threeStepSchema>;

/** Smallest dimension in which the three-step trajectory has a dimension-free form. */
export const kLeastThreeStepDimension = 5;
