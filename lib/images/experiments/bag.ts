import { linearAttention, type Model, meanPooling, promptAttention, selfAttention } from '../../models/index.js';
import { type TrialContext, type TrialOutcome, trainingSeed } from '../../real-data/trials.js';
import type { ResolvedImageBag } from '../experiment-options.js';
import { embeddingOf, examplesOf, testExamplesOf } from './resources.js';
import { evaluate, train, trainedNumbers } from './training.js';

const models = {
  'prompt-attention': promptAttention,
  'linear-attention': linearAttention,
  'mean-pooling': meanPooling,
  'self-attention': selfAttention,
} as const;

/** Metrics of {@link bagTrial}. */
export const kBagMetrics = ['error', 'relevantAttention', 'trainedParameters'];

/** Train one model on the bags of one trial. */
export async function bagTrial(experiment: ResolvedImageBag, context: TrialContext): Promise<TrialOutcome> {
  const { data, task, embedding, initialScale } = experiment;
  const model = models[experiment.model] as Model<string>;
  const fitted = await embeddingOf(data, 'image', embedding, context.signal);
  const training = await examplesOf(data, 'train', task, fitted, { ...context, examples: experiment.examples });
  const trained = await train(model, training, experiment.training, {
    initial: { scale: initialScale },
    seed: trainingSeed(context),
    threads: context.threads,
    signal: context.signal,
  });
  if (trained === 'diverged') return trained;
  const test = await testExamplesOf(experiment, fitted, context);
  return {
    ...(await evaluate(model, trained.parameters, test, context)),
    trainedParameters: trainedNumbers(model, test),
  };
}
