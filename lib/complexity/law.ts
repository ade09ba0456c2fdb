import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import type { JobOptions } from '../base/job.js';
import { inLanes } from '../base/job.js';
import { abortSignal, integerFrom, numberIn, parseOptions, seedSchema } from '../base/options.js';
import type { KnownPromptExperiment } from '../experiments/known-prompt.js';
import { kLeastThreeStepDimension, type ThreeStepExperiment, threeStepSchema } from '../experiments/three-step.js';
import { type ContextualMixture, requireGaussianNoise, requireScalarNoise } from '../mixture/mixture.js';
import { knownPromptRiskSchema, requireKnownPromptLaw, ridgeOf } from '../risk/known-prompt.js';
import { lawPoints } from '../risk/law-points.js';
import type { RiskHead } from '../risk/risk-head.js';
import { threeStep } from '../risk/three-step.js';
import type { Experiment } from '../simulation/kinds.js';
import { type Certificate, type CertifyOptions, certify } from './certificate.js';
import {
  type Crossing,
  firstCrossing,
  isUnsolved,
  type Law,
  ladderOf,
  type Rung,
  rungsAt,
  type SearchedLaw,
} from './crossing.js';

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
  /** Check an answer by simulation at it and its neighbours. Not by default. */
  readonly certify?: CertifyOptions | undefined;
}

/** The examples that are enough. */
export interface ReachableError {
  /** The smallest n ≥ `smallestExamples` at which the law's error is at most the target: at the mixture's d, per sample for three steps. */
  readonly examples: number;
  /** n/d of the crossing itself, not rounded. */
  readonly sampleRatio: number;
  /** Standard error of `sampleRatio` from the finite number of draws; Infinity where the law does not fall at the crossing. */
  readonly standardError: number;
  /** Whether the law's error at the answer can be trusted to its standard error, and was found at every smaller n looked at. */
  readonly reliable: boolean;
  /** Whether the law stays at most the target for all larger n that were looked at; not so before the peak of a double descent. */
  readonly lasting: boolean;
  /** The smallest n at which the law is vouched for; smaller ones were not looked at. */
  readonly smallestExamples: number;
  /** What simulation says about the answer, with `certify`. */
  readonly certificate?: Certificate | undefined;
}

/** No number of examples is enough. */
export interface UnreachableError {
  /** Always true. */
  readonly unreachable: true;
  /** The law's error for n → ∞. At every n that was looked at the error is above the target by two standard errors. */
  readonly limit: number;
  /** Standard error of `limit`. */
  readonly standardError: number;
}

/** Fewer examples are enough than the law is vouched for: a limit n → ∞, it says nothing about small n. */
export interface OutOfRangeError {
  /** Always true. */
  readonly outOfRange: true;
  /** The smallest n at which the law is vouched for. It is enough. */
  readonly smallestExamples: number;
  /** The law's error there, at most the target. */
  readonly error: number;
}

/** The law's noise does not tell whether the target is reached. */
export interface UndecidedError {
  /** Always true. */
  readonly undecided: true;
  /** The law's error for n → ∞; it, or that at another n, is above the target by less than two standard errors or not reliable. */
  readonly limit: number;
  /** Standard error of `limit`. */
  readonly standardError: number;
}

/** What {@link sampleComplexity} returns. */
export type SampleComplexity = ReachableError | UnreachableError | OutOfRangeError | UndecidedError;

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
  certify: z.strictObject({ trials: integerFrom(2, 2 ** 31 - 1), seed: seedSchema.optional() }).optional(),
  signal: abortSignal,
});

/** A law and how it is searched. */
interface Search {
  readonly lawOf: (draws: number) => SearchedLaw;
  readonly draws: number;
  /** Rungs per factor of ten up to kDenseRatio, and beyond. */
  readonly perDecade: number;
  readonly perDecadeAbove: number;
  readonly smallest: number;
  readonly largest: number;
  readonly dimension: number;
}

/** The n/d up to which the ladder is dense, and that at which the law is at its limit. */
const kDenseRatio = 100;
const kLargestRatio = 1e8;
const kMostExamples = 2 ** 31 - 1;
/** An undecided answer is looked at again on so many times the draws, so often. */
const kMoreDraws = 4;
const kRounds = 3;
const kMargin = 2;

function knownPromptSearch(
  experiment: Extract<z.output<typeof schema>['experiment'], { kind: 'known-prompt' }>,
  { draws = 20_000, seed, signal }: Pick<z.output<typeof schema>, 'draws' | 'seed' | 'signal'>,
  target: number,
): Search {
  const { mixture, head } = experiment;
  requireKnownPromptLaw({ mixture, head });
  const { dimension } = mixture;
  const ridge = ridgeOf(head);
  const request = { ...experiment, head: head.kind, seed, signal, threads: availableParallelism() };
  return {
    lawOf: (count) => {
      const at =
        (imbalanced: boolean): Law =>
        (examples) =>
          lawPoints(
            { ...request, draws: count },
            examples.map((n) => ({
              sampleRatio: n / dimension,
              ridge,
              examples: imbalanced && n <= kMostExamples ? n : undefined,
            })),
          );
      // Averaging over label imbalance costs some twenty points of the limit, and raises the error.
      return { screen: at(false), law: at(true), lanes: request.threads };
    },
    draws,
    perDecade: 8,
    perDecadeAbove: 4,
    smallest: smallestExamples(mixture, target),
    largest: kLargestRatio * dimension,
    dimension,
  };
}

function threeStepSearch(
  { examples: _, ...experiment }: Extract<z.output<typeof schema>['experiment'], { kind: 'three-step' }>,
  { draws = 4000, seed, signal }: Pick<z.output<typeof schema>, 'draws' | 'seed' | 'signal'>,
  target: number,
): Search {
  const { dimension } = experiment.mixture;
  const fluctuations = dimension >= kLeastThreeStepDimension;
  const at = async (n: number, count: number) => {
    try {
      return await threeStep({ ...experiment, examples: n, fluctuations, draws: count, seed, signal });
    } catch (error) {
      if (!(error instanceof ConvergenceError)) throw error;
      return undefined;
    }
  };
  return {
    lawOf: (count) => {
      const lanes = availableParallelism();
      const law: Law = (examples) =>
        inLanes(
          lanes,
          examples.map((n) => () => at(n, count)),
        );
      return { screen: law, law, lanes };
    },
    draws,
    perDecade: 4,
    perDecadeAbove: 1,
    // With fluctuations the law is exact in distribution at any n.
    smallest: fluctuations ? 1 : Math.max(kLeastThreeStepExamples, smallestExamples(experiment.mixture, target)),
    largest: kMostExamples,
    dimension,
  };
}

/** The law is vouched for from so many examples on, so many times ln(1/ε), and so many examples of the rarer label. */
const kLeastExamples = 50;
const kLeastPerLog = 10;
const kLeastOfLabel = 10;
const kLeastThreeStepExamples = 100;

/**
 * The smallest n at which the law of a known prompt is within some 10 % of simulation (docs/known-prompt-risk.md). What is left of its
 * distance after the fluctuation of the labels is that of the head's norms, of relative size 1/n; an error of Φ(−x) magnifies it by
 * x², about 2 ln(1/ε).
 */
function smallestExamples({ positiveRate }: ContextualMixture, target: number): number {
  const rarer = Math.min(positiveRate, 1 - positiveRate);
  const oneLabel = rarer > 0 ? kLeastOfLabel / rarer : 0;
  return Math.min(kMostExamples, Math.ceil(Math.max(kLeastExamples, kLeastPerLog * Math.log(1 / target), oneLabel)));
}

/** The crossing, or what there is instead of one, on more draws while that is not decided. */
async function decide(
  { lawOf, draws, ...search }: Search,
  target: number,
): Promise<Exclude<SampleComplexity, ReachableError> | Crossing> {
  const { smallest, largest } = search;
  const examples = ladderOf(smallest, largest, { ...search, dense: kDenseRatio * search.dimension });
  for (let round = 1, count = draws; ; ++round, count = Math.min(kMostExamples, kMoreDraws * count)) {
    const { rungs, found } = await firstCrossing(lawOf(count), examples, target);
    if (found === 'first') return { outOfRange: true, smallestExamples: smallest, error: (rungs[0] as Rung).error };
    if (found !== 'none') return found;
    const { error: limit, standardError, reliable } = rungs.at(-1) as Rung;
    if (rungs.every(isUnsolved)) throw new ConvergenceError('the law was found at no number of examples', { smallest });
    const above = rungs.every((rung) => !isUnsolved(rung) && rung.error - kMargin * rung.standardError > target);
    if (above && reliable) return { unreachable: true, limit, standardError };
    if (round === kRounds) return { undecided: true, limit, standardError };
  }
}

/** The n between the answer and a neighbour at which the law is the furthest on the neighbour's side. */
async function neighbour(
  { screen, law }: SearchedLaw,
  answer: number,
  factor: number,
): Promise<{ examples: number; lawError: number }> {
  const steps = [0.25, 0.5, 0.75, 1].map((share) => answer * factor ** share);
  const whole = steps.map((n) => Math.max(1, factor > 1 ? Math.ceil(n) : Math.floor(n)));
  const sign = factor > 1 ? 1 : -1;
  const rungs = (await rungsAt(screen, whole)).filter(({ error }) => Number.isFinite(error));
  const [best] = rungs.sort((a, b) => sign * (a.error - b.error));
  const examples = best?.examples ?? (whole.at(-1) as number);
  const [rung] = law === screen ? [best] : await rungsAt(law, [examples]);
  return { examples, lawError: rung?.error ?? Number.NaN };
}

/**
 * How many examples it takes to reach a test error, by the exact law: the smallest n at the mixture's d, or that no n is enough, or
 * that the answer is below the n from which on the law is vouched for.
 *
 * Known prompt: the first n at which {@link knownPrompt}'s error is at most the target, on draws common to all n. Three steps:
 * the first n = n1 = n2 = n3 at which {@link threeStep}'s is. Errors that are not monotone (least squares without ridge peaks at
 * n = d) may cross the target again later: `lasting` says so. n at which the law was not found count as above the target, and the answer
 * is then not `reliable`.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; {@link ConvergenceError} if the law was found at no n.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const answer = await risk.sampleComplexity({
 *   experiment: { kind: 'known-prompt', mixture, inverseTemperature: 0.5, head: { kind: 'logistic', ridge: 0.01 } },
 *   targetError: 0.05,
 * });
 * if ('unreachable' in answer) console.log(`never: the error stays above ${answer.limit}`);
 * else if ('outOfRange' in answer) console.log(`at most ${answer.smallestExamples}`);
 * else if ('undecided' in answer) console.log(`the limit is ${answer.limit} ± ${answer.standardError}`);
 * else console.log(answer.examples, answer.sampleRatio, answer.standardError);
 * ```
 */
export async function sampleComplexity(options: SampleComplexityOptions): Promise<SampleComplexity> {
  const { experiment, targetError: target, certify: check, ...rest } = parseOptions(schema, options, '');
  const required = experiment.kind === 'known-prompt' ? requireGaussianNoise : requireScalarNoise;
  required(experiment.mixture, 'experiment.mixture', 'a risk');
  const search =
    experiment.kind === 'known-prompt'
      ? knownPromptSearch(experiment, rest, target)
      : threeStepSearch(experiment, rest, target);
  const found = await decide(search, target);
  if (!('at' in found)) return found;
  const { at, lasting } = found;
  const answer = {
    examples: Math.ceil(at.examples),
    sampleRatio: found.examples / search.dimension,
    standardError: found.standardError / search.dimension,
    reliable: at.reliable && !found.unsolved,
    lasting,
    smallestExamples: search.smallest,
  };
  if (check === undefined) return answer;
  const law = search.lawOf(search.draws);
  const places = [
    await neighbour(law, answer.examples, 0.8),
    { examples: answer.examples, lawError: at.error },
    await neighbour(law, answer.examples, 1.25),
  ];
  const experimentAt = (examples: number) => ({ ...experiment, examples }) as Experiment;
  const seed = check.seed ?? rest.seed;
  const certificate = await certify(experimentAt, places, target, { trials: check.trials, seed }, rest.signal);
  return { ...answer, certificate };
}
