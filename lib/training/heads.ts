import { z } from 'zod';
import { OptionRangeError } from '../errors.js';
import { type HeadOptions, hashKey } from '../experiment.js';
import { type JobOptions, runJob } from '../job.js';
import { requireFinite, requireLabels } from '../models/data.js';
import { native } from '../native.js';
import { abortSignal, arrayOf, nonNegativeNumber, parseOptions, positiveNumber } from '../options.js';

/** Logistic regression without intercept: the minimiser of (1/n) Σ log(1 + e^(−y_i wᵀv_i)) + (λ/2)‖w‖². */
export interface LogisticHead {
  /** Always `'logistic'`. */
  readonly kind: 'logistic';
  /** λ ≥ 0. At 0 there is no minimiser if a hyperplane through the origin separates the classes. Default 0. */
  readonly ridge?: number | undefined;
}

/** Support vector machine without intercept: the minimiser of (1/n) Σ max(0, 1 − y_i wᵀv_i) + (λ/2)‖w‖². */
export interface HingeHead {
  /** Always `'hinge'`. */
  readonly kind: 'hinge';
  /** λ > 0. */
  readonly ridge: number;
}

/** A head that {@link fitHead} fits. */
export type LinearHeadOptions = HeadOptions | LogisticHead | HingeHead;

/**
 * How {@link fitHead} ended. `'ok'`: with the head asked for. `'singular'`: the equations of the head are singular to working
 * precision. `'separable'`: a hyperplane separates the classes, so that a logistic head without ridge does not exist.
 * `'not-converged'`: the head is the best iterate, and `residual` tells how far it got.
 */
export type LinearHeadStatus = 'ok' | 'singular' | 'separable' | 'not-converged';

/** What {@link fitHead} found. */
export interface FittedHead {
  /** w, length d; NaN if the status is `'singular'` or `'separable'`. */
  readonly head: Float64Array;
  /** How the fit ended. */
  readonly status: LinearHeadStatus;
  /** Newton steps of the logistic head, passes over the examples of the hinge head, else 0. */
  readonly iterations: number;
  /**
   * Distance from optimality: for least squares and logistic the norm of the objective's gradient over the mean ‖v_i‖; for the
   * hinge the largest violation of the optimality conditions of the margins y_i wᵀv_i; for averaging 0.
   */
  readonly residual: number;
}

const kinds = "'averaging', 'least-squares', 'logistic' or 'hinge'";
const headSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('averaging') }),
    z.strictObject({ kind: z.literal('least-squares'), ridge: nonNegativeNumber.default(0) }),
    z.strictObject({ kind: z.literal('logistic'), ridge: nonNegativeNumber.default(0) }),
    z.strictObject({ kind: z.literal('hinge'), ridge: positiveNumber }),
  ],
  { error: `a head: an object whose kind is ${kinds}` },
);
const numbers = arrayOf(Float64Array, 'a Float64Array').refine(({ length }) => length > 0, {
  error: 'neither empty nor detached',
});
const optionsSchema = z.strictObject({ signal: abortSignal });

/**
 * Fit a linear head on features: averaging, least squares (ridge, or of least norm), logistic (Newton's method) or hinge (dual
 * coordinate descent).
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
  head: LinearHeadOptions,
  options: JobOptions = {},
): Promise<FittedHead> {
  const V = parseOptions(numbers, features, 'features');
  const y = parseOptions(numbers, labels, 'labels');
  const resolved = parseOptions(headSchema, head, 'head');
  const { signal } = parseOptions(optionsSchema, options, '');
  requireLabels('labels', y, 'square', 1);
  const n = y.length;
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
        head: { ridge: 0, ...resolved },
        seed: 0n,
        cellKey: hashKey('fitHead'),
      }),
    { signal },
  );
  if (result.status === 'singular' || result.status === 'separable') result.head.fill(Number.NaN);
  return result;
}
