import { shared } from '../../real-data/shared.js';
import type { TrialContext } from '../../real-data/trials.js';
import { type ContextualImages, contextualImages } from '../contextual-images.js';
import { type Embedding, fitEmbedding } from '../embedding.js';
import type { ResolvedEmbedding } from '../embedding-options.js';
import { type ImageSet, type ImageSetName, loadImages } from '../image-set.js';
import type { ResolvedImageTask } from '../task.js';

const sets = new Map<string, ImageSet>();

/** A data set, loaded once per process. */
export function imagesNamed(name: ImageSetName, split: 'train' | 'test'): ImageSet {
  const key = `${name} ${split}`;
  let set = sets.get(key);
  if (set === undefined) {
    set = loadImages(name, { split });
    sets.set(key, set);
  }
  return set;
}

/** The embedding of an experiment, fitted to training images. */
export function embeddingOf(
  data: ImageSetName,
  patch: number | 'image',
  options: ResolvedEmbedding,
  signal: AbortSignal | undefined,
): Promise<Embedding> {
  return shared({ embedding: options, data, patch }, signal, () =>
    fitEmbedding(imagesNamed(data, 'train'), patch, options),
  );
}

/** Examples of one split of a data set; fillers come from the same split of theirs. */
export function examplesOf(
  data: ImageSetName,
  split: 'train' | 'test',
  task: ResolvedImageTask,
  embedding: Embedding,
  { examples, seed, trial, threads, signal }: TrialContext & { readonly examples: number },
): Promise<ContextualImages> {
  const filler = 'filler' in task && task.filler.kind === 'data-set' ? task.filler.name : undefined;
  return contextualImages(task, {
    images: imagesNamed(data, split),
    fillers: filler && imagesNamed(filler, split),
    embedding,
    examples,
    seed,
    trial,
    threads,
    signal,
  });
}

/** What test examples depend on. */
interface TestedExperiment {
  readonly data: ImageSetName;
  readonly task: ResolvedImageTask;
  readonly embedding: ResolvedEmbedding;
  readonly testExamples: number;
}

/** The test examples of an experiment: the same in all trials, and in all cells that share task, embedding and number. */
export function testExamplesOf(
  { data, task, embedding, testExamples }: TestedExperiment,
  fitted: Embedding,
  context: TrialContext,
): Promise<ContextualImages> {
  return shared(
    { test: { data, task, embedding, testExamples, seed: String(context.seed) } },
    context.signal,
    (signal) => examplesOf(data, 'test', task, fitted, { ...context, signal, trial: 0, examples: testExamples }),
  );
}
