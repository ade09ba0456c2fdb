import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import type { KindRules, SimulationMethod } from '../base/kind.js';
import { parseOptions } from '../base/options.js';
import {
  type ImageExperiment,
  imageBagRules,
  imageBagSchema,
  imageRiskRules,
  imageRiskSchema,
  imageTransferRules,
  imageTransferSchema,
} from '../images/experiment-options.js';
import {
  type TextExperiment,
  textClassificationRules,
  textClassificationSchema,
  textDilutionRules,
  textDilutionSchema,
} from '../text/experiments/schemas.js';
import { type CustomExperiment, customRules, customSchema } from './custom.js';
import { type GradientDescentExperiment, gradientDescentRules, gradientDescentSchema } from './gradient-descent.js';
import { type KnownPromptExperiment, knownPromptRules, knownPromptSchema } from './known-prompt.js';
import { type ThreeStepExperiment, threeStepRules, threeStepSchema } from './three-step.js';

/** An experiment that {@link simulate} runs. */
export type Experiment =
  | KnownPromptExperiment
  | ThreeStepExperiment
  | GradientDescentExperiment
  | ImageExperiment
  | TextExperiment
  | CustomExperiment;

const kSchemas = [
  knownPromptSchema,
  threeStepSchema,
  gradientDescentSchema,
  imageBagSchema,
  imageTransferSchema,
  imageRiskSchema,
  textClassificationSchema,
  textDilutionSchema,
  customSchema,
] as const;

const quoted = kSchemas.map(({ shape }) => `'${shape.kind.value}'`);

export const experimentSchema = z.discriminatedUnion('kind', kSchemas, {
  error: `an experiment: an object whose kind is ${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`,
});

/** An experiment with every default filled in. */
export type ResolvedExperiment = z.output<typeof experimentSchema>;

/** Validate an experiment and fill in the defaults. `path` is put before the names of options in errors. */
export function parseExperiment(experiment: unknown, path = ''): ResolvedExperiment {
  return parseOptions(experimentSchema, experiment, path);
}

type Kind = Experiment['kind'];
type Rules = { readonly [Own in Kind]: KindRules<Extract<ResolvedExperiment, { kind: Own }>> };

const kRules: Rules = {
  'known-prompt': knownPromptRules,
  'three-step': threeStepRules,
  'gradient-descent': gradientDescentRules,
  'image-bag': imageBagRules,
  'image-transfer': imageTransferRules,
  'image-risk': imageRiskRules,
  'text-classification': textClassificationRules,
  'text-dilution': textDilutionRules,
  custom: customRules,
};

/** The rules of an experiment's kind, ready to be asked about that experiment. */
const rulesOf = ({ kind }: ResolvedExperiment) => kRules[kind] as KindRules<ResolvedExperiment>;

/** The method an experiment runs with: the one asked for if it is exact for the experiment, by default the fastest exact one. */
export function resolveMethod(experiment: ResolvedExperiment, method: SimulationMethod | undefined): SimulationMethod {
  const reason = rulesOf(experiment).whyDense(experiment);
  if (method === 'projected' && reason !== undefined) throw new OptionRangeError('method', `'dense' ${reason}`, method);
  return method ?? (reason === undefined ? 'projected' : 'dense');
}

/**
 * The 128-bit key under which an experiment draws its random numbers: SHA-256 of the canonical JSON of the resolved
 * experiment without its method. Together with the seed it fixes every number of every trial.
 */
export function cellKey(experiment: ResolvedExperiment): Uint32Array {
  const methods: ReadonlySet<string> = new Set(['kind', ...rulesOf(experiment).methodOptions]);
  return hashKey(Object.fromEntries(Object.entries(experiment).filter(([name]) => !methods.has(name))));
}
