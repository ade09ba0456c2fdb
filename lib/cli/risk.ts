import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { OptionRangeError, StudyError } from '../errors.js';

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
    throw new StudyError(`${source}: must be an object: an experiment`);
  return value;
}

/** The law of each kind of experiment; each validates its own options. */
const kLaws: Readonly<Record<string, () => Promise<(options: never) => Promise<object>>>> = {
  'known-prompt': async () => (await import('../risk/known-prompt.js')).knownPrompt,
  'three-step': async () => (await import('../risk/three-step.js')).threeStep,
};

/** `prompt-attention risk EXPERIMENT`. */
export function riskCommand(): Command {
  return new Command('risk')
    .description('print the exact asymptotic risk of an experiment as JSON')
    .argument('<experiment>', 'JSON or YAML file, or JSON text beginning with {')
    .option('--draws <number>', 'draws over the scores of irrelevant tokens')
    .option('--seed <number>', 'seed of the draws')
    .action(async (experiment: string, { draws, seed }: RiskFlags) => {
      const options = await readExperiment(experiment);
      const { kind } = options as { kind?: unknown };
      const load = typeof kind === 'string' && Object.hasOwn(kLaws, kind) ? kLaws[kind] : undefined;
      if (load === undefined)
        throw new OptionRangeError(
          'kind',
          `one of ${Object.keys(kLaws)
            .map((name) => `'${name}'`)
            .join(', ')}`,
          kind,
        );
      const law = await load();
      const risk = await law({
        ...options,
        ...(draws === undefined ? {} : { draws: Number(draws) }),
        ...(seed === undefined ? {} : { seed: /^\d+$/.test(seed) ? BigInt(seed) : Number(seed) }),
      } as never);
      process.stdout.write(`${toJson(risk)}\n`);
    });
}
