import { z } from 'zod';
import { StudyError } from '../errors.js';
import { experimentSchema } from '../experiment.js';

/** A level of a factor: any plain JSON value except null that the option it stands for accepts. */
export type FactorValue =
  | number
  | string
  | boolean
  | readonly FactorValue[]
  | { readonly [name: string]: FactorValue | undefined };

type OptionSchemas = Readonly<Record<string, readonly z.core.$ZodType[]>>;

/** The options that an object described by `schema` may have, each with the schemas that may describe it. */
function optionsOf(schema: z.core.$ZodType): OptionSchemas {
  if (schema instanceof z.ZodObject)
    return Object.fromEntries(
      Object.entries(schema.shape).map(([name, option]) => [name, [option as z.core.$ZodType]]),
    );
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return optionsOf(schema.def.innerType);
  // One of the two is a transformation, which has no options.
  if (schema instanceof z.ZodPipe) return mergedOptions([schema.def.in, schema.def.out]);
  if (schema instanceof z.ZodUnion) return mergedOptions(schema.def.options);
  return {};
}

function mergedOptions(schemas: readonly z.core.$ZodType[]): OptionSchemas {
  const merged: Record<string, z.core.$ZodType[]> = {};
  for (const schema of schemas) {
    for (const [name, option] of Object.entries(optionsOf(schema))) {
      merged[name] = [...(merged[name] ?? []), ...option];
    }
  }
  return merged;
}

function requireOption(path: string): void {
  let schemas: readonly z.core.$ZodType[] = [experimentSchema];
  let parent = 'an experiment';
  for (const name of path.split('.')) {
    const options = mergedOptions(schemas);
    const found = Object.hasOwn(options, name) ? options[name] : undefined;
    if (found === undefined) {
      const names = Object.keys(options);
      const known = names.length > 0 ? `its options are ${names.join(', ')}` : 'it has no options of its own';
      throw new StudyError(`factors.${path}: ${parent} has no option ${JSON.stringify(name)}; ${known}`);
    }
    schemas = found;
    parent = name;
  }
}

/**
 * Check that every factor names an option that some experiment has, and that no factor lies inside another.
 *
 * @param paths Dotted paths into an experiment, for example `mixture.dimension`.
 * @throws {@link StudyError} naming the path.
 */
export function checkFactorPaths(paths: readonly string[]): void {
  for (const path of paths) {
    requireOption(path);
    const inside = paths.find((other) => other.startsWith(`${path}.`));
    if (inside !== undefined) throw new StudyError(`factors.${inside}: the factor ${path} already sets this option`);
  }
}

/** A copy of `experiment` whose option at the dotted `path` is `value`; objects on the way are made where missing. */
export function withOption(experiment: unknown, path: string, value: FactorValue): unknown {
  // Something that is not an object stays as it is: the experiment's own validation then names it.
  if (experiment !== undefined && (typeof experiment !== 'object' || experiment === null)) return experiment;
  const [name = '', ...rest] = path.split('.');
  const part = (experiment as Record<string, unknown> | undefined)?.[name];
  return { ...experiment, [name]: rest.length === 0 ? value : withOption(part, rest.join('.'), value) };
}

/** One line that names the levels of a cell, for example `examples = 250, inverseTemperature = 0.5`. */
export function factorText(factors: Readonly<Record<string, FactorValue>>): string {
  return Object.entries(factors)
    .map(([path, value]) => `${path} = ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
}
