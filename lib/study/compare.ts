import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import { canonicalJson } from '../base/hash.js';
import { parseOptions } from '../base/options.js';
import { cellKey } from '../simulation/kinds.js';
import type { Batch } from './batches.js';
import { metricNames, StudyCells } from './cells.js';
import type { FactorValue } from './definition/factors.js';
import { consecutive } from './read.js';
import { type OpenStudy, openForReading } from './sqlite.js';
import { CellAccumulator, intervalFactor, Moments } from './statistics.js';

/** Which cells are compared. */
export interface CompareOptions {
  /**
   * Path of the factor whose levels are compared. Default: every factor that chooses a method (`kind`, `head`, `debias`, `model`,
   * `loss`, `optimizer`, `data` or a part of them): such cells share their random numbers.
   */
  readonly factor?: string | undefined;
  /** Level that the others are compared with. Default: the first. */
  readonly baseline?: FactorValue | undefined;
  /** Which metric: one that some cell of the study has. Default `error`. */
  readonly metric?: string | undefined;
}

/** The mean difference of a metric between two cells that differ in one factor, from pairs of trials with the same index. */
export interface PairedDifference {
  /** Position of the cell. */
  readonly cell: number;
  /** Position of the cell that it is compared with. */
  readonly baselineCell: number;
  /** Levels of the factors that are compared: those of the cell. */
  readonly level: Readonly<Record<string, FactorValue>>;
  /** The same of the baseline. */
  readonly baseline: Readonly<Record<string, FactorValue>>;
  /** Levels of the other factors of the cell. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /** The metric that is compared. */
  readonly metric: string;
  /** Pairs of trials, both successful. */
  readonly pairs: number;
  /** Mean of (cell − baseline) over the pairs. */
  readonly difference: number;
  /** Standard error of `difference`, from the sample standard deviation of the differences. */
  readonly standardError: number;
  /** Lower end of the 95 % interval of the difference. */
  readonly intervalLow: number;
  /** Upper end of it. */
  readonly intervalHigh: number;
  /** What the standard error would be if the two cells had independent random numbers. */
  readonly unpairedStandardError: number;
  /** Whether the two cells draw the same random numbers. */
  readonly commonRandomNumbers: boolean;
  /** Whether the test errors of both cells have means that can be trusted: see {@link StudyRow.marks}. */
  readonly reliable: boolean;
}

/** Options that choose a method: compared unless told otherwise. */
const kMethodOptions: ReadonlySet<string> = new Set(['kind', 'head', 'debias', 'model', 'loss', 'optimizer', 'data']);

const optionsSchema = z.strictObject({
  factor: z.string({ error: 'the path of a factor' }).optional(),
  baseline: z.custom<FactorValue>().optional(),
  metric: z.string({ error: 'the name of a metric' }).default('error'),
});

const topOption = (path: string) => path.split('.', 1)[0] as string;

function comparedAxes(cells: StudyCells, factor: string | undefined): readonly number[] {
  const isCompared = (path: string) => (factor === undefined ? kMethodOptions.has(topOption(path)) : path === factor);
  const axes = [...cells.axes.keys()].filter((axis) => cells.axes[axis]?.paths.some(isCompared));
  if (axes.length > 0 || factor === undefined) return axes;
  throw new OptionRangeError('factor', `one of ${cells.axes.flatMap(({ paths }) => paths).join(', ')}`, factor);
}

/** The level of an axis to compare with. */
function baselineLevel(cells: StudyCells, axis: number, { factor, baseline }: CompareOptions): number {
  if (baseline === undefined) return 0;
  const { paths, levels } = cells.axes[axis] as StudyCells['axes'][number];
  const path = factor ?? (paths[0] as string);
  const found = levels.findIndex((level) => canonicalJson(level[path]) === canonicalJson(baseline));
  if (found >= 0) return found;
  const known = levels.map((level) => JSON.stringify(level[path])).join(', ');
  throw new OptionRangeError('baseline', `a level of ${path}: one of ${known}`, baseline);
}

/** Pairs of cells that differ on one axis, the second at the baseline; an axis that a cell has no option of does not count. */
function* pairsOn(cells: StudyCells, axis: number, baseline: number): Generator<readonly [number, number]> {
  const contexts = new Map<string, number[]>();
  const levels = Array.from({ length: cells.length }, (_, index) => cells.levelsOf(index));
  const others = (index: number) => (levels[index] as readonly number[]).filter((_, i) => i !== axis);
  const baselines = levels.flatMap((own, index) => (own[axis] === baseline ? [index] : []));
  for (const index of baselines) {
    const context = others(index).join();
    contexts.set(context, [...(contexts.get(context) ?? []), index]);
  }
  for (let index = 0; index < cells.length; ++index) {
    if (levels[index]?.[axis] === baseline || levels[index]?.[axis] === -1) continue;
    const own = others(index);
    const exact = contexts.get(own.join());
    const matches = (other: readonly number[]) =>
      other.every((level, i) => level === own[i] || level === -1 || own[i] === -1);
    for (const partner of exact ?? baselines.filter((other) => matches(others(other)))) yield [index, partner];
  }
}

/** The values of a metric over the trials of a cell; NaN where a trial failed. Undefined if the cell has no such metric. */
function valuesOf(batches: readonly Batch[], metric: string): Float64Array | undefined {
  if (batches.length === 0 || batches.some(({ metrics, status }) => metrics[metric]?.length !== status.length))
    return undefined;
  const parts = batches.map(({ metrics, status }) =>
    (metrics[metric] as Float64Array).map((value, trial) => (status[trial] === 0 ? value : Number.NaN)),
  );
  const values = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    values.set(part, filled);
    filled += part.length;
  }
  return values;
}

async function differencesIn({ store, header }: OpenStudy, options: CompareOptions): Promise<PairedDifference[]> {
  const { factor, metric = 'error' } = options;
  const cells = StudyCells.of(header.spec);
  const known = metricNames(cells);
  if (!known.includes(metric)) throw new OptionRangeError('metric', `one of ${known.join(', ')}`, metric);
  const read = async (cell: number) => {
    const batches = consecutive(store.where, await store.readBatches(header.id, cell));
    const accumulator = new CellAccumulator();
    for (const batch of batches) accumulator.add(batch);
    return { values: valuesOf(batches, metric), reliable: accumulator.statistics().marks.length === 0 };
  };
  const differences: PairedDifference[] = [];
  for (const axis of comparedAxes(cells, factor)) {
    const paths = new Set(cells.axes[axis]?.paths);
    for (const [index, partner] of pairsOn(cells, axis, baselineLevel(cells, axis, options))) {
      const { values, reliable } = await read(index);
      const { values: baselines, reliable: partnerReliable } = await read(partner);
      if (values === undefined || baselines === undefined) continue;
      const [difference, own, other] = [new Moments(), new Moments(), new Moments()];
      let pairs = 0;
      for (let trial = 0; trial < Math.min(values.length, baselines.length); ++trial) {
        const [a, b] = [values[trial] as number, baselines[trial] as number];
        if (Number.isNaN(a) || Number.isNaN(b)) continue;
        difference.add(a - b);
        own.add(a);
        other.add(b);
        pairs += 1;
      }
      const { mean, standardError } = difference.estimate();
      const [cell, baselineCell] = [cells.at(index), cells.at(partner)];
      const entries = Object.entries(cell.factors);
      const margin = intervalFactor(pairs) * standardError;
      differences.push({
        cell: index,
        baselineCell: partner,
        level: Object.fromEntries(entries.filter(([path]) => paths.has(path))),
        baseline: Object.fromEntries(Object.entries(baselineCell.factors).filter(([path]) => paths.has(path))),
        factors: Object.fromEntries(entries.filter(([path]) => !paths.has(path))),
        metric,
        pairs,
        difference: mean,
        standardError,
        intervalLow: mean - margin,
        intervalHigh: mean + margin,
        unpairedStandardError: Math.hypot(own.estimate().standardError, other.estimate().standardError),
        commonRandomNumbers: cellKey(cell.experiment).join() === cellKey(baselineCell.experiment).join(),
        reliable: reliable && partnerReliable,
      });
    }
  }
  return differences;
}

/**
 * Paired differences between the levels of a factor, every other factor being equal.
 *
 * Trial t of one cell is compared with trial t of the other. Cells that differ only in the method (kind, head, debiasing, model,
 * loss, optimiser) draw the same random numbers, so that the difference is known better than either mean; the standard error is
 * right either way. Heads of a known prompt share their noise where both are solved directly: trials of 0.25 ms and more may be
 * solved by conjugate gradients unless `solver` is `'direct'`.
 *
 * @param file A result file.
 * @throws {@link StoreError} if the file cannot be read; {@link OptionRangeError} if there is no such factor, level or metric.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * await study.run(
 *   {
 *     name: 'heads', seed: 1, trials: 64,
 *     experiment: {
 *       kind: 'known-prompt',
 *       mixture: { tokens: 8, dimension: 40, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
 *       inverseTemperature: 0.5,
 *     },
 *     factors: { examples: [80, 160], head: [{ kind: 'averaging' }, { kind: 'least-squares' }] },
 *   },
 *   { out: 'heads.sqlite' },
 * );
 * for (const { factors, difference, standardError } of await study.compare('heads.sqlite'))
 *   console.log(factors, difference, standardError);
 * ```
 */
export async function compare(file: string, options: CompareOptions = {}): Promise<readonly PairedDifference[]> {
  const parsed = parseOptions(optionsSchema, options, '');
  const opened = await openForReading(file);
  try {
    return await opened.store.inOneView((store) => differencesIn({ ...opened, store }, parsed));
  } finally {
    await opened.store.close();
  }
}
