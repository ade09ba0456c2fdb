import { z } from 'zod';

/** The options that an object may have, each with the schemas that may describe it. */
export type OptionSchemas = Readonly<Record<string, readonly z.core.$ZodType[]>>;

/** The options that an object described by any of the schemas may have. */
export function mergedOptions(schemas: readonly z.core.$ZodType[], value?: unknown): OptionSchemas {
  const merged: Record<string, z.core.$ZodType[]> = {};
  for (const schema of schemas) {
    for (const [name, option] of Object.entries(optionsOf(schema, value))) {
      merged[name] = [...(merged[name] ?? []), ...option];
    }
  }
  return merged;
}

/** Whether an object is of the kind that a member of a discriminated union describes, as far as it says. */
function isOfKind(schema: z.core.$ZodType, discriminator: string, value: unknown): boolean {
  const kind = (value as Readonly<Record<string, unknown>> | null | undefined)?.[discriminator];
  if (kind === undefined) return true;
  const described = optionsOf(schema, value)[discriminator] ?? [];
  return described.some((option) => z.safeParse(option, kind).success);
}

/** Whether an object described by `schema` may have any names. */
export function hasFreeNames(schema: z.core.$ZodType): boolean {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return hasFreeNames(schema.def.innerType);
  return schema instanceof z.ZodRecord;
}

/** The options that an object described by `schema` may have; `value`, if it is known, decides between alternatives. */
export function optionsOf(schema: z.core.$ZodType, value?: unknown): OptionSchemas {
  if (schema instanceof z.ZodObject)
    return Object.fromEntries(
      Object.entries(schema.shape).map(([name, option]) => [name, [option as z.core.$ZodType]]),
    );
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return optionsOf(schema.def.innerType, value);
  // One of the two is a transformation, which has no options.
  if (schema instanceof z.ZodPipe) return mergedOptions([schema.def.in, schema.def.out], value);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const { options, discriminator } = schema.def;
    return mergedOptions(
      options.filter((option) => isOfKind(option, discriminator, value)),
      value,
    );
  }
  if (schema instanceof z.ZodUnion) return mergedOptions(schema.def.options, value);
  return {};
}

/** The names of the options that `value`, described by `schema`, may have at a path. */
export function optionNamesAt(
  schema: z.core.$ZodType,
  value: unknown,
  path: readonly PropertyKey[],
): readonly string[] {
  let schemas: readonly z.core.$ZodType[] = [schema];
  let current = value;
  for (const key of path) {
    schemas = schemas.flatMap((each) => {
      const inner = each instanceof z.ZodOptional || each instanceof z.ZodDefault ? each.def.innerType : each;
      if (inner instanceof z.ZodArray) return [inner.def.element];
      const options = optionsOf(inner, current);
      return Object.hasOwn(options, key) ? (options[key as string] ?? []) : [];
    });
    current = (current as Readonly<Record<PropertyKey, unknown>> | null | undefined)?.[key];
  }
  return [...new Set(schemas.flatMap((each) => Object.keys(optionsOf(each, current))))];
}

/** Number of characters to insert, remove, replace or swap with the next one to get from one text to the other. */
function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= from.length; ++i) {
    const above = rows[i - 1] as number[];
    const row = [i];
    for (let j = 1; j <= to.length; ++j) {
      const replaced = (above[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
          ? (rows[i - 2]?.[j - 2] as number) + 1
          : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, swapped, (above[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    rows.push(row);
  }
  return rows.at(-1)?.[to.length] as number;
}

/** `; did you mean NAME?` with the name that a misspelt one is most like; empty if more than every third character would be wrong. */
export function suggestion(name: string, names: readonly string[]): string {
  const [best] = names
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return best === undefined ? '' : `; did you mean ${best.candidate}?`;
}
