import { z } from 'zod';
import { integerFrom, oneOf } from '../base/options.js';

/** How a patch becomes a token. */
export interface EmbeddingOptions {
  /**
   * `'raw'`: the pixels, in [0, 1]; `'principal-components'`: the leading principal components of patches; `'random-features'`:
   * max(0, Ωz + b) of whitened principal components z, Ω and b Gaussian (Rahimi, Recht 2007, with the positive part).
   */
  readonly kind: 'raw' | 'principal-components' | 'random-features';
  /** d without positions: an integer in [1, 4096]. Default: 32 components, 128 features; raw patches have their number of pixels. */
  readonly dimension?: number | undefined;
  /** Whether tokens are centred and rotated to unit variances (up to directions of hardly any variance). Default true. */
  readonly whiten?: boolean | undefined;
  /**
   * Frequencies f of a positional part of 4f numbers behind the rest, sines and cosines of row and column. It tells where a patch is
   * on the canvas. An integer in [0, 64]. Default 0: none.
   */
  readonly positions?: number | undefined;
  /** Images that the embedding is fitted on, drawn with replacement: an integer in [1, 60000]. Default 2000. */
  readonly images?: number | undefined;
  /** Fixes the images drawn and the random features: an integer in [0, 2⁵³). Default 0. */
  readonly seed?: number | undefined;
}

export const embeddingSchema = z.strictObject(
  {
    kind: oneOf(['raw', 'principal-components', 'random-features']),
    dimension: integerFrom(1, 4096).optional(),
    whiten: z.boolean({ error: 'true or false' }).default(true),
    positions: integerFrom(0, 64).default(0),
    images: integerFrom(1, 60_000).default(2000),
    seed: integerFrom(0).default(0),
  },
  { error: "an embedding: an object whose kind is 'raw', 'principal-components' or 'random-features'" },
);

/** Embedding options with every default filled in. */
export type ResolvedEmbedding = z.output<typeof embeddingSchema>;
