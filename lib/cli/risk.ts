import { Command } from 'commander';
import { OptionRangeError } from '../base/errors.js';
import { readObject, seedOf } from './arguments.js';
import { toJson } from './output.js';

interface RiskFlags {
  readonly draws?: string;
  readonly seed?: string;
}

/** The function of `risk` that takes an experiment of a kind; it validates its own options. */
async function lawOf(kind: unknown): Promise<(options: never) => Promise<object>> {
  const [{ kKinds }, risk] = await Promise.all([import('../simulation/kinds.js'), import('../risk/index.js')]);
  const laws = Object.entries(kKinds).flatMap(([name, entry]) =>
    entry.risk === undefined ? [] : [[name, risk[entry.risk]] as const],
  );
  const law = laws.find(([name]) => name === kind)?.[1];
  if (law === undefined)
    throw new OptionRangeError('kind', `one of ${laws.map(([name]) => `'${name}'`).join(', ')}`, kind);
  return law;
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
