import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import type { ExperimentKind, SimulationMethod, TrialRequest, TrialResults } from '../base/kind.js';
import { parseOptions } from '../base/options.js';
import type { CustomExperiment } from '../experiments/custom.js';
import type { GradientDescentExperiment } from '../experiments/gradient-descent.js';
import type { KnownPromptExperiment } from '../experiments/known-prompt.js';
import type { ThreeStepExperiment } from '../experiments/three-step.js';
import { type ImageExperiment, imageKinds } from '../images/experiments/kinds.js';
import { isInKey } from '../mixture/mixture.js';
import { type TextExperiment, textKinds } from '../text/experiments/kinds.js';
import { customKind } from './kinds/custom.js';
import { gradientDescentKind } from './kinds/gradient-descent.js';
import { knownPromptKind } from './kinds/known-prompt.js';
import { threeStepKind } from './kinds/three-step.js';

/** An experiment that {@link simulate} runs. */
export type Experiment =
  | KnownPromptExperiment
  | ThreeStepExperiment
  | GradientDescentExperiment
  | ImageExperiment
  | TextExperiment
  | CustomExperiment;

/** Every kind of experiment. */
export const kKinds = {
  'known-prompt': knownPromptKind,
  'three-step': threeStepKind,
  'gradient-descent': gradientDescentKind,
  ...imageKinds,
  ...textKinds,
  custom: customKind,
} as const satisfies { readonly [Kind in Experiment['kind']]: { readonly example: { readonly kind: Kind } } };

/** An experiment with every default filled in. */
export type ResolvedExperiment = z.output<(typeof kKinds)[Experiment['kind']]['schema']>;

const names = Object.keys(kKinds).map((kind) => `'${kind}'`);

export const experimentSchema: z.ZodType<ResolvedExperiment> = z.discriminatedUnion(
  'kind',
  Object.values(kKinds).map(({ schema }) => schema) as unknown as [z.ZodObject],
  { error: `an experiment: an object whose kind is ${names.slice(0, -1).join(', ')} or ${names.at(-1)}` },
) as unknown as z.ZodType<ResolvedExperiment>;

/** Validate an experiment and fill in the defaults. `path` is put before the names of options in errors. */
export function parseExperiment(experiment: unknown, path = ''): ResolvedExperiment {
  return parseOptions(experimentSchema, experiment, path);
}

/** The entry of an experiment's kind, ready to be called with that experiment. */
export function kindOf({ kind }: ResolvedExperiment): ExperimentKind<Experiment, ResolvedExperiment, string> {
  return kKinds[kind] as unknown as ExperimentKind<Experiment, ResolvedExperiment, string>;
}

/** The method an experiment runs with: the one asked for if it is exact for the experiment, by default the fastest exact one. */
export function resolveMethod(experiment: ResolvedExperiment, method: SimulationMethod | undefined): SimulationMethod {
  const reason = kindOf(experiment).whyDense(experiment);
  if (method === 'projected' && reason !== undefined) throw new OptionRangeError('method', `'dense' ${reason}`, method);
  return method ?? (reason === undefined ? 'projected' : 'dense');
}

/**
 * The 128-bit key under which an experiment draws its random numbers: SHA-256 of the canonical JSON of the resolved
 * experiment without its method. Together with the seed it fixes every number of every trial.
 */
export function cellKey(experiment: ResolvedExperiment): Uint32Array {
  const methods: ReadonlySet<string> = new Set(['kind', ...kindOf(experiment).methodOptions]);
  return hashKey(Object.fromEntries(Object.entries(experiment).filter(([name]) => !methods.has(name))), isInKey);
}

/** Run trials of an experiment. */
export function runExperiment(experiment: ResolvedExperiment, request: TrialRequest): Promise<TrialResults> {
  return kindOf(experiment).simulate(experiment, { ...request, cellKey: cellKey(experiment) });
}
