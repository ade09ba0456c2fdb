import { z } from 'zod';
import type { NativeFitRequest, NativeOptimizer } from '../base/native.js';
import { fraction, integerFrom, numberIn, positiveNumber } from '../base/options.js';

/** θ ← θ − ηg. */
export interface GradientDescentOptimizer {
  /** Always `'gradient-descent'`. */
  readonly kind: 'gradient-descent';
}

/**
 * θ ← θ − ηg/‖g‖, every parameter (prompt, attention weights, head) along its own gradient by its own learning rate; one whose gradient is 0
 * stays. It goes on at the same pace where gradients vanish, as those of separable classes do.
 */
export interface NormalizedGradientDescentOptimizer {
  /** Always `'normalized-gradient-descent'`. */
  readonly kind: 'normalized-gradient-descent';
}

/** u ← μu + g, θ ← θ − ηu (heavy ball). */
export interface MomentumOptimizer {
  /** Always `'momentum'`. */
  readonly kind: 'momentum';
  /** μ in [0, 1). Default 0.9. */
  readonly momentum?: number | undefined;
}

/** Adam (Kingma and Ba 2015), with bias correction. */
export interface AdamOptimizer {
  /** Always `'adam'`. */
  readonly kind: 'adam';
  /** β1 in [0, 1), of the mean of the gradients. Default 0.9. */
  readonly beta1?: number | undefined;
  /** β2 in [0, 1), of the mean of their squares. Default 0.999. */
  readonly beta2?: number | undefined;
  /** ε > 0, added to the root of the mean square. Default 1e-8. */
  readonly epsilon?: number | undefined;
}

/** How a gradient g moves a parameter θ at learning rate η. A kind alone stands for its defaults. */
export type OptimizerOptions =
  | GradientDescentOptimizer
  | NormalizedGradientDescentOptimizer
  | MomentumOptimizer
  | AdamOptimizer
  | 'gradient-descent'
  | 'normalized-gradient-descent'
  | 'momentum'
  | 'adam';

/** The learning rate stays as it is. */
export interface ConstantSchedule {
  /** Always `'constant'`. */
  readonly kind: 'constant';
  /** Steps at the beginning over which the learning rate rises linearly to its full value: an integer ≥ 0. Default 0. */
  readonly warmUp?: number | undefined;
}

/** The learning rate falls along half a cosine, from the end of the warm-up to the last step. */
export interface CosineSchedule {
  /** Always `'cosine'`. */
  readonly kind: 'cosine';
  /** Share of the learning rate that it falls to, in [0, 1]. Default 0. */
  readonly final?: number | undefined;
  /** Steps at the beginning over which the learning rate rises linearly to its full value: an integer ≥ 0. Default 0. */
  readonly warmUp?: number | undefined;
}

/** The learning rate is multiplied by a factor again and again. */
export interface StepSchedule {
  /** Always `'step'`. */
  readonly kind: 'step';
  /** Steps between two multiplications: an integer ≥ 1. */
  readonly every: number;
  /** The factor: above 0. Default 0.1. */
  readonly factor?: number | undefined;
  /** Steps at the beginning over which the learning rate rises linearly to its full value: an integer ≥ 0. Default 0. */
  readonly warmUp?: number | undefined;
}

/** How the learning rate changes over the steps. A kind alone stands for its defaults. */
export type ScheduleOptions = ConstantSchedule | CosineSchedule | StepSchedule | 'constant' | 'cosine';

const decay = numberIn('a number in [0, 1)', (value) => value >= 0 && value < 1);
const warmUp = integerFrom(0, 2 ** 31 - 1).default(0);

/** A text stands for the object with that kind. */
const fromKind = (value: unknown) => (typeof value === 'string' ? { kind: value } : value);

const kOptimizers = [
  z.strictObject({ kind: z.literal('gradient-descent') }),
  z.strictObject({ kind: z.literal('normalized-gradient-descent') }),
  z.strictObject({ kind: z.literal('momentum'), momentum: decay.default(0.9) }),
  z.strictObject({
    kind: z.literal('adam'),
    beta1: decay.default(0.9),
    beta2: decay.default(0.999),
    epsilon: positiveNumber.default(1e-8),
  }),
] as const;

/** The kinds of optimizers, as the native core's list has them. */
export const kOptimizerKinds = kOptimizers.map(({ shape }) => shape.kind.value);

export const optimizerSchema = z.preprocess(
  fromKind,
  z.discriminatedUnion('kind', kOptimizers, {
    error: `an optimizer: ${kOptimizerKinds.map((kind) => `'${kind}'`).join(', ')}, or an object of such a kind`,
  }),
);

const kSchedules = [
  z.strictObject({ kind: z.literal('constant'), warmUp }),
  z.strictObject({ kind: z.literal('cosine'), final: fraction.default(0), warmUp }),
  z.strictObject({
    kind: z.literal('step'),
    every: integerFrom(1, 2 ** 31 - 1),
    factor: positiveNumber.default(0.1),
    warmUp,
  }),
] as const;

/** The kinds of schedules, as the native core's list has them. */
export const kScheduleKinds = kSchedules.map(({ shape }) => shape.kind.value);

export const scheduleSchema = z.preprocess(
  fromKind,
  z.discriminatedUnion('kind', kSchedules, {
    error: "a schedule: 'constant', 'cosine', or an object whose kind is 'constant', 'cosine' or 'step'",
  }),
);

/** What the addon takes: every field there is, whatever the kind. */
export function toNativeOptimizer(optimizer: z.output<typeof optimizerSchema>): NativeOptimizer {
  return { momentum: 0, beta1: 0, beta2: 0, epsilon: 1, ...optimizer };
}

/** What the addon takes: every field there is, whatever the kind. */
export function toNativeSchedule(schedule: z.output<typeof scheduleSchema>): NativeFitRequest['schedule'] {
  return { final: 0, every: 1, factor: 1, ...schedule };
}
