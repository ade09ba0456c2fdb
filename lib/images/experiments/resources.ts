import { canonicalJson } from '../../experiment.js';
import { type ContextualImages, contextualImages } from '../contextual-images.js';
import { type Embedding, fitEmbedding, type ResolvedEmbedding } from '../embedding.js';
import { type ImageSet, type ImageSetName, loadImages } from '../image-set.js';
import type { ResolvedImageTask } from '../task.js';

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
  return shared({ embedding: options, data, patch, seed: String(options.seed) }, () =>
    fitEmbedding(imagesNamed(data, 'train'), patch, options),
  );
}

/** Examples of one split of a data set; fillers come from the same split of theirs. */
export function examplesOf(
  data: ImageSetName,
  split: 'train' | 'test',
  task: ResolvedImageTask,
  embedding: Embedding,
  options: {
    readonly examples: number;
    readonly seed: number | bigint;
    readonly trial: number;
    readonly threads: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ContextualImages> {
  const filler = 'filler' in task && task.filler.kind === 'data-set' ? task.filler.name : undefined;
  return contextualImages(task, {
    images: imagesNamed(data, split),
    fillers: filler && imagesNamed(filler, split),
    embedding,
    ...options,
  });
}
