import { Command } from 'commander';
import { readObject, toJson } from './json.js';

interface RiskFlags {
  readonly draws?: string;
  readonly seed?: string;
}

/** `prompt-attention risk EXPERIMENT`. */
export function riskCommand(): Command {
  return new Command('risk')
    .description('print the exact asymptotic risk of an experiment as JSON')
    .argument('<experiment>', 'JSON or YAML file, or JSON text beginning with {')
    .option('--draws <number>', 'draws over the scores of irrelevant tokens')
    .option('--seed <number>', 'seed of the draws')
    .action(async (experiment: string, { draws, seed }: RiskFlags) => {
      const options = await readObject(
        experiment,
        'experiment',
        '{ kind, mixture, examples, inverseTemperature, head }',
      );
      const { knownPrompt } = await import('../risk/known-prompt.js');
      const risk = await knownPrompt({
        ...(options as Parameters<typeof knownPrompt>[0]),
        ...(draws === undefined ? {} : { draws: Number(draws) }),
        ...(seed === undefined ? {} : { seed: /^\d+$/.test(seed) ? BigInt(seed) : Number(seed) }),
      });
      process.stdout.write(`${toJson(risk)}\n`);
    });
}
