import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { OptionTypeError } from '../base/errors.js';
import type { Estimate } from '../base/kind.js';
import { functionOf, integerFrom, parseOptions, plainName } from '../base/options.js';

/** Options of a custom experiment: a plain JSON object. */
export type CustomOptions = Readonly<Record<string, unknown>>;

/** An experiment that {@link defineExperiment} made known. Plain JSON: the same object in TypeScript and in a study file. */
export interface CustomExperiment {
  /** Always `'custom'`. */
  readonly kind: 'custom';
  /** The name it was defined by. */
  readonly name: string;
  /** Its options; factors of a study are paths such as `'options.examples'`. Default none. */
  readonly options?: CustomOptions | undefined;
  /** The version it was defined with. Default that of this process; another one is refused. */
  readonly version?: number | undefined;
}

/** Random numbers of one trial: a function of the seed, the experiment and the trial's index, whoever asks for them and when. */
export interface TrialRandom {
  /** The next independent standard normals. */
  normals(count: number): Float64Array;
  /** The next independent numbers, uniform on (0, 1); independent of the normals. */
  uniforms(count: number): Float64Array;
  /** An integer in [0, 2⁵³), for a generator of your own. */
  readonly seed: number;
}

/** What a trial of a custom experiment is given. */
export interface CustomTrial<Options> {
  /** The options, checked. */
  readonly options: Options;
  /** The trial's random numbers. */
  readonly random: TrialRandom;
  /** Its index, from 0. */
  readonly trial: number;
  /** Aborted when the trial is no longer wanted. */
  readonly signal: AbortSignal;
}

/** What a trial returns: the test error, and every metric that the experiment has beside it. */
export type CustomMetrics<Metric extends string> = Readonly<Record<Metric | 'error', number>>;

/** What theory says of metrics, of the test error at least; null where it says nothing. */
export type CustomTheory<Metric extends string> =
  | (Readonly<Record<'error', Estimate>> & Readonly<Partial<Record<Metric, Estimate>>>)
  | null;

/** How a custom experiment works. */
export interface ExperimentDefinition<Options extends CustomOptions, Metric extends string = never> {
  /** Its name: letters, digits, '.', '_' and '-', beginning with a letter or digit. */
  readonly name: string;
  /** To be raised when the code changes what trials give: results of another version are not mixed with these. An integer ≥ 1. Default 1. */
  readonly version?: number | undefined;
  /** Names of metrics beside `error`. Default none. */
  readonly metrics?: readonly Metric[] | undefined;
  /** Checks the options and fills in defaults; what it throws is reported as the option's fault. Must return plain JSON. Default: as given. */
  readonly options?: ((given: CustomOptions) => Options) | undefined;
  /**
   * One trial: draws data, fits, measures. A {@link ConvergenceError} that it throws makes it a failed trial (`notConverged`), any other
   * error ends the run.
   */
  readonly trial: (context: CustomTrial<Options>) => CustomMetrics<Metric> | Promise<CustomMetrics<Metric>>;
  /** What theory says of the metrics. Default: nothing. */
  readonly theory?: ((options: Options) => CustomTheory<Metric> | Promise<CustomTheory<Metric>>) | undefined;
}

/** What {@link defineExperiment} returns. */
export interface DefinedExperiment<Options extends CustomOptions> {
  /** The experiment with these options: for {@link simulate}, and, without what the factors provide, for a study. */
  experiment(options?: Partial<Options>): CustomExperiment;
}

/** A definition with its defaults. */
export interface ResolvedDefinition {
  readonly name: string;
  readonly version: number;
  readonly metrics: readonly string[];
  readonly options: (given: CustomOptions) => CustomOptions;
  readonly trial: ExperimentDefinition<CustomOptions, string>['trial'];
  readonly theory: NonNullable<ExperimentDefinition<CustomOptions, string>['theory']>;
}

/** The definitions of this process, by name. */
const definitions = new Map<string, ResolvedDefinition>();

const definitionSchema = z.strictObject({
  name: plainName.refine((name) => !definitions.has(name), {
    error: 'a name that is not defined yet in this process',
  }),
  version: integerFrom(1).default(1),
  metrics: z
    .array(
      z
        .string({ error: 'a name' })
        .regex(/^[A-Za-z][A-Za-z0-9]*$/, { error: 'a name of letters and digits' })
        .refine((name) => name !== 'error', { error: "a name other than 'error', which every experiment has" }),
      { error: 'an array of names' },
    )
    .refine((names) => new Set(names).size === names.length, { error: 'an array of different names' })
    .default([]),
  options: functionOf<ResolvedDefinition['options']>().default(() => (given: CustomOptions) => given),
  trial: functionOf<ResolvedDefinition['trial']>(),
  theory: functionOf<ResolvedDefinition['theory']>().default(() => () => null),
});

/** The options, checked by their definition. */
function checkedOptions({ options: check }: ResolvedDefinition, given: CustomOptions): CustomOptions {
  const options = check(given);
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(options) ?? 'null'), options))
    throw new OptionTypeError('options', 'plain JSON, as the function `options` of the experiment returns it', options);
  return options;
}

export const customSchema = z
  .strictObject({
    kind: z.literal('custom'),
    name: z.string({ error: 'the name of an experiment' }),
    options: z.record(z.string(), z.unknown(), { error: 'an object' }).default({}),
    version: integerFrom(1).optional(),
  })
  .check((context) => {
    const { name, options, version } = context.value;
    const fault = (path: string, message: string) =>
      context.issues.push({ code: 'custom', message, path: [path], input: context.value });
    const definition = definitions.get(name);
    if (definition === undefined) {
      const known = [...definitions.keys()].map((each) => `'${each}'`).join(', ');
      fault('name', `a name that defineExperiment was called with in this process${known && `: ${known}`}`);
    } else if (version !== undefined && version !== definition.version) {
      fault('version', `${definition.version}, the version that this process defines`);
    } else {
      try {
        const checked = checkedOptions(definition, options) as Record<string, unknown>;
        context.value = { ...context.value, options: checked, version: definition.version };
      } catch (error) {
        fault('options', `such that '${name}' takes them (${(error as Error).message})`);
      }
    }
  });

/** A custom experiment with every default filled in. */
export type ResolvedCustom = z.output<typeof customSchema>;

/** The definition of an experiment, which was parsed by it. */
export const definitionOf = ({ name }: ResolvedCustom): ResolvedDefinition =>
  definitions.get(name) as ResolvedDefinition;

/**
 * Make an experiment of your own known to {@link simulate} and to studies: your generator and your fit, run with their seeds, batches, error
 * bars, shards and result files.
 *
 * Trial t is a function of the seed, the name, the version, the options and t, as long as it takes its random numbers from `random`; trials
 * run side by side where they wait, as many as there are threads, in one JavaScript thread. The definition lives in this process: each one that
 * runs or reads the study has to make it first.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad definition, or a name that is defined already.
 * @example
 * ```ts
 * import { defineExperiment, simulate, summary } from 'prompt-attention';
 * const location = defineExperiment({
 *   name: 'sign-of-a-mean',
 *   metrics: ['estimate'],
 *   options: ({ examples = 10, mean = 0.5 }) => ({ examples: Number(examples), mean: Number(mean) }),
 *   trial: ({ options: { examples, mean }, random }) => {
 *     const estimate = mean + random.normals(examples).reduce((sum, x) => sum + x, 0) / examples;
 *     return { error: estimate > 0 ? 0 : 1, estimate };
 *   },
 * });
 * const simulation = await simulate(location.experiment({ examples: 20 }), { trials: 200, seed: 1 });
 * console.log(summary(simulation).metrics.estimate?.mean);
 * ```
 */
export function defineExperiment<Options extends CustomOptions = CustomOptions, Metric extends string = never>(
  definition: ExperimentDefinition<Options, Metric>,
): DefinedExperiment<Options> {
  const resolved = Object.freeze(parseOptions(definitionSchema, definition, ''));
  definitions.set(resolved.name, resolved);
  return Object.freeze({
    experiment: (options: Partial<Options> = {}): CustomExperiment => ({
      kind: 'custom',
      name: resolved.name,
      options,
    }),
  });
}
