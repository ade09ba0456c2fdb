import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { type JobOptions, runJob } from '../base/job.js';
import { type NativeSample, type NativeThreeStepOptions, native } from '../base/native.js';
import { abortSignal, finiteVector, integerFrom, nonNegativeNumber, oneOf, parseOptions } from '../base/options.js';
import type { Examples } from '../mixture/examples.js';

/** What the third step starts from; see {@link ThreeStepExperiment}. */
export type ThreeStepHead = 'fresh' | 'restarted' | 'continued';

/** Whether the mean score on the third sample is subtracted from every score. */
export type Debias = 'none' | 'intercept';

/** Options of the three-step trajectory apart from the samples. */
export const threeStepOptions = {
  stepSizes: z.tuple([nonNegativeNumber, nonNegativeNumber, nonNegativeNumber], {
    error: 'three finite numbers ≥ 0: the step sizes [η1, η2, η3]',
  }),
  head: oneOf(['fresh', 'restarted', 'continued']).default('fresh'),
  debias: oneOf(['none', 'intercept']).default('none'),
};

/** Three steps as the addon takes them. */
export function toNativeThreeStep({
  stepSizes,
  head,
  debias,
}: {
  readonly stepSizes: readonly number[];
  readonly head: ThreeStepHead;
  readonly debias: Debias;
}): NativeThreeStepOptions {
  return { stepSizes: Float64Array.from(stepSizes), head, intercept: debias === 'intercept' };
}

/** Labelled examples of the caller's own. */
export interface LabelledTokens {
  /** n×T×d, row-major: token t of example i is entries (iT + t)d … (iT + t)d + d − 1. Finite. */
  readonly tokens: Float64Array;
  /** y, length n, ±1. */
  readonly labels: Float64Array;
  /** d; T follows from the lengths. */
  readonly dimension: number;
}

/** The steps, and which of the given examples each of them uses. */
export interface ThreeStepOptions extends JobOptions {
  /** [η1, η2, η3], finite and ≥ 0. */
  readonly stepSizes: readonly [number, number, number];
  /** What the third step starts from; see {@link ThreeStepExperiment}. Default `'fresh'`. */
  readonly head?: ThreeStepHead | undefined;
  /** Default `'none'`, which leaves `intercept` at 0. */
  readonly debias?: Debias | undefined;
  /**
   * For one sample: [n1, n2, n3], the sizes of the consecutive parts that the steps use; their sum may not exceed n.
   * Default: three parts of ⌊n/3⌋, the last one with what remains.
   */
  readonly split?: readonly [number, number, number] | undefined;
}

/** The trajectory. The score of X is ⟨w2, Xᵀsoftmax(X q1)⟩ − `intercept`. */
export interface ThreeStepIterates {
  /** Head after the first step, length d. */
  readonly w1: OwnFloat64Array;
  /** Prompt after the second, length d. */
  readonly q1: OwnFloat64Array;
  /** Head after the third, length d. */
  readonly w2: OwnFloat64Array;
  /** b; 0 with `debias: 'none'`. */
  readonly intercept: number;
}

interface Sample extends LabelledTokens {
  readonly tokensPerExample: number;
}

const kMaximumSize = 2 ** 31 - 1;

const sampleSchema = z.strictObject(
  {
    tokens: finiteVector,
    labels: finiteVector.refine((labels) => labels.every((y) => Math.abs(y) === 1), { error: '±1 in every entry' }),
    dimension: integerFrom(1, kMaximumSize),
  },
  { error: 'an object { tokens, labels, dimension }' },
);

const optionsSchema = z.strictObject({
  ...threeStepOptions,
  split: z
    .tuple([integerFrom(1, kMaximumSize), integerFrom(1, kMaximumSize), integerFrom(1, kMaximumSize)], {
      error: 'three integers ≥ 1',
    })
    .optional(),
  signal: abortSignal,
});

function parseSample(sample: LabelledTokens | Examples, path: string): Sample {
  const sampled = sample !== null && typeof sample === 'object' && 'mixture' in sample;
  const { tokens, labels, dimension } = parseOptions(
    sampleSchema,
    sampled ? { tokens: sample.tokens, labels: sample.labels, dimension: sample.mixture.dimension } : sample,
    path,
  );
  if (labels.length === 0) throw new OptionRangeError(`${path}.labels`, 'of length 1 or more', labels);
  const tokensPerExample = tokens.length / (labels.length * dimension);
  if (!Number.isInteger(tokensPerExample) || tokensPerExample < 1)
    throw new OptionRangeError(
      `${path}.tokens`,
      `of length n·T·d (n = ${labels.length} labels, d = ${dimension})`,
      tokens,
    );
  return { tokens, labels, dimension, tokensPerExample };
}

/** Three consecutive parts of one sample, as views. */
function splitSample(sample: Sample, split: readonly [number, number, number] | undefined): Sample[] {
  const n = sample.labels.length;
  const part = Math.floor(n / 3);
  const sizes = split ?? [part, part, n - 2 * part];
  if (part < 1 && split === undefined) throw new OptionRangeError('examples', 'at least three examples', n);
  const total = sizes[0] + sizes[1] + sizes[2];
  if (total > n) throw new OptionRangeError('split', `three sizes whose sum is at most ${n}`, total);
  const stride = sample.tokensPerExample * sample.dimension;
  let first = 0;
  return sizes.map((size) => {
    const last = first + size;
    const views = {
      tokens: sample.tokens.subarray(first * stride, last * stride),
      labels: sample.labels.subarray(first, last),
    };
    first = last;
    return { ...sample, ...views };
  });
}

function threeSamples(samples: readonly Sample[]): readonly [Sample, Sample, Sample] {
  const [first, second, third] = samples as [Sample, Sample, Sample];
  for (const [i, sample] of samples.entries()) {
    for (const name of ['dimension', 'tokensPerExample'] as const) {
      if (sample[name] !== first[name])
        throw new OptionRangeError(
          `examples[${i}]`,
          `of the same ${name} as examples[0], ${first[name]}`,
          sample[name],
        );
    }
  }
  return [first, second, third];
}

/**
 * Three steps of gradient descent of softmax prompt-attention on given tokens: the trajectory of
 * {@link ThreeStepExperiment}, on examples of any origin. Runs on the addon's threads; the arrays are copied, so they may
 * be changed once the call has returned its promise.
 *
 * @param examples One set of examples, split into three parts, or three sets of the same T and d; what
 * {@link sampleExamples} returns is taken too. With one set used three times over ([e, e, e]) the steps share their data.
 * @returns The iterates. Entries are not finite if the step sizes are so large that the trajectory overflows.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option or array; RangeError if memory for the
 * copies cannot be had.
 * @example
 * ```ts
 * import { sampleExamples, testError, threeStep } from 'prompt-attention';
 * const mixture = { tokens: 20, dimension: 40, relevantFraction: 0.2, contextNorm: 2, signalNorm: 1 };
 * const examples = await sampleExamples(mixture, { examples: 3000, seed: 1 });
 * const { q1, w2 } = await threeStep(examples, { stepSizes: [1, 5, 1] });
 * console.log(await testError({ mixture, prompt: q1, head: w2 }));
 * ```
 */
export async function threeStep(
  examples:
    | LabelledTokens
    | Examples
    | readonly [LabelledTokens | Examples, LabelledTokens | Examples, LabelledTokens | Examples],
  options: ThreeStepOptions,
): Promise<ThreeStepIterates> {
  const { split, signal, ...rest } = parseOptions(optionsSchema, options, '');
  let samples: Sample[];
  if (Array.isArray(examples)) {
    if (examples.length !== 3) throw new OptionRangeError('examples', 'one set of examples or three', examples);
    if (split !== undefined) throw new OptionTypeError('split', 'left out if three sets of examples are given', split);
    samples = examples.map((sample, i) => parseSample(sample, `examples[${i}]`));
  } else {
    samples = splitSample(parseSample(examples as LabelledTokens | Examples, 'examples'), split);
  }
  const [first, second, third] = threeSamples(samples);
  const toNative = ({ tokens, labels }: Sample): NativeSample => ({ tokens, labels });
  return runJob(
    () =>
      native.threeStepDescent({
        ...toNativeThreeStep(rest),
        tokens: first.tokensPerExample,
        dimension: first.dimension,
        first: toNative(first),
        second: toNative(second),
        third: toNative(third),
      }),
    { signal },
  );
}
