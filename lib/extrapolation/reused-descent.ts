import { z } from 'zod';
import { studentQuantile } from '../base/distributions.js';
import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import { nonNegativeNumber } from '../base/options.js';
import { kNeedsDirection, kNeedsScale } from '../experiments/gradient-descent.js';
import { type GradientDescentRisk, kPathMetrics, type TrainedSize } from '../risk/descent-risk.js';
import { descentRiskShape, requireDescentLaw } from '../risk/fresh-descent.js';
import { type Simulation, simulate } from '../simulation/simulate.js';
import { effectiveTrials, meanMarks } from '../study/reliability.js';
import { Moments } from '../study/statistics.js';

export const reusedDescentSchema = z
  .strictObject({
    ...descentRiskShape,
    data: z.literal('reused'),
    stepSizes: z.strictObject(
      { head: nonNegativeNumber, prompt: nonNegativeNumber },
      { error: 'an object { head, prompt } with two step sizes ≥ 0' },
    ),
  })
  .refine(kNeedsScale.check, kNeedsScale)
  .refine(kNeedsDirection.check, kNeedsDirection);

type ReusedDescent = z.output<typeof reusedDescentSchema>;

/** A size whose means count so much in the answer. */
interface Size extends TrainedSize {
  readonly weight: number;
}

/** What trials of a size say. */
interface SizeMeans {
  readonly size: Size;
  readonly steps: Float64Array;
  /** The mean of a metric at a record, and the variance of that mean. */
  readonly at: (name: string, record: number) => { readonly mean: number; readonly variance: number };
  /** By record: effective trials of the error, and whether its mean can be trusted. */
  readonly effective: readonly number[];
  readonly reliable: readonly boolean[];
}

/** Trials of a size tell their own scatter. */
const kLeastTrials = 32;
/** Of the smallest size: fewer examples or dimensions are nothing like a limit. */
const kLeastSize = 8;
/** The sizes, relative to the smallest. */
const kScales = [1, 2, 4] as const;
/** Of all draws, for the largest size: what its weight of 8/3 among 1/3, 2 and 8/3 is worth. */
const kLargestShare = 8 / 15;
/** Trials of these numbers are run here only: independent of those of {@link simulate}. */
const kFirstTrial = 2 ** 40;
/** What is left of a parabola beside its line is as large as this share of the value where it no longer tells the limit. */
const kMostCurvature = 0.5;
/** Relative to their standard error that may be chance. */
const kChance = 3;

/**
 * In the limit norms are the same in every trial. Where they scatter by more than this share of their mean, trainings end here and there (on the
 * verge of divergence some near error 0 and most near ½), and so few trials do not know how often.
 */
const kMostScatter = 0.5;

const kBounds: Readonly<Record<string, readonly [number, number]>> = {
  error: [0, 1],
  relevantAttention: [0, 1],
  trainingLoss: [0, Number.POSITIVE_INFINITY],
  headNorm: [0, Number.POSITIVE_INFINITY],
  promptNorm: [0, Number.POSITIVE_INFINITY],
};

/** Weights of values at `places` in the polynomial through them, at `target`. */
function lagrangeWeights(places: readonly number[], target: number): readonly number[] {
  return places.map((place, i) =>
    places.reduce((weight, other, j) => (j === i ? weight : (weight * (target - other)) / (place - other)), 1),
  );
}

/** The given size where its trials are enough, else three smaller ones of the same n/d. */
function sizesOf({ mixture, examples, draws, fluctuations }: ReusedDescent): readonly Size[] {
  const { dimension } = mixture;
  if (fluctuations && examples <= draws / kLeastTrials)
    return [{ examples, dimension, trials: Math.floor(draws / examples), weight: 1 }];
  // In units of the smaller of n and d, which is a whole number at every size.
  const smaller = Math.min(examples, dimension);
  const unit = Math.floor(((kLargestShare * draws) / kLeastTrials / examples) * (smaller / 4) + 1e-9);
  if (unit < kLeastSize) {
    const least = Math.ceil((kLeastSize * 4 * examples * kLeastTrials) / (kLargestShare * smaller));
    throw new OptionRangeError('draws', `at least ${least} to extrapolate at this n/d`, draws);
  }
  const sizes = kScales.map((scale) => ({
    examples: (examples / smaller) * unit * scale,
    dimension: (dimension / smaller) * unit * scale,
  }));
  const weights = lagrangeWeights(
    sizes.map((size) => 1 / size.examples),
    fluctuations ? 1 / examples : 0,
  );
  const total = weights.reduce((sum, weight) => sum + Math.abs(weight), 0);
  return sizes.map((size, i) => {
    const weight = weights[i] as number;
    const share = Math.abs(weight) / total;
    return { ...size, weight, trials: Math.max(kLeastTrials, Math.floor((share * draws) / size.examples)) };
  });
}

/** Trials of a size; half-way between whole numbers some have the one and some the other, so that n/d is right in the mean. */
async function trialsOf(parsed: ReusedDescent, size: Size, first: number): Promise<readonly Simulation[]> {
  const { mixture, initial, draws: _, fluctuations: __, seed, threads, signal, kind: ___, ...training } = parsed;
  // A start of the same norms.
  const scaleAt = (dimension: number) =>
    initial === 'zero' ? initial : { scale: initial.scale * Math.sqrt(mixture.dimension / dimension) };
  const up = (value: number) => value - Math.floor(value);
  const above = Math.round(size.trials * Math.max(up(size.examples), up(size.dimension)));
  const run = (round: (value: number) => number, trials: number, firstTrial: number) =>
    simulate(
      {
        ...{ ...training, kind: 'gradient-descent', recordEvery: training.recordEvery ?? 1 },
        mixture: { ...mixture, dimension: round(size.dimension) },
        initial: scaleAt(round(size.dimension)),
        examples: round(size.examples),
      },
      { seed, threads, signal, firstTrial, trials },
    );
  const runs: Simulation[] = [];
  if (size.trials > above) runs.push(await run(Math.floor, size.trials - above, first));
  if (above > 0) runs.push(await run(Math.ceil, above, first + size.trials));
  return runs;
}

/** Means of a size's trials along their path. */
async function meansAt(parsed: ReusedDescent, size: Size, first: number): Promise<SizeMeans> {
  const runs = await trialsOf(parsed, size, first);
  const failed = runs.reduce((sum, { status }) => sum + status.filter((code) => code !== 0).length, 0);
  if (failed > 0)
    throw new ConvergenceError(`${failed} of ${size.trials} trainings of ${size.examples} examples diverge`, {
      failed,
      trials: size.trials,
      examples: size.examples,
    });
  const steps = runs[0]?.path?.steps as Float64Array;
  const valuesAt = (name: string, record: number) =>
    Float64Array.from(
      runs.flatMap(({ path, trials }) => {
        const all = path?.metrics[name];
        return Array.from({ length: trials }, (_, trial) => all?.[trial * steps.length + record] ?? 0);
      }),
    );
  const at = (name: string, record: number) => {
    const moments = new Moments();
    for (const value of valuesAt(name, record)) moments.add(value);
    const { mean, standardError } = moments.estimate();
    return { mean, variance: standardError ** 2 };
  };
  const isScattered = (record: number) =>
    ['headNorm', 'promptNorm'].some((name) => {
      const { mean, variance } = at(name, record);
      return Math.sqrt(variance * size.trials) > kMostScatter * mean;
    });
  const exact = runs.every(({ effectiveDraws }) => effectiveDraws === Number.POSITIVE_INFINITY);
  const sorted = Array.from(steps, (_, record) => valuesAt('error', record).sort());
  const sound = { failed: 0, draws: Number.POSITIVE_INFINITY, unreliable: 0, exact };
  return {
    size,
    steps,
    at,
    effective: sorted.map(effectiveTrials),
    reliable: sorted.map(
      (errors, record) =>
        runs.every(({ reliable }) => reliable) &&
        meanMarks({ ...sound, sorted: errors }).length === 0 &&
        !isScattered(record),
    ),
  };
}

/** The weighted sum of the means of all sizes, with a standard error of which 1.96 make a 95 % interval. */
function combined(means: readonly SizeMeans[], name: string, record: number) {
  let [value, variance, spread] = [0, 0, 0];
  for (const { size, at } of means) {
    const here = at(name, record);
    const part = size.weight ** 2 * here.variance;
    value += size.weight * here.mean;
    variance += part;
    spread += part ** 2 / (size.trials - 1);
  }
  // Satterthwaite's degrees of freedom.
  const freedom = spread > 0 ? variance ** 2 / spread : Number.POSITIVE_INFINITY;
  const quantile = (degrees: number) => studentQuantile(degrees, 0.975);
  const [low, high] = kBounds[name] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return {
    value: Math.min(high, Math.max(low, value)),
    standardError: (Math.sqrt(variance) * quantile(freedom)) / quantile(Number.POSITIVE_INFINITY),
  };
}

/** Whether the parabola through the means of the error says something else than the line through the two largest sizes. */
function isCurved(means: readonly SizeMeans[], record: number, value: number, target: number): boolean {
  if (means.length === 1) return false;
  const largest = means.slice(1);
  const weights = lagrangeWeights(
    largest.map(({ size }) => 1 / size.examples),
    target,
  );
  const line = largest.reduce((sum, { at }, i) => sum + (weights[i] as number) * at('error', record).mean, 0);
  const curvature = means.reduce((sum, { size, at }, i) => {
    const weight = size.weight - (i === 0 ? 0 : (weights[i - 1] as number));
    return sum + weight ** 2 * at('error', record).variance;
  }, 0);
  return Math.abs(value - line) > kMostCurvature * value + kChance * Math.sqrt(curvature);
}

/** Gradient descent on reused examples, by trials and extrapolation in 1/n. */
export async function reusedDescent(parsed: ReusedDescent): Promise<GradientDescentRisk> {
  requireDescentLaw(parsed);
  const means: SizeMeans[] = [];
  let first = kFirstTrial;
  for (const size of sizesOf(parsed)) {
    means.push(await meansAt(parsed, size, first));
    first += 2 * size.trials;
  }
  const steps = means[0]?.steps as Float64Array<ArrayBuffer>;
  const pathOf = (name: string) => {
    const entries = Array.from(steps, (_, record) => combined(means, name, record));
    return {
      values: Float64Array.from(entries, ({ value }) => value),
      standardErrors: Float64Array.from(entries, ({ standardError }) => standardError),
    };
  };
  const error = pathOf('error');
  const others = Object.fromEntries(
    kPathMetrics.flatMap((name) => {
      const { values, standardErrors } = pathOf(name);
      return [
        [name, values],
        [`${name}StandardError`, standardErrors],
      ];
    }),
  ) as Omit<
    GradientDescentRisk,
    'basis' | 'sizes' | 'steps' | 'error' | 'standardError' | 'effectiveDraws' | 'reliable'
  >;
  const target = parsed.fluctuations ? 1 / parsed.examples : 0;
  return {
    basis: means.length === 1 ? 'trials' : 'extrapolation',
    sizes: means.map(({ size: { weight: _, ...size } }) => size),
    steps,
    error: error.values,
    standardError: error.standardErrors,
    ...others,
    effectiveDraws: Float64Array.from(steps, (_, record) =>
      Math.min(...means.map(({ effective }) => effective[record] as number)),
    ),
    reliable: Array.from(
      steps,
      (_, record) =>
        means.every(({ reliable }) => reliable[record] === true) &&
        !isCurved(means, record, error.values[record] as number, target),
    ),
  };
}
