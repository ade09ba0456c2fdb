import { createHash } from 'node:crypto';
import { z } from 'zod';
import { OptionRangeError } from './errors.js';
import { type HeadOptions, headSchema } from './head.js';
import {
  type ImageExperiment,
  imageBagSchema,
  imageRiskSchema,
  imageTransferSchema,
} from './images/experiments/schemas.js';
import { type ContextualMixture, type ContextualMixtureOptions, hasScalarNoise, mixtureSchema } from './mixture.js';
import { finiteNumber, integerFrom, nonNegativeNumber, oneOf, parseOptions, positiveNumber } from './options.js';
import { type TextExperiment, textClassificationSchema, textDilutionSchema } from './text/experiments/schemas.js';
import { type OptimizerOptions, optimizerSchema } from './training/optimizer.js';

/**
 * Known prompt q = τ q⋆; the head is learned from n examples on the features v_i = X_iᵀ softmax(X_i q). Plain JSON: the
 * same object in TypeScript, in a study file, in a queue.
 */
export interface KnownPromptExperiment {
  /** Always `'known-prompt'`. */
  readonly kind: 'known-prompt';
  /** Law of the examples. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** n, training examples: an integer in [1, 2³¹). */
  readonly examples: number;
  /** τ, any finite number: the prompt is τ q⋆. */
  readonly inverseTemperature: number;
  /** How the head is learned. */
  readonly head: HeadOptions;
  /**
   * How the head's equations are solved with `method: 'projected'`; both ways have the same law. `'direct'` draws the features in
   * all d dimensions and factorises a matrix of order min(n, d), in time n·d·min(n, d),
   * or for the other heads iterates on them. `'iterative'` draws their noise only
   * where conjugate gradients (for the logistic head Newton's method with conjugate gradients) look at it: I iterations take time
   * n·I² and memory for 2·n·I numbers, whatever d; they end at a gradient 1e-10 of the one at w = 0, or with the status
   * `notConverged` after 512; the hinge head and the logistic head without ridge have no such solver. `'auto'` takes what is predicted to be cheaper; {@link Simulation.solver} tells which. The
   * averaging head has no equations to solve. Default `'auto'`.
   */
  readonly solver?: 'auto' | 'direct' | 'iterative' | undefined;
}

/** What the third step starts from; see {@link ThreeStepExperiment}. */
export type ThreeStepHead = 'fresh' | 'restarted' | 'continued';

/** Whether the mean score on the third sample is subtracted from every score. */
export type Debias = 'none' | 'intercept';

/**
 * Three steps of gradient descent on three independent samples of n1, n2, n3 examples, square loss (1/2n) Σ (y_i − f_i)²,
 * f(X) = ⟨w, Xᵀφ(Xq)⟩ with φ the softmax (Oymak et al. 2023, the analysed trajectory):
 *
 * - w1 = (η1/n1) Σ y_i x̄_i, with x̄_i the mean token: the head's step from w = 0, q = 0;
 * - q1 = (η2/n2) Σ (y_i − x̄_iᵀw1) C_i w1, with C_i the covariance of the tokens of example i: the prompt's step from q = 0;
 * - w2 = (η3/n3) Σ y_i v_i, with v_i = X_iᵀφ(X_i q1): the head's step from w = 0 (`head: 'fresh'`). `'restarted'` has the
 *   residual y_i − w1ᵀv_i in place of y_i, that is the gradient at (w1, q1); `'continued'` adds that step to w1.
 *
 * Plain JSON: the same object in TypeScript, in a study file, in a queue.
 */
export interface ThreeStepExperiment {
  /** Names the experiment. */
  readonly kind: 'three-step';
  /** The data; any noise. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** [n1, n2, n3], or one number for all three: integers in [1, 2³¹). */
  readonly examples: number | readonly [number, number, number];
  /** [η1, η2, η3], finite and ≥ 0. */
  readonly stepSizes: readonly [number, number, number];
  /** Default `'fresh'`. */
  readonly head?: ThreeStepHead | undefined;
  /** `'intercept'`: predictions are sign(f − b), b = (1/n3) Σ ⟨w2, v_i⟩ over the third sample. Default `'none'`. */
  readonly debias?: Debias | undefined;
}

/**
 * A model trained by gradient steps on n examples of the mixture, always the same or fresh ones each step; all its parameters
 * move together. Plain JSON: the same object in TypeScript, in a study file, in a queue.
 *
 * `method: 'projected'` draws the noise only where the training looks at it, exact in distribution and at a cost that does not
 * grow with the dimension: for prompt attention, linear attention and mean pooling under Gaussian noise, by gradient descent or
 * momentum (Adam works on coordinates, which that method does not have). S steps take time proportional to n·m·S² and memory for
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

/** An experiment that {@link simulate} runs. */
export type Experiment =
  | KnownPromptExperiment
  | ThreeStepExperiment
  | GradientDescentExperiment
  | ImageExperiment
  | TextExperiment;

export const knownPromptSchema = z.strictObject({
  kind: z.literal('known-prompt'),
  mixture: mixtureSchema,
  examples: integerFrom(1, 2 ** 31 - 1),
  inverseTemperature: finiteNumber,
  head: headSchema,
  solver: oneOf(['auto', 'direct', 'iterative']).optional(),
});

const exampleCount = integerFrom(1, 2 ** 31 - 1);

/** Options of the three-step trajectory apart from the samples. */
export const threeStepOptions = {
  stepSizes: z.tuple([nonNegativeNumber, nonNegativeNumber, nonNegativeNumber], {
    error: 'three finite numbers ≥ 0: the step sizes [η1, η2, η3]',
  }),
  head: oneOf(['fresh', 'restarted', 'continued']).default('fresh'),
  debias: oneOf(['none', 'intercept']).default('none'),
};

export const threeStepSchema = z.strictObject({
  kind: z.literal('three-step'),
  mixture: mixtureSchema,
  examples: z
    .union([exampleCount, z.tuple([exampleCount, exampleCount, exampleCount])], {
      error: 'an integer ≥ 1 and ≤ 2147483647, or three of them',
    })
    .transform((n): [number, number, number] => (typeof n === 'number' ? [n, n, n] : n)),
  ...threeStepOptions,
});

/** A three-step experiment with every default filled in. */
export type ResolvedThreeStep = z.output<typeof threeStepSchema>;

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
  .refine(({ model, initial }) => model !== 'linear-attention' || initial !== 'zero', {
    error: 'an object { scale } for linear-attention, whose gradient at zero vanishes',
    path: ['initial'],
  });

/** A gradient-descent experiment with every default filled in. */
export type ResolvedGradientDescent = z.output<typeof gradientDescentSchema>;

export const experimentSchema = z.discriminatedUnion(
  'kind',
  [
    knownPromptSchema,
    threeStepSchema,
    gradientDescentSchema,
    imageBagSchema,
    imageTransferSchema,
    imageRiskSchema,
    textClassificationSchema,
    textDilutionSchema,
  ],
  {
    error:
      "an experiment: an object whose kind is 'known-prompt', 'three-step', 'gradient-descent', 'image-bag', 'image-transfer', 'image-risk', 'text-classification' or 'text-dilution'",
  },
);

/** An experiment with every default filled in. */
export type ResolvedExperiment = z.output<typeof experimentSchema>;

/** Validate an experiment and fill in the defaults. `path` is put before the names of options in errors. */
export function parseExperiment(experiment: unknown, path = ''): ResolvedExperiment {
  return parseOptions(experimentSchema, experiment, path);
}

/** `'projected'`: exact in distribution, with noise drawn only where it is looked at. `'dense'`: every token is drawn. */
export type SimulationMethod = 'projected' | 'dense';

/** Smallest dimension in which the three-step trajectory has a dimension-free form. */
export const kLeastThreeStepDimension = 5;

/** The method an experiment runs with: the one asked for if it is exact for the experiment, by default the fastest exact one. */
export function resolveMethod(experiment: ResolvedExperiment, method: SimulationMethod | undefined): SimulationMethod {
  if (!('mixture' in experiment)) {
    if (method === 'projected')
      throw new OptionRangeError('method', "'dense' for an experiment on images or text", method);
    return 'dense';
  }
  const scalar = hasScalarNoise(experiment.mixture);
  if (method === 'projected' && !scalar) {
    const { noise } = experiment.mixture;
    const reason = noise === 'gaussian' ? 'relevant tokens have noise' : `the noise is ${noise}`;
    throw new OptionRangeError('method', `'dense' if ${reason}`, method);
  }
  const { dimension } = experiment.mixture;
  const small = experiment.kind === 'three-step' && dimension < kLeastThreeStepDimension;
  if (method === 'projected' && small)
    throw new OptionRangeError(
      'method',
      `'dense' for a three-step experiment of dimension ${dimension} (below ${kLeastThreeStepDimension})`,
      method,
    );
  const coordinates = coordinatesNeededBy(experiment);
  if (method === 'projected' && coordinates !== undefined)
    throw new OptionRangeError('method', `'dense' for ${coordinates}`, method);
  return method ?? (scalar && !small && coordinates === undefined ? 'projected' : 'dense');
}

/** What in a gradient-descent experiment works on coordinates, and so has no projected method. */
function coordinatesNeededBy(experiment: ResolvedExperiment): string | undefined {
  if (experiment.kind !== 'gradient-descent') return undefined;
  if (experiment.model === 'self-attention') return 'self-attention, whose weights are a matrix';
  if (experiment.optimizer.kind === 'adam') return 'the optimizer adam, whose rule depends on the coordinates';
  return undefined;
}

/** Options of a mixture that came later: with 0 the numbers are those from before. */
const kZeroIsAbsent: ReadonlySet<string> = new Set(['labelNoise', 'relevantNoiseLevel']);

/** JSON with sorted keys, so that equal values have equal text. Values must be plain JSON. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(
          Object.entries(part)
            .filter(([name, option]) => option !== 0 || !kZeroIsAbsent.has(name))
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
      : part,
  );
}

/** Parts of an experiment that never enter the random number key: what they name is compared on common random numbers. */
export const kMethodKeys: ReadonlySet<string> = new Set([
  ...['kind', 'head', 'debias', 'model', 'loss', 'optimizer'],
  ...['data', 'steps', 'recordEvery', 'solver'],
]);

/**
 * The 128-bit key under which an experiment draws its random numbers: SHA-256 of the canonical JSON of the resolved
 * experiment without its method. Together with the seed it fixes every number of every trial.
 */
export function cellKey(experiment: ResolvedExperiment): Uint32Array {
  return hashKey(Object.fromEntries(Object.entries(experiment).filter(([name]) => !kMethodKeys.has(name))));
}

/** First 128 bits of the SHA-256 of the canonical JSON of `value`, as four little-endian words. */
export function hashKey(value: unknown): Uint32Array {
  const digest = createHash('sha256').update(canonicalJson(value)).digest();
  return Uint32Array.from({ length: 4 }, (_, word) => digest.readUInt32LE(4 * word));
}
