import { OptionRangeError } from '../../base/errors.js';
import type { ExperimentKind } from '../../base/kind.js';
import { type HeldExamples, holdExamples } from '../../models/index.js';
import { errorOf } from '../../real-data/evaluation.js';
import { shared } from '../../real-data/shared.js';
import { runTrials, type TrialContext, type TrialOutcome, trainingSeed } from '../../real-data/trials.js';
import { naiveBayes, tfIdfLogistic, type WordScorer } from '../baselines.js';
import { embedTexts } from '../embed.js';
import { rocAuc } from '../evaluation.js';
import type { WordVectors } from '../word-vectors.js';
import { trainedOn, trainText } from './models.js';
import { classificationPools, randomOrder, type TextPool, type TextPools, textsAt } from './pools.js';
import {
  noLaw,
  type ResolvedTextClassification,
  type TextBaseline,
  type TextClassificationExperiment,
  type TextModel,
  textClassificationSchema,
  whyDense,
} from './schemas.js';

const kMetrics = ['error', 'rocAuc'] as const;

const isBaseline = (model: TextModel | TextBaseline): model is TextBaseline =>
  model === 'naive-bayes' || model === 'logistic-regression';

/** Texts of a pool, all of which have words with vectors, as examples that the addon keeps. */
export function holdTexts({ words, labels }: TextPool, vectors: WordVectors, mostTokens: number): HeldExamples {
  return holdExamples(embedTexts(words, vectors, { labels, mostTokens }).data);
}

/** The training texts of a trial; a larger n begins with those of a smaller one. */
export function drawTexts({ train }: TextPools, examples: number, { seed, trial }: TrialContext): TextPool {
  const available = train.labels.length;
  if (examples > available)
    throw new OptionRangeError('examples', `at most ${available}, the number of training texts`, examples);
  return textsAt(train, randomOrder(available, seed, trial, 'training texts').subarray(0, examples));
}

/** Error and area under the curve. */
export function qualityOf(scores: Float64Array, labels: Float64Array) {
  return { error: errorOf(scores, labels), rocAuc: rocAuc(scores, labels) };
}

async function baseline(
  model: TextBaseline,
  training: TextPool,
  held: TextPool,
  signal: AbortSignal | undefined,
): Promise<WordScorer | 'not-converged'> {
  if (model === 'logistic-regression') return tfIdfLogistic(training, held, signal);
  // It has nothing to choose: all texts are counted.
  return naiveBayes({
    words: [...training.words, ...held.words],
    labels: Float64Array.of(...training.labels, ...held.labels),
  });
}

/** The training texts of a trial in two parts. */
export function partsOf(experiment: ResolvedTextClassification, texts: TextPool) {
  const cut = trainedOn(experiment.examples, experiment.training);
  const range = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => first + i);
  return { training: textsAt(texts, range(0, cut)), held: textsAt(texts, range(cut, experiment.examples)) };
}

/** Train a vector model on the texts of a trial. */
export async function trainClassifier(
  experiment: ResolvedTextClassification & { readonly model: TextModel },
  pools: TextPools,
  context: TrialContext,
) {
  const { mostTokens } = experiment;
  const texts = partsOf(experiment, drawTexts(pools, experiment.examples, context));
  const training = holdTexts(texts.training, pools.vectors, mostTokens);
  const held = holdTexts(texts.held, pools.vectors, mostTokens);
  try {
    const { threads, signal } = context;
    return await trainText(experiment, { training, held }, { seed: trainingSeed(context), threads, signal });
  } finally {
    training.release();
    held.release();
  }
}

/** The test texts of an experiment as examples: the same in all trials and cells that share them. */
function testExamplesOf(
  { data, test, vectors, testExamples, mostTokens }: ResolvedTextClassification,
  pools: TextPools,
  { seed, signal }: TrialContext,
): Promise<HeldExamples> {
  const key = { test: { data, test: test ?? null, vectors, testExamples, mostTokens, seed: String(seed) } };
  return shared(key, signal, async () => holdTexts(pools.test, pools.vectors, mostTokens));
}

/** Train one model on the texts of one trial. */
async function classificationTrial(
  experiment: ResolvedTextClassification,
  context: TrialContext,
): Promise<TrialOutcome> {
  const { model } = experiment;
  const { threads, signal } = context;
  const pools = await classificationPools(experiment, context);
  const { labels, words } = pools.test;
  if (isBaseline(model)) {
    const texts = partsOf(experiment, drawTexts(pools, experiment.examples, context));
    const score = await baseline(model, texts.training, texts.held, signal);
    return typeof score === 'string' ? score : qualityOf(Float64Array.from(words, score), labels);
  }
  const trained = await trainClassifier({ ...experiment, model }, pools, context);
  if (trained === 'diverged') return trained;
  const test = await testExamplesOf(experiment, pools, context);
  return qualityOf(await trained.model.scores(trained.after, test, { threads, signal }), labels);
}

/** Texts as they are. */
export const textClassificationKind: ExperimentKind<TextClassificationExperiment, ResolvedTextClassification> = {
  schema: textClassificationSchema,
  example: { kind: 'text-classification', data: { kind: 'csv', path: 'texts.csv' }, model: 'naive-bayes', examples: 5 },
  methodOptions: ['data', 'model'],
  whyDense,
  metrics: () => kMetrics,
  recordedSteps: () => new Float64Array(),
  isCounted: () => false,
  simulate: (experiment, request) =>
    runTrials(kMetrics, request, (context) => classificationTrial(experiment, context)),
  theory: noLaw,
  risk: undefined,
};
