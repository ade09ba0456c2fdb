import { Command } from 'commander';
import { OptionRangeError } from '../base/errors.js';
import { readObject, seedOf } from './arguments.js';
import { toJson } from './output.js';

interface RiskFlags {
  readonly draws?: string;
  readonly seed?: string;
}

/** The law of each kind of experiment; each validates its own options. */
const kLaws: Readonly<Record<string, () => Promise<(options: never) => Promise<object>>>> = {
  'known-prompt': async () => (await import('../risk/known-prompt.js')).knownPrompt,
  'gradient-descent': async () => (await import('../extrapolation/gradient-descent.js')).gradientDescent,
  'three-step': async () => (await import('../risk/three-step.js')).threeStep,
};

async function lawOf(kind: unknown): Promise<(options: never) => Promise<object>> {
  const load = typeof kind === 'string' && Object.hasOwn(kLaws, kind) ? kLaws[kind] : undefined;
  if (load !== undefined) return load();
  const kinds = Object.keys(kLaws).map((name) => `'${name}'`);
  throw new OptionRangeError('kind', `one of ${kinds.join(', ')}`, kind);
}

/** `prompt-attention risk EXPERIMENT`. */
export function riskCommand(): Command {
  return new Command('risk')
    .description('print the law of an experiment, its exact asymptotic risk, as JSON')
    .argument('<experiment>', 'JSON or YAML file, or JSON text beginning with {')
    .option('--draws <number>', 'draws over the scores of irrelevant tokens')
    .option('--seed <number>', 'seed of the draws')
    .action(async (experiment: string, { draws, seed }: RiskFlags) => {
      const options = await readObject(experiment, 'experiment', '{ kind, mixture, examples, … }');
      const law = await lawOf((options as { kind?: unknown }).kind);
      const risk = await law({
        ...options,
        ...(draws === undefined ? {} : { draws: Number(draws) }),
        ...(seed === undefined ? {} : { seed: seedOf(seed) }),
      } as never);
      process.stdout.write(`${toJson(risk)}\n`);
    });
}
