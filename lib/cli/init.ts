import { writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { Command } from 'commander';
import { OptionRangeError, StoreError } from '../base/errors.js';
import { kPlainName } from '../base/options.js';

/** A study that runs in seconds, with what else it could say as comments. */
function studyText(name: string, schema: string): string {
  return `# yaml-language-server: $schema=./${schema}
# Run it, or what is left of it:  npx prompt-attention run ${name}.yaml
name: ${name}
# Fixes every random number, together with the cell and the index of the trial.
seed: 1
# What all cells share. Kinds: known-prompt, three-step, gradient-descent; image-bag, image-transfer, image-risk on real images; text-classification, text-dilution.
experiment:
  kind: known-prompt
  mixture:
    tokens: 16 # T, tokens per example
    dimension: 50 # d, their dimension
    relevantFraction: 0.25 # ζ, the share of relevant tokens; ζT must be an integer
    contextNorm: 2 # Q, what attention finds relevant tokens by
    signalNorm: 0.6 # W, what carries the label
    # correlation: 0 # ρ of the two directions
    # noiseLevel: 1 # σ
    # labelNoise: 0 # ε, the share of training labels that are wrong
  head: { kind: least-squares } # or averaging; logistic or hinge, with a ridge
# Every combination of these levels is a cell. Paths are dotted and start below experiment, as in mixture.dimension.
factors:
  inverseTemperature: [0, 0.5] # τ, the prompt scale: 0 is mean pooling
  examples: { logspace: [100, 800, 4], integer: true } # n
# zip, linked and exclude vary factors together, derive options from others and leave cells out.
# Trials of every cell: from minimum on, until the standard error of the mean test error is small enough. Or one number.
trials: { minimum: 64, maximum: 512, standardError: 0.005 }
# testDraws: 1000 # draws that estimate the test error of a trial
# theory: true # the law of every cell beside the simulation
`;
}

function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === 'EEXIST' ? 'exists already; choose another name' : `cannot be written (${code})`;
    throw new StoreError(`${file}: ${reason}`, { cause });
  }
}

/** `prompt-attention init [FILE]`. */
export function initCommand(): Command {
  return new Command('init')
    .description('write a study file with comments to start from, and beside it the schema that editors complete it by')
    .argument('[file]', 'study file to write; must not exist', 'study.yaml')
    .action(async (file: string) => {
      const name = basename(file, extname(file));
      if (!/\.ya?ml$/.test(file) || !kPlainName.test(name))
        throw new OptionRangeError('file', "a name of letters, digits, '.', '_' and '-' that ends with .yaml", file);
      const { studyJsonSchema } = await import('../study/definition/json-schema.js');
      const schema = join(dirname(file), `${name}.schema.json`);
      writeNew(file, studyText(name, basename(schema)));
      writeNew(schema, `${JSON.stringify(studyJsonSchema(), null, 2)}\n`);
      process.stdout.write(`study:  ${file}\nschema: ${schema}\n`);
    });
}
