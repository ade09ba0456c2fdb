import { z } from 'zod';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { type NativeModelExamples, native } from '../base/native.js';
import { arrayOf, integerFrom, parseOptions } from '../base/options.js';
import type { ModelLoss } from './loss.js';
import type { ModelSize } from './size.js';

/**
 * Examples as models take them; what {@link sampleExamples} returns is accepted as it is. Arrays must lie in ordinary
 * ArrayBuffers: not shared, resizable or detached ones.
 *
 * With `lengths` examples have tokens of different number, which lie behind each other without padding. An example of T_i tokens then is
 * what one of T tokens would be whose last T − T_i have the score −∞ and are no queries: softmax goes over its own tokens, means are
 * divided by T_i, and a head with a row for every token has its first rows read. T itself is a bound that nothing but the
 * shape of such a head depends on ({@link selfAttentionFullHead}, {@link promptTunedLayer}).
 */
export interface ModelData {
  /** X, n×T×d row-major, finite. T follows from the length. With `lengths` (Σ T_i)×d. */
  readonly tokens: Float64Array;
  /** y, length n: ±1, or 0 … K−1 for the loss `'cross-entropy'`. Needed wherever there is a loss. */
  readonly labels?: Float64Array | undefined;
  /** n. Default: the number of labels. */
  readonly examples?: number | undefined;
  /** d. Default: the mixture's. One of the two is needed. */
  readonly dimension?: number | undefined;
  /** T_i, the number of tokens of every example, length n: integers in [1, T]. Default: T for all. */
  readonly lengths?: Uint32Array | undefined;
  /** T, where `lengths` are given: an integer ≥ their largest. Default: their largest. */
  readonly mostTokens?: number | undefined;
  /** Mask of all tokens, n×T or Σ T_i, 1 where one is relevant: {@link fit} then reports the attention on relevant tokens. */
  readonly relevance?: Uint8Array | undefined;
  /** What the examples were drawn from; only its dimension is read. */
  readonly mixture?:
    | {
        /** d. */
        readonly dimension: number;
      }
    | undefined;
  /** Not read. */
  readonly confusion?: Uint32Array | undefined;
  /** Not read. */
  readonly trueLabels?: Float64Array | undefined;
}

const numbers = arrayOf('Float64Array');

const dataSchema = z.strictObject(
  {
    tokens: numbers.refine(({ length }) => length > 0, { error: 'neither empty nor detached' }),
    labels: numbers.refine(({ length }) => length > 0, { error: 'neither empty nor detached' }).optional(),
    examples: integerFrom(1, 2 ** 31 - 1).optional(),
    dimension: integerFrom(1, 2 ** 31 - 1).optional(),
    lengths: arrayOf('Uint32Array').optional(),
    mostTokens: integerFrom(1, 2 ** 31 - 1).optional(),
    relevance: arrayOf('Uint8Array').optional(),
    mixture: z
      .custom<{ readonly dimension: number }>((value) => Number.isSafeInteger((value as ModelSize | null)?.dimension), {
        error: 'a contextual mixture',
      })
      .optional(),
    confusion: z.unknown().optional(),
    trueLabels: z.unknown().optional(),
  },
  { error: 'an object { tokens, labels, dimension }' },
);

/** Examples that passed every check. */
export interface CheckedExamples {
  readonly size: ModelSize;
  readonly native: NativeModelExamples;
}

/** Refuse NaN and infinite entries. */
export function requireFinite(option: string, array: Float64Array): void {
  const index = native.firstNonFinite(array);
  if (index >= 0)
    throw new OptionRangeError(option, `without NaN or infinite entries (entry ${index} is one)`, array[index]);
}

/** T of examples of these lengths. */
function mostTokensOf(
  lengths: Uint32Array,
  mostTokens: number | undefined,
  { root, n }: { readonly root: string; readonly n: number },
): number {
  if (lengths.length !== n)
    throw new OptionRangeError(`${root}.lengths`, `of length n = ${n} (got length ${lengths.length})`, lengths);
  const most =
    mostTokens ??
    Math.min(
      lengths.reduce((largest, length) => Math.max(largest, length), 1),
      2 ** 31 - 1,
    );
  const wrong = lengths.findIndex((length) => length < 1 || length > most);
  if (wrong >= 0) throw new OptionRangeError(`${root}.lengths[${wrong}]`, `an integer in [1, ${most}]`, lengths[wrong]);
  return most;
}

/** Validate data of which no label is read. `root` is the name of the data in errors. */
export function readTokens(data: unknown, root: string): CheckedExamples {
  const { tokens, labels, relevance, ...given } = parseOptions(dataSchema, data, root);
  const n = given.examples ?? labels?.length;
  if (n === undefined) throw new OptionTypeError(`${root}.examples`, 'given, unless labels are', undefined);
  const d = given.dimension ?? given.mixture?.dimension;
  if (d === undefined) throw new OptionTypeError(`${root}.dimension`, 'given, unless a mixture is', undefined);
  const T =
    given.lengths === undefined ? tokens.length / (n * d) : mostTokensOf(given.lengths, given.mostTokens, { root, n });
  if (given.lengths === undefined && given.mostTokens !== undefined)
    throw new OptionTypeError(`${root}.mostTokens`, 'left out unless lengths are given', given.mostTokens);
  const rows = given.lengths?.reduce((sum, length) => sum + length, 0) ?? n * T;
  if (!Number.isSafeInteger(T) || T < 1)
    throw new OptionRangeError(
      `${root}.tokens`,
      `of length n×T×d, a multiple of ${n}×${d} (got length ${tokens.length})`,
      tokens,
    );
  if (tokens.length !== rows * d)
    throw new OptionRangeError(
      `${root}.tokens`,
      `of length (Σ lengths)×d = ${rows}×${d} (got length ${tokens.length})`,
      tokens,
    );
  if (labels !== undefined && labels.length !== n)
    throw new OptionRangeError(`${root}.labels`, `of length n = ${n} (got length ${labels.length})`, labels);
  if (relevance !== undefined && relevance.length !== rows) {
    const expected = given.lengths === undefined ? `n×T = ${n}×${T}` : `Σ lengths = ${rows}`;
    throw new OptionRangeError(`${root}.relevance`, `of length ${expected}`, relevance);
  }
  requireFinite(`${root}.tokens`, tokens);
  return {
    size: { tokens: T, dimension: d },
    native: { examples: n, tokens, lengths: given.lengths, labels, relevance },
  };
}

/** Refuse labels other than ±1, or 0 … K−1 for the cross-entropy. */
export function requireLabels(
  option: string,
  labels: Float64Array | undefined,
  loss: ModelLoss,
  outputs: number,
): asserts labels is Float64Array {
  if (labels === undefined) throw new OptionTypeError(option, 'given', undefined);
  const isLabel =
    loss === 'cross-entropy'
      ? (y: number) => Number.isInteger(y) && y >= 0 && y < outputs
      : (y: number) => y === 1 || y === -1;
  const index = labels.findIndex((y) => !isLabel(y));
  if (index < 0) return;
  const expected = loss === 'cross-entropy' ? `an integer in [0, ${outputs})` : '−1 or 1';
  throw new OptionRangeError(`${option}[${index}]`, expected, labels[index]);
}
