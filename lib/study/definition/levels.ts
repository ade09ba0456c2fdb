import { z } from 'zod';
import { finiteNumber, integerFrom } from '../../base/options.js';
import type { FactorValue } from './factors.js';

/** Levels between two numbers, both included. */
export interface LevelRange {
  /** First level, last level and their number: evenly spaced. */
  readonly linspace?: readonly [number, number, number] | undefined;
  /** First level, last level and their number: in a constant ratio; the ends have the same sign and are not 0. */
  readonly logspace?: readonly [number, number, number] | undefined;
  /** Round the levels to integers and keep each once. Default false. */
  readonly integer?: boolean | undefined;
}

/** Levels are written with so many digits: more than enough to tell them apart, few enough that 0.1 · 3 is 0.3. */
const kDigits = 14;

const count = integerFrom(1, 1_000_000);
const range = z.tuple([finiteNumber, finiteNumber, count], { error: 'an array [first, last, count]' });
const integer = z.boolean({ error: 'true or false' }).default(false);

function spaced(count: number, level: (share: number) => number, integer: boolean): number[] {
  const levels = Array.from({ length: count }, (_, i) => {
    const value = Number(level(count === 1 ? 0 : i / (count - 1)).toPrecision(kDigits));
    return integer ? Math.round(value) : value;
  });
  return integer ? [...new Set(levels)] : levels;
}

const linspace = z
  .strictObject({ linspace: range, integer })
  .transform(({ linspace: [first, last, count], integer }) =>
    spaced(count, (share) => first + (last - first) * share, integer),
  );

const logspace = z
  .strictObject({ logspace: range, integer })
  .refine(({ logspace: [first, last] }) => first * last > 0, {
    error: 'two ends of the same sign, not 0, and a count',
    path: ['logspace'],
  })
  .transform(({ logspace: [first, last, count], integer }) =>
    spaced(count, (share) => first * (last / first) ** share, integer),
  );

const isJson = (value: unknown): boolean =>
  typeof value === 'object' && value !== null
    ? !ArrayBuffer.isView(value) && Object.values(value).every((part) => part === undefined || isJson(part))
    : ['number', 'string', 'boolean'].includes(typeof value);

const list = z
  .array(z.custom<FactorValue>(isJson, { error: 'a number, a text, true, false, an array or an object' }), {
    error: 'an array of levels, or an object { linspace } or { logspace }',
  })
  .min(1, { error: 'an array with at least one level' });

/** Levels as they are written; the result is the array of levels. */
export const levelsSchema = z.unknown().transform((value, context): readonly FactorValue[] => {
  const isRange = typeof value === 'object' && value !== null && !Array.isArray(value);
  const schema: z.ZodType<readonly FactorValue[]> = !isRange ? list : 'logspace' in value ? logspace : linspace;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) context.addIssue({ ...issue } as never);
  return z.NEVER;
});
