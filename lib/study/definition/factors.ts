import type { z } from 'zod';
import { StudyError } from '../../base/errors.js';
import { hasFreeNames, mergedOptions, suggestion } from '../../base/option-names.js';
import { experimentSchema, kKinds } from '../../simulation/kinds.js';

/** A level of a factor: any plain JSON value except null that the option it stands for accepts. */
export type FactorValue =
  | number
  | string
  | boolean
  | readonly FactorValue[]
  | { readonly [name: string]: FactorValue | undefined };

function requireOption(path: string, where: string): void {
  let schemas: readonly z.core.$ZodType[] = [experimentSchema];
  let parent = 'an experiment';
  for (const name of path.split('.')) {
    if (schemas.some(hasFreeNames)) return;
    const options = mergedOptions(schemas);
    const found = Object.hasOwn(options, name) ? options[name] : undefined;
    if (found === undefined) {
      const names = Object.keys(options);
      const known = names.length > 0 ? `its options are ${names.join(', ')}` : 'it has no options of its own';
      throw new StudyError(
        `${where}.${path}: ${parent} has no option ${JSON.stringify(name)}; ${known}${suggestion(name, names)}`,
      );
    }
    schemas = found;
    parent = name;
  }
}

/** An option that varies over the cells: its dotted path, and where the study says so (`factors`, `zip[0]`, `linked`). */
export interface VaryingOption {
  readonly path: string;
  readonly where: string;
}

/**
 * Check that every path names an option that some experiment has, that none comes twice, and that none lies inside another.
 *
 * @throws {@link StudyError} naming the path.
 */
export function checkVaryingOptions(options: readonly VaryingOption[]): void {
  for (const [index, { path, where }] of options.entries()) {
    requireOption(path, where);
    const twin = options.findIndex((other) => other.path === path);
    if (twin !== index) throw new StudyError(`${where}.${path}: ${options[twin]?.where} already varies this option`);
    const inside = options.find((other) => other.path.startsWith(`${path}.`));
    if (inside !== undefined)
      throw new StudyError(`${inside.where}.${inside.path}: the factor ${path} already sets this option`);
  }
}

/** The names of the options that experiments of a kind have; undefined if there is no such kind. */
export function optionsOfKind(kind: unknown): ReadonlySet<string> | undefined {
  if (typeof kind !== 'string' || !Object.hasOwn(kKinds, kind)) return undefined;
  const { schema } = kKinds[kind as keyof typeof kKinds];
  return new Set(Object.keys((schema as unknown as z.ZodObject).shape));
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
