import { Command } from 'commander';
import { OptionRangeError, StudyError } from '../base/errors.js';
import type { SampledExperiment, SimulatedComplexityOptions } from '../complexity/index.js';
import { readObject } from './arguments.js';
import { checkFigureName, writeFigure } from './figure.js';
import { interruption } from './interruption.js';
import { toJson } from './output.js';

interface ComplexityFlags {
  readonly out?: string;
  readonly figure?: string;
  readonly threads?: string;
}

/** `prompt-attention complexity FILE`. */
export function complexityCommand(): Command {
  return new Command('complexity')
    .description('print how many examples a target error takes, by simulation, as JSON')
    .argument('<file>', 'JSON or YAML file, or JSON text beginning with {: { experiment, targetError, over, … }')
    .option('--out <file>', 'keep finished trials in this file, and go on from it')
    .option('--figure <file>', 'draw n against the factor with the most levels, as SVG or PNG')
    .option('--threads <number>', 'threads to use')
    .action(async (argument: string, { out, figure, threads }: ComplexityFlags) => {
      const members = '{ experiment, targetError, over, … }';
      const given = (await readObject(argument, 'complexity', members)) as { readonly experiment?: unknown };
      const { experiment, ...options } = given;
      if (experiment === undefined) throw new StudyError(`the complexity: must be an object ${members}`);
      if (figure === '-') throw new OptionRangeError('figure', 'a file: the numbers go to standard output', figure);
      if (figure !== undefined) await checkFigureName(figure, 'figure');
      const { sampleComplexity } = await import('../complexity/index.js');
      const result = await sampleComplexity(experiment as SampledExperiment, {
        ...(options as unknown as SimulatedComplexityOptions),
        ...(out === undefined ? {} : { out }),
        ...(threads === undefined ? {} : { threads: Number(threads) }),
        signal: interruption(),
      });
      process.stdout.write(`${toJson(result)}\n`);
      if (figure === undefined) return;
      const { complexityFigure } = await import('../complexity/figure.js');
      await writeFigure(figure, await complexityFigure(result).svg());
    });
}
