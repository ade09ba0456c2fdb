import { canonicalJson } from '../../experiment.js';
import { type ContextualImages, contextualImages } from '../contextual-images.js';
import { type Embedding, fitEmbedding } from '../embedding.js';
import type { ResolvedEmbedding } from '../embedding-options.js';
import { type ImageSet, type ImageSetName, loadImages } from '../image-set.js';
import type { ResolvedImageTask } from '../task.js';
import type { ResolvedImageExperiment } from './schemas.js';
import type { TrialContext } from './training.js';

/** What is kept of one kind: results of the last few keys, so that neighbouring cells of a study share them. */
const kKept = 6;
const kept = new Map<string, Promise<unknown>>();

/** The value under a key, made once and kept for a while. `key` is plain JSON. */
export function shared<Value>(key: unknown, make: () => Promise<Value>): Promise<Value> {
  const text = canonicalJson(key);
  const known = kept.get(text) as Promise<Value> | undefined;
  const value = known ?? make();
  // Most recent last; a failure is not kept.
  kept.delete(text);
  kept.set(text, value);
  value.catch(() => kept.delete(text));
  for (const oldest of kept.keys()) {
    if (kept.size <= kKept) break;
    kept.delete(oldest);
  }
  return value;
}

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
): Promise<Embedding> {
  return shared({ embedding: options, data, patch }, () => fitEmbedding(imagesNamed(data, 'train'), patch, options));
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

/** The test examples of an experiment: the same in all trials, and in all cells that share task, embedding and number. */
export function testExamplesOf(
  { data, task, embedding, testExamples }: ResolvedImageExperiment,
  fitted: Embedding,
  context: TrialContext,
): Promise<ContextualImages> {
  return shared({ test: { data, task, embedding, testExamples, seed: String(context.seed) } }, () =>
    examplesOf(data, 'test', task, fitted, { ...context, trial: 0, examples: testExamples }),
  );
}
