import { Command } from 'commander';
import { StudyError } from '../base/errors.js';
import type { SampledExperiment, SimulatedComplexityOptions } from '../complexity/index.js';
import { readObject } from './arguments.js';
import { interruption } from './interruption.js';
import { toJson } from './output.js';

interface ComplexityFlags {
  readonly out?: string;
  readonly threads?: string;
}

/** `prompt-attention complexity FILE`. */
export function complexityCommand(): Command {
  return new Command('complexity')
    .description('print how many examples a target error takes, by simulation, as JSON')
    .argument('<file>', 'JSON or YAML file, or JSON text beginning with {: { experiment, targetError, over, … }')
    .option('--out <file>', 'keep finished trials in this file, and go on from it')
    .option('--threads <number>', 'threads to use')
    .action(async (argument: string, { out, threads }: ComplexityFlags) => {
      const members = '{ experiment, targetError, over, … }';
      const given = (await readObject(argument, 'complexity', members)) as { readonly experiment?: unknown };
      const { experiment, ...options } = given;
      if (experiment === undefined) throw new StudyError(`the complexity: must be an object ${members}`);
      const { sampleComplexity } = await import('../complexity/index.js');
      const result = await sampleComplexity(experiment as SampledExperiment, {
        ...(options as unknown as SimulatedComplexityOptions),
        ...(out === undefined ? {} : { out }),
        ...(threads === undefined ? {} : { threads: Number(threads) }),
        signal: interruption(),
      });
      process.stdout.write(`${toJson(result)}\n`);
    });
}
