import { OptionTypeError } from '../base/errors.js';
import { type NativeModelExamples, native } from '../base/native.js';
import { type CheckedExamples, type ModelData, readTokens, requireLabels } from './data.js';
import type { ModelLoss } from './loss.js';

/**
 * Examples whose tokens the addon keeps: calls on them neither check nor copy the tokens again. Made by {@link holdExamples}; taken
 * wherever {@link ModelData} are, in the thread that made them.
 */
export interface HeldExamples {
  /** n. */
  readonly examples: number;
  /** T; with lengths, the most that an example may have. */
  readonly tokensPerExample: number;
  /** d. */
  readonly dimension: number;
  /** Free the memory now, or when the last call under way is done. Later calls refuse the examples. */
  release(): void;
}

interface Holding extends CheckedExamples {
  readonly native: NativeModelExamples & { readonly held: number };
}

const holdings = new WeakMap<object, Holding>();
const released = new WeakSet<object>();
const forgotten = new FinalizationRegistry<number>((held) => native.dropTokens({ held }));

/**
 * Copy examples into memory of the addon once, for many calls of {@link Model.scores}, {@link Model.attention}, {@link Model.gradient}
 * or {@link fit} on them. The memory, 8 bytes for every number, is freed by `release()`, or when the result is garbage collected.
 *
 * @param data Lengths, labels and relevance are kept too; what they must be depends on the call.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for bad data; RangeError if the memory cannot be had.
 * @example
 * ```ts
 * import { holdExamples, promptAttention, sampleExamples } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 4, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const held = holdExamples(await sampleExamples(mixture, { examples: 100, seed: 1 }));
 * for (const scale of [0, 0.5, 1]) {
 *   const parameters = { prompt: Float64Array.of(scale, 0, 0, 0), head: Float64Array.of(0, 1, 0, 0) };
 *   const { error } = await promptAttention.gradient(parameters, held, { loss: 'square' });
 *   console.log(scale, error);
 * }
 * held.release();
 * ```
 */
export function holdExamples(data: ModelData): HeldExamples {
  const { size, native: given } = readTokens(data, 'data');
  const { tokens, lengths, labels, relevance, examples } = given as typeof given & { tokens: Float64Array };
  const held = native.holdTokens({ tokens });
  const release = () => {
    if (!holdings.delete(handle)) return;
    released.add(handle);
    forgotten.unregister(handle);
    native.dropTokens({ held });
  };
  const handle: HeldExamples = Object.freeze({
    examples,
    tokensPerExample: size.tokens,
    dimension: size.dimension,
    release,
  });
  const kept = { lengths: lengths?.slice(), labels: labels?.slice(), relevance: relevance?.slice() };
  holdings.set(handle, { size, native: { examples, held, ...kept } });
  forgotten.register(handle, held, handle);
  return handle;
}

/** Validate data, or find what is held, of which no label is read. `root` is the name of the data in errors. */
export function readTokensOrHeld(data: unknown, root: string): CheckedExamples {
  const holding = typeof data === 'object' && data !== null ? holdings.get(data) : undefined;
  if (holding !== undefined) return holding;
  if (released.has(data as object)) throw new OptionTypeError(root, 'examples that have not been released', data);
  return readTokens(data, root);
}

/** The same with labels that the loss allows. */
export function readExamplesOrHeld(data: unknown, root: string, loss: ModelLoss, outputs: number): CheckedExamples {
  const examples = readTokensOrHeld(data, root);
  requireLabels(`${root}.labels`, examples.native.labels, loss, outputs);
  return examples;
}
