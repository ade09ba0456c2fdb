import { z } from 'zod';
import { nonNegativeNumber, positiveNumber } from './options.js';

/** Averaging head: w = (1/n) Σ y_i v_i. */
export interface AveragingHead {
  /** Always `'averaging'`. */
  readonly kind: 'averaging';
}

/** Least squares: the minimiser of (1/2n) Σ (y_i − wᵀv_i)² + (λ/2)‖w‖²; for λ = 0 and n < d the interpolator of least norm. */
export interface LeastSquaresHead {
  /** Always `'least-squares'`. */
  readonly kind: 'least-squares';
  /** λ ≥ 0. Default 0. */
  readonly ridge?: number | undefined;
}

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

/** A head fitted on pooled features v_i. */
export type HeadOptions = AveragingHead | LeastSquaresHead | LogisticHead | HingeHead;

export const headSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('averaging') }),
    z.strictObject({ kind: z.literal('least-squares'), ridge: nonNegativeNumber.default(0) }),
    z.strictObject({ kind: z.literal('logistic'), ridge: nonNegativeNumber.default(0) }),
    z.strictObject({ kind: z.literal('hinge'), ridge: positiveNumber }),
  ],
  { error: "a head: an object whose kind is 'averaging', 'least-squares', 'logistic' or 'hinge'" },
);

/** A head with every default filled in. */
export type Head = z.output<typeof headSchema>;
