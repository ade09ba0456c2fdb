import { z } from 'zod';
import { shareInterval } from '../base/distributions.js';
import { OptionRangeError } from '../base/errors.js';
import { arrayOf, finiteNumber, functionOf, integerFrom, numberIn, parseOptions } from '../base/options.js';
import type { Simulation } from '../simulation/simulate.js';
import type { ReliabilityMark } from './reliability.js';
import {
  CellAccumulator,
  type Estimate,
  intervalFactor,
  Moments,
  type PathEstimate,
  quantileOf,
  storedResults,
} from './statistics.js';

/** Options of {@link summary}. */
export interface SummaryOptions {
  /** Levels of the quantiles, each in [0, 1]. Default [0.05, 0.5, 0.95]. */
  readonly quantiles?: readonly number[] | undefined;
  /** Probability with which intervals are to cover, in (0, 1). Default 0.95. */
  readonly confidence?: number | undefined;
  /**
   * Metrics of your own: name → a function of the metrics of one trial that returns a finite number. They are summed up like the others, and may have
   * thresholds. Failed trials are not asked. Default none.
   */
  readonly derived?: Readonly<Record<string, (metrics: Readonly<Record<string, number>>) => number>> | undefined;
  /** Metric → a finite number: how probable is it that a trial's value exceeds it? Default none. */
  readonly thresholds?: Readonly<Record<string, number>> | undefined;
}

/** A quantile of a metric over trials. */
export interface QuantileValue {
  /** Its level, in [0, 1]. */
  readonly level: number;
  /** Linear interpolation between order statistics; NaN if every trial failed. */
  readonly value: number;
}

/** How probable it is that a metric of a trial exceeds a threshold. */
export interface Exceedance {
  /** The threshold. */
  readonly threshold: number;
  /** Share of the trials whose value is larger, failed ones left out; NaN if every trial failed. */
  readonly probability: number;
  /** Monte Carlo standard error of `probability`; NaN with fewer than two trials. */
  readonly standardError: number;
  /** Lower end of its interval, by Clopper and Pearson: it covers at least as often as is said, also where no trial exceeds. */
  readonly intervalLow: number;
  /** Upper end of that interval. */
  readonly intervalHigh: number;
}

/** One metric over the trials of a simulation, failed ones left out. */
export interface MetricSummary {
  /** Mean over trials; NaN if every trial failed. */
  readonly mean: number;
  /** Monte Carlo standard error of `mean`: sample standard deviation / √trials; NaN with fewer than two trials. */
  readonly standardError: number;
  /** Lower end of the interval of the mean, by Student's t; NaN with fewer than two trials. */
  readonly intervalLow: number;
  /** Upper end of that interval. */
  readonly intervalHigh: number;
  /** One entry per level that was asked for, in that order. */
  readonly quantiles: readonly QuantileValue[];
  /** Only of metrics for which a threshold was given. */
  readonly exceedance?: Exceedance | undefined;
}

/** A metric along the training, over the trials of a simulation: one entry per record in each array. */
export interface PathSummary extends PathEstimate {
  /** Lower ends of the intervals of the means, by Student's t, each for its own record. */
  readonly intervalLow: readonly number[];
  /** Upper ends of those intervals. */
  readonly intervalHigh: readonly number[];
}

/** What {@link summary} says. */
export interface Summary {
  /** Trials run, failed ones included. */
  readonly trials: number;
  /** Trials whose status is not 0: they are left out of everything else. */
  readonly failed: number;
  /** Probability with which intervals are to cover. */
  readonly confidence: number;
  /** Every metric of the simulation, and every derived one. */
  readonly metrics: Readonly<Record<string, MetricSummary>> & {
    /** The test error. */
    readonly error: MetricSummary;
  };
  /** Metrics along the training; only of simulations that have a `path`. */
  readonly path?:
    | {
        /** Steps taken before each record. */
        readonly steps: Float64Array;
        /** One summary per metric. */
        readonly metrics: Readonly<Record<string, PathSummary>>;
      }
    | undefined;
  /** (Σe)²/Σe² over the test errors e: about how many trials carry their mean. 0 if no trial had an error, NaN if none ran through. */
  readonly effectiveTrials: number;
  /** Whether nothing is wrong with the mean test error and its interval: whether `marks` is empty. */
  readonly reliable: boolean;
  /** What is wrong with them. */
  readonly marks: readonly ReliabilityMark[];
}

const probability = numberIn('a number in [0, 1]', (value) => value >= 0 && value <= 1);

const optionsSchema = z.strictObject({
  quantiles: z.array(probability, { error: 'an array of numbers in [0, 1]' }).default([0.05, 0.5, 0.95]),
  confidence: numberIn('a number in (0, 1)', (value) => value > 0 && value < 1).default(0.95),
  derived: z
    .record(
      z.string(),
      functionOf<NonNullable<SummaryOptions['derived']>[string]>('a function of the metrics of a trial'),
      { error: 'an object of functions' },
    )
    .default({}),
  thresholds: z.record(z.string(), finiteNumber, { error: 'an object of numbers, one per metric' }).default({}),
});

const metricsSchema = z.record(z.string(), arrayOf('Float64Array'), { error: 'an object of Float64Arrays' });

const simulationSchema = z.looseObject(
  {
    trials: integerFrom(1),
    metrics: metricsSchema,
    path: z.looseObject({ steps: arrayOf('Float64Array'), metrics: metricsSchema }).optional(),
    status: arrayOf('Uint8Array'),
    testError: z
      .looseObject({
        standardError: arrayOf('Float64Array'),
        effectiveDraws: arrayOf('Float64Array'),
        reliable: arrayOf('Uint8Array'),
      })
      .optional(),
  },
  { error: 'the result of simulate' },
);

/** The result of `simulate`, with arrays of the lengths that it says. */
function checkedSimulation(value: unknown) {
  const simulation = parseOptions(simulationSchema, value, 'simulation');
  const { trials, metrics, path, status, testError } = simulation;
  const wanted = (name: string, array: { readonly length: number } | undefined, length: number) => {
    if (array?.length !== length)
      throw new OptionRangeError(`simulation.${name}`, `an array of length ${length}`, array);
  };
  wanted('status', status, trials);
  wanted('metrics.error', metrics.error, trials);
  for (const [name, values] of Object.entries(metrics)) wanted(`metrics.${name}`, values, trials);
  for (const [name, values] of Object.entries(testError ?? {}))
    if (ArrayBuffer.isView(values)) wanted(`testError.${name}`, values as Uint8Array, trials);
  for (const [name, values] of Object.entries(path?.metrics ?? {}))
    wanted(`path.metrics.${name}`, values, trials * (path?.steps.length ?? 0));
  return simulation;
}

type Metrics = Readonly<Record<string, Float64Array>>;

/** The values of derived metrics, NaN for failed trials. */
function derivedMetrics(
  derived: NonNullable<SummaryOptions['derived']>,
  metrics: Metrics,
  status: Uint8Array,
): Metrics {
  const names = Object.keys(metrics);
  const taken = Object.keys(derived).find((name) => Object.hasOwn(metrics, name));
  if (taken !== undefined)
    throw new OptionRangeError('derived', `names other than those of the simulation, ${names.join(', ')}`, taken);
  const trials = Array.from(status, (code, trial) =>
    code === 0 ? Object.fromEntries(names.map((name) => [name, metrics[name]?.[trial] as number])) : undefined,
  );
  const derivedValue = (name: string, trial: Readonly<Record<string, number>> | undefined, index: number) => {
    if (trial === undefined) return Number.NaN;
    const value = derived[name]?.(trial);
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new OptionRangeError(
        `derived.${name}`,
        `a function that returns a finite number for trial ${index}`,
        value,
      );
    return value;
  };
  return Object.fromEntries(
    Object.keys(derived).map((name) => [name, Float64Array.from(trials, (trial, i) => derivedValue(name, trial, i))]),
  );
}

/** The interval of a mean of `values` values. */
function interval({ mean, standardError }: Estimate, values: number, confidence: number) {
  const margin = intervalFactor(values, confidence) * standardError;
  return { intervalLow: mean - margin, intervalHigh: mean + margin };
}

function exceedanceOf(values: Float64Array, threshold: number, confidence: number): Exceedance {
  const moments = new Moments();
  let above = 0;
  for (const value of values) {
    moments.add(value > threshold ? 1 : 0);
    above += value > threshold ? 1 : 0;
  }
  const { mean, standardError } = moments.estimate();
  const [intervalLow, intervalHigh] = shareInterval(above, values.length, confidence);
  return { threshold, probability: mean, standardError, intervalLow, intervalHigh };
}

/**
 * Sum up the trials of a simulation: mean with its Monte Carlo standard error and interval, quantiles, and how probable it is that a
 * threshold is exceeded, of every metric and of functions of them. Mean, standard error, interval and quantiles of the test error are those that a study has in its rows, to the last digit.
 *
 * The interval of a mean is mean ± Student's t quantile times the standard error, made for means of many values: `reliable` and `marks`
 * tell where few trials carry the mean test error, or where larger errors than those seen are likely. Nothing of the kind is known about other metrics.
 *
 * @param simulation Result of {@link simulate}.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option, a threshold of a metric that there is not, a derived metric
 * that is no finite number, or what is no simulation; what a derived metric throws.
 * @example
 * ```ts
 * import { simulate, summary } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const simulation = await simulate(
 *   { kind: 'known-prompt', mixture, examples: 400, inverseTemperature: 0.5, head: { kind: 'least-squares' } },
 *   { trials: 200, seed: 1 },
 * );
 * const { metrics, failed } = summary(simulation, { quantiles: [0.5, 0.9], thresholds: { error: 0.05 } });
 * const { mean, intervalLow, intervalHigh, quantiles, exceedance } = metrics.error;
 * console.log(`${mean.toFixed(4)}, 95 % interval ${intervalLow.toFixed(4)} to ${intervalHigh.toFixed(4)}, ${failed} failed`);
 * console.log(quantiles.map(({ level, value }) => `${100 * level} %: ${value.toFixed(3)}`).join(', '));
 * console.log(`P(error > 0.05) ≤ ${exceedance?.intervalHigh.toFixed(3)}`);
 * ```
 */
export function summary(simulation: Simulation, options: SummaryOptions = {}): Summary {
  const { quantiles, confidence, thresholds, derived } = parseOptions(optionsSchema, options, '');
  const { trials, metrics: own, path, status, testError } = checkedSimulation(simulation);
  const metrics = { ...own, ...derivedMetrics(derived, own, status) };
  const names = Object.keys(metrics);
  for (const name of Object.keys(thresholds))
    if (!Object.hasOwn(metrics, name))
      throw new OptionRangeError('thresholds', `of metrics of the simulation: ${names.join(', ')}`, name);
  const accumulator = new CellAccumulator();
  accumulator.add(storedResults({ metrics, path: path?.metrics, status, testError }));
  const { failed, effectiveTrials, marks, paths } = accumulator.statistics();
  const succeeded = trials - failed;
  const one = (name: string, all: Float64Array): MetricSummary => {
    const values = all.filter((_, trial) => status[trial] === 0);
    const estimate = accumulator.estimate(name);
    const threshold = Object.hasOwn(thresholds, name) ? thresholds[name] : undefined;
    const sorted = values.toSorted();
    return {
      mean: estimate.mean,
      standardError: estimate.standardError,
      ...interval(estimate, succeeded, confidence),
      quantiles: quantiles.map((level) => ({ level, value: quantileOf(sorted, level) })),
      ...(threshold !== undefined && { exceedance: exceedanceOf(values, threshold, confidence) }),
    };
  };
  const along = ({ mean, standardError }: PathEstimate): PathSummary => {
    const ends = mean.map((value, i) =>
      interval({ mean: value, standardError: standardError[i] ?? Number.NaN }, succeeded, confidence),
    );
    const intervalLow = ends.map((each) => each.intervalLow);
    return { mean, standardError, intervalLow, intervalHigh: ends.map((each) => each.intervalHigh) };
  };
  return {
    trials,
    failed,
    confidence,
    metrics: Object.fromEntries(
      names.map((name) => [name, one(name, metrics[name] as Float64Array)]),
    ) as Summary['metrics'],
    ...(path !== undefined && {
      path: {
        steps: new Float64Array(path.steps),
        metrics: Object.fromEntries(
          Object.keys(path.metrics).map((name) => [name, along(paths[`${name}Path`] as PathEstimate)]),
        ),
      },
    }),
    effectiveTrials,
    reliable: marks.length === 0,
    marks,
  };
}
