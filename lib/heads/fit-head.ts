import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { OptionRangeError } from '../base/errors.js';
import { type JobOptions, runJob } from '../base/job.js';
import { native } from '../base/native.js';
import { abortSignal, arrayOf, integerFrom, parseOptions } from '../base/options.js';
import { requireFinite, requireLabels } from '../models/data.js';
import {
  type Head,
  type HeadOptions,
  headKindSchema,
  headSchema,
  toNativeHead,
  type WeightedAveragingHead,
} from './head.js';

/**
 * How {@link fitHead} ended. `'ok'`: with the head asked for, of least norm if features are dependent. `'singular'`: least squares too
 * ill-conditioned for double precision and too large for a surer solver. `'separable'`: a hyperplane separates the classes, so that
 * a logistic head without ridge does not exist.
 * `'not-converged'`: the head is the best iterate, and `residual` tells how far it got.
 */
export type LinearHeadStatus = 'ok' | 'singular' | 'separable' | 'not-converged';

/** What {@link fitHead} found. */
export interface FittedHead {
  /** w, length d; NaN if the status is `'singular'` or `'separable'`. */
  readonly head: OwnFloat64Array;
  /**
   * b, what is subtracted from scores: predictions are sign(⟨w, v⟩ − b), as {@link testError} takes it. With the head's `intercept: true`
   * only; NaN where `head` is. Where every intercept in an interval is as good, as for some hinge heads with a large ridge, one of them.
   */
  readonly intercept?: number;
  /** How the fit ended. */
  readonly status: LinearHeadStatus;
  /** Newton steps of the logistic head, interior-point steps of the hinge head, else 0. */
  readonly iterations: number;
  /**
   * Distance from optimality: for least squares and logistic the norm of the objective's gradient over the mean ‖v_i‖; for the
   * hinge the largest violation of the optimality (Karush–Kuhn–Tucker) conditions, relative likewise; for averaging, weighted or not, 0.
   * With an intercept that of the gradient in (w, b), over the mean ‖(v_i, 1)‖.
   */
  readonly residual: number;
}

/** A head fitted on given features, which needs the weights if it is weighted averaging. */
export type FittedHeadOptions =
  | HeadOptions
  | (WeightedAveragingHead & {
      /** ω, length n, finite and ≥ 0, not all 0: what each example counts, as {@link headWeights} gives it. */
      readonly weights: Float64Array;
    });

const numbers = arrayOf('Float64Array').refine(({ length }) => length > 0, {
  error: 'neither empty nor detached',
});
const optionsSchema = z.strictObject({ signal: abortSignal });
const weightedSchema = z.strictObject({
  kind: z.literal('weighted-averaging'),
  weights: numbers.refine((weights) => weights.every((weight) => weight >= 0 && weight < Infinity), {
    error: 'finite and ≥ 0',
  }),
});
/** As the core's floor: attention on relevant tokens alone. */
const kLeastSquares = 1e-290;
const isWeighted = (head: unknown): boolean => headKindSchema.safeParse(head).data?.kind === 'weighted-averaging';

/** ω of weighted averaging. */
function weightsOf(head: unknown, examples: number): Float64Array {
  const { weights } = parseOptions(weightedSchema, head, 'head');
  if (weights.length !== examples)
    throw new OptionRangeError('head.weights', `of length ${examples}, one per label (got ${weights.length})`, weights);
  if (!weights.some((weight) => weight > 0)) throw new OptionRangeError('head.weights', 'not all 0', weights);
  return weights;
}

/**
 * Fit a linear head on features: averaging, weighted averaging, least squares (ridge, or of least norm), logistic (Newton's method) or hinge
 * (a primal-dual interior-point method); the last three with an intercept if asked for.
 *
 * @param features V, n×d row-major, finite; for example pooled features v_i = X_iᵀφ_i. d follows from the length.
 * @param labels y, length n, ±1.
 * @param head What is fitted.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad argument; the signal's reason if aborted.
 * @example
 * ```ts
 * import { fitHead } from 'prompt-attention';
 * const features = Float64Array.of(1, 0, 2, 1, -1, 1, 1, -1);
 * const labels = Float64Array.of(1, 1, -1, -1);
 * const { head, status, residual } = await fitHead(features, labels, { kind: 'logistic', ridge: 0.1 });
 * console.log(head, status, residual);
 * ```
 */
export async function fitHead(
  features: Float64Array,
  labels: Float64Array,
  head: FittedHeadOptions,
  options: JobOptions = {},
): Promise<FittedHead> {
  const V = parseOptions(numbers, features, 'features');
  const y = parseOptions(numbers, labels, 'labels');
  const n = y.length;
  const weights = isWeighted(head) ? weightsOf(head, n) : undefined;
  const resolved: Head = weights ? { kind: 'weighted-averaging' } : parseOptions(headSchema, head, 'head');
  const { signal } = parseOptions(optionsSchema, options, '');
  requireLabels('labels', y, 'square', 1);
  if (V.length % n !== 0)
    throw new OptionRangeError('features', `of length n×d, a multiple of ${n} (got length ${V.length})`, V);
  requireFinite('features', V);
  const result = await runJob(
    () =>
      native.fitGivenHead({
        examples: n,
        dimension: V.length / n,
        features: V,
        labels: y,
        head: toNativeHead(resolved),
        weights,
      }),
    { signal },
  );
  if (result.status !== 'singular' && result.status !== 'separable') return result;
  result.head.fill(Number.NaN);
  return result.intercept === undefined ? result : { ...result, intercept: Number.NaN };
}

/**
 * The weights of the weighted averaging head: ω_i = A_i/Σ φ_t², the attention mass of example i on its relevant tokens over the sum of
 * squares of its attention on the others. With it the head has the least error of all that see the features only, where the noise is
 * Gaussian and relevant tokens have none (docs/limits.md).
 *
 * @param attention φ, n×T row-major, in [0, 1]; for example of {@link Model.attention}.
 * @param relevance n×T, 1 where a token is relevant and 0 elsewhere.
 * @param examples n.
 * @returns ω, length n, at most 1e290.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad argument.
 * @example
 * ```ts
 * import { headWeights } from 'prompt-attention';
 * const attention = Float64Array.of(0.5, 0.25, 0.25, 0.2, 0.2, 0.6);
 * const relevance = Uint8Array.of(1, 0, 0, 1, 1, 0);
 * console.log(headWeights(attention, relevance, 2)[0]); // 4
 * ```
 */
export function headWeights(attention: Float64Array, relevance: Uint8Array, examples: number): OwnFloat64Array {
  const phi = parseOptions(numbers, attention, 'attention');
  const mask = parseOptions(arrayOf('Uint8Array'), relevance, 'relevance');
  const n = parseOptions(integerFrom(1, 2 ** 31 - 1), examples, 'examples');
  if (phi.length % n !== 0)
    throw new OptionRangeError('attention', `of length n×T, a multiple of ${n} (got length ${phi.length})`, phi);
  if (mask.length !== phi.length)
    throw new OptionRangeError('relevance', `of length ${phi.length} as attention (got length ${mask.length})`, mask);
  if (!phi.every((share) => share >= 0 && share <= 1)) throw new OptionRangeError('attention', 'in [0, 1]', phi);
  if (!mask.every((bit) => bit <= 1)) throw new OptionRangeError('relevance', 'of zeros and ones', mask);
  const tokens = phi.length / n;
  return Float64Array.from({ length: n }, (_, i) => {
    let mass = 0;
    let squares = 0;
    for (let t = i * tokens; t < (i + 1) * tokens; ++t) {
      const share = phi[t] as number;
      if (mask[t] === 1) mass += share;
      else squares += share * share;
    }
    return mass / Math.max(squares, kLeastSquares);
  });
}
