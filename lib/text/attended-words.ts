import { z } from 'zod';
import { OptionRangeError } from '../base/errors.js';
import type { JobOptions } from '../base/job.js';
import { abortSignal, integerFrom, parseOptions, seedSchema, threadCount } from '../base/options.js';
import { choosePlaces, uniformsOf } from '../real-data/choices.js';
import { classifiedWrong, mean } from '../real-data/evaluation.js';
import {
  type ClassifiedText,
  classifyTexts,
  requireClassifier,
  scoresOfWords,
  type TextClassifier,
} from './classifier.js';
import type { TextDocument } from './corpus.js';

/** A word with the attention that it gets in some texts. */
export interface WordAttention {
  /** As {@link text.wordsOf} gives it. */
  readonly word: string;
  /** How often it is read. */
  readonly count: number;
  /** Texts that it is read in. */
  readonly texts: number;
  /** Its share of the attention of all texts together, in [0, 1]. */
  readonly share: number;
  /** Attention on one occurrence, on average, in [0, 1]. */
  readonly attention: number;
}

const attendedSchema = z
  .array(
    z.looseObject({
      words: z.array(z.looseObject({ word: z.string(), read: z.boolean(), attention: z.number() })),
    }),
    { error: 'an array of what text.classifyTexts returned' },
  )
  .min(1, { error: 'an array with at least one text' });
const mostSchema = z.strictObject({ most: integerFrom(1).default(20), minimumTexts: integerFrom(1).default(1) });

/**
 * The words that get most of the attention of some texts together, with their counts.
 *
 * @param classified What {@link classifyTexts} returned.
 * @returns In the order of their shares, the largest first.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const word = (attention: number, name: string) => ({ word: name, read: true, attention, attentionBefore: 0.5 });
 * const texts = [{ label: 1, score: 2, words: [word(0.25, 'the'), word(0.75, 'prize')] }];
 * console.log(text.attendedWords(texts, { most: 1 })[0]?.word); // prize
 * ```
 */
export function attendedWords(
  classified: readonly ClassifiedText[],
  options: {
    /** Most words that are given: an integer ≥ 1. Default 20. */
    readonly most?: number | undefined;
    /** Texts that a word must be read in: an integer ≥ 1. Default 1. */
    readonly minimumTexts?: number | undefined;
  } = {},
): readonly WordAttention[] {
  const texts = parseOptions(attendedSchema, classified, 'classified');
  const { most, minimumTexts } = parseOptions(mostSchema, options, '');
  const tallies = new Map<string, { count: number; texts: number; last: number; sum: number }>();
  for (const [i, { words }] of texts.entries())
    for (const { word, read, attention } of words) {
      if (!read) continue;
      const tally = tallies.get(word) ?? { count: 0, texts: 0, last: -1, sum: 0 };
      if (tally.count === 0) tallies.set(word, tally);
      ++tally.count;
      if (tally.last !== i) ++tally.texts;
      tally.last = i;
      tally.sum += attention;
    }
  return [...tallies]
    .filter(([, tally]) => tally.texts >= minimumTexts)
    .sort(([a, { sum: s }], [b, { sum: t }]) => t - s || (a < b ? -1 : 1))
    .slice(0, most)
    .map(([word, { count, texts: inTexts, sum }]) => ({
      word,
      count,
      texts: inTexts,
      share: sum / texts.length,
      attention: sum / count,
    }));
}

/** Options of {@link erasureCurve}. */
export interface ErasureOptions extends JobOptions {
  /** How many words are removed: different integers ≥ 0. Default 0, 1, 2, 5, 10 and 20. */
  readonly removed?: readonly number[] | undefined;
  /** Random choices of words for every text: an integer ≥ 1. Default 10. */
  readonly repetitions?: number | undefined;
  /** Fixes the random choices. Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
}

/** What removing words does. */
export interface ErasureCurve {
  /** How many words were removed of every text; one word is left of those that have no more. */
  readonly removed: readonly number[];
  /** Accuracy where the words with most attention are removed. */
  readonly attended: readonly number[];
  /** Accuracy where random words are removed, averaged over the repetitions. */
  readonly random: readonly number[];
  /** Standard error over the texts of the difference `attended` − `random`. */
  readonly differenceStandardError: readonly number[];
}

const erasureSchema = z.strictObject({
  removed: z
    .array(integerFrom(0), { error: 'an array of integers ≥ 0' })
    .min(1, { error: 'an array with at least one number' })
    .refine((numbers) => new Set(numbers).size === numbers.length, { error: 'without repeated numbers' })
    .default([0, 1, 2, 5, 10, 20]),
  repetitions: integerFrom(1, 1000).default(10),
  seed: seedSchema.default(0),
  threads: threadCount,
  signal: abortSignal,
});
const documentsSchema = z
  .array(z.looseObject({ text: z.string({ error: 'a string' }), label: integerFrom(0, 1) }), {
    error: 'an array of documents { text, label } of two classes',
  })
  .min(2, { error: 'an array with at least two documents' });

/** Tells the uniform numbers that choose words to remove from all others of a seed. */
const kErasurePurpose = { erasure: 'words' };

/** The words that are left of a text without some places. */
const without = (words: readonly string[], places: Iterable<number>) => {
  const removed = new Set(places);
  return words.filter((_, place) => !removed.has(place));
};

/** How right the class of every text is, in [0, 1]; a score of 0 is half right. */
const rightness = (scores: Float64Array, labels: readonly number[]): Float64Array =>
  scores.map((_, i) => 1 - classifiedWrong(scores.subarray(i, i + 1), 2 * (labels[i] as number) - 1));

/**
 * How accurate a classifier remains when words are removed: the k with most attention, or k random ones among those that it reads. If
 * attention is on words that matter, the former hurts more.
 *
 * @param classifier Of {@link text.learnClassifier} or {@link text.loadClassifier}.
 * @param documents With labels; each with a word that has a vector. {@link text.testDocuments} gives some.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; the signal's reason if aborted.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * async function erase(classifier: text.TextClassifier): Promise<number | undefined> {
 *   const { attended, random } = await text.erasureCurve(classifier, await text.testDocuments(classifier), { removed: [5] });
 *   return attended[0] === undefined || random[0] === undefined ? undefined : attended[0] - random[0];
 * }
 * console.log(typeof erase); // function
 * ```
 */
export async function erasureCurve(
  classifier: TextClassifier,
  documents: readonly Pick<TextDocument, 'text' | 'label'>[],
  options: ErasureOptions = {},
): Promise<ErasureCurve> {
  const known = requireClassifier(classifier);
  const parsed = parseOptions(documentsSchema, documents, 'documents');
  const { removed, repetitions, seed, threads, signal } = parseOptions(erasureSchema, options, '');
  const labels = parsed.map(({ label }) => label);
  const found = await classifyTexts(
    known,
    parsed.map(({ text }) => text),
    { threads, signal },
  ).catch((error: unknown) => {
    if (!(error instanceof OptionRangeError)) throw error;
    throw new OptionRangeError(error.option.replace('texts', 'documents'), error.expected, undefined);
  });
  const read = found.map(({ words }) => words.filter((word) => word.read));
  const words = read.map((list) => list.map(({ word }) => word));
  const byAttention = read.map((list) =>
    [...list.keys()].sort((i, j) => (list[j]?.attention ?? 0) - (list[i]?.attention ?? 0) || i - j),
  );
  const leftOf = (k: number, length: number) => Math.min(k, length - 1);
  const accuracyOf = async (texts: readonly (readonly string[])[]) =>
    rightness(await scoresOfWords(known, texts, { threads, signal }), labels);
  const curve = { attended: [] as number[], random: [] as number[], differenceStandardError: [] as number[] };
  for (const k of removed) {
    const attended = await accuracyOf(
      words.map((list, i) => without(list, (byAttention[i] as number[]).slice(0, leftOf(k, list.length)))),
    );
    const random = new Float64Array(labels.length);
    for (let repetition = 0; repetition < repetitions; ++repetition) {
      const texts = words.map((list, i) => {
        const purpose = { ...kErasurePurpose, text: i, k };
        const count = leftOf(k, list.length);
        if (count === 0) return list;
        return without(
          list,
          choosePlaces(list.length, uniformsOf({ seed, trial: repetition, examples: count, purpose }, 1)),
        );
      });
      for (const [i, right] of (await accuracyOf(texts)).entries()) random[i] = (random[i] as number) + right;
    }
    const averaged = random.map((sum) => sum / repetitions);
    const difference = attended.map((right, i) => right - (averaged[i] as number));
    const centre = mean(difference);
    const variance = mean(difference.map((value) => (value - centre) ** 2));
    curve.attended.push(mean(attended));
    curve.random.push(mean(averaged));
    curve.differenceStandardError.push(Math.sqrt(variance / (labels.length - 1)));
  }
  return { removed, ...curve };
}
