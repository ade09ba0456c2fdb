import { kAxes, type Place, valuesBetween } from './axes.js';
import type { Estimate, Interval, Picture, PointLaw, PointTrials } from './requests.js';
import { kNames } from './specs.js';
import { type Experiment, optionAt, type State } from './state.js';

/** What is known about a setting. */
export interface SettingResults {
  readonly places: readonly Place[];
  /** One per place. */
  readonly laws: readonly PointLaw[];
  readonly trialPlaces: readonly Place[];
  /** One per place of trials; undefined while there are none. */
  readonly trials: readonly (PointTrials | { readonly problem: string } | undefined)[];
}

/** What is known about a state. */
export interface Results {
  readonly state: State;
  /** Whether the laws are as exact as they will be. */
  readonly isRefined: boolean;
  readonly settings: readonly SettingResults[];
  readonly picture: Picture | null;
}

/** Points of trials along the axis. */
const kTrialPoints = 7;

/** The places of an experiment along the axis of a state. */
export function placesOf({ along, from, to }: State, experiment: Experiment, count: number): readonly Place[] {
  const axis = kAxes[along];
  return axis === undefined ? [] : axis.places(experiment, valuesBetween(axis.scale, from, to, count));
}

/** Those at which it is simulated. */
export const trialPlacesOf = (state: State, experiment: Experiment) => placesOf(state, experiment, kTrialPoints);

/** Whether there is a law at a place. */
export const isLaw = (law: PointLaw | undefined): law is Readonly<Record<string, Estimate>> =>
  law !== undefined && law !== null && !('problem' in law);

const isDone = (trials: SettingResults['trials'][number]): trials is PointTrials =>
  trials !== undefined && 'metrics' in trials;

/** A place of a law's curve. */
export interface LawRow {
  readonly x: number;
  readonly y: number;
  readonly setting: string;
  readonly reliable: boolean;
}

/** A place of simulation. */
export interface TrialsRow {
  readonly x: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly setting: string;
  readonly reliable: boolean;
}

/** A place at which a curve is lowest. */
export interface BestRow {
  readonly x: number;
  readonly y: number;
  readonly setting: string;
  readonly text: string;
}

/** What a figure of a metric is drawn from. */
export interface Rows {
  readonly law: readonly LawRow[];
  readonly trials: readonly TrialsRow[];
  readonly best: readonly BestRow[];
}

/** A short number. */
export const short = (value: number) => String(Number(value.toPrecision(3))).replace('-', '−');

/** Marks are of refined laws: those of few draws are told to be so. */
function lawRows(
  { places, laws }: SettingResults,
  setting: number,
  metric: string,
  isRefined: boolean,
): readonly LawRow[] {
  return places.flatMap(({ x }, i) => {
    const law = laws[i];
    const estimate = isLaw(law) ? law[metric] : undefined;
    if (estimate === undefined || estimate.mean === null) return [];
    return [
      { x, y: estimate.mean, setting: kNames[setting] as string, reliable: !isRefined || estimate.reliable !== false },
    ];
  });
}

function trialsRows({ trialPlaces, trials }: SettingResults, setting: number, metric: string): readonly TrialsRow[] {
  return trialPlaces.flatMap(({ x }, i) => {
    const at = trials[i];
    const interval: Interval | undefined = isDone(at) ? at.metrics[metric] : undefined;
    if (!isDone(at) || interval === undefined || interval.mean === null) return [];
    const { mean, low, high } = interval;
    const reliable = metric !== 'error' || at.marks.length === 0;
    return [{ x, mean, low: low ?? mean, high: high ?? mean, setting: kNames[setting] as string, reliable }];
  });
}

/** The lowest place of a curve, if it lies between its ends. */
function bestRow(rows: readonly LawRow[], symbol: string): readonly BestRow[] {
  const lowest = rows.reduce<LawRow | undefined>(
    (least, row) => (least === undefined || row.y < least.y ? row : least),
    undefined,
  );
  if (lowest === undefined || lowest === rows[0] || lowest === rows.at(-1)) return [];
  const { x, y, setting } = lowest;
  return [{ x, y, setting, text: `${setting}: ${short(y)} at ${symbol} = ${short(x)}` }];
}

/** Everything about a metric as differences to the first setting, at the places that both have. */
function differences(rows: readonly Rows[]): readonly Rows[] {
  const [first, ...others] = rows;
  if (first === undefined) return [];
  const lawAt = new Map(first.law.map((row) => [row.x, row]));
  const trialsAt = new Map(first.trials.map((row) => [row.x, row]));
  return others.map(({ law, trials }) => ({
    law: law.flatMap((row) => {
      const base = lawAt.get(row.x);
      return base === undefined ? [] : [{ ...row, y: row.y - base.y, reliable: row.reliable && base.reliable }];
    }),
    trials: trials.flatMap((row) => {
      const base = trialsAt.get(row.x);
      if (base === undefined) return [];
      const mean = row.mean - base.mean;
      const margin = Math.hypot(row.high - row.mean, base.high - base.mean);
      return [{ ...row, mean, low: mean - margin, high: mean + margin, reliable: row.reliable && base.reliable }];
    }),
    best: [],
  }));
}

/** What is drawn of a metric. */
export function rowsOf({ state, settings, isRefined }: Results, metric: string): Rows {
  const symbol = kAxes[state.along]?.symbol ?? '';
  const every = settings.map((setting, i) => {
    const law = lawRows(setting, i, metric, isRefined);
    return { law, trials: trialsRows(setting, i, metric), best: metric === 'error' ? bestRow(law, symbol) : [] };
  });
  const shown = state.difference ? differences(every) : every;
  const all = {
    law: shown.flatMap(({ law }) => law),
    trials: shown.flatMap(({ trials }) => trials),
    best: shown.flatMap(({ best }) => best),
  };
  if (!state.logarithmic || state.difference || metric !== 'error') return all;
  // A logarithmic axis has no place for 0.
  const values = [...all.law.map(({ y }) => y), ...all.trials.map(({ mean }) => mean)].filter((value) => value > 0);
  const least = Math.min(...values) / 2;
  return {
    law: all.law.filter(({ y }) => y > 0),
    trials: all.trials.filter(({ mean }) => mean > 0).map((row) => ({ ...row, low: Math.max(row.low, least) })),
    best: all.best.filter(({ y }) => y > 0),
  };
}

/** Metrics that laws or trials have beside the test error. */
export function otherMetrics({ settings }: Results): readonly string[] {
  const kShown = ['relevantAttention', 'contextOverlap', 'signalOverlap', 'promptNorm', 'headNorm', 'trainingLoss'];
  const present = new Set(
    settings.flatMap(({ laws, trials }) => [
      ...laws.filter(isLaw).flatMap((law) => Object.keys(law)),
      ...trials.filter(isDone).flatMap(({ metrics }) => Object.keys(metrics)),
    ]),
  );
  return kShown.filter((metric) => present.has(metric));
}

/** What a reader should know of each setting; usually nothing. */
export function remarks({ state, settings, isRefined }: Results): readonly string[] {
  return settings.flatMap(({ places, laws, trials }, i) => {
    const name = kNames[i] as string;
    if (places.length === 0) return [`${name} has no ${kAxes[state.along]?.symbol ?? 'such option'}.`];
    const problem = [...laws, ...trials].find((each) => each !== null && each !== undefined && 'problem' in each);
    const unreliable = isRefined ? laws.filter((law) => isLaw(law) && law.error?.reliable === false).length : 0;
    const marked = trials.filter((each) => isDone(each) && each.marks.length > 0).length;
    const failed = trials.filter(isDone).reduce((sum, each) => sum + each.failed, 0);
    return [
      ...(laws.length > 0 && laws.every((law) => law === null) ? [`${name} has no law: points are simulation.`] : []),
      ...(problem !== null && problem !== undefined && 'problem' in problem ? [`${name}: ${problem.problem}.`] : []),
      ...(unreliable > 0 ? [`${name}: the law is not reliable at ${unreliable} places, marked by small circles.`] : []),
      ...(marked > 0 ? [`${name}: ${marked} means of trials are not reliable, drawn hollow.`] : []),
      ...(failed > 0 ? [`${name}: ${failed} trials failed and are left out.`] : []),
    ];
  });
}

/** All numbers as CSV: a line per place, of laws and of simulation. */
export function csvOf({ state, settings }: Results): string {
  const number = (value: number | null | undefined) => (value === null || value === undefined ? '' : String(value));
  const lines = settings.flatMap(({ places, laws, trialPlaces, trials }, i) => [
    ...places.flatMap(({ x }, at) => {
      const law = laws[at];
      const error = isLaw(law) ? law.error : undefined;
      if (error === undefined) return [];
      const half = 1.96 * (error.standardError ?? Number.NaN);
      const ends = error.mean === null || Number.isNaN(half) ? ['', ''] : [error.mean - half, error.mean + half];
      return [[kNames[i], 'law', x, number(error.mean), ...ends, '', error.reliable !== false]];
    }),
    ...trialPlaces.flatMap(({ x }, at) => {
      const done = trials[at];
      if (!isDone(done)) return [];
      const { mean, low, high } = done.metrics.error as Interval;
      return [
        [kNames[i], 'simulation', x, number(mean), number(low), number(high), done.trials, done.marks.length === 0],
      ];
    }),
  ]);
  const heading = [
    'setting',
    'source',
    kAxes[state.along]?.symbol ?? 'x',
    'error',
    'low',
    'high',
    'trials',
    'reliable',
  ];
  return [heading, ...lines].map((line) => `${line.join(',')}\n`).join('');
}

/** A setting in a few words, for legends and tabs. */
export function described(experiment: Experiment): string {
  const n = `n = ${optionAt(experiment, 'examples')}`;
  if (experiment.kind === 'known-prompt')
    return `τ = ${short(Number(experiment.inverseTemperature))}, ${optionAt(experiment, 'head.kind')}, ${n}`;
  if (experiment.kind === 'three-step') return `three steps, ${n}`;
  return `${String(experiment.model)}, ${experiment.steps} steps, ${n}`;
}
