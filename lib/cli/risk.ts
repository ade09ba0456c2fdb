import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { StudyError } from '../errors.js';

interface RiskFlags {
  readonly draws?: string;
  readonly seed?: string;
}

/** JSON that keeps typed arrays as arrays and infinities as text, which JSON has no number for. */
function toJson(value: object): string {
  return JSON.stringify(
    value,
    (_key, part: unknown) => {
      if (ArrayBuffer.isView(part)) return [...(part as Float64Array)];
      return typeof part === 'number' && !Number.isFinite(part) ? String(part) : part;
    },
    2,
  );
}

async function readExperiment(experiment: string): Promise<object> {
  const { parse } = await import('yaml');
  const inline = experiment.trimStart().startsWith('{');
  const source = inline ? 'the experiment' : experiment;
  let value: unknown;
  try {
    value = parse(inline ? experiment : readFileSync(experiment, 'utf8'), { logLevel: 'error' });
  } catch (cause) {
    const reason = (cause as Error).message.split('\n', 1)[0];
    throw new StudyError(`${source}: cannot be read as JSON or YAML: ${reason}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new StudyError(`${source}: must be an object { kind, mixture, examples, inverseTemperature, head }`);
  return value;
}

/** `prompt-attention risk EXPERIMENT`. */
export function riskCommand(): Command {
  return new Command('risk')
    .description('print the exact asymptotic risk of an experiment as JSON')
    .argument('<experiment>', 'JSON or YAML file, or JSON text beginning with {')
    .option('--draws <number>', 'draws over the scores of irrelevant tokens')
    .option('--seed <number>', 'seed of the draws')
    .action(async (experiment: string, { draws, seed }: RiskFlags) => {
      const options = await readExperiment(experiment);
      const { knownPrompt } = await import('../risk/known-prompt.js');
      const risk = await knownPrompt({
        ...(options as Parameters<typeof knownPrompt>[0]),
        ...(draws === undefined ? {} : { draws: Number(draws) }),
        ...(seed === undefined ? {} : { seed: /^\d+$/.test(seed) ? BigInt(seed) : Number(seed) }),
      });
      process.stdout.write(`${toJson(risk)}\n`);
    });
}
