import { availableParallelism } from 'node:os';
import { OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { runJob } from '../base/job.js';
import { type NativeEmbeddingStage, type NativeImageTokensRequest, native } from '../base/native.js';
import { parseOptions } from '../base/options.js';
import { kChoicePurpose } from '../real-data/choices.js';
import { type EmbeddingOptions, embeddingSchema } from './embedding-options.js';
import type { ImageSet } from './image-set.js';
import { wholeImages } from './native-pieces.js';

/** An embedding fitted to the patches of some images. Make one with {@link fitEmbedding}. */
export interface Embedding {
  /** Pixels per column of a patch. */
  readonly patchHeight: number;
  /** Pixels per row of a patch. */
  readonly patchWidth: number;
  /** Dimension of a token, positions included. */
  readonly dimension: number;
  /** Frequencies of the positional part. */
  readonly positions: number;
  /** z ← a(zA + b) for each in turn: what is applied to the pixels of a patch. */
  readonly stages: readonly {
    /** Columns of A. */
    readonly outputs: number;
    /** A, inputs×outputs row-major. */
    readonly weights: Float64Array;
    /** b, length outputs. */
    readonly offset: Float64Array;
    /** Whether a is the positive part, or else the identity. */
    readonly rectified: boolean;
  }[];
}

const kDefaultComponents = 32;
const kDefaultFeatures = 128;
/** Standard deviation of b, of features whose other part has standard deviation 1. */
const kFeatureOffset = 0.5;
/** Directions of less than this share of the mean variance are whitened less, so that rounding is not blown up. */
const kWhiteningShare = 1e-3;
/** The same for what random features are made of: a share of the largest variance. */
const kFeatureShare = 0.01;

/** Patches of single images after some stages, one row each. */
async function patchRows(
  images: ImageSet,
  indices: readonly number[],
  patch: { readonly height: number; readonly width: number },
  stages: readonly NativeEmbeddingStage[],
): Promise<Float64Array> {
  const area = images.height * images.width;
  const pixels = new Uint8Array(indices.length * area);
  for (const [i, index] of indices.entries())
    pixels.set(images.pixels.subarray(index * area, (index + 1) * area), i * area);
  const { height, width } = images;
  const request: NativeImageTokensRequest = {
    layout: {
      height,
      width,
      patchHeight: patch.height,
      patchWidth: patch.width,
      imageHeight: height,
      imageWidth: width,
    },
    canvases: indices.length,
    firstCanvas: 0,
    imageCount: indices.length,
    images: pixels,
    pieces: wholeImages({ count: indices.length, height, width }),
    stages,
    positions: new Float64Array(0),
    positionSize: 0,
    threads: availableParallelism(),
    seed: 0n,
    cellKey: new Uint32Array(4),
  };
  return (await runJob(() => native.imageTokens(request), {})).tokens;
}

/** The stage z ← (z − mean) V diag(scales), V the leading eigenvectors; they are the rows of `vectors`. */
function projection(
  mean: Float64Array,
  vectors: Float64Array,
  outputs: number,
  scale: (component: number) => number,
): NativeEmbeddingStage {
  const inputs = mean.length;
  const weights = new Float64Array(inputs * outputs);
  const offset = new Float64Array(outputs);
  for (let j = 0; j < outputs; ++j) {
    const factor = scale(j);
    for (let i = 0; i < inputs; ++i) {
      const weight = factor * (vectors[j * inputs + i] as number);
      weights[i * outputs + j] = weight;
      offset[j] = (offset[j] as number) - weight * (mean[i] as number);
    }
  }
  return { outputs, weights, offset, rectified: false };
}

/** The stage that whitens rows, or only centres and rotates them; it keeps the leading `outputs` components. */
async function whitening(
  rows: Float64Array,
  dimension: number,
  outputs: number,
  whiten: boolean,
): Promise<NativeEmbeddingStage> {
  const { mean, values, vectors } = await runJob(
    () => native.principalComponents({ count: rows.length / dimension, dimension, rows }),
    {},
  );
  const floor = (kWhiteningShare * values.reduce((sum, value) => sum + value, 0)) / dimension;
  return projection(mean, vectors, outputs, (j) =>
    whiten ? 1 / Math.sqrt(Math.max(values[j] as number, 0) + floor) : 1,
  );
}

/** The stages of random features of rows of pixels, before any whitening. */
async function featureStages(
  rows: Float64Array,
  pixels: number,
  features: number,
  seed: number | bigint,
): Promise<NativeEmbeddingStage[]> {
  const { mean, values, vectors } = await runJob(
    () => native.principalComponents({ count: rows.length / pixels, dimension: pixels, rows }),
    {},
  );
  const components = Math.min(pixels, kDefaultComponents);
  const floor = kFeatureShare * (values[0] as number);
  const normals = native.randomNumbers({
    kind: 'normal',
    purpose: kChoicePurpose,
    trial: 0,
    first: 0,
    count: (components + 1) * features,
    seed: BigInt(seed),
    cellKey: hashKey('random features'),
  });
  const whitened = projection(mean, vectors, components, (j) => 1 / Math.sqrt((values[j] as number) + floor));
  const weights = normals.slice(0, components * features).map((value) => value / Math.sqrt(components));
  const offset = normals.slice(components * features).map((value) => kFeatureOffset * value);
  return [whitened, { outputs: features, weights, offset, rectified: true }];
}

/**
 * Fit an embedding to patches of some images: pass training images only, so that nothing is learned from test images.
 *
 * @param images The images.
 * @param patch Pixels per side of a patch, a divisor of the sides of an image; `'image'` for whole images.
 * @param options Which embedding.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { images } from 'prompt-attention';
 * const pixels = Uint8Array.from({ length: 160 }, (_, j) => (37 * j * j) % 256);
 * const set = { name: 'ten', pixels, labels: new Uint8Array(10), count: 10, height: 4, width: 4, classes: ['a'] };
 * const embedding = await images.fitEmbedding(set, 2, { kind: 'principal-components', dimension: 3 });
 * console.log(embedding.dimension, embedding.stages.length); // 3 1
 * ```
 */
export async function fitEmbedding(
  images: ImageSet,
  patch: number | 'image',
  options: EmbeddingOptions,
): Promise<Embedding> {
  const {
    kind,
    dimension,
    whiten,
    positions,
    images: count,
    seed,
  } = parseOptions(embeddingSchema, options, 'embedding');
  const side = patch === 'image' ? { height: images.height, width: images.width } : { height: patch, width: patch };
  if (!(images.height % side.height === 0 && images.width % side.width === 0))
    throw new OptionRangeError('patch', `a divisor of the sides of an image, ${images.height}×${images.width}`, patch);
  const pixels = side.height * side.width;
  const choices = native.randomNumbers({
    kind: 'uniform',
    purpose: kChoicePurpose,
    trial: 0,
    first: 0,
    count,
    seed: BigInt(seed),
    cellKey: hashKey('embedding'),
  });
  const indices = Array.from(choices, (uniform) => Math.floor(uniform * images.count));
  const size = (fallback: number) => dimension ?? Math.min(fallback, kind === 'random-features' ? fallback : pixels);
  const stages: NativeEmbeddingStage[] = [];
  if (kind === 'random-features') {
    const features = size(kDefaultFeatures);
    stages.push(...(await featureStages(await patchRows(images, indices, side, []), pixels, features, seed)));
    if (whiten) stages.push(await whitening(await patchRows(images, indices, side, stages), features, features, true));
  } else if (kind === 'principal-components' || whiten) {
    const components = kind === 'raw' ? pixels : size(kDefaultComponents);
    if (components > pixels)
      throw new OptionRangeError('embedding.dimension', `at most the ${pixels} pixels of a patch`, dimension);
    stages.push(await whitening(await patchRows(images, indices, side, []), pixels, components, whiten));
  }
  if (kind === 'raw' && dimension !== undefined && dimension !== pixels)
    throw new OptionRangeError('embedding.dimension', `the ${pixels} pixels of a raw patch, or left out`, dimension);
  return Object.freeze({
    patchHeight: side.height,
    patchWidth: side.width,
    dimension: (stages.at(-1)?.outputs ?? pixels) + 4 * positions,
    positions,
    stages,
  });
}

/** Sines and cosines of the row and column of every patch, `4·frequencies` numbers per patch. */
export function positionalPart(rows: number, columns: number, frequencies: number): Float64Array {
  const codes = (place: number, places: number) =>
    Array.from({ length: frequencies }, (_, f) => {
      const angle = (Math.PI * (f + 1) * (place + 0.5)) / places;
      return [Math.sin(angle), Math.cos(angle)];
    }).flat();
  return Float64Array.from(
    Array.from({ length: rows * columns }, (_, t) => [
      ...codes(Math.floor(t / columns), rows),
      ...codes(t % columns, columns),
    ]).flat(),
  );
}
