import { optionLabel } from '../../report/labels.js';
import { type Experiment, optionAt } from './state.js';

/** Options by dotted paths that make a point of an axis. */
export type Point = Readonly<Record<string, number>>;

/** A point, and where it lies. */
export interface Place {
  readonly x: number;
  readonly point: Point;
}

/** What can be along the horizontal axis. */
export interface Axis {
  readonly title: string;
  readonly symbol: string;
  readonly scale: 'linear' | 'log';
  /** Where it begins and ends at first … */
  readonly range: readonly [number, number];
  /** … and where it may. */
  readonly limits: readonly [number, number];
  /** The points of an experiment next to some values; none where the experiment does not have the option. */
  places(experiment: Experiment, values: readonly number[]): readonly Place[];
}

/** So many places or fewer are evenly spaced. */
const kFewPlaces = 9;

const numberAt = (experiment: Experiment, path: string) => Number(optionAt(experiment, path));

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** Without places that come twice. */
function distinct(places: readonly Place[]): readonly Place[] {
  return places.filter(({ x }, i) => i === 0 || x !== places[i - 1]?.x);
}

/** Symbol and words of an option as an axis has them. */
function named(path: string): Pick<Axis, 'title' | 'symbol'> {
  const { symbol, words } = optionLabel(path);
  return { title: `${words} ${symbol}`, symbol };
}

/** The axis of an option that is taken as it is. */
function optionAxis(
  path: string,
  shape: Pick<Axis, 'scale' | 'range' | 'limits'>,
  has: (experiment: Experiment) => boolean = () => true,
): Axis {
  const places: Axis['places'] = (experiment, values) =>
    has(experiment) ? values.map((value) => ({ x: value, point: { [path]: value } })) : [];
  return { ...named(path), ...shape, places };
}

const isOf = (kind: string) => (experiment: Experiment) => experiment.kind === kind;
const kRidged = new Set(['least-squares', 'logistic', 'hinge']);

/** All axes, by the names that addresses have for them. */
export const kAxes: Readonly<Record<string, Axis>> = {
  ratio: {
    title: 'examples per dimension n/d',
    symbol: 'n/d',
    scale: 'log',
    range: [0.5, 10],
    limits: [0.01, 1000],
    places: (experiment, values) => {
      const d = numberAt(experiment, 'mixture.dimension');
      const counts = values.map((value) => Math.max(1, Math.round(value * d)));
      const ends = [counts[0], counts.at(-1)] as [number, number];
      // Where least squares interpolates the error peaks; a curve of many places does not miss it.
      const peak = values.length > kFewPlaces && ends[0] < d && d < ends[1] ? [d] : [];
      const all = [...counts, ...peak].toSorted((a, b) => a - b);
      return distinct(all.map((examples) => ({ x: examples / d, point: { examples } })));
    },
  },
  inverseTemperature: optionAxis(
    'inverseTemperature',
    { scale: 'linear', range: [0, 2], limits: [-20, 20] },
    isOf('known-prompt'),
  ),
  fraction: {
    ...named('mixture.relevantFraction'),
    scale: 'linear',
    range: [0, 1],
    limits: [0, 1],
    places: (experiment, values) => {
      const T = numberAt(experiment, 'mixture.tokens');
      const counts = values.map((value) => Math.min(T, Math.max(0, Math.round(value * T))));
      return distinct(counts.map((k) => ({ x: k / T, point: { 'mixture.relevantTokens': k } })));
    },
  },
  tokens: {
    title: 'tokens per example T, at this ζ',
    symbol: 'T',
    scale: 'log',
    range: [4, 256],
    limits: [1, 4096],
    places: (experiment, values) => {
      const [T, k] = [numberAt(experiment, 'mixture.tokens'), numberAt(experiment, 'mixture.relevantTokens')];
      const divisor = greatestDivisor(T, k);
      // Only multiples of so many tokens have the same share of relevant ones.
      const unit = T / divisor;
      const counts = values.map((value) => Math.max(1, Math.round(value / unit)));
      return distinct(
        counts.map((count) => ({
          x: count * unit,
          point: { 'mixture.tokens': count * unit, 'mixture.relevantTokens': (count * k) / divisor },
        })),
      );
    },
  },
  ridge: optionAxis('head.ridge', { scale: 'log', range: [0.001, 10], limits: [1e-8, 1e6] }, (experiment) =>
    kRidged.has(String(optionAt(experiment, 'head.kind'))),
  ),
  steps: {
    title: 'steps of gradient descent',
    symbol: 'steps',
    scale: 'linear',
    range: [0, 20],
    limits: [0, 2000],
    places: (experiment, values) =>
      isOf('gradient-descent')(experiment)
        ? distinct(values.map(Math.round).map((steps) => ({ x: steps, point: { steps } })))
        : [],
  },
  contextNorm: optionAxis('mixture.contextNorm', { scale: 'linear', range: [0, 5], limits: [0, 100] }),
  signalNorm: optionAxis('mixture.signalNorm', { scale: 'linear', range: [0, 3], limits: [0, 100] }),
  correlation: optionAxis('mixture.correlation', { scale: 'linear', range: [-1, 1], limits: [-1, 1] }),
  noiseLevel: optionAxis('mixture.noiseLevel', { scale: 'linear', range: [0.1, 3], limits: [0, 100] }),
};

/** Numbers as a person would write them. */
const rounded = (value: number) => Number(value.toPrecision(6));

/** So many values between two ends, evenly on the scale. */
export function valuesBetween(scale: Axis['scale'], from: number, to: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => {
    const share = i / (count - 1);
    return rounded(scale === 'log' ? from * (to / from) ** share : from + share * (to - from));
  });
}
