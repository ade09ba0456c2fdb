import { z } from 'zod';
import { integerFrom, numberIn, oneOf, positiveNumber } from '../../base/options.js';

/** How a model is trained: Adam on mini-batches with a cosine schedule. */
export interface ImageTrainingOptions {
  /** Number of steps: an integer in [1, 2³¹ − 1). */
  readonly steps?: number | undefined;
  /** Examples per step: an integer ≥ 1. */
  readonly batchSize?: number | undefined;
  /** Largest learning rates, above 0: each is tried, from the same start. */
  readonly learningRates?: readonly number[] | undefined;
  /**
   * Share of the examples held out to choose the learning rate and the best of twenty recorded points, by their loss: in (0, 1). At
   * least one example is held out.
   */
  readonly validationShare?: number | undefined;
}

/** A training on a number of examples of its own. */
export interface CountedTrainingOptions extends ImageTrainingOptions {
  /** Training examples: an integer ≥ 1. */
  readonly examples?: number | undefined;
}

const share = numberIn('a number in (0, 1)', (value) => value > 0 && value < 1);

/** Schema of {@link ImageTrainingOptions} with these defaults. */
export function trainingObject(defaults: { readonly steps: number; readonly learningRates: readonly number[] }) {
  return z.strictObject(
    {
      steps: integerFrom(1, 2 ** 31 - 2).default(defaults.steps),
      batchSize: integerFrom(1, 2 ** 31 - 1).default(64),
      learningRates: z
        .array(positiveNumber, { error: 'an array of finite numbers > 0' })
        .min(1, { error: 'an array with at least one learning rate' })
        .default([...defaults.learningRates]),
      validationShare: share.default(0.2),
    },
    { error: 'an object { steps, batchSize, learningRates, validationShare }' },
  );
}

/** The same where it may be left out. */
export const trainingSchema = (defaults: Parameters<typeof trainingObject>[0]) => trainingObject(defaults).prefault({});

/** Training options with every default filled in. */
export type ResolvedTraining = z.output<ReturnType<typeof trainingObject>>;

/** Name of a data set. */
export const dataSchema = oneOf(['fashion-mnist', 'mnist']).default('fashion-mnist');

/** Why experiments on images have no projected method. */
export const whyDense = () => 'for an experiment on images';

/** The law of experiments that have none. */
export const noLaw = () => Promise.resolve(null);
