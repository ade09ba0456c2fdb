import { z } from 'zod';
import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import type { JobOptions } from '../base/job.js';
import { integerFrom, oneOf, parseOptions } from '../base/options.js';
import type { GradientDescentRiskOptions } from './descent-risk.js';
import { descentRiskShape, freshDescent, kLeastDescentDimension } from './fresh-descent.js';

/** A budget of examples, and what is trained on them. */
export interface OptimalStepsOptions
  extends Pick<GradientDescentRiskOptions, 'mixture' | 'loss' | 'initial' | 'draws' | 'seed' | 'threads'>,
    JobOptions {
  /** N, all fresh examples together: S steps have ⌊N/S⌋ each. An integer in [1, 2³¹). */
  readonly examples: number;
  /** {@link promptAttention} or {@link meanPooling}. Default `'prompt-attention'`. */
  readonly model?: 'prompt-attention' | 'mean-pooling' | undefined;
  /** Any that has a law. Default `'gradient-descent'`. */
  readonly optimizer?: GradientDescentRiskOptions['optimizer'];
  /** Most steps that are looked at: an integer in [1, 1024]. Default 16. */
  readonly mostSteps?: number | undefined;
}

/** The best step sizes of some number of steps. */
export interface OptimalStepsPoint {
  /** S. */
  readonly steps: number;
  /** ⌊N/S⌋. */
  readonly examplesPerStep: number;
  /** The same in every step. */
  readonly stepSizes: {
    /** Of the head w. */
    readonly head: number;
    /** Of the prompt q; 0 for mean pooling. */
    readonly prompt: number;
  };
  /** Test error after the last step, in [0, 1], from draws that had no part in choosing the step sizes. */
  readonly error: number;
  /** Its standard error. */
  readonly standardError: number;
  /** Draws that carry the error. */
  readonly effectiveDraws: number;
  /** As in {@link GradientDescentRisk}. */
  readonly reliable: boolean;
}

/** What {@link optimalSteps} returns. */
export interface OptimalSteps extends OptimalStepsPoint {
  /** The numbers of steps that were refined, ascending: those whose first look was within half as much again of the best one. */
  readonly bySteps: readonly OptimalStepsPoint[];
}

const { mixture, examples, loss, initial, optimizer, draws, seed, threads, signal } = descentRiskShape;
const schema = z.strictObject({
  ...{ mixture, examples, loss, initial, optimizer, draws, seed, threads, signal },
  model: oneOf(['prompt-attention', 'mean-pooling']).default('prompt-attention'),
  mostSteps: integerFrom(1, 1024).default(16),
});

type Parsed = z.output<typeof schema>;
/** log₂ of the step sizes of head and prompt. */
type Place = readonly [number, number];
interface Found {
  readonly place: Place;
  readonly error: number;
}
interface LawOptions {
  readonly draws: number;
  readonly fluctuations: boolean;
  readonly stream: 'search' | 'comparison' | 'answer';
}

/** Draws of a first look; small trials of up to a 64th of them are exact. */
const kFirstDraws = 4096;
/** A number of steps is refined if its first look is at most this many times the best one. */
const kRefined = 1.5;
/** log₂ of the distance between step sizes of the grid, and of where the first look and the refinement end. */
const kGridStep = 2;
const kFirstWidth = 0.5;
const kLastWidth = 0.125;
/** No step size is above 2²⁰ or below 2⁻²⁰. */
const kOutermost = 20;

/** 1, 2, 3, 4, 6, 8, 12, 16, … */
function stepCounts(most: number): readonly number[] {
  const counts: number[] = [];
  for (let power = 1; power <= most; power *= 2)
    counts.push(power, ...(power > 1 && 1.5 * power <= most ? [1.5 * power] : []));
  return counts;
}

/** The law after `steps` steps of the sizes of a place. */
async function pointAt(options: Parsed, steps: number, [head, prompt]: Place, law: LawOptions) {
  const { mostSteps: _, ...shared } = options;
  const examplesPerStep = Math.floor(options.examples / steps);
  const stepSizes = { head: 2 ** head, prompt: options.model === 'mean-pooling' ? 0 : 2 ** prompt };
  const path = await freshDescent(
    {
      ...{ ...shared, data: 'fresh', examples: examplesPerStep, steps, stepSizes, recordEvery: steps },
      ...{ draws: law.draws, fluctuations: law.fluctuations },
    },
    law.stream,
  );
  const last = path.steps.length - 1;
  return {
    ...{ steps, examplesPerStep, stepSizes },
    error: path.error[last] as number,
    standardError: path.standardError[last] as number,
    effectiveDraws: path.effectiveDraws[last] as number,
    reliable: path.reliable[last] as boolean,
  };
}

type ErrorAt = (place: Place) => Promise<number>;

/** Errors at places, each once; Infinity where the training overflows, and where the law is not reliable if `mustBeReliable`. */
function errorsOf(options: Parsed, steps: number, law: LawOptions, mustBeReliable: boolean): ErrorAt {
  const known = new Map<string, Promise<number>>();
  const compute = async (place: Place) => {
    try {
      const { error, reliable } = await pointAt(options, steps, place, law);
      return mustBeReliable && !reliable ? Number.POSITIVE_INFINITY : error;
    } catch (problem) {
      if (problem instanceof ConvergenceError) return Number.POSITIVE_INFINITY;
      throw problem;
    }
  };
  return (place) => {
    const key = place.join(' ');
    const error = known.get(key) ?? compute(place);
    known.set(key, error);
    return error;
  };
}

/** To the best of the eight neighbours as long as one is better, then at half the distance, down to `least`. */
async function descend(
  errorAt: ErrorAt,
  start: Place,
  { model }: Parsed,
  { distance, least }: { readonly distance: number; readonly least: number },
): Promise<Found> {
  const sides = [-1, 0, 1];
  let best: Found = { place: start, error: await errorAt(start) };
  for (let size = distance; size >= least; ) {
    const [head, prompt] = best.place;
    let next = best;
    for (const i of sides)
      for (const j of model === 'mean-pooling' ? [0] : sides) {
        const place: Place = [head + i * size, prompt + j * size];
        if (place.some((log) => Math.abs(log) > kOutermost)) continue;
        const error = await errorAt(place);
        if (error < next.error) next = { place, error };
      }
    if (next === best) size /= 2;
    else best = next;
  }
  return best;
}

/** A first look: exact where small trials are, else the limit, which is not extrapolated from them. */
async function firstLook(options: Parsed, steps: number, starts: readonly Place[]): Promise<Found> {
  const fluctuations = Math.floor(options.examples / steps) <= kFirstDraws / 64;
  const law = { draws: kFirstDraws, fluctuations, stream: 'search' } as const;
  const errorAt = errorsOf(options, steps, law, false);
  const looks: Found[] = [];
  for (const place of starts) looks.push({ place, error: await errorAt(place) });
  const { place } = looks.reduce((a, b) => (b.error < a.error ? b : a));
  return descend(errorAt, place, options, { distance: kGridStep / 2, least: kFirstWidth });
}

/** From a first look on, by the law with its term of order 1/n, where it is reliable. */
function refine(options: Parsed, steps: number, from: Place): Promise<Found> {
  const exact = 64 * Math.floor(options.examples / steps);
  const draws = Math.max(kFirstDraws, Math.min(options.draws, exact));
  const errorAt = errorsOf(options, steps, { draws, fluctuations: true, stream: 'search' }, true);
  return descend(errorAt, from, options, { distance: kFirstWidth, least: kLastWidth });
}

/**
 * Step sizes and number of steps of the least test error for a budget of N fresh examples, by {@link gradientDescent}.
 *
 * S steps have ⌊N/S⌋ examples each and the same step sizes; S is 1, 2, 3, 4, 6, 8, 12, … up to `mostSteps`. For each S a first look
 * on few draws finds a basin of the two step sizes from a grid of factors of four; those that come near the best one are refined, to a factor of
 * 2^(1/8), where the law is reliable. Their errors are then taken from other draws, and that of the best one from others again, so
 * that no error is the least of several with the same chance in it. A narrower basin than the grid can be missed; step sizes at which the
 * law is not reliable, near divergence, are not chosen unless there are no others.
 *
 * @throws As {@link gradientDescent}.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 100, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const { steps, stepSizes, error } = await risk.optimalSteps({ mixture, examples: 2000, mostSteps: 4, draws: 4096 });
 * console.log(steps, stepSizes.prompt > stepSizes.head, error < 0.05); // 4 true true
 * ```
 */
export async function optimalSteps(options: OptimalStepsOptions): Promise<OptimalSteps> {
  const parsed = parseOptions(schema, options, '');
  const { contextNorm, signalNorm, noiseLevel, dimension } = parsed.mixture;
  if (dimension < kLeastDescentDimension)
    throw new OptionRangeError(
      'mixture.dimension',
      `at least ${kLeastDescentDimension}: there is no law of finite n for a dimension below ${kLeastDescentDimension}`,
      dimension,
    );
  // About the largest head's step at which descent on relevant tokens is stable.
  const unit = -Math.log2(contextNorm ** 2 + signalNorm ** 2 + noiseLevel ** 2);
  const prompts = parsed.model === 'mean-pooling' ? [0] : [-1, 0, 1, 2, 3];
  const starts = [-1, 0, 1].flatMap((head) =>
    prompts.map((prompt): Place => [unit + head * kGridStep, prompt * kGridStep]),
  );
  const looks: (Found & { readonly steps: number })[] = [];
  for (const steps of stepCounts(Math.min(parsed.mostSteps, parsed.examples)))
    looks.push({ steps, ...(await firstLook(parsed, steps, starts)) });
  const least = Math.min(...looks.map(({ error }) => error));
  const law = { draws: parsed.draws, fluctuations: true } as const;
  const candidates: { readonly place: Place; readonly point: OptimalStepsPoint }[] = [];
  for (const { steps, place: from, error } of looks) {
    if (error > kRefined * least) continue;
    const { place } = await refine(parsed, steps, from);
    candidates.push({ place, point: await pointAt(parsed, steps, place, { ...law, stream: 'comparison' }) });
  }
  const order = ({ point }: (typeof candidates)[0]) => (point.reliable ? point.error : 1 + point.error);
  const { place, point } = candidates.reduce((a, b) => (order(b) < order(a) ? b : a));
  const answer = await pointAt(parsed, point.steps, place, { ...law, stream: 'answer' });
  return { ...answer, bySteps: candidates.map((candidate) => candidate.point) };
}
