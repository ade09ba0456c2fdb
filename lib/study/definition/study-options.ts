import type { SimulationMethod } from '../../base/kind.js';
import type { Experiment } from '../../simulation/kinds.js';
import type { FactorValue } from './factors.js';
import type { LevelRange } from './levels.js';
import type { TrialsRule } from './schedule.js';

/** An experiment that may lack what the factors of a study provide. */
export type PartialExperiment<Kind extends Experiment = Experiment> = Kind extends Experiment
  ? { readonly [Name in keyof Kind]?: Kind[Name] extends object ? Partial<Kind[Name]> : Kind[Name] }
  : never;

/** A study as it is written: one experiment, the factors that vary in it, and how many trials each combination gets. */
export interface StudyOptions {
  /** Letters, digits, `.`, `_` and `-`, beginning with a letter or digit. Names the result file unless told otherwise. */
  readonly name: string;
  /** An integer in [0, 2⁵³), a bigint in [0, 2⁶⁴), or such a number in decimal digits as text. In files any integer in [0, 2⁶⁴). */
  readonly seed: number | bigint | string;
  /** What all cells share; may lack what the factors provide. */
  readonly experiment: PartialExperiment;
  /**
   * Dotted path into the experiment → non-empty array of levels, or a range of numbers. The study runs every combination.
   * Default: no factors, that is one cell. If `kind` varies, a cell ignores what experiments of its kind have no option for.
   */
  readonly factors?: Readonly<Record<string, Levels>> | undefined;
  /** Groups of factors that vary together: the lists of a group have the same length, and the study runs them in step. */
  readonly zip?: readonly Readonly<Record<string, Levels>>[] | undefined;
  /**
   * Dotted path into the experiment → expression over the other options, evaluated in every cell, for example
   * `{ 'stepSizes.prompt': '0.1 * sqrt(mixture.dimension)' }`. Expressions may use numbers, texts, `true`, `false`, options by their
   * path, `+ - * / % **`, comparisons, `&& || !`, `a ? b : c`, arrays and the functions abs, ceil, exp, floor, log, log2, log10, max,
   * min, round, sqrt; those further down may use the ones above.
   */
  readonly linked?: Readonly<Record<string, string>> | undefined;
  /** Expressions, true for the cells to leave out, for example `examples < mixture.dimension`. */
  readonly exclude?: readonly string[] | undefined;
  /** Default: `'projected'` where it is exact, else `'dense'`. */
  readonly method?: SimulationMethod | undefined;
  /** Draws that estimate the test error of each trial: an integer in [1, 2³¹). Default 1000. */
  readonly testDraws?: number | undefined;
  /** A rule, or an integer ≥ 1: that many trials for every cell; `'theory-only'`: no trials, only the law of every cell. */
  readonly trials: TrialsRuleOptions | number | 'theory-only';
  /** Whether the law of every cell is computed beside the simulation, and from how many draws. Default true. */
  readonly theory?: boolean | TheoryOptions | undefined;
}

/** How laws are computed. */
export interface TheoryOptions {
  /** Draws behind each: an integer in [64, 2³¹). */
  readonly draws: number;
}

/** The levels of a factor. */
export type Levels = readonly FactorValue[] | LevelRange;

/** {@link TrialsRule} as it is written. */
export type TrialsRuleOptions = Pick<TrialsRule, 'minimum' | 'maximum'> & {
  readonly [Name in keyof Omit<TrialsRule, 'minimum' | 'maximum'>]?: TrialsRule[Name] | undefined;
};

/** A validated study with every default filled in; frozen. Make one with {@link define}. */
export interface StudySpec {
  /** As in {@link StudyOptions}. */
  readonly name: string;
  /** A bigint only where a number could not hold it. */
  readonly seed: number | bigint;
  /** What all cells share. */
  readonly experiment: PartialExperiment;
  /** Dotted path into the experiment → levels. */
  readonly factors: Readonly<Record<string, readonly FactorValue[]>>;
  /** Groups of factors that vary together. */
  readonly zip: readonly Readonly<Record<string, readonly FactorValue[]>>[];
  /** Dotted path into the experiment → expression. */
  readonly linked: Readonly<Record<string, string>>;
  /** Expressions, true for the cells left out. */
  readonly exclude: readonly string[];
  /** Left out if the study leaves the choice to each cell. */
  readonly method?: SimulationMethod | undefined;
  /** Draws that estimate the test error of each trial. */
  readonly testDraws: number;
  /** A fixed number of trials n is the rule with minimum and maximum n. */
  readonly trials: TrialsRule;
  /** Whether the law of every cell is computed beside the simulation, and from how many draws. */
  readonly theory: boolean | TheoryOptions;
}
