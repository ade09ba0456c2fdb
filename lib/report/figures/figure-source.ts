import { OptionRangeError, OptionTypeError } from '../../base/errors.js';
import type { Simulation } from '../../simulation/simulate.js';
import type { FactorValue } from '../../study/definition/factors.js';
import type { StudyResult, StudyRow } from '../../study/rows.js';
import { summary } from '../../study/summary.js';
import { metricLabel } from '../labels.js';
import { kTestError, marginOf, metricQuantity } from './curves.js';
import type { DrawnPoint } from './layers.js';

/** A row of numbers and names, as of a CSV file. */
export type FigureRecord = Readonly<Record<string, unknown>>;

/** Arrays of one length by name, as laws return them along a curve; what is no array is not looked at. */
export type FigureCurve = Readonly<Record<string, unknown>>;

/** What {@link figure} can draw. */
export type FigureSource =
  | Simulation
  | StudyResult
  | readonly StudyResult[]
  | readonly StudyRow[]
  | readonly FigureRecord[]
  | FigureCurve;

/** How the values of a source are named. */
export interface FieldNames {
  readonly x?: string | undefined;
  readonly y: string;
  readonly interval: boolean | string | readonly [string, string];
  readonly theory: boolean | string;
}

/** One place of a figure: what it may be put in series, panels and along the axis by, and what is drawn there. */
export interface SourcePoint extends Pick<DrawnPoint, 'value' | 'low' | 'high' | 'theory' | 'marked'> {
  readonly fields: Readonly<Record<string, FactorValue>>;
}

/** A source as points. */
export interface SourceContent {
  readonly points: readonly SourcePoint[];
  /** The rows behind them, where it is one of studies. */
  readonly rows?: readonly StudyRow[] | undefined;
  /** What is along the horizontal axis unless something else is said. */
  readonly x?: string | undefined;
  /** What the points are, in words. */
  readonly pointsAre: string;
  /** Whether points are connected; by default where there is no law. */
  readonly isConnected?: boolean | undefined;
}

/** Half the width of a 95 % interval in standard errors that are known. */
const kNormal = 1.96;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
const isArray = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
const numberOf = (value: unknown): number | null => (typeof value === 'number' && !Number.isNaN(value) ? value : null);

/** What of a record may be a level: numbers, texts and truth values. */
function levelsOf(record: FigureRecord): Readonly<Record<string, FactorValue>> {
  const levels = Object.entries(record).filter(([, value]) => ['number', 'string', 'boolean'].includes(typeof value));
  return Object.fromEntries(levels) as Readonly<Record<string, FactorValue>>;
}

function unknownField(option: string, names: readonly string[], given: string): never {
  throw new OptionRangeError(option, `one of ${names.map((name) => `'${name}'`).join(', ')}`, given);
}

/** The points of records; with `isLaw` their values are those of a law. */
function recordPoints(
  records: readonly FigureRecord[],
  { y, interval, theory }: FieldNames,
  isLaw: boolean,
): readonly SourcePoint[] {
  const names = [...new Set(records.flatMap(Object.keys))];
  const fields = [['y', y], ['interval', interval].flat(), ['theory', theory]].flatMap(([option, ...given]) =>
    given.flatMap((name) => (typeof name === 'string' ? [[option as string, name] as const] : [])),
  );
  for (const [option, name] of fields) if (!names.includes(name)) unknownField(option, names, name);
  return records.map((record) => {
    const value = numberOf(record[y]);
    const margin = typeof interval === 'string' ? numberOf(record[interval]) : null;
    const ends = Array.isArray(interval) ? interval.map((name) => numberOf(record[name])) : [];
    const around = (sign: number) => (value === null || margin === null ? value : value + sign * kNormal * margin);
    return {
      fields: levelsOf(record),
      value: isLaw ? null : value,
      low: ends[0] ?? around(-1),
      high: ends[1] ?? around(1),
      theory: isLaw ? value : typeof theory === 'string' ? numberOf(record[theory]) : null,
      marked: record.reliable === false,
    };
  });
}

/** Trials as points, or, along the training, their means. */
function simulationContent(simulation: Simulation, names: FieldNames): SourceContent {
  const { metrics, path, status, firstTrial } = simulation;
  const { y, interval } = names;
  const x = names.x ?? (path === undefined ? 'trial' : 'steps');
  if (path !== undefined && x === 'steps') {
    const along = summary(simulation).path?.metrics ?? {};
    const metric = along[y] ?? unknownField('y', Object.keys(along), y);
    const points = Array.from(path.steps, (steps, i): SourcePoint => {
      const value = numberOf(metric.mean[i]);
      const end = (ends: readonly number[]) => (interval === false ? value : (numberOf(ends[i]) ?? value));
      return {
        fields: { steps },
        value,
        low: end(metric.intervalLow),
        high: end(metric.intervalHigh),
        theory: null,
        marked: false,
      };
    });
    return { points, x, pointsAre: 'means over trials with 95 % intervals' };
  }
  if (!Object.hasOwn(metrics, y)) unknownField('y', Object.keys(metrics), y);
  const records = Array.from(status, (code, i) => ({
    code,
    trial: firstTrial + i,
    ...Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, values[i]])),
  }));
  const points = recordPoints(
    records.filter(({ code }) => code === 0),
    { ...names, interval: false, theory: false },
    false,
  );
  return { points, x, pointsAre: 'trials', isConnected: false };
}

function rowsContent(rows: readonly StudyRow[], { y, interval, theory }: FieldNames): SourceContent {
  const metrics = [...new Set(rows.flatMap((row) => [...Object.keys(row.metrics), ...Object.keys(row.metricTheory)]))];
  if (y !== 'error' && !metrics.includes(y)) unknownField('y', ['error', ...metrics], y);
  const quantity = y === 'error' ? kTestError : metricQuantity(y, metricLabel(y));
  const points = rows.map((row): SourcePoint => {
    const estimate = quantity.estimate(row);
    const margin = estimate === null || interval === false ? 0 : marginOf(row, estimate);
    return {
      fields: { study: row.study, ...row.factors },
      value: estimate?.mean ?? null,
      low: estimate && Math.max(estimate.mean - margin, quantity.limits[0]),
      high: estimate && Math.min(estimate.mean + margin, quantity.limits[1]),
      theory: theory === false ? null : quantity.theory(row),
      marked: !quantity.reliable(row),
    };
  });
  return { points, rows, pointsAre: `simulation${interval === false ? '' : ' with 95 % intervals'}` };
}

/** A curve as records: one per place in its arrays. */
function curveRecords(curve: FigureCurve): readonly FigureRecord[] {
  const arrays = Object.entries(curve).flatMap(([name, value]) => (isArray(value) ? [[name, value] as const] : []));
  const [first] = arrays;
  if (first === undefined)
    throw new OptionTypeError('source', 'a simulation, rows, records or arrays of one length', curve);
  const { length } = first[1];
  for (const [name, values] of arrays)
    if (values.length !== length) throw new OptionRangeError(`source.${name}`, `an array of length ${length}`, values);
  return Array.from({ length }, (_, i) => Object.fromEntries(arrays.map(([name, values]) => [name, values[i]])));
}

const isRow = (value: unknown): value is StudyRow => isObject(value) && 'meanError' in value && isObject(value.factors);
const isResult = (value: unknown): value is StudyResult => isObject(value) && Array.isArray(value.rows);

/** The points of whatever can be drawn. */
export function readSource(source: unknown, names: FieldNames): SourceContent {
  if (!isObject(source))
    throw new OptionTypeError('source', 'a simulation, rows, records or arrays of one length', source);
  if (isResult(source)) return rowsContent(source.rows, names);
  if (Array.isArray(source)) {
    // Read once: what is looked at below is what was checked.
    const list: readonly unknown[] = [...source];
    if (list.length > 0 && list.every(isResult))
      return rowsContent(
        list.flatMap(({ rows }) => rows),
        names,
      );
    if (list.length > 0 && list.every(isRow)) return rowsContent(list, names);
    if (!list.every(isObject)) throw new OptionTypeError('source', 'an array of objects', source);
    const hasInterval = typeof names.interval !== 'boolean';
    return {
      points: recordPoints(
        list.map((record) => ({ ...record })),
        names,
        false,
      ),
      pointsAre: hasInterval ? 'values with intervals' : 'values',
    };
  }
  if (isObject(source.metrics) && ArrayBuffer.isView(source.status))
    return simulationContent(source as unknown as Simulation, names);
  const isLaw = typeof names.interval === 'boolean';
  return {
    points: recordPoints(curveRecords(source), names, isLaw),
    pointsAre: 'values with intervals',
    isConnected: true,
  };
}
