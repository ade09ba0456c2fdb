import { readFileSync } from 'node:fs';
import { StudyError } from '../errors.js';

/** JSON that keeps typed arrays as arrays and infinities as text, which JSON has no number for. */
export function toJson(value: object): string {
  return JSON.stringify(
    value,
    (_key, part: unknown) => {
      if (ArrayBuffer.isView(part)) return [...(part as Float64Array)];
      return typeof part === 'number' && !Number.isFinite(part) ? String(part) : part;
    },
    2,
  );
}

/**
 * The object in a JSON or YAML file, or in the argument itself if it begins with a brace.
 *
 * @param name What it is, for the errors: `experiment`.
 * @param members Its members, for the errors: `{ kind, mixture, … }`.
 */
export async function readObject(argument: string, name: string, members: string): Promise<object> {
  const { parseYaml } = await import('../yaml.js');
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
