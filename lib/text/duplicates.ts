import { createHash } from 'node:crypto';
import { z } from 'zod';
import { finiteNumber, parseOptions } from '../base/options.js';
import type { TextDocument } from './corpus.js';

/** Documents of a test set that were seen in training. */
export interface SharedDocuments {
  /** One for every document of the test set that is in the training set, in the order of the former. */
  readonly pairs: readonly {
    /** Position of the first document of the training set that has its words. */
    readonly train: number;
    /** Its position in the test set. */
    readonly test: number;
  }[];
  /** How many of these pairs have different labels. */
  readonly contradicting: number;
}

const documentsSchema = z.array(
  z.object({ text: z.string({ error: 'a string' }), label: finiteNumber }, { error: 'a document { text, label }' }),
  { error: 'an array of documents' },
);

/** A digest of all letters and digits of a text, in compatibility form (NFKC) and lower case, runs of them set apart. */
function digest(text: string): string {
  const runs =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return createHash('sha256').update(runs.join(' ')).digest('base64');
}

/**
 * Find documents of a test set that are in the training set too: the same letters and digits in the same order, apart from case. What is between words
 * does not count, and texts of punctuation alone are all the same. Texts that differ in one word are not found.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for what is no array of documents.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const document = (words: string, label: number) => ({ source: '', text: words, label });
 * const train = [document('Buy now', 1), document('Hello', 0)];
 * const { pairs } = text.sharedDocuments(train, [document('Good bye', 0), document('buy NOW!', 1)]);
 * console.log(JSON.stringify(pairs)); // [{"train":0,"test":1}]
 * ```
 */
export function sharedDocuments(train: readonly TextDocument[], test: readonly TextDocument[]): SharedDocuments {
  const known = parseOptions(documentsSchema, train, 'train');
  const asked = parseOptions(documentsSchema, test, 'test');
  const first = new Map<string, number>();
  for (const [i, { text }] of known.entries()) {
    const key = digest(text);
    if (!first.has(key)) first.set(key, i);
  }
  const pairs = asked.flatMap(({ text }, i) => {
    const seen = first.get(digest(text));
    return seen === undefined ? [] : [{ train: seen, test: i }];
  });
  const contradicting = pairs.filter((pair) => known[pair.train]?.label !== asked[pair.test]?.label).length;
  return { pairs, contradicting };
}

/**
 * The documents without those whose words an earlier one has; see {@link sharedDocuments} for what counts as the same.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for what is no array of documents.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const documents = ['Hello', 'hello!', 'Bye'].map((words) => ({ source: '', text: words, label: 0 }));
 * console.log(text.distinctDocuments(documents).length); // 2
 * ```
 */
export function distinctDocuments(documents: readonly TextDocument[]): readonly TextDocument[] {
  const seen = new Set<string>();
  return parseOptions(documentsSchema, documents, 'documents').flatMap(({ text }, i) => {
    const key = digest(text);
    const document = documents[i];
    if (document === undefined || seen.has(key)) return [];
    seen.add(key);
    return [document];
  });
}
