import { z } from 'zod';
import type { OwnFloat64Array } from '../arrays.js';
import { OptionRangeError } from '../errors.js';
import { type HeadOptions, headSchema } from '../head.js';
import { type JobOptions, runJob } from '../job.js';
import { requireFinite, requireLabels } from '../models/data.js';
import { native, toNativeHead } from '../native.js';
import { abortSignal, arrayOf, parseOptions } from '../options.js';

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
  /** How the fit ended. */
  readonly status: LinearHeadStatus;
  /** Newton steps of the logistic head, interior-point steps of the hinge head, else 0. */
  readonly iterations: number;
  /**
   * Distance from optimality: for least squares and logistic the norm of the objective's gradient over the mean ‖v_i‖; for the
   * hinge the largest violation of the optimality (Karush–Kuhn–Tucker) conditions, relative likewise; for averaging 0.
   */
  readonly residual: number;
}

const numbers = arrayOf('Float64Array').refine(({ length }) => length > 0, {
  error: 'neither empty nor detached',
});
const optionsSchema = z.strictObject({ signal: abortSignal });

/**
 * Fit a linear head on features: averaging, least squares (ridge, or of least norm), logistic (Newton's method) or hinge
 * (a primal-dual interior-point method).
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
  head: HeadOptions,
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
        head: toNativeHead(resolved),
      }),
    { signal },
  );
  if (result.status === 'singular' || result.status === 'separable') result.head.fill(Number.NaN);
  return result;
}
