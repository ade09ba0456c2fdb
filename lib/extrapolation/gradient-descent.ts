import { z } from 'zod';
import { parseOptions } from '../base/options.js';
import type { GradientDescentRisk, GradientDescentRiskOptions } from '../risk/descent-risk.js';
import { freshDescent, freshDescentSchema } from '../risk/fresh-descent.js';
import { reusedDescent, reusedDescentSchema } from './reused-descent.js';

/** An experiment says nothing of its data where they are reused. */
const withData = (options: unknown) =>
  typeof options === 'object' && options !== null && (options as { readonly data?: unknown }).data === undefined
    ? { ...options, data: 'reused' }
    : options;

const schema = z.preprocess(
  withData,
  z.discriminatedUnion('data', [freshDescentSchema, reusedDescentSchema], {
    error: ({ input }) => (typeof input === 'object' && input !== null ? "'fresh' or 'reused'" : 'an object'),
  }),
);

/**
 * The law of gradient descent: what the means of {@link simulate}'s metrics tend to along the training.
 *
 * On fresh examples it is computed without simulating, at a cost that grows with neither n nor d. In the limit n, d → ∞ with n/d fixed one
 * step is E[e Σ φ_t x_t] for the head and E[e Σ φ_t (a_t − f) x_t] for the prompt, on q⋆, w⋆ and the directions of q and w, and a Gaussian
 * vector of covariance (d/n) σ² E[e² Σ_t c_t c_tᵀ], c_t = (φ_t, φ_t(a_t − f)), elsewhere (theory.md §13), with e the negative slope of the
 * loss. With fluctuations the term of order 1/n is added, from small trials in the same coordinates that are exact in distribution; up to
 * n = draws/64 those trials are the ones of the experiment itself.
 *
 * On reused examples, which the parameters depend on after the first step, no such equations are known here, and the numbers are
 * simulation: trials with lazy noise, exact in distribution, S steps in time ∝ n·T·S² each. With fluctuations and n ≤ draws/32 they are
 * means over trials at n and d. Else trials run at three smaller n, each twice the one before, at the same n/d, and the parabola in 1/n
 * through their means tells the value at n, or at infinity. Standard errors hold the scatter of the trials through that parabola, some 5
 * times that of as many trials at n; terms of order 1/n³ are left out.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, if the noise is not Gaussian, for Adam, if
 * fluctuations are asked for below dimension 8 on fresh examples, and if `draws` are too few for three sizes; {@link ConvergenceError} if
 * a path overflows.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 200, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const training = { mixture, examples: 400, model: 'prompt-attention', steps: 4, stepSizes: { head: 1, prompt: 1 } } as const;
 * const { error, contextOverlap } = await risk.gradientDescent({ ...training, data: 'fresh' });
 * console.log(error.length, contextOverlap[0]); // 5 0
 * const { basis, sizes } = await risk.gradientDescent({ ...training, data: 'reused' });
 * console.log(basis, sizes); // trials [ { examples: 400, dimension: 200, trials: 50 } ]
 * ```
 */
export async function gradientDescent(options: GradientDescentRiskOptions): Promise<GradientDescentRisk> {
  const parsed = parseOptions(schema, options, '');
  return parsed.data === 'fresh' ? freshDescent(parsed) : reusedDescent(parsed);
}
