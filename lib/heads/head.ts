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
export type HeadOptions = AveragingHead | WeightedAveragingHead | LeastSquaresHead | LogisticHead | HingeHead;

const kHeads = [
  z.strictObject({ kind: z.literal('averaging') }),
  z.strictObject({ kind: z.literal('weighted-averaging') }),
  z.strictObject({ kind: z.literal('least-squares'), ridge: nonNegativeNumber.default(0) }),
  z.strictObject({ kind: z.literal('logistic'), ridge: nonNegativeNumber.default(0) }),
  z.strictObject({ kind: z.literal('hinge'), ridge: positiveNumber }),
] as const;

/** The kinds of heads, as the native core's list has them. */
export const kHeadKinds = kHeads.map(({ shape }) => shape.kind.value);

const error = `a head: an object whose kind is ${kHeadKinds.map((kind) => `'${kind}'`).join(', ')}`;

export const headSchema = z.discriminatedUnion('kind', kHeads, { error });

/** The kind of a head alone. */
export const headKindSchema = z.object({ kind: z.enum(kHeadKinds) }, { error });

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

/** A head as the addon takes it. */
export const toNativeHead = ({
  kind,
  ridge = 0,
}: Pick<NativeHead, 'kind'> & { readonly ridge?: number | undefined }): NativeHead => ({
  kind,
  ridge,
});
