import { types } from 'node:util';
import { z } from 'zod';
import { OptionRangeError, OptionTypeError } from './errors.js';
import { optionNamesAt, suggestion } from './option-names.js';

/**
 * Schema building blocks. Every schema carries as its error the text "what was expected", so that one function,
 * {@link parseOptions}, can turn any failure into an error that names the option, the expectation and the value.
 */
export function numberIn(expected: string, isAllowed: (value: number) => boolean = () => true): z.ZodType<number> {
  return z.number({ error: expected }).refine(isAllowed, { error: expected });
}

export const finiteNumber = numberIn('a finite number');
export const nonNegativeNumber = numberIn('a finite number ≥ 0', (value) => value >= 0);
export const positiveNumber = numberIn('a finite number > 0', (value) => value > 0);
export const fraction = numberIn('a number in [0, 1]', (value) => value >= 0 && value <= 1);

export function integerFrom(minimum: number, maximum = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const upper = maximum === Number.MAX_SAFE_INTEGER ? '' : ` and ≤ ${maximum}`;
  return numberIn(
    `an integer ≥ ${minimum}${upper}`,
    (value) => Number.isSafeInteger(value) && value >= minimum && value <= maximum,
  );
}

export function oneOf<const Values extends readonly [string, ...string[]]>(values: Values): z.ZodType<Values[number]> {
  return z.enum(values, { error: `one of ${values.map((value) => `'${value}'`).join(', ')}` });
}

/** Whether a value is one, of whichever realm: a test runner's globals are not those that this module sees. */
function isAbortSignal(value: unknown): boolean {
  if (value instanceof AbortSignal) return true;
  return (
    Object.prototype.toString.call(value) === '[object AbortSignal]' &&
    typeof (value as AbortSignal).addEventListener === 'function'
  );
}

export const functionOf = <Kind extends (...parameters: never[]) => unknown>(expected = 'a function') =>
  z.custom<Kind>((value) => typeof value === 'function', { error: expected });
/** Options that every call on the addon's threads may have. */
export const abortSignal = z.custom<AbortSignal>(isAbortSignal, { error: 'an AbortSignal' }).optional();
export const threadCount = integerFrom(1, 1024).optional();

/** What names a study, its file or an experiment. */
export const kPlainName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
export const plainName = z
  .string({ error: 'a text' })
  .regex(kPlainName, { error: "letters, digits, '.', '_' and '-', beginning with a letter or digit" });
/** Where something is written. */
export const filePath = z.string({ error: 'the path of a file' }).min(1, { error: 'the path of a file' });

/** Where a result file is written: not the names that stand for other places elsewhere. */
export const resultFilePath = filePath.refine((path) => path !== ':memory:' && path !== '-', {
  error: 'the path of a file: results are kept neither in memory only nor on standard output',
});

/** A seed: an integer 0…2⁵³−1 or a bigint below 2⁶⁴. */
export const seedSchema = z.custom<number | bigint>(
  (value) =>
    typeof value === 'bigint' ? value >= 0n && value < 1n << 64n : Number.isSafeInteger(value) && Number(value) >= 0,
  { error: 'an integer in [0, 2^64), as a bigint beyond 2^53 − 1' },
);

/** Typed arrays of whichever realm: those of a `node:vm` context, of Jest and of other test runners are no instances of this one's. */
const kArrayKinds = {
  Float64Array: { name: 'a Float64Array', is: types.isFloat64Array },
  Uint8Array: { name: 'a Uint8Array', is: types.isUint8Array },
  Uint32Array: { name: 'a Uint32Array', is: types.isUint32Array },
} as const;
interface ArrayKinds {
  Float64Array: Float64Array;
  Uint8Array: Uint8Array;
  Uint32Array: Uint32Array;
}

/** Whether it is such an array and can what one can: its prototype may have been taken away. */
function isOrdinary(value: unknown, is: (value: unknown) => boolean): boolean {
  return (
    is(value) &&
    typeof (value as Float64Array).every === 'function' &&
    typeof (value as Float64Array).length === 'number'
  );
}

/** A typed array over an ordinary ArrayBuffer: neither shared nor resizable, and no proxy of an array. */
export function arrayOf<Kind extends keyof ArrayKinds>(kind: Kind): z.ZodType<ArrayKinds[Kind]> {
  const { name, is } = kArrayKinds[kind];
  return z
    .custom<ArrayKinds[Kind]>((value) => isOrdinary(value, is), { error: `${name} over an ArrayBuffer` })
    .refine(({ buffer }) => types.isArrayBuffer(buffer) && !(buffer as { readonly resizable?: boolean }).resizable, {
      error: `${name} over an ArrayBuffer, not a shared or resizable one`,
    });
}

/** A Float64Array over an ordinary ArrayBuffer, with finite entries only. */
export const finiteVector = arrayOf('Float64Array')
  // A detached array has length 0, and `every` throws on it; whoever knows the length wanted refuses it.
  .refine((value) => value.length === 0 || value.every(Number.isFinite), { error: 'without NaN or infinite entries' });

function pathText(root: string, path: readonly PropertyKey[]): string {
  let text = root;
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text === '' ? 'options' : text;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) {
    if (current === null || typeof current !== 'object') return undefined;
    current = (current as Record<PropertyKey, unknown>)[key];
  }
  return current;
}

/** What was expected: the schema's own text, or where it has none the type, of an object with the names of its options. */
function expectationOf(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown): string {
  if (issue.code !== 'invalid_type' || !issue.message.startsWith('Invalid input')) return issue.message;
  if (issue.expected === 'object') return `an object { ${optionNamesAt(schema, value, issue.path).join(', ')} }`;
  return `${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`;
}

/**
 * Validate `value` and return it with defaults filled in.
 *
 * @param root Path of `value` itself, put before the path of the offending option (may be empty).
 * @throws {@link OptionTypeError} if an option has the wrong type or is unknown.
 * @throws {@link OptionRangeError} if an option has the right type but a value that is not allowed.
 */
export function parseOptions<T>(schema: z.ZodType<T>, value: unknown, root: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // An option that does not exist first: it is often the misspelt name of one that is then found missing.
  const issues = result.error.issues;
  const issue = (issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]) as z.core.$ZodIssue;
  if (issue.code === 'unrecognized_keys') {
    const [name = ''] = issue.keys;
    const option = pathText(root, [...issue.path, name]);
    const hint = suggestion(name, optionNamesAt(schema, value, issue.path));
    throw new OptionTypeError(
      option,
      `left out: there is no such option${hint}`,
      valueAt(value, [...issue.path, name]),
    );
  }
  const received = valueAt(value, issue.path);
  const option = pathText(root, issue.path);
  const wrongType =
    received === undefined ||
    received === null ||
    (issue.code === 'invalid_type' && typeof received !== issue.expected);
  const expected = expectationOf(issue, schema, value);
  throw wrongType ? new OptionTypeError(option, expected, received) : new OptionRangeError(option, expected, received);
}
