import { z } from 'zod';
import { integerFrom, nonNegativeNumber, oneOf, positiveNumber } from '../base/options.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture/mixture.js';
import { type OptimizerOptions, optimizerSchema } from '../training/optimizer.js';

/**
 * A model trained by gradient steps on n examples of the mixture, always the same or fresh ones each step; all its parameters
 * move together. Plain JSON: the same object in TypeScript, in a study file, in a queue.
 *
 * `method: 'projected'` draws the noise only where the training looks at it, exact in distribution and at a cost that does not
 * grow with the dimension: for prompt attention, linear attention and mean pooling under Gaussian noise, by gradient descent, normalized or
 * not, or momentum (Adam works on coordinates, which that method does not have). S steps take time proportional to n·m·S² and memory for
 * 4·n·m·S numbers per thread with m irrelevant tokens per example, and no more than 2·n·m·d; fresh examples take n·m·S and 6·n·m.
 */
export interface GradientDescentExperiment {
  /** Always `'gradient-descent'`. */
  readonly kind: 'gradient-descent';
  /** Law of the examples. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** n, training examples: an integer in [1, 2³¹). With `method: 'dense'` every thread holds n·T·d numbers. */
  readonly examples: number;
  /**
   * `'reused'`: every step has the gradient over the same n examples. `'fresh'`: every step has n examples of its own, so that S
   * steps see n·S of them. Default `'reused'`.
   */
  readonly data?: 'reused' | 'fresh' | undefined;
  /** Which model: {@link promptAttention}, {@link linearAttention}, {@link meanPooling} or {@link selfAttention}. */
  readonly model: 'prompt-attention' | 'linear-attention' | 'mean-pooling' | 'self-attention';
  /**
   * Number of steps: an integer in [0, 2³¹ − 1). More steps continue the same trial: its numbers do not depend on `steps`, so a
   * study with `steps` as a factor shows one trajectory.
   */
  readonly steps: number;
  /**
   * Record the metrics at step 0, every so many steps, and at the last one, into {@link Simulation.path}: an integer ≥ 1. Default:
   * no path.
   */
  readonly recordEvery?: number | undefined;
  /** Step sizes ≥ 0: `head` of w, `prompt` of q or, for self-attention, of B. */
  readonly stepSizes: {
    /** Of the head w. */
    readonly head: number;
    /** Of the prompt q, or of the attention weights B. */
    readonly prompt: number;
  };
  /** `'square'` (1/2n) Σ (y − f)² or `'logistic'` (1/n) Σ log(1 + e^(−yf)). Default `'square'`. */
  readonly loss?: 'square' | 'logistic' | undefined;
  /**
   * All parameters zero, or independent normals of standard deviation `scale` > 0 (scale/√d for attention weights), in which
   * models share the head. Default `'zero'`, from which linear attention cannot start: its gradient vanishes there.
   */
  readonly initial?:
    | 'zero'
    | {
        /** Standard deviation, above 0. */
        readonly scale: number;
      }
    | undefined;
  /** How gradients move the parameters. Default `'gradient-descent'`. */
  readonly optimizer?: OptimizerOptions | undefined;
}

interface Directed {
  readonly model: GradientDescentExperiment['model'];
  readonly mixture: ContextualMixture;
  readonly optimizer: { readonly kind: string };
}

/** Whether softmax attention has nothing to choose from: one token, or several that are the same. */
function isUndirected({ model, mixture }: Pick<Directed, 'model' | 'mixture'>) {
  const { tokens, relevantTokens, noiseLevel, relevantNoiseLevel } = mixture;
  const alike =
    tokens === 1 ||
    (relevantTokens === tokens && relevantNoiseLevel === 0) ||
    (relevantTokens === 0 && noiseLevel === 0);
  return alike && (model === 'prompt-attention' || model === 'self-attention');
}

interface Start {
  readonly model: GradientDescentExperiment['model'];
  readonly initial: NonNullable<GradientDescentExperiment['initial']>;
}

/** Linear attention cannot start from zero. */
export const kNeedsScale = {
  check: ({ model, initial }: Start): boolean => model !== 'linear-attention' || initial !== 'zero',
  error: 'an object { scale } for linear-attention, whose gradient at zero vanishes',
  path: ['initial'],
};

/** The normalized rule cannot move a prompt that has nothing to choose from. */
export const kNeedsDirection = {
  check: (experiment: Directed): boolean =>
    experiment.optimizer.kind !== 'normalized-gradient-descent' || !isUndirected(experiment),
  error:
    'another one where all tokens of an example are alike: the gradient of the prompt is 0, and its direction rounding',
  path: ['optimizer'],
};

export const gradientDescentSchema = z
  .strictObject({
    kind: z.literal('gradient-descent'),
    mixture: mixtureSchema,
    examples: integerFrom(1, 2 ** 31 - 1),
    data: oneOf(['reused', 'fresh']).default('reused'),
    model: oneOf(['prompt-attention', 'linear-attention', 'mean-pooling', 'self-attention']),
    steps: integerFrom(0, 2 ** 31 - 2),
    recordEvery: integerFrom(1, 2 ** 31 - 1).optional(),
    stepSizes: z.strictObject(
      { head: nonNegativeNumber, prompt: nonNegativeNumber },
      { error: 'an object { head, prompt } with two step sizes ≥ 0' },
    ),
    loss: oneOf(['square', 'logistic']).default('square'),
    initial: z
      .union([z.literal('zero'), z.strictObject({ scale: positiveNumber })], {
        error: "'zero' or an object { scale } with a number > 0",
      })
      .default('zero'),
    optimizer: optimizerSchema.default({ kind: 'gradient-descent' }),
  })
  .refine(kNeedsScale.check, kNeedsScale)
  .refine(kNeedsDirection.check, kNeedsDirection);

/** A gradient-descent experiment with every default filled in. */
export type ResolvedGradientDescent = z.output<typeof gradientDescentSchema>;
