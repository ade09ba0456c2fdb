import { ConvergenceError } from '../../base/errors.js';
import { type Estimate, errorOf as errorOfLaw } from '../../base/kind.js';
import { promptAttention } from '../../models/index.js';
import { errorOf, mean, relevantMass } from '../../real-data/evaluation.js';
import { shared } from '../../real-data/shared.js';
import type { TrialContext, TrialOutcome } from '../../real-data/trials.js';
import { knownPrompt } from '../../risk/known-prompt.js';
import { fitHead } from '../../training/index.js';
import { estimateMixture, type MixtureEstimate, pooledFeatures } from '../estimate.js';
import { isPlainLeastSquares, type ResolvedImageRisk } from '../experiment-options.js';
import { measuredNoiseRisk } from '../measured-noise.js';
import { embeddingOf, examplesOf, testExamplesOf } from './resources.js';
import { train } from './training.js';

/** Trials that no study reaches: bags for the prompt and for the estimates, independent of all others. */
const kPromptTrial = 2 ** 20 - 1;
const kEstimationTrial = 2 ** 20 - 2;
/** Standard deviation of the numbers that the prompt is learned from. */
const kInitialScale = 0.1;

type Shared = Omit<TrialContext, 'trial'>;

/** The prompt of an experiment, the same in all of its trials; `'diverged'` if its training does at every learning rate. */
export function learnedPrompt(
  { data, task, embedding, prompt }: ResolvedImageRisk,
  { seed, threads, signal: own }: Shared,
): Promise<Float64Array | 'diverged'> {
  const { examples, ...training } = prompt;
  return shared({ prompt: { data, task, embedding, prompt, seed: String(seed) } }, own, async (signal) => {
    const fitted = await embeddingOf(data, 'image', embedding, signal);
    const bags = await examplesOf(data, 'train', task, fitted, {
      seed,
      threads,
      signal,
      trial: kPromptTrial,
      examples,
    });
    const start = { initial: { scale: kInitialScale }, seed, threads, signal };
    const trained = await train(promptAttention, bags, training, start);
    return trained === 'diverged' ? trained : trained.parameters.prompt;
  });
}

/** The mixtures that stand for the tokens under the learned prompt. */
export function plugInOf(experiment: ResolvedImageRisk, context: Shared): Promise<MixtureEstimate> {
  const { data, task, embedding, prompt, estimationExamples: examples } = experiment;
  const { seed, threads } = context;
  const key = { plugIn: { data, task, embedding, prompt, examples, seed: String(seed) } };
  return shared(key, context.signal, async (signal) => {
    const fitted = await embeddingOf(data, 'image', embedding, signal);
    const q = await learnedPrompt(experiment, { ...context, signal });
    if (q === 'diverged') throw new ConvergenceError('the prompt diverges at every one of prompt.learningRates', {});
    const options = { seed, threads, signal, trial: kEstimationTrial, examples };
    return estimateMixture(await examplesOf(data, 'train', task, fitted, options), q, { threads, signal });
  });
}

/** Metrics of {@link riskTrial}. */
export const kRiskMetrics = ['error', 'relevantAttention'];

/** Learn a head with the learned prompt on the bags of one trial; why there is none if it cannot be found. */
export async function riskTrial(experiment: ResolvedImageRisk, context: TrialContext): Promise<TrialOutcome> {
  const { data, task, embedding, examples, head } = experiment;
  const { threads, signal } = context;
  const fitted = await embeddingOf(data, 'image', embedding, signal);
  const prompt = await learnedPrompt(experiment, context);
  if (prompt === 'diverged') return prompt;
  const bags = await examplesOf(data, 'train', task, fitted, { ...context, examples });
  const features = await pooledFeatures(bags, prompt, { threads, signal });
  const { head: w, status } = await fitHead(features, bags.labels, head, { signal });
  if (status !== 'ok') return status;
  const test = await testExamplesOf(experiment, fitted, context);
  const parameters = { prompt, head: w };
  const scores = await promptAttention.scores(parameters, test, { threads, signal });
  const attention = await promptAttention.attention(parameters, test, { threads, signal });
  return { error: errorOf(scores, test.labels), relevantAttention: mean(relevantMass(attention, test)) };
}

/** The law of the experiment with the estimated mixture. */
export async function riskLaw(
  experiment: ResolvedImageRisk,
  options: Shared & { readonly draws?: number | undefined },
): Promise<Readonly<Record<string, Estimate>>> {
  const estimate = await plugInOf(experiment, options);
  const { examples, head } = experiment;
  const plugIn = experiment.plugIn ?? (isPlainLeastSquares(head) ? 'measured' : 'moments');
  if (plugIn === 'measured') {
    // Their error bar is that of the estimates, which is not known.
    const error = measuredNoiseRisk(estimate.measured, examples / estimate.effective.mixture.dimension);
    return {
      error: { mean: error, standardError: Number.NaN },
      relevantAttention: { mean: estimate.relevantAttention, standardError: Number.NaN },
    };
  }
  const { draws, seed, signal } = options;
  const law = await knownPrompt({ ...estimate[plugIn], examples, head, draws, seed, signal });
  return {
    error: errorOfLaw(law),
    relevantAttention: { mean: law.relevantAttention, standardError: law.relevantAttentionStandardError },
  };
}
