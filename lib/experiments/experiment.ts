import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import type { SimulationMethod } from '../base/kind.js';
import { parseOptions } from '../base/options.js';
import {
  type ImageExperiment,
  imageBagSchema,
  imageRiskSchema,
  imageTransferSchema,
} from '../images/experiment-options.js';
import { type TextExperiment, textClassificationSchema, textDilutionSchema } from '../text/experiments/schemas.js';
import { type CustomExperiment, customSchema } from './custom.js';
import { type GradientDescentExperiment, gradientDescentSchema, whyDenseDescent } from './gradient-descent.js';
import { type KnownPromptExperiment, knownPromptSchema } from './known-prompt.js';
import { type ThreeStepExperiment, threeStepSchema, whyDenseThreeStep } from './three-step.js';

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

/** Why an experiment has no projected method, to be put behind `'dense'`; undefined if it has one. */
function whyDense(experiment: ResolvedExperiment): string | undefined {
  if (experiment.kind === 'custom') return 'for an experiment of your own';
  if (!('mixture' in experiment)) return 'for an experiment on images or text';
  const { noise } = experiment.mixture;
  if (noise !== 'gaussian') return `if the noise is ${noise}`;
  switch (experiment.kind) {
    case 'known-prompt':
      return undefined;
    case 'three-step':
      return whyDenseThreeStep(experiment);
    case 'gradient-descent':
      return whyDenseDescent(experiment);
    default:
      return experiment satisfies never;
  }
}

/** The method an experiment runs with: the one asked for if it is exact for the experiment, by default the fastest exact one. */
export function resolveMethod(experiment: ResolvedExperiment, method: SimulationMethod | undefined): SimulationMethod {
  const reason = whyDense(experiment);
  if (method === 'projected' && reason !== undefined) throw new OptionRangeError('method', `'dense' ${reason}`, method);
  return method ?? (reason === undefined ? 'projected' : 'dense');
}

/** Parts of an experiment that never enter the random number key: what they name is compared on common random numbers. */
export const kMethodKeys: ReadonlySet<string> = new Set([
  ...['kind', 'head', 'debias', 'model', 'loss', 'optimizer'],
  ...['data', 'steps', 'recordEvery', 'solver'],
]);

/**
 * The 128-bit key under which an experiment draws its random numbers: SHA-256 of the canonical JSON of the resolved
 * experiment without its method. Together with the seed it fixes every number of every trial.
 */
export function cellKey(experiment: ResolvedExperiment): Uint32Array {
  return hashKey(Object.fromEntries(Object.entries(experiment).filter(([name]) => !kMethodKeys.has(name))));
}
