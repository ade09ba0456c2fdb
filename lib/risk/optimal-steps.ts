import { z } from 'zod';
import { ConvergenceError } from '../base/errors.js';
import type { JobOptions } from '../base/job.js';
import { abortSignal, integerFrom, oneOf, parseOptions, seedSchema, threadCount } from '../base/options.js';
import { gradientDescentSchema } from '../experiments/gradient-descent.js';
import { type GradientDescentRiskOptions, gradientDescent } from './gradient-descent.js';

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

const schema = z.strictObject({
  mixture: gradientDescentSchema.shape.mixture,
  examples: gradientDescentSchema.shape.examples,
  model: oneOf(['prompt-attention', 'mean-pooling']).default('prompt-attention'),
  loss: gradientDescentSchema.shape.loss,
  initial: gradientDescentSchema.shape.initial,
  optimizer: gradientDescentSchema.shape.optimizer,
  mostSteps: integerFrom(1, 1024).default(16),
  draws: integerFrom(64, 2 ** 31 - 1).default(20_000),
  seed: seedSchema.default(0),
  threads: threadCount,
  signal: abortSignal,
});

type Parsed = z.output<typeof schema>;
/** log₂ of the step sizes of head and prompt. */
type Place = readonly [number, number];
interface Found {
  readonly place: Place;
  readonly error: number;
}

/** Draws of a first look; small trials of up to a 64th of them are exact. */
const kFirstDraws = 4096;
/** A number of steps is refined if its first look is at most this many times the best one. */
const kRefined = 1.5;
/** First look: from the best of a grid with steps of 2 in log₂, down to ½; refined to ⅛. */
const kFirstStep = 2;
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

class Search {
  constructor(private readonly options: Parsed) {}

  /** The law after `steps` steps of the sizes of a place. */
  async pointAt(
    steps: number,
    [head, prompt]: Place,
    { draws, fluctuations, replicate }: { draws: number; fluctuations: boolean; replicate: bigint },
  ): Promise<OptimalStepsPoint> {
    const { mostSteps: _, seed, ...shared } = this.options;
    const examplesPerStep = Math.floor(shared.examples / steps);
    const stepSizes = { head: 2 ** head, prompt: shared.model === 'mean-pooling' ? 0 : 2 ** prompt };
    const law = await gradientDescent({
      ...{ ...shared, data: 'fresh', examples: examplesPerStep, steps, stepSizes, recordEvery: steps },
      ...{ fluctuations, draws, seed: BigInt.asUintN(64, BigInt(seed) + (replicate << 62n)) },
    });
    const last = law.steps.length - 1;
    return {
      ...{ steps, examplesPerStep, stepSizes },
      error: law.error[last] as number,
      standardError: law.standardError[last] as number,
      effectiveDraws: law.effectiveDraws[last] as number,
      reliable: law.reliable[last] as boolean,
    };
  }

  /** A first look: exact where small trials are, else the limit, which is not extrapolated from them. */
  async first(steps: number, starts: readonly Place[]): Promise<Found> {
    const fluctuations = Math.floor(this.options.examples / steps) <= kFirstDraws / 64;
    const errorAt = this.errors(steps, { draws: kFirstDraws, fluctuations, isReliable: false });
    const looks: Found[] = [];
    for (const place of starts) looks.push({ place, error: await errorAt(place) });
    looks.sort((a, b) => a.error - b.error);
    return this.descend(errorAt, looks[0] as Found, kFirstStep / 2, kFirstWidth);
  }

  /** From a first look on, by the law with its term of order 1/n, where it is reliable. */
  refined(steps: number, from: Place): Promise<Found> {
    const draws = Math.max(kFirstDraws, Math.min(this.options.draws, 64 * Math.floor(this.options.examples / steps)));
    const errorAt = this.errors(steps, { draws, fluctuations: true, isReliable: true });
    return errorAt(from).then((error) => this.descend(errorAt, { place: from, error }, kFirstWidth, kLastWidth));
  }

  /** Errors at places, each once; Infinity where the training overflows and, if asked for, where the law is not reliable. */
  private errors(
    steps: number,
    { isReliable, ...law }: { draws: number; fluctuations: boolean; isReliable: boolean },
  ): (place: Place) => Promise<number> {
    const known = new Map<string, number>();
    return async (place) => {
      const key = place.join(' ');
      const before = known.get(key);
      if (before !== undefined) return before;
      const error = await this.pointAt(steps, place, { ...law, replicate: 0n }).then(
        (point) => (isReliable && !point.reliable ? Number.POSITIVE_INFINITY : point.error),
        (problem: unknown) => {
          if (problem instanceof ConvergenceError) return Number.POSITIVE_INFINITY;
          throw problem;
        },
      );
      known.set(key, error);
      return error;
    };
  }

  /** To the best of the eight neighbours as long as one is better, then at half the distance. */
  private async descend(
    errorAt: (place: Place) => Promise<number>,
    start: Found,
    distance: number,
    least: number,
  ): Promise<Found> {
    const isFlat = this.options.model === 'mean-pooling';
    let best = start;
    for (let size = distance; size >= least; ) {
      const [head, prompt] = best.place;
      let next = best;
      for (const i of [-1, 0, 1])
        for (const j of isFlat ? [0] : [-1, 0, 1]) {
          const place: Place = [head + i * size, prompt + j * size];
          if (place.some((size) => Math.abs(size) > kOutermost)) continue;
          const error = await errorAt(place);
          if (error < next.error) next = { place, error };
        }
      if (next === best) size /= 2;
      else best = next;
    }
    return best;
  }
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
  const search = new Search(parsed);
  const { contextNorm, signalNorm, noiseLevel } = parsed.mixture;
  // About the largest head's step at which descent on relevant tokens is stable.
  const unit = -Math.log2(contextNorm ** 2 + signalNorm ** 2 + noiseLevel ** 2);
  const grid = [-2, 0, 2].flatMap((head) => [-2, 0, 2, 4, 6].map((prompt): Place => [unit + head, prompt]));
  const starts = parsed.model === 'mean-pooling' ? grid.filter(([, prompt]) => prompt === 0) : grid;
  const looks: (Found & { readonly steps: number })[] = [];
  for (const steps of stepCounts(Math.min(parsed.mostSteps, parsed.examples)))
    looks.push({ steps, ...(await search.first(steps, starts)) });
  const least = Math.min(...looks.map(({ error }) => error));
  const bySteps: OptimalStepsPoint[] = [];
  for (const { steps, place, error } of looks) {
    if (error > kRefined * least) continue;
    const found = await search.refined(steps, place);
    const law = { draws: parsed.draws, fluctuations: true, replicate: 1n };
    bySteps.push(await search.pointAt(steps, found.place, law));
  }
  const order = (point: OptimalStepsPoint) => (point.reliable ? point.error : 1 + point.error);
  const best = bySteps.reduce((a, b) => (order(b) < order(a) ? b : a));
  const place: Place = [Math.log2(best.stepSizes.head), Math.log2(best.stepSizes.prompt)];
  const point = await search.pointAt(best.steps, place, { draws: parsed.draws, fluctuations: true, replicate: 2n });
  return { ...point, bySteps };
}
