import { z } from 'zod';
import { studentQuantile } from '../base/distributions.js';
import { ConvergenceError, OptionRangeError, OptionTypeError, StudyError } from '../base/errors.js';
import type { JobOptions } from '../base/job.js';
import {
  abortSignal,
  integerFrom,
  numberIn,
  parseOptions,
  positiveNumber,
  resultFilePath,
  seedSchema,
  threadCount,
} from '../base/options.js';
import type { GradientDescentExperiment } from '../experiments/gradient-descent.js';
import type { KnownPromptExperiment } from '../experiments/known-prompt.js';
import type { ThreeStepExperiment } from '../experiments/three-step.js';
import type { ContextualMixture } from '../mixture/mixture.js';
import { parseExperiment } from '../simulation/kinds.js';
import { checkVaryingOptions, type FactorValue, withOption } from '../study/definition/factors.js';
import { type LevelRange, levelsSchema } from '../study/definition/levels.js';
import { type FittedExponent, fitExponents } from './exponents.js';
import { sampleComplexity as complexityOfLaw, type SampleComplexityExperiment } from './law.js';
import { BatchFile, type SampledPoint, Sampler } from './sampler.js';
import { searchCrossing } from './search.js';

export type { FittedExponent } from './exponents.js';
export type { SampledPoint } from './sampler.js';

/** An experiment on the mixture without its number of examples, which is not read. Three steps get the same n each. */
export type SampledExperiment = (
  | Omit<KnownPromptExperiment, 'examples'>
  | Omit<ThreeStepExperiment, 'examples'>
  | Omit<GradientDescentExperiment, 'examples'>
) & {
  /** Not read. */
  readonly examples?: unknown;
};

/** Options of {@link sampleComplexity}. */
export interface SimulatedComplexityOptions extends JobOptions {
  /** ε, the mean test error to reach: a number in (0, 1/2). */
  readonly targetError: number;
  /** Factors of a full grid, as in a study: paths into the experiment with their levels. Default: none, one answer. */
  readonly over?: Readonly<Record<string, readonly FactorValue[] | LevelRange>> | undefined;
  /** Level of the intervals: a number in (0, 1). Default 0.95. */
  readonly confidence?: number | undefined;
  /** Width of the interval relative to n at which the search ends, or a width of one example where that is more: above 0. Default 0.05. */
  readonly precision?: number | undefined;
  /** The largest n that is tried, an integer ≥ 1. Default 2²⁰. */
  readonly largestExamples?: number | undefined;
  /** Trials after which the search of a cell ends without that width: an integer ≥ 1. Default 10⁵. */
  readonly mostTrials?: number | undefined;
  /** Draws that estimate the test error of each trial, as in {@link simulate}. */
  readonly testDraws?: number | undefined;
  /** Seed of the trials. Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** A file that keeps every finished batch of trials, so that the same call goes on where it was ended. Default: none. */
  readonly out?: string | undefined;
}

/** The n of one combination of levels. */
export interface SimulatedComplexityCell {
  /** The level of every factor. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /**
   * `'found'`: with an interval as narrow as asked for. `'undecided'`: the trials did not suffice for that; the interval is wider.
   * `'unreachable'`: the error at the largest n is above the target by three standard errors. `'one'`: a single example is enough.
   * `'failed'`: no trial at the largest n ran through.
   */
  readonly status: 'found' | 'undecided' | 'unreachable' | 'one' | 'failed';
  /** The smallest n with a mean error of at most the target; NaN if unreachable or failed. */
  readonly examples: number;
  /** Interval for n at the confidence asked for; NaN if unreachable or failed. */
  readonly interval: readonly [number, number];
  /** n where the law of a known prompt crosses the target; null if it does not, and for other experiments. */
  readonly law: number | null;
  /** What was simulated, by n. */
  readonly points: readonly SampledPoint[];
}

/** What {@link sampleComplexity} returns. */
export interface SimulatedComplexity {
  /** ε. */
  readonly targetError: number;
  /** Level of the intervals. */
  readonly confidence: number;
  /** One per combination of levels, the last factor varying fastest. */
  readonly cells: readonly SimulatedComplexityCell[];
  /** For every factor of at least three positive numbers: the exponent of n in it, the others held. */
  readonly exponents: Readonly<Record<string, FittedExponent>>;
}

const schema = z.strictObject({
  targetError: numberIn('a number in (0, 1/2)', (value) => value > 0 && value < 0.5),
  over: z.record(z.string(), levelsSchema, { error: 'an object of factors with their levels' }).default({}),
  confidence: numberIn('a number in (0, 1)', (value) => value > 0 && value < 1).default(0.95),
  precision: positiveNumber.default(0.05),
  largestExamples: integerFrom(1, 2 ** 31 - 1).default(2 ** 20),
  mostTrials: integerFrom(1).default(100_000),
  testDraws: integerFrom(1, 2 ** 31 - 1).optional(),
  seed: seedSchema.default(0),
  threads: threadCount,
  out: resultFilePath.optional(),
  signal: abortSignal,
});

type Factors = Readonly<Record<string, FactorValue>>;

function combinationsOf(over: Readonly<Record<string, readonly FactorValue[]>>): readonly Factors[] {
  return Object.entries(over).reduce<readonly Factors[]>(
    (all, [path, levels]) => all.flatMap((factors) => levels.map((level) => ({ ...factors, [path]: level }))),
    [{}],
  );
}

/** Where the law of a known prompt crosses the target; null where it does not. The law of three steps costs more than the search. */
async function lawOf(
  experiment: unknown,
  targetError: number,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  if ((experiment as { readonly kind?: unknown }).kind !== 'known-prompt') return null;
  try {
    const law = await complexityOfLaw({ experiment: experiment as SampleComplexityExperiment, targetError, signal });
    return 'examples' in law ? law.examples : null;
  } catch (error) {
    if (error instanceof OptionRangeError || error instanceof ConvergenceError) return null;
    throw error;
  }
}

const kMixtureKinds = ['known-prompt', 'three-step', 'gradient-descent'];

/** The experiment at an n; checked. */
function experimentOf(experiment: unknown, factors: Factors): (examples: number) => unknown {
  let varied = experiment;
  for (const [path, level] of Object.entries(factors)) varied = withOption(varied, path, level);
  const { kind } = varied as { readonly kind?: unknown };
  if (!kMixtureKinds.includes(kind as string))
    throw new OptionRangeError('experiment.kind', kMixtureKinds.map((name) => `'${name}'`).join(' or '), kind);
  return (examples) => withOption(varied, 'examples', examples);
}

/**
 * How many examples a method needs for a test error, by simulation: the smallest n whose mean error is at most the target, with a
 * confidence interval, for every combination of the levels of `over`.
 *
 * The search begins where the law of a known prompt crosses the target, or at n = d, finds n on both sides and goes on with trials on either
 * side of the crossing, in growing batches ever closer to it. The crossing is that of the line through mean error over ln n near
 * it, and its interval has the noise of the means and a bend of that line in it. It is meant for errors that fall
 * with n; where they rise and fall again (least squares without ridge near n = d) it is one of the crossings.
 *
 * @param experiment What is learned, without `examples`. Trials are those of {@link simulate} with this seed.
 * @throws {@link OptionTypeError}, {@link OptionRangeError} or {@link StudyError} for a bad option, experiment, factor or file; the
 * signal's reason if aborted: with `out` nothing that was finished is lost.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const mixture = { tokens: 20, dimension: 100, relevantTokens: 4, contextNorm: 2, signalNorm: 1 };
 * const { cells } = await study.sampleComplexity(
 *   { kind: 'three-step', mixture, stepSizes: [1, 5, 1] },
 *   { targetError: 0.1, precision: 0.2, seed: 1 },
 * );
 * console.log(cells[0]?.examples, cells[0]?.interval);
 * ```
 */
export async function sampleComplexity(
  experiment: SampledExperiment,
  options: SimulatedComplexityOptions,
): Promise<SimulatedComplexity> {
  const parsed = parseOptions(schema, options, '');
  const { targetError, over, confidence, precision, largestExamples, mostTrials, seed, threads, testDraws, signal } =
    parsed;
  if (typeof experiment !== 'object' || experiment === null)
    throw new OptionTypeError('experiment', 'an experiment without examples', experiment);
  checkVaryingOptions(Object.keys(over).map((path) => ({ path, where: 'over' })));
  if (Object.keys(over).some((path) => path === 'examples'))
    throw new StudyError('over.examples: it is what is looked for');
  const combinations = combinationsOf(over).map((factors) => ({ factors, at: experimentOf(experiment, factors) }));
  const file = new BatchFile(parsed.out);
  const quantile = studentQuantile(Number.POSITIVE_INFINITY, (1 + confidence) / 2);
  const cells: SimulatedComplexityCell[] = [];
  for (const { factors, at } of combinations) {
    const sampler = new Sampler(at, { seed, threads, testDraws, signal }, file);
    const { mixture } = parseExperiment(at(1), 'experiment') as { readonly mixture: ContextualMixture };
    const law = await lawOf(at(1), targetError, signal);
    const start = law ?? mixture.dimension;
    const found = await searchCrossing(sampler, {
      target: targetError,
      quantile,
      precision,
      start,
      largest: largestExamples,
      mostTrials,
    });
    cells.push({ factors, law, points: sampler.all(), ...answerOf(found, quantile) });
  }
  return { targetError, confidence, cells, exponents: fitExponents(over, cells, quantile) };
}

function answerOf(
  found: Awaited<ReturnType<typeof searchCrossing>>,
  quantile: number,
): Pick<SimulatedComplexityCell, 'status' | 'examples' | 'interval'> {
  switch (found.kind) {
    case 'above':
    case 'failed':
      return {
        status: found.kind === 'above' ? 'unreachable' : 'failed',
        examples: Number.NaN,
        interval: [Number.NaN, Number.NaN],
      };
    case 'below':
      return { status: 'one', examples: 1, interval: [1, 1] };
    case 'found':
    case 'undecided': {
      const { log, standardError } = found.crossing;
      const end = (side: number) => Math.exp(log + side * quantile * standardError);
      return {
        status: found.kind,
        examples: Math.max(1, Math.ceil(Math.exp(log))),
        interval: [Math.max(1, Math.floor(end(-1))), Math.ceil(end(1))],
      };
    }
  }
}
