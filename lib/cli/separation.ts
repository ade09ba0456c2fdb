import { Command } from 'commander';
import type { ContextualMixtureOptions } from '../mixture/mixture.js';
import { readObject } from './arguments.js';
import { toJson } from './output.js';

/** `prompt-attention separation MIXTURE`. */
export function separationCommand(): Command {
  return new Command('separation')
    .description('print the best noiseless accuracies of the four models on a mixture as JSON')
    .argument('<mixture>', 'JSON or YAML file, or JSON text beginning with {')
    .action(async (argument: string) => {
      const members = '{ tokens, dimension, relevantFraction, contextNorm, signalNorm, confusion }';
      const mixture = await readObject(argument, 'mixture', members);
      const { separation } = await import('../risk/separation.js');
      process.stdout.write(`${toJson(separation({ mixture: mixture as ContextualMixtureOptions }))}\n`);
    });
}
