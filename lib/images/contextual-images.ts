import { availableParallelism } from 'node:os';
import { types } from 'node:util';
import { z } from 'zod';
import type { OwnFloat64Array, OwnUint8Array } from '../base/arrays.js';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { type NativeImageTokensRequest, native } from '../base/native.js';
import { abortSignal, integerFrom, parseOptions, seedSchema, threadCount } from '../base/options.js';
import type { ModelData } from '../models/index.js';
import type { ChoiceRange } from '../real-data/choices.js';
import { type Embedding, positionalPart } from './embedding.js';
import type { ImageSet } from './image-set.js';
import { kExamplesPerTrial, planBags, planCanvases } from './layout.js';
import { wholeImages } from './native-pieces.js';
import { type ImageTask, imageTaskSchema, type ResolvedImageTask } from './task.js';

/** Options of {@link contextualImages}. */
export interface ContextualImagesOptions extends JobOptions {
  /** Labelled images. */
  readonly images: ImageSet;
  /** Images for a filler of kind `'data-set'`, of the same size. */
  readonly fillers?: ImageSet | undefined;
  /** How patches become tokens; its patches must be those of the task, whole images for a bag. Default: pixels. */
  readonly embedding?: Embedding | undefined;
  /** n: an integer in [1, 2³¹). */
  readonly examples: number;
  /** Fixes every choice: an integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). */
  readonly seed: number | bigint;
  /** Repetition: examples of different trials are independent. An integer in [0, 2²⁰). Default 0. */
  readonly trial?: number | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
}

/** Examples made of images: what models and {@link fit} take. */
export interface ContextualImages extends ModelData {
  /** X, n×T×d row-major. */
  readonly tokens: Float64Array;
  /** y, length n: ±1 for two labelled classes, 0 … K−1 for more. */
  readonly labels: Float64Array;
  /** n×T mask, 1 where a token shows the labelled image (at least half of its pixels). */
  readonly relevance: Uint8Array;
  /** n. */
  readonly examples: number;
  /** d. */
  readonly dimension: number;
}

/** The same in arrays of their own. */
export interface OwnContextualImages extends ContextualImages {
  /** X, n×T×d row-major. */
  readonly tokens: OwnFloat64Array;
  /** y, length n. */
  readonly labels: OwnFloat64Array;
  /** n×T mask. */
  readonly relevance: OwnUint8Array;
}

const optionsSchema = z.strictObject({
  images: z.custom<ImageSet>((value) => types.isUint8Array((value as ImageSet | null)?.pixels), {
    error: 'a set of images',
  }),
  fillers: z
    .custom<ImageSet>((value) => types.isUint8Array((value as ImageSet | null)?.pixels), { error: 'a set of images' })
    .optional(),
  embedding: z
    .custom<Embedding>((value) => Array.isArray((value as Embedding | null)?.stages), { error: 'an embedding' })
    .optional(),
  examples: integerFrom(1, kExamplesPerTrial - 1),
  seed: seedSchema,
  trial: integerFrom(0, 2 ** 20 - 1).default(0),
  threads: threadCount,
  signal: abortSignal,
});

type Options = z.output<typeof optionsSchema>;

/** Embeddings of whole sets of images: bags look them up instead of embedding an image again and again. */
const tables = new WeakMap<ImageSet, WeakMap<Embedding, Promise<Float64Array>>>();

function nativeRequest(
  images: ImageSet,
  patch: { readonly height: number; readonly width: number },
  embedding: Embedding | undefined,
  canvas: { readonly height: number; readonly width: number },
) {
  const [rows, columns] = [canvas.height / patch.height, canvas.width / patch.width];
  const frequencies = embedding?.positions ?? 0;
  return {
    layout: {
      height: canvas.height,
      width: canvas.width,
      patchHeight: patch.height,
      patchWidth: patch.width,
      imageHeight: images.height,
      imageWidth: images.width,
    },
    stages: embedding?.stages ?? [],
    positions: positionalPart(rows, columns, frequencies),
    positionSize: 4 * frequencies,
  } satisfies Partial<NativeImageTokensRequest>;
}

function embedSet(images: ImageSet, embedding: Embedding, threads: number): Promise<Float64Array> {
  let ofSet = tables.get(images);
  if (ofSet === undefined) {
    ofSet = new WeakMap();
    tables.set(images, ofSet);
  }
  let table = ofSet.get(embedding);
  if (table === undefined) {
    const { count } = images;
    table = runJob(
      () =>
        native.imageTokens({
          ...nativeRequest(images, images, embedding, images),
          canvases: count,
          firstCanvas: 0,
          imageCount: count,
          images: images.pixels,
          pieces: wholeImages(images),
          threads,
          seed: 0n,
          cellKey: new Uint32Array(4),
        }),
      {},
    ).then(({ tokens }) => tokens);
    ofSet.set(embedding, table);
  }
  return table;
}

async function bagTokens(
  task: Extract<ResolvedImageTask, { kind: 'bag' }>,
  { images, embedding, threads }: Options,
  range: ChoiceRange,
): Promise<Pick<OwnContextualImages, 'tokens' | 'labels' | 'relevance'>> {
  const { labels, relevance, images: chosen } = planBags(task, images, range);
  const pixels: Embedding = {
    patchHeight: images.height,
    patchWidth: images.width,
    dimension: 0,
    positions: 0,
    stages: [],
  };
  const table = await embedSet(images, embedding ?? pixels, threads ?? availableParallelism());
  const d = table.length / images.count;
  const tokens = new Float64Array(chosen.length * d);
  for (const [row, image] of chosen.entries()) tokens.set(table.subarray(image * d, (image + 1) * d), row * d);
  return { tokens, labels, relevance };
}

async function canvasTokens(
  task: Exclude<ResolvedImageTask, { kind: 'bag' }>,
  { images, fillers, embedding, examples, seed, trial, threads, signal }: Options,
  range: ChoiceRange,
): Promise<Pick<OwnContextualImages, 'tokens' | 'labels' | 'relevance'>> {
  const { labels, ...plan } = planCanvases(task, images, fillers, range);
  const result = await runJob(
    () =>
      native.imageTokens({
        ...nativeRequest(images, { height: task.patch, width: task.patch }, embedding, plan),
        canvases: examples,
        firstCanvas: trial * kExamplesPerTrial,
        imageCount: plan.imageCount,
        images: plan.images,
        pieces: plan.pieces,
        threads: threads ?? availableParallelism(),
        seed: BigInt(seed),
        cellKey: hashKey(range.purpose),
      }),
    { signal },
  );
  return { ...result, labels };
}

/**
 * Examples made of images in which only some tokens tell the label.
 *
 * Every choice comes from `seed`, the task and `trial` alone, and example i does not depend on how many there are: a larger
 * sample begins with the smaller one.
 *
 * @param task What an example looks like.
 * @param options Images, embedding, number and seed.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; RangeError if the n·T·d·8 bytes of the tokens
 * cannot be allocated; the signal's reason if aborted.
 * @example
 * ```ts
 * import { images } from 'prompt-attention';
 * // Two images of 4×4 pixels; with images.loadImages('fashion-mnist') instead, it is real data.
 * const pixels = Uint8Array.from({ length: 32 }, (_, j) => (j < 16 ? 10 * j : 255 - 10 * j));
 * const set = { name: 'two', pixels, labels: Uint8Array.of(0, 1), count: 2, height: 4, width: 4, classes: ['a', 'b'] };
 * const { tokens, labels, relevance } = await images.contextualImages(
 *   { kind: 'partial-tiled', tiles: 2, patch: 2, relevantTiles: 1, filler: { kind: 'noise' } },
 *   { images: set, examples: 10, seed: 1 },
 * );
 * // 10·16·4 numbers; 4 of 16 patches are relevant.
 * console.log(tokens.length, labels[0], relevance.subarray(0, 16).join('')); // 640 -1 0011001100000000
 * ```
 */
export async function contextualImages(
  task: ImageTask,
  options: ContextualImagesOptions,
): Promise<OwnContextualImages> {
  const resolved = parseOptions(imageTaskSchema, task, 'task');
  const parsed = parseOptions(optionsSchema, options, '');
  const { images, embedding, examples, seed, trial } = parsed;
  const patch =
    resolved.kind === 'bag'
      ? { height: images.height, width: images.width }
      : { height: resolved.patch, width: resolved.patch };
  if (images.height % patch.height !== 0 || images.width % patch.width !== 0)
    throw new OptionRangeError(
      'task.patch',
      `a divisor of the sides of an image, ${images.height}×${images.width}`,
      patch.height,
    );
  if (embedding !== undefined && (embedding.patchHeight !== patch.height || embedding.patchWidth !== patch.width))
    throw new OptionTypeError('embedding', `fitted to patches of ${patch.height}×${patch.width} pixels`, embedding);
  const range: ChoiceRange = {
    seed,
    trial,
    examples,
    purpose: { images: images.name, count: images.count, task: resolved },
  };
  const made =
    resolved.kind === 'bag' ? await bagTokens(resolved, parsed, range) : await canvasTokens(resolved, parsed, range);
  return {
    ...made,
    examples,
    dimension: made.tokens.length / made.relevance.length,
  };
}
