import { type GradientDescentExperiment, type Simulation, simulate } from '../../lib/index.js';
import { energyDistanceTest, twoSampleKolmogorovSmirnov } from './statistics.js';

/** Two atoms, ρ ≠ 0, unequal classes. */
export const mixture = {
  tokens: 5,
  dimension: 25,
  relevantTokens: 2,
  contextNorm: 1.5,
  signalNorm: 1,
  correlation: 0.4,
  noiseLevel: 0.9,
  positiveRate: 0.6,
  confusion: [
    { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
    { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
  ],
};
export const experiment: GradientDescentExperiment = {
  kind: 'gradient-descent',
  mixture,
  examples: 20,
  model: 'prompt-attention',
  steps: 8,
  stepSizes: { head: 0.5, prompt: 1 },
};

/** A metric of every trial after some steps, from the path. */
export function recordsAt({ path, trials }: Simulation, step: number, name: string): Float64Array {
  if (path === undefined) throw new Error('the simulation has no path');
  const { steps, metrics } = path;
  const record = steps.indexOf(step);
  return Float64Array.from({ length: trials }, (_, trial) => metrics[name]?.[trial * steps.length + record] as number);
}

export interface LawCase {
  readonly change: Omit<Partial<GradientDescentExperiment>, 'mixture'>;
  readonly dimension: number;
  readonly records: readonly number[];
  readonly trials: number;
  /** Every p-value is above it. */
  readonly level: number;
}

/** Level of each test of a case, of which one in a hundred families fails somewhere. */
const kLevelOfMany = 0.01 / 17;

export const start = { initial: { scale: 0.3 } } as const;
export const linear = { model: 'linear-attention', stepSizes: { head: 0.1, prompt: 0.15 }, ...start } as const;
export const cases: readonly LawCase[] = [
  { change: {}, dimension: 25, records: [1, 4, 8], trials: 8000, level: 0.001 },
  { change: { loss: 'logistic', ...start }, dimension: 40, records: [1, 4, 8], trials: 8000, level: 0.001 },
  {
    change: { examples: 60, loss: 'logistic', optimizer: 'momentum' },
    dimension: 25,
    records: [1, 4, 8],
    trials: 8000,
    level: 0.001,
  },
  { change: { examples: 60 }, dimension: 40, records: [1, 4, 8], trials: 8000, level: 0.001 },
  // 18 axes at most would be needed: the frame fills R^d at the fifth step, and all of the noise is known at the last.
  { change: start, dimension: 12, records: [1, 4, 8], trials: 8000, level: 0.001 },
  {
    change: { data: 'fresh', loss: 'logistic', ...start },
    dimension: 25,
    records: [1, 4],
    trials: 4000,
    level: kLevelOfMany,
  },
  { change: { data: 'fresh' }, dimension: 6, records: [8], trials: 4000, level: kLevelOfMany },
  {
    // From a random start: from 0 the head has its step size as its norm.
    change: { optimizer: 'normalized-gradient-descent', stepSizes: { head: 0.2, prompt: 0.3 }, ...start },
    dimension: 25,
    records: [1, 8],
    trials: 4000,
    level: kLevelOfMany,
  },
  { change: linear, dimension: 25, records: [1, 8], trials: 4000, level: kLevelOfMany },
  {
    change: { ...linear, loss: 'logistic', optimizer: 'momentum' },
    dimension: 8,
    records: [8],
    trials: 4000,
    level: kLevelOfMany,
  },
  { change: { model: 'mean-pooling', ...start }, dimension: 25, records: [1, 8], trials: 4000, level: kLevelOfMany },
  {
    change: { model: 'mean-pooling', loss: 'logistic' },
    dimension: 4,
    records: [8],
    trials: 4000,
    level: kLevelOfMany,
  },
  // B is 0 until the second step; by the normalized rule its norm is known then.
  {
    change: { model: 'self-attention', examples: 8 },
    dimension: 30,
    records: [2, 4],
    trials: 8000,
    level: kLevelOfMany,
  },
  // The noise of 60 tokens fills R²⁵.
  {
    change: { model: 'self-attention', loss: 'logistic', optimizer: 'momentum' },
    dimension: 25,
    records: [2, 4],
    trials: 4000,
    level: kLevelOfMany,
  },
  {
    change: {
      model: 'self-attention',
      optimizer: 'normalized-gradient-descent',
      examples: 8,
      stepSizes: { head: 0.2, prompt: 0.3 },
    },
    dimension: 30,
    records: [3, 5],
    trials: 4000,
    level: kLevelOfMany,
  },
  {
    change: { model: 'self-attention', data: 'fresh', examples: 4 },
    dimension: 70,
    records: [4],
    trials: 4000,
    level: kLevelOfMany,
  },
];

/** p-values of the two-sample tests of projected against dense trials. */
export interface LawComparison {
  /** Kolmogorov–Smirnov, of every metric after every number of steps. */
  readonly single: readonly { readonly name: string; readonly step: number; readonly p: number }[];
  /** Energy distance of (error, contextOverlap, trainingLoss) at the end, from 500 trials; undefined without a softmax prompt. */
  readonly joint: number | undefined;
}

/** Run both methods on a case. Their seeds differ: with common labels the samples would not be independent. */
export async function compareMethods({ change, dimension, records, trials }: LawCase): Promise<LawComparison> {
  const steps = records.at(-1) as number;
  const options = { ...experiment, ...change, mixture: { ...mixture, dimension }, steps, recordEvery: 1 };
  const projected = await simulate(options, { trials, seed: 21, method: 'projected', testDraws: 50 });
  const dense = await simulate(options, { trials, seed: 22, method: 'dense', testDraws: 50 });
  if ([...projected.status, ...dense.status].some((code) => code !== 0)) throw new Error('a trial failed');
  const single = records.flatMap((step) =>
    Object.keys(dense.metrics).map((name) => ({
      name,
      step,
      p: twoSampleKolmogorovSmirnov(recordsAt(projected, step, name), recordsAt(dense, step, name)),
    })),
  );
  if (options.model !== 'prompt-attention') return { single, joint: undefined };
  const joint = (simulation: Simulation) =>
    ['error', 'contextOverlap', 'trainingLoss'].map((name) => recordsAt(simulation, steps, name).subarray(0, 500));
  return { single, joint: energyDistanceTest(joint(projected), joint(dense)) };
}
