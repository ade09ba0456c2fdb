import { createHash } from 'node:crypto';
import { OptionRangeError, OptionTypeError, StudyError } from '../base/errors.js';
import { canonicalJson } from '../base/hash.js';
import type { SimulationMethod } from '../base/kind.js';
import { isInKey } from '../mixture/mixture.js';
import { kindOf, parseExperiment, type ResolvedExperiment, resolveMethod } from '../simulation/kinds.js';
import { type Expression, parseExpression } from './definition/expressions.js';
import { type FactorValue, factorText, optionsOfKind, withOption } from './definition/factors.js';
import type { StudySpec } from './definition/study-options.js';

/** One point of a study's grid: a complete experiment and how its trials are run. */
export interface StudyCell {
  /** Position of the cell in its study, from 0. */
  readonly index: number;
  /** SHA-256, in hexadecimal, of the canonical JSON of `{ experiment, method, testDraws }`: the identity of the cell's row. */
  readonly key: string;
  /** The level of every factor that the cell's experiment has, in the order of the study's factors. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /** The experiment with every default filled in; `simulate(experiment, { seed: study.seed, … })` runs the cell's trials. */
  readonly experiment: ResolvedExperiment;
  readonly method: SimulationMethod;
  /** Draws that estimate the test error of each trial. */
  readonly testDraws: number;
}

/** Options that vary together: one factor, or the lists of one zip. */
export interface StudyAxis {
  readonly paths: readonly string[];
  /** One entry per level: the value of each path. */
  readonly levels: readonly Readonly<Record<string, FactorValue>>[];
}

interface LinkedOption {
  readonly path: string;
  readonly value: Expression;
}

/** The axes of a study: its factors, then its zips. */
function axesOf(spec: StudySpec): readonly StudyAxis[] {
  return [...Object.entries(spec.factors).map(([path, levels]) => ({ [path]: levels })), ...spec.zip].map((group) => {
    const paths = Object.keys(group);
    const count = group[paths[0] as string]?.length ?? 0;
    const level = (i: number) => Object.fromEntries(paths.map((path) => [path, group[path]?.[i] as FactorValue]));
    return { paths, levels: Array.from({ length: count }, (_, i) => level(i)) };
  });
}

/** A point of the full grid: its factors and the options they make. */
interface Combination {
  readonly factors: Readonly<Record<string, FactorValue>>;
  /** Everything that the study says, for expressions. */
  readonly options: unknown;
  /** The part that the experiment's kind has. */
  readonly experiment: unknown;
  /** Whether some factor is not among the options of the experiment's kind. */
  readonly reduced: boolean;
}

const topOption = (path: string) => path.split('.', 1)[0] as string;

/**
 * The cells of a study: the full grid of its axes, the last axis varying fastest, without what is excluded. Cells are made when
 * asked for, so that a study of 10⁵ cells takes no more memory than a list of their positions.
 */
export class StudyCells {
  /** Factors, then zips. */
  readonly axes: readonly StudyAxis[];
  /** All varying options: those of the axes, then the linked ones. */
  readonly paths: readonly string[];
  private readonly linked: readonly LinkedOption[];
  private readonly variesKind: boolean;
  /** Position in the full grid of every cell. */
  private readonly grid: Uint32Array;

  private constructor(private readonly spec: StudySpec) {
    this.axes = axesOf(spec);
    this.linked = Object.entries(spec.linked).map(([path, text]) => ({
      path,
      value: parseExpression(text, `linked.${path}`),
    }));
    this.paths = [...this.axes.flatMap((axis) => axis.paths), ...this.linked.map(({ path }) => path)];
    this.variesKind = this.paths.includes('kind');
    this.grid = this.findCells();
  }

  private static readonly known = new WeakMap<StudySpec, StudyCells>();

  /**
   * The cells of a study, every one of them checked.
   *
   * @throws {@link StudyError} if the experiment of a cell is not valid (the error names the option and the cell), if two
   * cells are the same experiment, or if none is left.
   */
  static of(spec: StudySpec): StudyCells {
    const cells = StudyCells.known.get(spec) ?? new StudyCells(spec);
    StudyCells.known.set(spec, cells);
    return cells;
  }

  get length(): number {
    return this.grid.length;
  }

  /** The cell at a position in [0, length). */
  at(index: number): StudyCell {
    const { factors, experiment } = this.combine(this.grid[index] as number);
    return this.checkedCell(index, factors, experiment);
  }

  *[Symbol.iterator](): Generator<StudyCell> {
    for (let index = 0; index < this.length; ++index) yield this.at(index);
  }

  /** The level of a cell on every axis; −1 on an axis that the cell's experiment has no option of. */
  levelsOf(index: number): readonly number[] {
    const position = this.grid[index] as number;
    const { factors } = this.combine(position);
    return this.digits(position).map((digit, axis) =>
      this.axes[axis]?.paths.some((path) => Object.hasOwn(factors, path)) ? digit : -1,
    );
  }

  private digits(position: number): number[] {
    let rest = position;
    const digits = [...this.axes].reverse().map(({ levels }) => {
      const digit = rest % levels.length;
      rest = (rest - digit) / levels.length;
      return digit;
    });
    return digits.reverse();
  }

  /** What a position of the full grid stands for, not validated yet. */
  private combine(position: number): Combination {
    const factors: Record<string, FactorValue> = {};
    for (const [axis, digit] of this.digits(position).entries()) Object.assign(factors, this.axes[axis]?.levels[digit]);
    let options: unknown = this.spec.experiment;
    for (const [path, value] of Object.entries(factors)) options = withOption(options, path, value);
    const own = this.variesKind ? optionsOfKind(factors.kind) : undefined;
    const has = (path: string) => own === undefined || own.has(topOption(path));
    for (const { path, value } of this.linked) {
      if (!has(path)) continue;
      factors[path] = value(options);
      options = withOption(options, path, factors[path]);
    }
    if (own === undefined) return { factors, options, experiment: options, reduced: false };
    const kept = Object.entries(factors).filter(([path]) => has(path));
    return {
      factors: Object.fromEntries(kept),
      options,
      experiment: Object.fromEntries(Object.entries(options as object).filter(([name]) => own.has(name))),
      reduced: kept.length < Object.keys(factors).length,
    };
  }

  private checkedCell(index: number, factors: StudyCell['factors'], options: unknown): StudyCell {
    const { method: wanted, testDraws } = this.spec;
    try {
      const experiment = parseExperiment(options, 'experiment');
      const method = resolveMethod(experiment, wanted);
      const key = createHash('sha256').update(canonicalJson({ experiment, method, testDraws }, isInKey)).digest('hex');
      return Object.freeze({ index, key, factors: Object.freeze(factors), experiment, method, testDraws });
    } catch (error) {
      if (!(error instanceof OptionTypeError || error instanceof OptionRangeError)) throw error;
      const where = factorText(factors);
      throw new StudyError(where === '' ? error.message : `${error.message} (in the cell ${where})`, { cause: error });
    }
  }

  private findCells(): Uint32Array {
    const size = this.axes.reduce((product, axis) => product * axis.levels.length, 1);
    if (size > 2 ** 31) throw new StudyError(`factors: the grid has ${size} cells; at most 2^31 are possible`);
    const excluded = this.spec.exclude.map((text, i) => ({ text, holds: parseExpression(text, `exclude[${i}]`) }));
    const isExcluded = (options: unknown) =>
      excluded.some(({ text, holds }, i) => {
        const value = holds(options);
        if (typeof value === 'boolean') return value;
        throw new StudyError(
          `exclude[${i}]: must be true or false for every cell; ${text} is ${JSON.stringify(value)}`,
        );
      });
    const positions: number[] = [];
    const keys = new Map<string, StudyCell['factors']>();
    for (let position = 0; position < size; ++position) {
      const { factors, options, experiment, reduced } = this.combine(position);
      if (isExcluded(options)) continue;
      const cell = this.checkedCell(positions.length, factors, experiment);
      const same = keys.get(cell.key);
      // The same experiment again, because the cell's kind does not have the option that varies.
      if (same !== undefined && reduced) continue;
      if (same !== undefined)
        throw new StudyError(
          `factors: the cells ${factorText(same)} and ${factorText(cell.factors)} are the same experiment`,
        );
      this.requireMetric(cell);
      keys.set(cell.key, factors);
      positions.push(position);
    }
    if (positions.length === 0) throw new StudyError('exclude: leaves no cell');
    return Uint32Array.from(positions);
  }

  private requireMetric({ experiment, method, factors }: StudyCell): void {
    const metrics = kindOf(experiment).metrics(experiment, method);
    const { metric } = this.spec.trials;
    if (metrics.includes(metric)) return;
    throw new StudyError(
      `trials.metric must be one of ${metrics.join(', ')}; got ${JSON.stringify(metric)} (in the cell ${factorText(factors)})`,
    );
  }
}

/** Every metric that some cell of a study has, in the order in which their kinds list them. */
export function metricNames(cells: StudyCells): readonly string[] {
  const names = new Set<string>();
  for (const { experiment, method } of cells)
    for (const name of kindOf(experiment).metrics(experiment, method)) names.add(name);
  return [...names];
}
