import { OptionRangeError } from '../../base/errors.js';
import { choosePlaces, uniformsOf } from '../../real-data/choices.js';
import { shared } from '../../real-data/shared.js';
import type { TextDocument } from '../corpus.js';
import { distinctDocuments, sharedDocuments } from '../duplicates.js';
import { learnWordVectors } from '../learn.js';
import { loadWordVectors, wordVectors } from '../saved-vectors.js';
import { type ResolvedCorpusSource, readSource, withoutPlace } from '../source.js';
import type { WordVectors } from '../word-vectors.js';
import { buildVocabulary, wordsOf } from '../words.js';
import type { ResolvedTextClassification, ResolvedTextDilution, ResolvedVectors } from './schemas.js';

/** Texts and their words. */
export interface TextPool {
  readonly documents: readonly TextDocument[];
  readonly words: readonly (readonly string[])[];
  /** ±1: −1 for the first class. */
  readonly labels: Float64Array;
}

/** What the texts of an experiment are drawn from. */
export interface TextPools {
  readonly classes: readonly string[];
  readonly train: TextPool;
  readonly test: TextPool;
  /** Vectors as tokens have them: see {@link tokenVectors}. */
  readonly vectors: WordVectors;
}

/** Where work runs. */
interface Resources {
  readonly seed: number | bigint;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
}

/** Share of the texts that test examples of a dilution are made of. */
const kTestShare = 0.25;

const labelOf = ({ label }: TextDocument) => 2 * label - 1;

function poolOf(documents: readonly TextDocument[]): TextPool {
  return {
    documents,
    words: documents.map(({ text }) => wordsOf(text)),
    labels: Float64Array.from(documents, labelOf),
  };
}

/** Some texts of a pool. */
export function textsAt({ documents, words, labels }: TextPool, places: ArrayLike<number>): TextPool {
  const at = Array.from(places);
  return {
    documents: at.map((i) => documents[i] as TextDocument),
    words: at.map((i) => words[i] as readonly string[]),
    labels: Float64Array.from(at, (i) => labels[i] as number),
  };
}

/** The texts of a pool that `wanted` accepts by their words. */
function textsWith(pool: TextPool, wanted: (words: readonly string[]) => boolean): TextPool {
  return textsAt(
    pool,
    pool.words.flatMap((words, i) => (wanted(words) ? i : [])),
  );
}

/** A random order of some texts, fixed by the seed. */
export function randomOrder(size: number, seed: number | bigint, trial: number, purpose: unknown): Uint32Array {
  return choosePlaces(size, uniformsOf({ seed, trial, examples: size, purpose }, 1));
}

/**
 * Vectors as tokens have them: of length √d, so that their entries are near 1, with a constant 1 behind them, by which a head has an
 * intercept. Attention does not see the constant; a vector 0 stays 0 before it.
 */
export function tokenVectors({ words, dimension, vectors }: WordVectors): WordVectors {
  const rows = new Float64Array(words.length * (dimension + 1));
  for (let i = 0; i < words.length; ++i) {
    const row = vectors.subarray(i * dimension, (i + 1) * dimension);
    const norm = Math.hypot(...row);
    const scale = norm > 0 ? Math.sqrt(dimension) / norm : 0;
    rows.set(
      row.map((entry) => scale * entry),
      i * (dimension + 1),
    );
    rows[(i + 1) * (dimension + 1) - 1] = 1;
  }
  return wordVectors(words, { shape: [words.length, dimension + 1], values: rows });
}

/** The vectors of an experiment; those that are learned see the words of `texts`. */
async function vectorsOf(
  options: ResolvedVectors,
  texts: readonly (readonly string[])[],
  { threads, signal }: Omit<Resources, 'seed'>,
): Promise<WordVectors> {
  if (options.kind === 'saved') return tokenVectors(await loadWordVectors(options.path));
  const { dimension, window, mostWords } = options;
  const vocabulary = buildVocabulary(texts, { mostWords });
  if (dimension > vocabulary.words.length)
    throw new OptionRangeError(
      'vectors.dimension',
      `at most ${vocabulary.words.length}, the number of words`,
      dimension,
    );
  return tokenVectors(await learnWordVectors(texts, { dimension, window, vocabulary, threads, signal }));
}

/** Names of two classes. */
function twoClasses(classes: readonly string[], option: string): readonly string[] {
  if (classes.length !== 2) throw new OptionRangeError(option, 'a corpus of two classes', classes);
  return classes;
}

/** Both labels, or an error that names the option which is to blame. */
function requireBothLabels(pool: TextPool, option: string, expected: string, value: unknown): void {
  if (!pool.labels.includes(1) || !pool.labels.includes(-1)) throw new OptionRangeError(option, expected, value);
}

/** The different texts of a corpus, which several pools may be made of. */
function distinctTexts(source: ResolvedCorpusSource, leastClasses: 1 | 2 = 2) {
  return shared({ corpus: { source, leastClasses } }, undefined, async () => {
    const { documents, classes } = await readSource(source, leastClasses);
    return { classes, documents: distinctDocuments(documents) };
  });
}

/** Training and test documents of a classification. */
async function splitDocuments(
  { data, test, testExamples }: Pick<ResolvedTextClassification, 'data' | 'test' | 'testExamples'>,
  seed: number | bigint,
) {
  const { classes, documents } = await distinctTexts(data);
  twoClasses(classes, 'data');
  const texts = { data: withoutPlace(data), test: test === undefined ? null : withoutPlace(test) };
  const choose = (size: number) => randomOrder(size, seed, 0, { texts });
  if (test === undefined) {
    if (testExamples >= documents.length)
      throw new OptionRangeError(
        'testExamples',
        `below ${documents.length}, the number of different texts`,
        testExamples,
      );
    const order = [...choose(documents.length)].map((i) => documents[i] as TextDocument);
    return { classes, test: order.slice(0, testExamples), train: order.slice(testExamples) };
  }
  const other = await distinctTexts(test);
  if (other.classes.join('\0') !== classes.join('\0'))
    throw new OptionRangeError('test', `a corpus of the classes ${classes.join(' and ')}`, other.classes);
  const known = new Set(sharedDocuments(documents, other.documents).pairs.map((pair) => pair.test));
  const fresh = other.documents.filter((_, i) => !known.has(i));
  const chosen = [...choose(fresh.length)].slice(0, testExamples).map((i) => fresh[i] as TextDocument);
  return { classes, test: chosen, train: documents };
}

/** Whether a text has a word with a vector. */
const knownBy =
  ({ index }: WordVectors) =>
  (words: readonly string[]) =>
    words.some((word) => index.has(word));

/** The test documents of {@link classificationPools}, whose vectors are known. */
export async function testDocumentsOf(
  experiment: Pick<ResolvedTextClassification, 'data' | 'test' | 'testExamples'>,
  seed: number | bigint,
  vectors: WordVectors,
): Promise<readonly TextDocument[]> {
  const { test } = await splitDocuments(experiment, seed);
  return textsWith(poolOf(test), knownBy(vectors)).documents;
}

/**
 * The texts of a classification: distinct ones, none of them in both pools, and each with a word that has a vector. Vectors are learned
 * from all training texts, whatever n.
 */
export function classificationPools(
  experiment: Pick<ResolvedTextClassification, 'data' | 'test' | 'testExamples' | 'vectors'>,
  { seed, threads, signal: own }: Resources,
): Promise<TextPools> {
  const { data, test: testData, vectors: options, testExamples } = experiment;
  const key = { texts: { data, test: testData ?? null, options, testExamples, seed: String(seed) } };
  return shared(key, own, async (signal) => {
    const { classes, ...documents } = await splitDocuments(experiment, seed);
    const [train, test] = [poolOf(documents.train), poolOf(documents.test)];
    const vectors = await vectorsOf(options, train.words, { threads, signal });
    const isKnown = knownBy(vectors);
    const pools = { classes, vectors, train: textsWith(train, isKnown), test: textsWith(test, isKnown) };
    requireBothLabels(pools.train, 'data', 'a corpus with training texts of both classes', data);
    if (testData === undefined)
      requireBothLabels(pools.test, 'testExamples', 'large enough for texts of both classes', testExamples);
    else requireBothLabels(pools.test, 'test', 'a corpus with new texts of both classes', testData);
    return pools;
  });
}

/** What excerpts of a dilution are taken from. */
export interface DilutionPools {
  readonly vectors: WordVectors;
  /** Words that have a vector, of texts that have enough of them; of the labelled texts by label −1 and +1. */
  readonly train: ExcerptSources;
  readonly test: ExcerptSources;
}

/** Words of texts, by what the texts are for. */
export interface ExcerptSources {
  readonly labelled: readonly [readonly (readonly string[])[], readonly (readonly string[])[]];
  readonly others: readonly (readonly string[])[];
}

/** Two parts of some documents, in an order that the seed fixes. */
function split(documents: readonly TextDocument[], seed: number | bigint, purpose: unknown) {
  const order = [...randomOrder(documents.length, seed, 0, purpose)].map((i) => documents[i] as TextDocument);
  const tested = Math.ceil(kTestShare * documents.length);
  return { test: poolOf(order.slice(0, tested)), train: poolOf(order.slice(tested)) };
}

/** The texts of a dilution; see {@link TextDilutionExperiment}. */
export function dilutionPools(
  { data, others, vectors: options, excerptWords }: ResolvedTextDilution,
  { seed, threads, signal: own }: Resources,
): Promise<DilutionPools> {
  const key = { excerpts: { data, others, options, excerptWords, seed: String(seed) } };
  return shared(key, own, async (signal) => {
    const { classes, documents } = await distinctTexts(data);
    twoClasses(classes, 'data');
    const labelled = split(documents, seed, { labelled: withoutPlace(data) });
    const unrelated = split((await distinctTexts(others, 1)).documents, seed, { unrelated: withoutPlace(others) });
    const vectors = await vectorsOf(options, [...labelled.train.words, ...unrelated.train.words], { threads, signal });
    const long = (words: readonly (readonly string[])[]) =>
      words.map((text) => text.filter((word) => vectors.index.has(word))).filter((text) => text.length >= excerptWords);
    const sourcesOf = (part: 'train' | 'test'): ExcerptSources => {
      const { words, labels } = labelled[part];
      const ofLabel = (label: number) => long(words.filter((_, i) => labels[i] === label));
      const sources = { labelled: [ofLabel(-1), ofLabel(1)], others: long(unrelated[part].words) } as const;
      if (sources.labelled.some(({ length }) => length === 0) || sources.others.length === 0)
        throw new OptionRangeError(
          'excerptWords',
          'small enough that training and test texts of both classes, and unrelated ones, have so many words',
          excerptWords,
        );
      return sources;
    };
    return { vectors, train: sourcesOf('train'), test: sourcesOf('test') };
  });
}
