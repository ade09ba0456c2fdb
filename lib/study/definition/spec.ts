import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { OptionRangeError, OptionTypeError, StudyError } from '../../base/errors.js';
import { canonicalJson } from '../../base/hash.js';
import { integerFrom, nonNegativeNumber, oneOf, parseOptions, plainName, seedSchema } from '../../base/options.js';
import { parseYaml } from '../../base/yaml.js';
import { isInKey } from '../../mixture/mixture.js';
import { StudyCells } from '../cells.js';
import { checkVaryingOptions } from './factors.js';
import { levelsSchema } from './levels.js';
import type { TrialsRule } from './schedule.js';
import type { PartialExperiment, StudyOptions, StudySpec } from './study-options.js';

const trialCount = integerFrom(1, 2 ** 31 - 1);
const kUntargeted = { metric: 'error', standardError: 0, relativeStandardError: 0 };

const trialsRule = z
  .strictObject(
    {
      minimum: trialCount,
      maximum: trialCount,
      metric: z.string({ error: 'the name of a metric' }).default(kUntargeted.metric),
      standardError: nonNegativeNumber.default(kUntargeted.standardError),
      relativeStandardError: nonNegativeNumber.default(kUntargeted.relativeStandardError),
    },
    { error: "an integer ≥ 1 or an object { minimum, maximum, standardError }, or 'theory-only'" },
  )
  .refine((rule) => rule.maximum >= rule.minimum, { error: 'an integer ≥ trials.minimum', path: ['maximum'] });

const fixedRule = (trials: number) => ({ minimum: trials, maximum: trials, ...kUntargeted });

/** What is written for a study without trials; a study defined again has the rule of none in its place. */
const kTheoryOnly = 'theory-only';

function trialsSchema(trials: unknown): z.ZodType<TrialsRule> {
  // A fixed number of trials: the only look is at the end.
  if (typeof trials === 'number') return trialCount.transform(fixedRule);
  const none = isDeepStrictEqual(trials, fixedRule(0));
  return trials === kTheoryOnly || none ? z.unknown().transform(() => fixedRule(0)) : trialsRule;
}

const factorGroup = (text: string) => z.record(z.string(), levelsSchema, { error: text });

const zipGroup = factorGroup('an object: path into the experiment → array of levels').superRefine((group, context) => {
  const [first, ...others] = Object.entries(group);
  if (first === undefined) context.addIssue({ code: 'custom', message: 'at least one list' });
  for (const [path, levels] of others) {
    if (levels.length === first?.[1].length) continue;
    const message = `as long as the list of ${first?.[0]}, which has ${first?.[1].length} levels`;
    context.addIssue({ code: 'custom', message, path: [path] });
  }
});

const expression = z.string({ error: 'an expression, as text' }).min(1, { error: 'an expression, as text' });

/** Decimal text becomes a bigint, and a bigint that a number holds exactly becomes a number: one form per seed. */
const seed = z
  .preprocess((value) => (typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : value), seedSchema)
  .transform((value) => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : value));

/** What a study must be; that of its trials depends on how they are written. */
export function studySchema(trials: unknown) {
  return z.strictObject(
    {
      name: plainName,
      seed,
      experiment: z.custom<PartialExperiment>(
        (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
        { error: 'an object: the part of the experiment that all cells share' },
      ),
      factors: factorGroup('an object: path into the experiment → array of levels').default({}),
      zip: z.array(zipGroup, { error: 'an array of objects: path into the experiment → array of levels' }).default([]),
      linked: z
        .record(z.string(), expression, { error: 'an object: path into the experiment → expression' })
        .default({}),
      exclude: z.array(expression, { error: 'an array of expressions' }).default([]),
      method: oneOf(['projected', 'dense']).optional(),
      testDraws: integerFrom(1, 2 ** 31 - 1).default(1000),
      trials: trialsSchema(trials),
      theory: z
        .union([z.boolean(), z.strictObject({ draws: integerFrom(64, 2 ** 31 - 1) })], {
          error: 'true or false, or an object { draws } with an integer ≥ 64',
        })
        .default(true),
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
    return parseYaml(text);
  } catch (cause) {
    const reason = (cause as Error).message.split('\n', 1)[0]?.replace(/:$/, '');
    throw new StudyError(`not a valid YAML file: ${reason}`, { cause });
  }
}

function defineFrom(value: unknown): StudySpec {
  const trials = (value as { trials?: unknown } | null | undefined)?.trials;
  const spec = frozenCopy(parseOptions(studySchema(trials), value, ''));
  const paths = (group: object, where: string) => Object.keys(group).map((path) => ({ path, where }));
  checkVaryingOptions([
    ...paths(spec.factors, 'factors'),
    ...spec.zip.flatMap((group, i) => paths(group, `zip[${i}]`)),
    ...paths(spec.linked, 'linked'),
  ]);
  StudyCells.of(spec);
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

/**
 * SHA-256, in hexadecimal, of the canonical JSON of a study without `trials`, which may grow: equal for equal studies, however
 * they are written.
 */
export function specHash(spec: StudySpec): string {
  const { trials: _, ...fixed } = plain(spec);
  return createHash('sha256').update(canonicalJson(fixed, isInKey)).digest('hex');
}

/** A study as a plain JSON object. */
export function plain(spec: StudySpec): StudyOptions {
  return { ...spec, seed: typeof spec.seed === 'bigint' ? String(spec.seed) : spec.seed };
}
