import { z } from 'zod';
import { OptionRangeError } from '../errors.js';
import type { KnownPromptExperiment, ThreeStepExperiment } from '../experiment.js';
import { kLeastThreeStepDimension, threeStepSchema } from '../experiment.js';
import type { JobOptions } from '../job.js';
import { abortSignal, integerFrom, numberIn, parseOptions, seedSchema } from '../options.js';
import { knownPromptRiskSchema, type ResolvedKnownPromptRisk, type RiskHead, ridgeOf, riskAt } from './known-prompt.js';
import { threeStep } from './three-step.js';

/** A known-prompt or three-step experiment without its number of examples; an `examples` that is given is not read. */
export type SampleComplexityExperiment =
  | (Omit<KnownPromptExperiment, 'examples' | 'head'> & {
      /** Not read. */
      readonly examples?: number | undefined;
      /** How the head is learned. */
      readonly head: RiskHead;
    })
  | (Omit<ThreeStepExperiment, 'examples'> & {
      /** Not read: all three samples get the n that is looked for. */
      readonly examples?: ThreeStepExperiment['examples'] | undefined;
    });

/** Options of {@link sampleComplexity}. */
export interface SampleComplexityOptions extends JobOptions {
  /** What is learned; its mixture's noise must be Gaussian. */
  readonly experiment: SampleComplexityExperiment;
  /** ε, the test error to reach: a number in (0, 1/2). */
  readonly targetError: number;
  /** Draws of the law, an integer ≥ 64. Default 20 000 for a known prompt, 4000 for three steps. */
  readonly draws?: number | undefined;
  /** Seed of the draws. Default 0. */
  readonly seed?: number | bigint | undefined;
}

/** The examples that are enough. */
export interface ReachableError {
  /** The smallest n for which the law's error is at most the target: at the mixture's d, per sample for three steps. */
  readonly examples: number;
  /** n/d of the crossing itself, not rounded. */
  readonly sampleRatio: number;
  /** Standard error of `sampleRatio` from the finite number of draws. */
  readonly standardError: number;
}

/** No number of examples is enough. */
export interface UnreachableError {
  /** Always true. */
  readonly unreachable: true;
  /** The law's error for n → ∞, above the target. */
  readonly limit: number;
}

/** What {@link sampleComplexity} returns. */
export type SampleComplexity = ReachableError | UnreachableError;

const targetError = numberIn('a number in (0, 1/2)', (value) => value > 0 && value < 0.5);
const { signal: _signal, draws: _draws, seed: _seed, threads: _threads, ...knownPromptFields } = knownPromptRiskSchema;
const schema = z.strictObject({
  experiment: z.discriminatedUnion(
    'kind',
    [
      z.strictObject({
        ...knownPromptFields,
        kind: z.literal('known-prompt'),
        examples: z.unknown().optional(),
      }),
      z.strictObject({ ...threeStepSchema.shape, examples: z.unknown().optional() }),
    ],
    { error: "a known-prompt or three-step experiment: an object whose kind is 'known-prompt' or 'three-step'" },
  ),
  targetError,
  draws: integerFrom(64, 2 ** 31 - 1).optional(),
  seed: seedSchema.default(0),
  signal: abortSignal,
});

interface LawValue {
  readonly error: number;
  readonly standardError: number;
}

/** The law's error at several sample ratios; points of one call may share work. */
type Law = (sampleRatios: readonly number[]) => Promise<readonly LawValue[]>;

/** Sample ratios the search looks at first, per factor of ten, and where it ends; beyond it the law is at its limit. */
const kRatiosPerDecade = 8;
const kSmallestRatio = 1e-3;
const kLargestRatio = 1e8;
/** Points of one refinement, and the relative width of the bracket at which it ends. */
const kRefinementPoints = 7;
const kBracketWidth = 1e-9;

function ladder(from: number, to: number): readonly number[] {
  const steps = Math.max(1, Math.ceil(Math.log10(to / from) * kRatiosPerDecade));
  return Array.from({ length: steps + 1 }, (_, i) => from * (to / from) ** (i / steps));
}

/**
 * The first crossing of the target on a ladder of sample ratios, refined. The ladder finds the smallest such ratio also where
 * the error is not monotone (double descent); a dip between two rungs is missed.
 */
async function firstCrossing(law: Law, rungs: readonly number[], target: number): Promise<number | undefined> {
  const errors = await law(rungs);
  const reached = errors.findIndex(({ error }) => error <= target);
  if (reached < 0) return undefined;
  if (reached === 0) return rungs[0] as number;
  let [low, high] = [rungs[reached - 1] as number, rungs[reached] as number];
  while (high / low - 1 > kBracketWidth) {
    const inner = Array.from(
      { length: kRefinementPoints },
      (_, i) => low * (high / low) ** ((i + 1) / (kRefinementPoints + 1)),
    );
    const values = await law(inner);
    const first = values.findIndex(({ error }) => error <= target);
    [low, high] = [
      first === 0 ? low : (inner[(first < 0 ? inner.length : first) - 1] as number),
      first < 0 ? high : (inner[first] as number),
    ];
  }
  return high;
}

/** Standard error of the crossing: that of the error over the slope of the law there. */
async function crossingError(law: Law, ratio: number): Promise<number> {
  const step = 1e-3;
  const [below, at, above] = (await law([ratio / (1 + step), ratio, ratio * (1 + step)])) as [
    LawValue,
    LawValue,
    LawValue,
  ];
  const slope = (above.error - below.error) / (2 * step * ratio);
  return slope === 0 ? (at.standardError === 0 ? 0 : Number.POSITIVE_INFINITY) : at.standardError / Math.abs(slope);
}

function knownPromptLaw(options: ResolvedKnownPromptRisk): Law {
  const ridge = ridgeOf(options.head);
  return async (sampleRatios) => {
    const { error, standardError } = await riskAt(
      options,
      sampleRatios.map((sampleRatio) => ({ sampleRatio, ridge })),
    );
    return Array.from(error, (value, i) => ({ error: value, standardError: standardError[i] as number }));
  };
}

function threeStepLaw(
  experiment: Omit<z.output<typeof threeStepSchema>, 'examples'>,
  options: { readonly draws: number; readonly seed: number | bigint; readonly signal: AbortSignal | undefined },
): Law {
  const { dimension } = experiment.mixture;
  const fluctuations = dimension >= kLeastThreeStepDimension;
  return async (sampleRatios) => {
    const values: LawValue[] = [];
    for (const ratio of sampleRatios) {
      const examples = Math.min(2 ** 31 - 1, Math.max(1, Math.round(ratio * dimension)));
      values.push(await threeStep({ ...experiment, examples, fluctuations, ...options }));
    }
    return values;
  };
}

/** The smallest n whose error is at most the target, given the crossing of the law in n/d. */
async function examplesAt(law: Law, ratio: number, dimension: number, target: number): Promise<number> {
  const examples = Math.max(1, Math.ceil(ratio * dimension * (1 - kBracketWidth)));
  const [value] = await law([examples / dimension]);
  return value !== undefined && value.error <= target ? examples : examples + 1;
}

async function knownPromptComplexity(options: ResolvedKnownPromptRisk, target: number): Promise<SampleComplexity> {
  const law = knownPromptLaw(options);
  const [limit] = (await law([kLargestRatio])) as [LawValue];
  const ratio = await firstCrossing(law, ladder(kSmallestRatio, kLargestRatio), target);
  if (ratio === undefined) return { unreachable: true, limit: limit.error };
  const { dimension } = options.mixture;
  return {
    examples: await examplesAt(law, ratio, dimension, target),
    sampleRatio: ratio,
    standardError: await crossingError(law, ratio),
  };
}

/** By bisection on the integers: an evaluation of this law costs too much for ladders. */
async function threeStepComplexity(law: Law, dimension: number, target: number): Promise<SampleComplexity> {
  const errorAt = async (examples: number) => ((await law([examples / dimension])) as [LawValue])[0];
  const kMostExamples = 2 ** 31 - 1;
  let high = Math.max(16, dimension);
  while (high < kMostExamples && (await errorAt(high)).error > target) high = Math.min(4 * high, kMostExamples);
  const last = await errorAt(high);
  if (last.error > target) return { unreachable: true, limit: last.error };
  let low = 0;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await errorAt(middle)).error <= target) high = middle;
    else low = middle;
  }
  const [above, at, below] = [
    await errorAt(high + Math.ceil(0.02 * high)),
    await errorAt(high),
    await errorAt(Math.max(1, high - Math.ceil(0.02 * high))),
  ];
  const slope = (above.error - below.error) / (2 * Math.ceil(0.02 * high));
  return {
    examples: high,
    sampleRatio: high / dimension,
    standardError: at.standardError / Math.abs(slope) / dimension,
  };
}

/**
 * How many examples it takes to reach a test error, by the exact law: the smallest n at the mixture's d, or that no n is enough.
 *
 * Known prompt: the smallest sample ratio n/d at which {@link knownPrompt}'s error is at most the target, on draws common to all
 * ratios. Where the error is not monotone (least squares without ridge peaks at n = d) it is the first crossing. Three
 * steps: the smallest n = n1 = n2 = n3 at which {@link threeStep}'s error is at most the target.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; {@link ConvergenceError} as
 * {@link knownPrompt}.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const answer = await risk.sampleComplexity({
 *   experiment: { kind: 'known-prompt', mixture, inverseTemperature: 0.5, head: { kind: 'logistic', ridge: 0.01 } },
 *   targetError: 0.05,
 * });
 * if ('unreachable' in answer) console.log(`never: the error stays above ${answer.limit}`);
 * else console.log(answer.examples, answer.sampleRatio, answer.standardError);
 * ```
 */
export async function sampleComplexity(options: SampleComplexityOptions): Promise<SampleComplexity> {
  const { experiment, targetError: target, draws, seed, signal } = parseOptions(schema, options, '');
  if (experiment.mixture.noise !== 'gaussian')
    throw new OptionRangeError('experiment.mixture.noise', "'gaussian' for a risk", experiment.mixture.noise);
  const { examples: _, ...rest } = experiment;
  if (rest.kind === 'known-prompt')
    return knownPromptComplexity({ ...rest, draws: draws ?? 20_000, seed, threads: undefined, signal }, target);
  return threeStepComplexity(
    threeStepLaw(rest, { draws: draws ?? 4000, seed, signal }),
    rest.mixture.dimension,
    target,
  );
}
