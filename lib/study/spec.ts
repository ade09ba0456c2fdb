import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { OptionRangeError, OptionTypeError, StudyError } from '../errors.js';
import { canonicalJson, type Experiment, type SimulationMethod } from '../experiment.js';
import { integerFrom, nonNegativeNumber, oneOf, parseOptions, seedSchema } from '../options.js';
import { studyCells } from './cells.js';
import { checkFactorPaths, type FactorValue } from './factors.js';
import type { TrialsRule } from './schedule.js';

/** An experiment that may lack what the factors of a study provide. */
export type PartialExperiment<Kind extends Experiment = Experiment> = Kind extends Experiment
  ? { readonly [Name in keyof Kind]?: Kind[Name] extends object ? Partial<Kind[Name]> : Kind[Name] }
  : never;

/** A study as it is written: one experiment, the factors that vary in it, and how many trials each combination gets. */
export interface StudyOptions {
  /** Letters, digits, `.`, `_` and `-`, beginning with a letter or digit. Names the result file unless told otherwise. */
  readonly name: string;
  /** An integer in [0, 2⁵³), a bigint in [0, 2⁶⁴), or such a number in decimal digits as text (for files). */
  readonly seed: number | bigint | string;
  /** What all cells share; may lack what the factors provide. */
  readonly experiment: PartialExperiment;
  /**
   * Dotted path into the experiment → non-empty array of levels. The study runs every combination. Default: no factors,
   * that is one cell.
   */
  readonly factors?: Readonly<Record<string, readonly FactorValue[]>> | undefined;
  /** Default: `'projected'` where it is exact, else `'dense'`. */
  readonly method?: SimulationMethod | undefined;
  /** Draws that estimate the test error of each trial: an integer in [1, 2³¹). Default 1000. */
  readonly testDraws?: number | undefined;
  /** A rule, or an integer ≥ 1: that many trials for every cell. */
  readonly trials: TrialsRule | number;
  /** Whether the exact asymptotic risk is computed beside the simulation. Default true. */
  readonly theory?: boolean | undefined;
}

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
  /** Left out if the study leaves the choice to each cell. */
  readonly method?: SimulationMethod | undefined;
  /** Draws that estimate the test error of each trial. */
  readonly testDraws: number;
  /** A fixed number of trials n is the rule { minimum: n, maximum: n, standardError: 0 }. */
  readonly trials: TrialsRule;
  /** Whether the exact asymptotic risk is computed beside the simulation. */
  readonly theory: boolean;
}

const trialsRule = z
  .strictObject(
    { minimum: integerFrom(1, 2 ** 31 - 1), maximum: integerFrom(1, 2 ** 31 - 1), standardError: nonNegativeNumber },
    { error: 'an integer ≥ 1 or an object { minimum, maximum, standardError }' },
  )
  .refine((rule) => rule.maximum >= rule.minimum, { error: 'an integer ≥ trials.minimum', path: ['maximum'] });

/** A fixed number of trials: the only look is at the end. */
const fixedTrials = integerFrom(1, 2 ** 31 - 1).transform((trials) => ({
  minimum: trials,
  maximum: trials,
  standardError: 0,
}));

const isLevel = (value: unknown) => value !== null && ['number', 'string', 'boolean', 'object'].includes(typeof value);

const levels = z
  .array(z.custom<FactorValue>(isLevel, { error: 'a number, a text, true, false, an array or an object' }), {
    error: 'an array of levels',
  })
  .min(1, { error: 'an array with at least one level' });

/** Decimal text becomes a bigint, and a bigint that a number holds exactly becomes a number: one form per seed. */
const seed = z
  .preprocess((value) => (typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : value), seedSchema)
  .transform((value) => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : value));

function studySchema(trials: unknown) {
  return z.strictObject(
    {
      name: z.string({ error: 'a text' }).regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
        error: "letters, digits, '.', '_' and '-', beginning with a letter or digit",
      }),
      seed,
      experiment: z.custom<PartialExperiment>(
        (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
        { error: 'an object: the part of the experiment that all cells share' },
      ),
      factors: z
        .record(z.string(), levels, { error: 'an object: path into the experiment → array of levels' })
        .default({}),
      method: oneOf(['projected', 'dense']).optional(),
      testDraws: integerFrom(1, 2 ** 31 - 1).default(1000),
      trials: typeof trials === 'number' ? fixedTrials : trialsRule,
      theory: z.boolean({ error: 'true or false' }).default(true),
    },
    { error: 'an object with name, seed, experiment, factors and trials' },
  );
}

function frozenCopy<Value>(value: Value): Value {
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.freeze(
    Object.fromEntries(Object.entries(value).map(([key, part]) => [key, frozenCopy(part)])),
  ) as Value;
}

function readStudyFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new StudyError(`the study file cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
  try {
    // Warnings would go to standard error by themselves.
    return parse(text, { logLevel: 'error' });
  } catch (cause) {
    const reason = (cause as Error).message.split('\n', 1)[0]?.replace(/:$/, '');
    throw new StudyError(`not a valid YAML file: ${reason}`, { cause });
  }
}

function defineFrom(value: unknown): StudySpec {
  const trials = (value as { trials?: unknown } | null | undefined)?.trials;
  const spec = frozenCopy(parseOptions(studySchema(trials), value, ''));
  checkFactorPaths(Object.keys(spec.factors));
  studyCells(spec);
  return spec;
}

/**
 * Validate a study, every cell of it included, before anything is run.
 *
 * @param study A study, or the path of a study file: YAML (hence also JSON) with the same options.
 * @returns The frozen study with every default filled in, accepted wherever a study is.
 * @throws {@link StudyError} naming the option, what was expected and what came, and the cell if it is one cell's fault; if
 * the file cannot be read or is not YAML.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const spec = study.define({
 *   name: 'benefit-of-context',
 *   seed: 1,
 *   experiment: {
 *     kind: 'known-prompt',
 *     mixture: { tokens: 16, dimension: 100, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 },
 *     head: { kind: 'least-squares' },
 *   },
 *   factors: { examples: [150, 300], inverseTemperature: [0, 0.5] },
 *   trials: { minimum: 64, maximum: 1024, standardError: 0.005 },
 * });
 * console.log(spec.testDraws); // 1000
 * ```
 */
export function define(study: StudyOptions | StudySpec | string): StudySpec {
  if (typeof study !== 'string') return withSource('', () => defineFrom(study));
  return withSource(`${study}: `, () => defineFrom(readStudyFile(study)));
}

/** Run `work`; what is wrong with the study becomes a {@link StudyError} that begins with where the study came from. */
function withSource<Result>(source: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StudyError || error instanceof OptionTypeError || error instanceof OptionRangeError))
      throw error;
    throw new StudyError(source + error.message, { cause: error.cause ?? error });
  }
}

/** The study as plain JSON, from which {@link define} makes the same study again. */
export function specJson(spec: StudySpec): string {
  return JSON.stringify(plain(spec));
}

/** SHA-256, in hexadecimal, of the canonical JSON of a study: equal for equal studies, however they are written. */
export function specHash(spec: StudySpec): string {
  return createHash('sha256')
    .update(canonicalJson(plain(spec)))
    .digest('hex');
}

function plain(spec: StudySpec): StudyOptions {
  return { ...spec, seed: typeof spec.seed === 'bigint' ? String(spec.seed) : spec.seed };
}
