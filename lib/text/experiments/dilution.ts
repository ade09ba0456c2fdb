import type { ExperimentKind } from '../../base/kind.js';
import { holdExamples } from '../../models/index.js';
import { choosePlaces, uniformsOf } from '../../real-data/choices.js';
import { mean, relevantMass } from '../../real-data/evaluation.js';
import { shared } from '../../real-data/shared.js';
import { runTrials, type TrialContext, type TrialOutcome, trainingSeed } from '../../real-data/trials.js';
import { embedTexts } from '../embed.js';
import { withoutPlace } from '../source.js';
import type { WordVectors } from '../word-vectors.js';
import { qualityOf } from './classification.js';
import { trainedOn, trainText } from './models.js';
import { dilutionPools, type ExcerptSources } from './pools.js';
import {
  noLaw,
  type ResolvedTextDilution,
  type TextDilutionExperiment,
  textDilutionSchema,
  whyDense,
} from './schemas.js';

const kMetrics = ['error', 'rocAuc', 'relevantAttention', 'relevantAttentionBefore'] as const;

/** Examples of a dilution as words. */
export interface DilutedTexts {
  readonly words: readonly (readonly string[])[];
  /** ±1. */
  readonly labels: Float64Array;
  /** Mask of the words of the labelled excerpt, n×T. */
  readonly relevance: Uint8Array;
}

/** What part of `list` a uniform number picks. */
const pick = <Value>(list: readonly Value[], uniform: number) => list[Math.floor(uniform * list.length)] as Value;

/** Draw examples. Example i depends neither on how many there are nor on the model. */
export function diluteTexts(
  {
    data,
    others,
    unrelated,
    excerptWords,
  }: Pick<ResolvedTextDilution, 'data' | 'others' | 'unrelated' | 'excerptWords'>,
  sources: ExcerptSources,
  { seed, trial, examples, part }: Pick<TrialContext, 'seed' | 'trial'> & { examples: number; part: 'train' | 'test' },
): DilutedTexts {
  const excerpts = unrelated + 1;
  const T = excerpts * excerptWords;
  // Label, then a text and a place in it for every excerpt, then where the labelled one stands.
  const perExample = 2 * excerpts + 2;
  const purpose = {
    dilution: { data: withoutPlace(data), others: withoutPlace(others), unrelated, excerptWords, part },
  };
  const uniforms = uniformsOf({ seed, trial, examples, purpose }, perExample);
  const labels = new Float64Array(examples);
  const relevance = new Uint8Array(examples * T);
  const words = Array.from(labels, (_, i) => {
    const own = uniforms.subarray(i * perExample, (i + 1) * perExample);
    const positive = (own[0] as number) < 0.5 ? 0 : 1;
    labels[i] = 2 * positive - 1;
    const excerptOf = (list: readonly (readonly string[])[], first: number) => {
      const text = pick(list, own[first] as number);
      const start = Math.floor((own[first + 1] as number) * (text.length - excerptWords + 1));
      return text.slice(start, start + excerptWords);
    };
    const parts = Array.from({ length: unrelated }, (_, j) => excerptOf(sources.others, 2 * j + 3));
    const [slot] = choosePlaces(excerpts, own.subarray(perExample - 1)) as unknown as [number];
    parts.splice(slot, 0, excerptOf(sources.labelled[positive] as readonly (readonly string[])[], 1));
    relevance.fill(1, i * T + slot * excerptWords, i * T + (slot + 1) * excerptWords);
    return parts.flat();
  });
  return { words, labels, relevance };
}

/** Examples `first` … `end` − 1 that the addon keeps. */
function hold({ words, labels, relevance }: DilutedTexts, vectors: WordVectors, first = 0, end = words.length) {
  const T = relevance.length / words.length;
  const { tokens, dimension, examples } = embedTexts(words.slice(first, end), vectors, { mostTokens: T }).data;
  // All of their words have vectors: every example has T tokens.
  return holdExamples({
    tokens,
    dimension,
    examples,
    labels: labels.subarray(first, end),
    relevance: relevance.subarray(first * T, end * T),
  });
}

/** Train one model on the examples of one trial. */
async function dilutionTrial(experiment: ResolvedTextDilution, context: TrialContext): Promise<TrialOutcome> {
  const { threads, signal, seed, trial } = context;
  const { data, others, vectors: options, unrelated, excerptWords, examples, testExamples } = experiment;
  const { vectors, ...sources } = await dilutionPools(experiment, context);
  const texts = diluteTexts(experiment, sources.train, { seed, trial, examples, part: 'train' });
  const cut = trainedOn(examples, experiment.training);
  const [training, held] = [hold(texts, vectors, 0, cut), hold(texts, vectors, cut)];
  const trained = await trainText(
    experiment,
    { training, held },
    { seed: trainingSeed(context), threads, signal },
  ).finally(() => {
    training.release();
    held.release();
  });
  if (trained === 'diverged') return trained;
  const key = { test: { data, others, options, unrelated, excerptWords, testExamples, seed: String(seed) } };
  const test = await shared(key, signal, async () => {
    const drawn = diluteTexts(experiment, sources.test, { seed, trial: 0, examples: testExamples, part: 'test' });
    return { held: hold(drawn, vectors), labels: drawn.labels, relevance: drawn.relevance, examples: testExamples };
  });
  const { model, before, after } = trained;
  const relevantAttention = async (parameters: typeof after) =>
    mean(relevantMass(await model.attention(parameters, test.held, { threads, signal }), test));
  return {
    ...qualityOf(await model.scores(after, test.held, { threads, signal }), test.labels),
    relevantAttention: await relevantAttention(after),
    relevantAttentionBefore: await relevantAttention(before),
  };
}

/** Excerpts among unrelated ones. */
export const textDilutionKind: ExperimentKind<TextDilutionExperiment, ResolvedTextDilution> = {
  schema: textDilutionSchema,
  example: {
    kind: 'text-dilution',
    data: { kind: 'csv', path: 'texts.csv' },
    others: { kind: 'csv', path: 'others.csv' },
    unrelated: 1,
    model: 'mean-pooling',
    examples: 5,
  },
  methodOptions: ['data', 'model'],
  whyDense,
  metrics: () => kMetrics,
  recordedSteps: () => new Float64Array(),
  isCounted: () => false,
  simulate: (experiment, request) => runTrials(kMetrics, request, (context) => dilutionTrial(experiment, context)),
  theory: noLaw,
  risk: undefined,
};
