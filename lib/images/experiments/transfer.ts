import { OptionRangeError } from '../../base/errors.js';
import { hashKey } from '../../base/hash.js';
import { native } from '../../base/native.js';
import { type ModelParameters, type PromptTunedLayerParameter, promptTunedLayer } from '../../models/index.js';
import { kChoicePurpose } from '../../real-data/choices.js';
import { shared } from '../../real-data/shared.js';
import { type TrialContext, type TrialOutcome, trainingSeed } from '../../real-data/trials.js';
import type { ResolvedImageTransfer, TransferMethod } from '../experiment-options.js';
import { labelledClasses } from '../layout.js';
import type { ResolvedImageTask } from '../task.js';
import { embeddingOf, examplesOf, imagesNamed, testExamplesOf } from './resources.js';
import { evaluate, train, trainedNumbers } from './training.js';

const kTrained: Readonly<Record<TransferMethod, readonly PromptTunedLayerParameter[]>> = {
  prompts: ['prompts'],
  'prompts-and-head': ['prompts', 'head'],
  everything: ['prompts', 'weights', 'head'],
  head: ['head'],
  scratch: ['prompts', 'weights', 'head'],
};
/** How far tuned prompts start from the pretrained one, as a share of its root mean square. */
const kPromptSpread = 0.5;
/** The pretrained layer is the same in all trials. */
const kPretrainingSeed = 0;

type LayerParameters = ModelParameters<PromptTunedLayerParameter>;

/** The layer before tuning, one prompt that reads full-tiled images; `'diverged'` if its training does at every learning rate. */
function pretrained(
  { data, task, embedding, pretraining }: ResolvedImageTransfer,
  classes: readonly number[],
  { threads, signal: own }: TrialContext,
): Promise<LayerParameters | 'diverged'> {
  const { examples, ...training } = pretraining;
  const { patch } = task;
  return shared({ pretrained: { data, patch, classes, embedding, pretraining } }, own, async (signal) => {
    // One tile is enough: attention pools, so that copies of the same tokens change nothing.
    const source: ResolvedImageTask = { kind: 'full-tiled', tiles: 1, patch, classes: [...classes] };
    const fitted = await embeddingOf(data, patch, embedding, signal);
    const options = { examples, seed: kPretrainingSeed, trial: 0, threads, signal };
    const images = await examplesOf(data, 'train', source, fitted, options);
    const layer = promptTunedLayer({ prompts: 1, outputs: classes.length, head: 'pooled', trained: kTrained.scratch });
    const start = { initial: { scale: 1 / Math.sqrt(fitted.dimension) }, seed: kPretrainingSeed, threads, signal };
    const trained = await train(layer, images, training, start);
    return trained === 'diverged' ? trained : trained.parameters;
  });
}

/** Copies of the pretrained prompt with independent noise, so that the prompts can part. */
function startFrom(
  source: LayerParameters,
  prompts: number,
  { seed, trial }: Pick<TrialContext, 'seed' | 'trial'>,
): LayerParameters {
  if (prompts === 1) return source;
  const d = source.prompts.length;
  const scale = kPromptSpread * Math.sqrt(source.prompts.reduce((sum, value) => sum + value * value, 0) / d);
  const noise = native.randomNumbers({
    kind: 'normal',
    purpose: kChoicePurpose,
    trial,
    first: 0,
    count: prompts * d,
    seed: BigInt(seed),
    cellKey: hashKey('tuned prompts'),
  });
  return { ...source, prompts: noise.map((value, j) => (source.prompts[j % d] as number) + scale * value) };
}

/** A layer before and after tuning; `'diverged'` if it could not be pretrained or tuned. */
export async function transfer(experiment: ResolvedImageTransfer, context: TrialContext) {
  const { data, task, embedding, method, prompts } = experiment;
  const classes = labelledClasses(task, imagesNamed(data, 'train'));
  if (classes.length < 3) throw new OptionRangeError('task.classes', 'three or more classes for a transfer', classes);
  const fitted = await embeddingOf(data, task.patch, embedding, context.signal);
  const source = await pretrained(experiment, classes, context);
  if (source === 'diverged') return source;
  const training = await examplesOf(data, 'train', task, fitted, { ...context, examples: experiment.examples });
  const layer = promptTunedLayer({ prompts, outputs: classes.length, head: 'pooled', trained: kTrained[method] });
  const before = startFrom(source, prompts, context);
  const after = await train(layer, training, experiment.training, {
    initial: method === 'scratch' ? { scale: 1 / Math.sqrt(fitted.dimension) } : before,
    seed: trainingSeed(context),
    threads: context.threads,
    signal: context.signal,
  });
  if (after === 'diverged') return after;
  return { layer, before, after, embedding: fitted, classes };
}

/** Metrics of {@link transferTrial} but its path, the attention at every record of the training. */
export const kTransferMetrics = [
  'error',
  'relevantAttention',
  'errorBefore',
  'relevantAttentionBefore',
  'trainedParameters',
];

/** Tune the pretrained layer on the examples of one trial. */
export async function transferTrial(experiment: ResolvedImageTransfer, context: TrialContext): Promise<TrialOutcome> {
  const transferred = await transfer(experiment, context);
  if (transferred === 'diverged') return transferred;
  const { layer, before, after, embedding } = transferred;
  const test = await testExamplesOf(experiment, embedding, context);
  const untuned = await evaluate(layer, before, test, context);
  const tuned = await evaluate(layer, after.parameters, test, context);
  return {
    ...tuned,
    errorBefore: untuned.error,
    relevantAttentionBefore: untuned.relevantAttention,
    trainedParameters: trainedNumbers(layer, test),
    attentionPath: after.relevantAttention,
  };
}
