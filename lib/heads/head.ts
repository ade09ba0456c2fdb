import { z } from 'zod';
import type { NativeHead } from '../base/native.js';
import { nonNegativeNumber, positiveNumber } from '../base/options.js';

/** Averaging head: w = (1/n) Σ y_i v_i. */
export interface AveragingHead {
  /** Always `'averaging'`. */
  readonly kind: 'averaging';
}

/**
 * The best head for a known prompt: w = Σ ω_i y_i v_i / Σ ω_i with ω_i = A_i/Σ φ_t², the attention mass of example i on relevant tokens
 * over the sum of squares of its attention on the others, without its part along q⋆.
 */
export interface WeightedAveragingHead {
  /** Always `'weighted-averaging'`. */
  readonly kind: 'weighted-averaging';
}

/** What every head that minimises a loss can be given. */
export interface InterceptOptions {
  /**
   * Whether an intercept b is free, without ridge: the loss is that of ⟨w, v_i⟩ − b in the place of wᵀv_i, and predictions are sign(⟨w, v⟩ − b).
   * For labels that are not in balance; the ridge shrinks w and not b. Where all labels are the same a logistic head does not exist. Default false.
   */
  readonly intercept?: boolean | undefined;
}

/** Least squares: the minimiser of (1/2n) Σ (y_i − wᵀv_i)² + (λ/2)‖w‖²; for λ = 0 and n < d the interpolator of least norm. */
export interface LeastSquaresHead extends InterceptOptions {
  /** Always `'least-squares'`. */
  readonly kind: 'least-squares';
  /** λ ≥ 0. Default 0. */
  readonly ridge?: number | undefined;
}

/** Logistic regression: the minimiser of (1/n) Σ log(1 + e^(−y_i wᵀv_i)) + (λ/2)‖w‖². */
export interface LogisticHead extends InterceptOptions {
  /** Always `'logistic'`. */
  readonly kind: 'logistic';
  /** λ ≥ 0. At 0 there is no minimiser if a hyperplane (through the origin, unless the intercept is free) separates the classes. Default 0. */
  readonly ridge?: number | undefined;
}

/** Support vector machine: the minimiser of (1/n) Σ max(0, 1 − y_i wᵀv_i) + (λ/2)‖w‖². */
export interface HingeHead extends InterceptOptions {
  /** Always `'hinge'`. */
  readonly kind: 'hinge';
  /** λ > 0. */
  readonly ridge: number;
}

/** A head fitted on pooled features v_i. */
export type HeadOptions = AveragingHead | WeightedAveragingHead | LeastSquaresHead | LogisticHead | HingeHead;

const intercept = z.boolean({ error: 'true or false' }).optional();

const kHeads = [
  z.strictObject({ kind: z.literal('averaging') }),
  z.strictObject({ kind: z.literal('weighted-averaging') }),
  z.strictObject({ kind: z.literal('least-squares'), ridge: nonNegativeNumber.default(0), intercept }),
  z.strictObject({ kind: z.literal('logistic'), ridge: nonNegativeNumber.default(0), intercept }),
  z.strictObject({ kind: z.literal('hinge'), ridge: positiveNumber, intercept }),
] as const;

/** The kinds of heads, as the native core's list has them. */
export const kHeadKinds = kHeads.map(({ shape }) => shape.kind.value);

const error = `a head: an object whose kind is ${kHeadKinds.map((kind) => `'${kind}'`).join(', ')}`;

export const headSchema = z.discriminatedUnion('kind', kHeads, { error });

/** A head whose ridge is not read. */
export const headKindSchema = z
  .object({ kind: z.enum(kHeadKinds), intercept }, { error })
  .refine((head) => !(isSum(head) && 'intercept' in head), {
    error: 'left out for a sum over examples',
    path: ['intercept'],
  });

/** A head with every default filled in. */
export type Head = z.output<typeof headSchema>;

/** Why conjugate gradients cannot find a head of a kind with this ridge; undefined if they can, or if there is nothing to find. */
export const kOnlyDirect: Readonly<Record<Head['kind'], (ridge: number) => string | undefined>> = {
  averaging: () => undefined,
  'weighted-averaging': () => undefined,
  'least-squares': () => undefined,
  logistic: (ridge) => (ridge === 0 ? 'for the logistic head without ridge, which need not exist' : undefined),
  hinge: () => 'for the hinge head, whose loss has no curvature',
};

/** Whether a head is a sum over examples: nothing to solve, no ridge. */
export const isSum = ({ kind }: Pick<Head, 'kind'>): boolean =>
  kHeads.some(({ shape }) => shape.kind.value === kind && !('ridge' in shape));

/** Whether the intercept of a head is free. */
export const hasIntercept = (head: Pick<Head, 'kind'> & InterceptOptions): boolean => head.intercept === true;

/** A head as the addon takes it. */
export const toNativeHead = ({
  kind,
  ridge = 0,
  intercept = false,
}: Pick<NativeHead, 'kind' | 'intercept'> & { readonly ridge?: number | undefined }): NativeHead => ({
  kind,
  ridge,
  intercept,
});
