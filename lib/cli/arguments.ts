import { readFileSync } from 'node:fs';
import { StudyError } from '../base/errors.js';

/**
 * The object in a JSON or YAML file, or in the argument itself if it begins with a brace.
 *
 * @param name What it is, for the errors: `experiment`.
 * @param members Its members, for the errors: `{ kind, mixture, … }`.
 */
export async function readObject(argument: string, name: string, members: string): Promise<object> {
  const { parseYaml } = await import('../base/yaml.js');
  const inline = argument.trimStart().startsWith('{');
  const source = inline ? `the ${name}` : argument;
  let value: unknown;
  try {
    value = parseYaml(inline ? argument : readFileSync(argument, 'utf8'));
  } catch (cause) {
    const reason = (cause as Error).message.split('\n', 1)[0];
    throw new StudyError(`${source}: cannot be read as JSON or YAML: ${reason}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new StudyError(`${source}: must be an object ${members}`);
  return value;
}

/** A seed as it is typed: digits keep all of their 64 bits, and what is no number is for the checks of options to refuse. */
export const seedOf = (text: string): number | bigint => (/^\d+$/.test(text) ? BigInt(text) : Number(text));
