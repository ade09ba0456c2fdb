import { z } from 'zod';
import { finiteNumber, integerFrom, oneOf } from '../base/options.js';
import { type HeadOptions, headSchema } from '../heads/head.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture/mixture.js';

/**
 * Known prompt q = τ q⋆; the head is learned from n examples on the features v_i = X_iᵀ softmax(X_i q). Plain JSON: the
 * same object in TypeScript, in a study file, in a queue.
 */
export interface KnownPromptExperiment {
  /** Always `'known-prompt'`. */
  readonly kind: 'known-prompt';
  /** Law of the examples. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** n, training examples: an integer in [1, 2³¹). */
  readonly examples: number;
  /** τ, any finite number: the prompt is τ q⋆. */
  readonly inverseTemperature: number;
  /** How the head is learned. */
  readonly head: HeadOptions;
  /**
   * How the head's equations are solved with `method: 'projected'`; both ways have the same law. `'direct'` draws the features in
   * all d dimensions and factorises a matrix of order min(n, d), in time n·d·min(n, d),
   * or for the other heads iterates on them. `'iterative'` draws their noise only
   * where conjugate gradients (for the logistic head Newton's method with conjugate gradients) look at it: I iterations take time
   * n·I² and memory for 2·n·I numbers, whatever d; they end at a gradient 1e-10 of the one at w = 0, or with the status
   * `notConverged` after 512; the hinge head and the logistic head without ridge have no such solver. `'auto'` takes what is predicted to be cheaper, {@link Simulation.solver} tells which, and solves
   * directly, with the same noise, what does not converge. The
   * averaging head has no equations to solve. Default `'auto'`.
   */
  readonly solver?: 'auto' | 'direct' | 'iterative' | undefined;
}

export const knownPromptSchema = z.strictObject({
  kind: z.literal('known-prompt'),
  mixture: mixtureSchema,
  examples: integerFrom(1, 2 ** 31 - 1),
  inverseTemperature: finiteNumber,
  head: headSchema,
  solver: oneOf(['auto', 'direct', 'iterative']).optional(),
});

/** A known-prompt experiment with every default filled in. */
export type ResolvedKnownPrompt = z.output<typeof knownPromptSchema>;
