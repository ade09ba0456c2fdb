import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ConvergenceError, OptionRangeError, OptionTypeError } from '../base/errors.js';
import type { JobOptions } from '../base/job.js';
import { abortSignal, integerFrom, oneOf, parseOptions, seedSchema, threadCount } from '../base/options.js';
import type { ModelParameters } from '../models/index.js';
import type { TextDocument } from './corpus.js';
import { embedTexts } from './embed.js';
import { trainClassifier } from './experiments/classification.js';
import { modelOf } from './experiments/models.js';
import { classificationPools, testDocumentsOf } from './experiments/pools.js';
import {
  type ResolvedTextClassification,
  type TextClassificationExperiment,
  textClassificationSchema,
} from './experiments/schemas.js';
import type { WordVectors } from './word-vectors.js';
import { wordsOf } from './words.js';

/** What {@link learnClassifier} learns: a {@link TextClassificationExperiment} of a model whose attention is on words. */
export interface ClassifierExperiment extends Omit<TextClassificationExperiment, 'kind' | 'model' | 'examples'> {
  /** May be left out. */
  readonly kind?: 'text-classification' | undefined;
  /** Which model. Default `'prompt-attention'`. */
  readonly model?: 'prompt-attention' | 'prompt-tuned-layer' | undefined;
  /** n, training texts, those held out included: an integer ≥ 5. Default: all that are not test texts. */
  readonly examples?: number | undefined;
}

/** Options of {@link learnClassifier}. */
export interface LearnClassifierOptions extends JobOptions {
  /** Fixes everything, as the seed of a study of the experiment does. Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Which trial of such a study: an integer in [0, 2²⁰). Default 0. */
  readonly trial?: number | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
}

/** A model that classifies texts by words it attends to, with what it was learned from. Made by this package only. */
export interface TextClassifier {
  /** Names of the two classes; scores above 0 are for the second one. */
  readonly classes: readonly string[];
  /** Vectors of words as the model's tokens have them: of length √d, with a constant 1 behind. */
  readonly vectors: WordVectors;
  /** Parameters before tuning. */
  readonly before: ModelParameters<string>;
  /** Parameters after tuning. */
  readonly after: ModelParameters<string>;
  /** The experiment with every default filled in. */
  readonly experiment: ClassifierExperiment;
  /** The seed that it was learned with. */
  readonly seed: bigint;
}

/** One word of a text. */
export interface AttendedWord {
  /** As {@link text.wordsOf} gives it. */
  readonly word: string;
  /** Whether it is a token: it has a vector and is not behind the first T of such words. Else its attention is 0. */
  readonly read: boolean;
  /** Attention after tuning, in [0, 1]; averaged over prompts. Those of a text sum to 1. */
  readonly attention: number;
  /** Attention before tuning. */
  readonly attentionBefore: number;
}

/** What a classifier says of a text. */
export interface ClassifiedText {
  /** Index of the class; of the first one where the score is 0. */
  readonly label: number;
  /** Above 0 for the second class. */
  readonly score: number;
  /** The words of the text in its order. */
  readonly words: readonly AttendedWord[];
}

const experimentSchema = textClassificationSchema.extend({
  kind: textClassificationSchema.shape.kind.default('text-classification'),
  model: oneOf(['prompt-attention', 'prompt-tuned-layer']).default('prompt-attention'),
  examples: textClassificationSchema.shape.examples.optional(),
});
const learnSchema = z.strictObject({
  seed: seedSchema.default(0),
  trial: integerFrom(0, 2 ** 20 - 1).default(0),
  threads: threadCount,
  signal: abortSignal,
});
const callSchema = z.strictObject({ threads: threadCount, signal: abortSignal });
const textsSchema = z
  .array(z.string({ error: 'a string' }), { error: 'an array of texts' })
  .min(1, { error: 'an array with at least one text' });

const made = new WeakSet<object>();

/** A classifier as this package has made it. */
export interface KnownClassifier extends TextClassifier {
  readonly experiment: ResolvedTextClassification & { readonly model: 'prompt-attention' | 'prompt-tuned-layer' };
}

/** A classifier of given parts, known as one. */
export function makeClassifier(parts: KnownClassifier): TextClassifier {
  const classifier = Object.freeze(parts);
  made.add(classifier);
  return classifier;
}

/** Refuse what {@link makeClassifier} has not made. */
export function requireClassifier(value: unknown): KnownClassifier {
  if (typeof value !== 'object' || value === null || !made.has(value))
    throw new OptionTypeError('classifier', 'what text.learnClassifier or text.loadClassifier returned', value);
  return value as KnownClassifier;
}

/**
 * Learn to classify texts by the words that a prompt attends to: one trial of a {@link TextClassificationExperiment}.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; {@link DataError} if the texts cannot be read;
 * {@link ConvergenceError} if the training diverges at all learning rates; the signal's reason if aborted.
 * @example
 * ```ts
 * import { mkdtempSync, writeFileSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { text } from 'prompt-attention';
 * const path = join(mkdtempSync(join(tmpdir(), 'texts-')), 'fruit.csv');
 * const lines = Array.from({ length: 60 }, (_, i) => `line ${i} has ${i % 2 ? 'sweet pears' : 'fast cars'},${i % 2 ? 'fruit' : 'road'}`);
 * writeFileSync(path, ['text,label', ...lines].join('\n'));
 * const classifier = await text.learnClassifier({
 *   data: { kind: 'csv', path },
 *   vectors: { kind: 'learned', dimension: 4 },
 *   testExamples: 20,
 * });
 * const [found] = await text.classifyTexts(classifier, ['These are sweet pears']);
 * console.log(classifier.classes[found?.label ?? 0]); // fruit
 * ```
 */
export async function learnClassifier(
  experiment: ClassifierExperiment,
  options: LearnClassifierOptions = {},
): Promise<TextClassifier> {
  const parsed = parseOptions(experimentSchema, experiment, 'experiment');
  const { seed, trial, threads = availableParallelism(), signal } = parseOptions(learnSchema, options, '');
  const context = { seed, trial, threads, signal };
  const pools = await classificationPools(parsed, context);
  const resolved = { ...parsed, examples: parsed.examples ?? pools.train.labels.length };
  if (resolved.examples < 5)
    throw new OptionRangeError('experiment.data', 'a corpus that leaves five texts for training', resolved.examples);
  const trained = await trainClassifier(resolved, pools, context);
  if (trained === 'diverged')
    throw new ConvergenceError('the training diverges at all of training.attentionRates and training.headRates', {});
  const { before, after } = trained;
  return makeClassifier({
    classes: pools.classes,
    vectors: pools.vectors,
    before,
    after,
    experiment: resolved,
    seed: BigInt(seed),
  });
}

/**
 * The texts that a classifier was not learned from, read again from where its experiment says.
 *
 * @throws {@link OptionTypeError} if it is no classifier; {@link DataError} if the texts cannot be read.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * async function errorOf(classifier: text.TextClassifier): Promise<number> {
 *   const documents = await text.testDocuments(classifier);
 *   const found = await text.classifyTexts(classifier, documents.map((document) => document.text));
 *   return found.filter(({ label }, i) => label !== documents[i]?.label).length / documents.length;
 * }
 * console.log(typeof errorOf); // function
 * ```
 */
export async function testDocuments(classifier: TextClassifier): Promise<readonly TextDocument[]> {
  const { experiment, seed, vectors } = requireClassifier(classifier);
  return testDocumentsOf(experiment, seed, vectors);
}

/** Attention of every token of a text, averaged over prompts, from the rows of all texts. */
function attentionOf(rows: Float64Array, first: number, length: number, prompts: number): Float64Array {
  return Float64Array.from({ length }, (_, t) => {
    let sum = 0;
    for (let s = 0; s < prompts; ++s) sum += rows[prompts * first + s * length + t] as number;
    return sum / prompts;
  });
}

/** Scores of texts given as words, all of which have a token. */
export async function scoresOfWords(
  classifier: KnownClassifier,
  words: readonly (readonly string[])[],
  options: { readonly threads?: number | undefined; readonly signal?: AbortSignal | undefined },
): Promise<Float64Array> {
  const { experiment, vectors, after } = classifier;
  const { data } = embedTexts(words, vectors, { mostTokens: experiment.mostTokens });
  return modelOf(experiment.model, experiment.prompts).scores(after, data, options);
}

/**
 * Classify texts, and say how much attention each of their words gets.
 *
 * @param classifier Of {@link text.learnClassifier} or {@link text.loadClassifier}.
 * @param texts At least one; each with a word that has a vector.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; the signal's reason if aborted.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * async function mostAttended(classifier: text.TextClassifier, mail: string): Promise<string | undefined> {
 *   const [found] = await text.classifyTexts(classifier, [mail]);
 *   return found?.words.reduce((most, word) => (word.attention > most.attention ? word : most)).word;
 * }
 * console.log(typeof mostAttended); // function
 * ```
 */
export async function classifyTexts(
  classifier: TextClassifier,
  texts: readonly string[],
  options: JobOptions & {
    /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
    readonly threads?: number | undefined;
  } = {},
): Promise<readonly ClassifiedText[]> {
  const { experiment, vectors, before, after } = requireClassifier(classifier);
  const words = parseOptions(textsSchema, texts, 'texts').map((source) => wordsOf(source));
  const { threads = availableParallelism(), signal } = parseOptions(callSchema, options, '');
  const unknown = words.findIndex((list) => !list.some((word) => vectors.index.has(word)));
  if (unknown >= 0)
    throw new OptionRangeError(`texts[${unknown}]`, 'a text with a word that has a vector', texts[unknown]);
  const { data, places } = embedTexts(words, vectors, { mostTokens: experiment.mostTokens });
  const model = modelOf(experiment.model, experiment.prompts);
  const prompts = experiment.model === 'prompt-attention' ? 1 : experiment.prompts;
  const scores = await model.scores(after, data, { threads, signal });
  const rows = {
    attention: await model.attention(after, data, { threads, signal }),
    attentionBefore: await model.attention(before, data, { threads, signal }),
  };
  let first = 0;
  return words.map((list, i) => {
    const length = data.lengths[i] as number;
    const attention = attentionOf(rows.attention, first, length, prompts);
    const attentionBefore = attentionOf(rows.attentionBefore, first, length, prompts);
    const tokenOf = new Map(Array.from(places.subarray(first, first + length), (place, t) => [place, t]));
    first += length;
    const score = scores[i] as number;
    return {
      label: score > 0 ? 1 : 0,
      score,
      words: list.map((word, place) => {
        const t = tokenOf.get(place);
        return t === undefined
          ? { word, read: false, attention: 0, attentionBefore: 0 }
          : {
              word,
              read: true,
              attention: attention[t] as number,
              attentionBefore: attentionBefore[t] as number,
            };
      }),
    };
  });
}
