import { fitHead } from '../training/index.js';
import { buildVocabulary, type Vocabulary } from './words.js';

/** Texts with labels ±1 as counts and features are made from. */
export interface LabelledWords {
  /** Words of every text. */
  readonly words: readonly (readonly string[])[];
  /** ±1, one for every text. */
  readonly labels: Float64Array;
}

/** Scores texts by their words: above 0 for the label +1. */
export type WordScorer = (words: readonly string[]) => number;

/** Words of the vocabulary in a text, with their counts. */
function countsOf(words: readonly string[], { index }: Pick<Vocabulary, 'index'>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const word of words) {
    const j = index.get(word);
    if (j !== undefined) counts.set(j, (counts.get(j) ?? 0) + 1);
  }
  return counts;
}

/**
 * Multinomial naive Bayes: log odds of the classes and of all words of a text, every count of the training one larger. Words that the
 * training did not see are passed over.
 */
export function naiveBayes({ words, labels }: LabelledWords): WordScorer {
  const vocabulary = buildVocabulary(words, { minimumDocuments: 1, mostWords: Number.MAX_SAFE_INTEGER });
  const V = vocabulary.words.length;
  const counts = { positive: new Float64Array(V).fill(1), negative: new Float64Array(V).fill(1) };
  let positives = 0;
  for (const [i, text] of words.entries()) {
    const ofClass = labels[i] === 1 ? counts.positive : counts.negative;
    if (labels[i] === 1) ++positives;
    for (const [j, count] of countsOf(text, vocabulary)) ofClass[j] = (ofClass[j] as number) + count;
  }
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  const offset = Math.log(sum(counts.negative) / sum(counts.positive));
  const odds = counts.positive.map((count, j) => Math.log(count / (counts.negative[j] as number)) + offset);
  const prior = Math.log((positives + 1) / (labels.length - positives + 1));
  return (text) => {
    let score = prior;
    for (const [j, count] of countsOf(text, vocabulary)) score += count * (odds[j] as number);
    return score;
  };
}

/** Words that get a feature, the most frequent. */
const kMostFeatures = 5000;
/** Ridges that are tried. */
const kRidges = [1e-2, 1e-3, 1e-4, 1e-5] as const;

/** Features of texts: term frequency times inverse document frequency. */
class TfIdf {
  readonly vocabulary: Vocabulary;
  /** log((1 + n)/(1 + texts with the word)) + 1. */
  readonly weights: Float64Array;

  constructor(words: readonly (readonly string[])[]) {
    this.vocabulary = buildVocabulary(words, { minimumDocuments: 1, mostWords: kMostFeatures });
    this.weights = this.vocabulary.documents.map((documents) => Math.log((1 + words.length) / (1 + documents)) + 1);
  }

  /** Length of a row: the features and a constant 1. */
  get size(): number {
    return this.weights.length + 1;
  }

  /** The features of a text by their places: counts times weights, of length 1 together, and a constant 1. */
  of(words: readonly string[]): Map<number, number> {
    const row = countsOf(words, this.vocabulary);
    let square = 0;
    for (const [j, count] of row) {
      const value = count * (this.weights[j] as number);
      row.set(j, value);
      square += value * value;
    }
    for (const [j, value] of row) row.set(j, value / Math.sqrt(square));
    return row.set(this.weights.length, 1);
  }

  /** Rows of some texts, n×size. */
  rows(words: readonly (readonly string[])[]): Float64Array {
    const rows = new Float64Array(words.length * this.size);
    for (const [i, text] of words.entries()) for (const [j, value] of this.of(text)) rows[i * this.size + j] = value;
    return rows;
  }
}

const logisticLoss = (margin: number) => Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin)));

/**
 * Logistic regression with a ridge on tf-idf (counts times log((1 + n)/(1 + texts with the word)) + 1, of length 1) of the 5000 most frequent
 * words and a constant. Of the ridges 10⁻² to 10⁻⁵ the one of least loss on the held-out texts is taken.
 */
export async function tfIdfLogistic(
  training: LabelledWords,
  held: LabelledWords,
  signal: AbortSignal | undefined,
): Promise<WordScorer | 'not-converged'> {
  const features = new TfIdf(training.words);
  const rows = features.rows(training.words);
  const scorer =
    (head: Float64Array): WordScorer =>
    (words) => {
      let score = 0;
      for (const [j, value] of features.of(words)) score += value * (head[j] as number);
      return score;
    };
  let best: { readonly loss: number; readonly score: WordScorer } | undefined;
  for (const ridge of kRidges) {
    const { head, status } = await fitHead(rows, training.labels, { kind: 'logistic', ridge }, { signal });
    if (status !== 'ok') continue;
    const score = scorer(head);
    const losses = held.words.map((words, i) => logisticLoss((held.labels[i] as number) * score(words)));
    const loss = losses.reduce((sum, value) => sum + value, 0);
    if (best === undefined || loss < best.loss) best = { loss, score };
  }
  return best?.score ?? 'not-converged';
}
