import { z } from 'zod';
import { filePath, integerFrom, numberIn, oneOf, positiveNumber } from '../../base/options.js';
import { type CorpusSource, corpusSourceSchema } from '../source.js';

/** Vectors of words that are learned from all texts that are not test texts, without their labels: see {@link text.learnWordVectors}. */
export interface LearnedVectors {
  /** Always `'learned'`. */
  readonly kind: 'learned';
  /** d, entries of a vector: an integer in [1, 2¹⁵]. Default 50. */
  readonly dimension?: number | undefined;
  /** Places to the left and to the right of a word that count: an integer in [1, 2¹⁵]. Default 5. */
  readonly window?: number | undefined;
  /** Most words that get a vector, the most frequent: an integer ≥ 1. Default 20,000. */
  readonly mostWords?: number | undefined;
}

/** Vectors of words from a file of {@link text.saveWordVectors}. */
export interface SavedVectors {
  /** Always `'saved'`. */
  readonly kind: 'saved';
  /** The file; a relative path begins in the working directory. */
  readonly path: string;
}

/** Where vectors of words are from. */
export type VectorsSource = LearnedVectors | SavedVectors;

/**
 * How a model is trained: Adam on mini-batches with a cosine schedule, the logistic loss. Every pair of learning rates is tried from the
 * same start.
 */
export interface TextTrainingOptions {
  /** Number of steps: an integer in [1, 2³¹ − 1). Default 300. */
  readonly steps?: number | undefined;
  /** Examples per step: an integer ≥ 1. Default 64. */
  readonly batchSize?: number | undefined;
  /** Largest learning rates of prompts and attention weights, above 0. Default 0.01 and 0.1. */
  readonly attentionRates?: readonly number[] | undefined;
  /** Largest learning rates of the head, above 0. Default 0.01 and 0.1. */
  readonly headRates?: readonly number[] | undefined;
  /**
   * Share of the examples held out to choose the learning rates and the best of twenty recorded points, by their loss: in (0, 1). At
   * least one example is held out.
   */
  readonly validationShare?: number | undefined;
}

/** A model that reads vectors of words. */
export type TextModel =
  | 'prompt-attention'
  | 'linear-attention'
  | 'self-attention'
  | 'mean-pooling'
  | 'prompt-tuned-layer';

/** What a practitioner would try first: multinomial naive Bayes on counts of words, logistic regression on tf-idf. */
export type TextBaseline = 'naive-bayes' | 'logistic-regression';

const kModels = [
  'prompt-attention',
  'linear-attention',
  'self-attention',
  'mean-pooling',
  'prompt-tuned-layer',
] as const;
const kBaselines = ['naive-bayes', 'logistic-regression'] as const;

const rates = z
  .array(positiveNumber, { error: 'an array of finite numbers > 0' })
  .min(1, { error: 'an array with at least one learning rate' });

const trainingSchema = z
  .strictObject(
    {
      steps: integerFrom(1, 2 ** 31 - 2).default(300),
      batchSize: integerFrom(1, 2 ** 31 - 1).default(64),
      attentionRates: rates.default([0.01, 0.1]),
      headRates: rates.default([0.01, 0.1]),
      validationShare: numberIn('a number in (0, 1)', (value) => value > 0 && value < 1).default(0.2),
    },
    { error: 'an object { steps, batchSize, attentionRates, headRates, validationShare }' },
  )
  .prefault({});

/** Training options with every default filled in. */
export type ResolvedTextTraining = z.output<typeof trainingSchema>;

const vectorsSchema = z
  .discriminatedUnion(
    'kind',
    [
      z.strictObject({
        kind: z.literal('learned'),
        dimension: integerFrom(1, 2 ** 15).default(50),
        window: integerFrom(1, 2 ** 15).default(5),
        mostWords: integerFrom(1).default(20_000),
      }),
      z.strictObject({ kind: z.literal('saved'), path: filePath }),
    ],
    { error: "vectors of words: an object whose kind is 'learned' or 'saved'" },
  )
  .prefault({ kind: 'learned' });

/** Where vectors are from with every default filled in. */
export type ResolvedVectors = z.output<typeof vectorsSchema>;

const common = {
  data: corpusSourceSchema,
  vectors: vectorsSchema,
  prompts: integerFrom(1, 1024).default(4),
  examples: integerFrom(5, 2 ** 31 - 1),
  initialScale: positiveNumber.default(0.1),
  training: trainingSchema,
};

/** What experiments on text have in common. */
export interface TextExperimentOptions {
  /** The texts, of two classes: the first one's label is −1, the second one's +1. Texts that come again are left out. */
  readonly data: CorpusSource;
  /** How words become vectors, which then get the length √d and a constant 1 behind them. Default: 50 learned coordinates. */
  readonly vectors?: VectorsSource | undefined;
  /** m_p, number of prompts of the prompt-tuned layer: an integer in [1, 1024]. Other models do not read it. Default 4. */
  readonly prompts?: number | undefined;
  /** n, training examples, those held out included: an integer ≥ 5. */
  readonly examples: number;
  /** Standard deviation of initial parameters (over √d for attention weights), above 0. Default 0.1. */
  readonly initialScale?: number | undefined;
  /** Training. */
  readonly training?: TextTrainingOptions | undefined;
}

/**
 * Texts as they are, classified by models on vectors of their words, or by what a practitioner would use. The n training texts are drawn
 * without replacement in every trial; the test texts are the same in all of them. Plain JSON.
 */
export interface TextClassificationExperiment extends TextExperimentOptions {
  /** Always `'text-classification'`. */
  readonly kind: 'text-classification';
  /** Texts to test on, of the same classes, without those that `data` has too. Default: `testExamples` texts of `data`, which are not trained on. */
  readonly test?: CorpusSource | undefined;
  /**
   * Which model: {@link promptAttention}, {@link linearAttention}, {@link selfAttention}, {@link meanPooling}, or {@link promptTunedLayer}
   * with tuned prompts, a tuned pooled head and the weights I; or a baseline, which reads all words of a text and no vectors.
   */
  readonly model: TextModel | TextBaseline;
  /** T, most tokens of a text that models read: its first words that have a vector. An integer in [1, 2¹⁶]. Default 128. */
  readonly mostTokens?: number | undefined;
  /** Test texts, at most: an integer ≥ 1. Default 1000. */
  readonly testExamples?: number | undefined;
}

export const textClassificationSchema = z.strictObject({
  kind: z.literal('text-classification'),
  ...common,
  test: corpusSourceSchema.optional(),
  model: oneOf([...kModels, ...kBaselines]),
  mostTokens: integerFrom(1, 2 ** 16).default(128),
  testExamples: integerFrom(1, 2 ** 31 - 1).default(1000),
});

/** A classification experiment with every default filled in. */
export type ResolvedTextClassification = z.output<typeof textClassificationSchema>;

/**
 * An excerpt of a labelled text hidden among k excerpts of unrelated ones, so that the share of relevant tokens is ζ = 1/(k + 1) and
 * known word by word. Excerpts have the same number of words, at random places of their texts and in a random order; both labels are
 * equally likely. Test examples are made of texts that no training example is made of. Plain JSON.
 */
export interface TextDilutionExperiment extends TextExperimentOptions {
  /** Always `'text-dilution'`. */
  readonly kind: 'text-dilution';
  /** The unrelated texts, of one class or more: their labels are not read. */
  readonly others: CorpusSource;
  /** k, unrelated excerpts of an example: an integer in [0, 2¹⁰]. */
  readonly unrelated: number;
  /** Words of an excerpt that have a vector: an integer in [1, 2¹⁰]. Texts with fewer are left out. Default 20. */
  readonly excerptWords?: number | undefined;
  /**
   * Which model: {@link promptAttention}, {@link linearAttention}, {@link selfAttention}, {@link meanPooling}, or {@link promptTunedLayer}
   * with tuned prompts, a tuned pooled head and the weights I.
   */
  readonly model: TextModel;
  /** Test examples: an integer ≥ 1. Default 1000. */
  readonly testExamples?: number | undefined;
}

export const textDilutionSchema = z.strictObject({
  kind: z.literal('text-dilution'),
  ...common,
  others: corpusSourceSchema,
  unrelated: integerFrom(0, 2 ** 10),
  excerptWords: integerFrom(1, 2 ** 10).default(20),
  model: oneOf(kModels),
  testExamples: integerFrom(1, 2 ** 31 - 1).default(1000),
});

/** A dilution experiment with every default filled in. */
export type ResolvedTextDilution = z.output<typeof textDilutionSchema>;

/** An experiment on text. */
export type TextExperiment = TextClassificationExperiment | TextDilutionExperiment;

/** An experiment on text with every default filled in. */
export type ResolvedTextExperiment = ResolvedTextClassification | ResolvedTextDilution;

/** Why experiments on text have no projected method. */
export const whyDense = () => 'for an experiment on text';

/** The law of experiments that have none. */
export const noLaw = () => Promise.resolve(null);
