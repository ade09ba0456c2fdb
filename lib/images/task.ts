import { z } from 'zod';
import { integerFrom, oneOf } from '../base/options.js';

/** What covers the parts of a canvas that do not show the labelled image. */
export type Filler = NoiseFiller | ClassesFiller | DataSetFiller;

/** Independent uniform pixels. */
export interface NoiseFiller {
  /** Tells fillers apart. */
  readonly kind: 'noise';
}

/** Images of other classes of the same data set. */
export interface ClassesFiller {
  /** Tells fillers apart. */
  readonly kind: 'classes';
  /** The classes: distinct integers from 0. */
  readonly classes: readonly number[];
}

/** Images of another data set. */
export interface DataSetFiller {
  /** Tells fillers apart. */
  readonly kind: 'data-set';
  /** The data set. */
  readonly name: 'fashion-mnist' | 'mnist';
}

/** What canvas tasks share. The canvas has `tiles` × `tiles` places of the size of an image. */
interface CanvasTaskOptions {
  /** Tiles per side of the canvas: an integer in [1, 64]. */
  readonly tiles: number;
  /** Pixels per side of a patch, that is of a token: a divisor of the sides of an image. */
  readonly patch: number;
  /** Labelled classes, in the order of their labels. Default: all of them. */
  readonly classes?: readonly number[] | undefined;
}

/** Every tile shows the labelled image: every token is relevant. */
export interface FullTiledTask extends CanvasTaskOptions {
  /** Always `'full-tiled'`. */
  readonly kind: 'full-tiled';
}

/** Some tiles, at random places, show the labelled image; each other one shows something of its own. */
export interface PartialTiledTask extends CanvasTaskOptions {
  /** Always `'partial-tiled'`. */
  readonly kind: 'partial-tiled';
  /** Number of tiles that show the labelled image: an integer in [1, tiles²]. ζ is this over tiles². */
  readonly relevantTiles: number;
  /** What the other tiles show. */
  readonly filler: Filler;
}

/** The labelled image at a random place in a clutter of fragments. */
export interface EmbeddedTask extends CanvasTaskOptions {
  /** Always `'embedded'`. */
  readonly kind: 'embedded';
  /** What the clutter is made of. */
  readonly filler: Filler;
  /** Pixels per side of a fragment of the clutter: a divisor of the sides of an image. Default: that of a patch. */
  readonly fragment?: number | undefined;
  /** Places are multiples of so many pixels from the corner: an integer ≥ 1. Default 1: any pixel. The patch: on the grid. */
  readonly stride?: number | undefined;
}

/** A bag of whole images: the relevant ones are of one kind, which is the label; the others are of other classes. */
export interface BagTask {
  /** Always `'bag'`. */
  readonly kind: 'bag';
  /** T, images per bag: an integer in [1, 4096]. */
  readonly tokens: number;
  /** k, how many of them are relevant: an integer in [1, T]. */
  readonly relevantTokens: number;
  /** The context: the classes that a label tells apart, in the order of their labels. */
  readonly context: readonly number[];
  /** Classes of the irrelevant images. */
  readonly others: readonly number[];
}

/** What an example looks like. Two labelled classes have labels −1 and +1, K ≥ 3 the labels 0 … K−1. */
export type ImageTask = FullTiledTask | PartialTiledTask | EmbeddedTask | BagTask;

const classList = (minimum: number) =>
  z
    .array(integerFrom(0, 255), { error: 'an array of classes' })
    .min(minimum, { error: `an array with at least ${minimum} classes` })
    .refine((classes) => new Set(classes).size === classes.length, { error: 'without repeated classes' });

const fillerSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('noise') }),
    z.strictObject({ kind: z.literal('classes'), classes: classList(1) }),
    z.strictObject({ kind: z.literal('data-set'), name: oneOf(['fashion-mnist', 'mnist']) }),
  ],
  { error: "a filler: an object whose kind is 'noise', 'classes' or 'data-set'" },
);

const canvasOptions = {
  tiles: integerFrom(1, 64),
  patch: integerFrom(1, 4096),
  classes: classList(2).optional(),
};

const fullTiledSchema = z.strictObject({ kind: z.literal('full-tiled'), ...canvasOptions });

const partialTiledSchema = z
  .strictObject({
    kind: z.literal('partial-tiled'),
    ...canvasOptions,
    relevantTiles: integerFrom(1),
    filler: fillerSchema,
  })
  .refine((task) => task.relevantTiles <= task.tiles ** 2, {
    error: 'an integer in [1, tiles²]',
    path: ['relevantTiles'],
  });

const embeddedSchema = z.strictObject({
  kind: z.literal('embedded'),
  ...canvasOptions,
  filler: fillerSchema,
  fragment: integerFrom(1, 4096).optional(),
  stride: integerFrom(1, 4096).default(1),
});

const bagSchema = z
  .strictObject(
    {
      kind: z.literal('bag'),
      tokens: integerFrom(1, 4096),
      relevantTokens: integerFrom(1),
      context: classList(2),
      others: classList(1),
    },
    { error: "a task of kind 'bag'" },
  )
  .refine((task) => task.relevantTokens <= task.tokens, {
    error: 'an integer in [1, tokens]',
    path: ['relevantTokens'],
  })
  .refine((task) => task.others.every((label) => !task.context.includes(label)), {
    error: 'classes that are not in the context',
    path: ['others'],
  });

export const imageTaskSchema = z.discriminatedUnion(
  'kind',
  [fullTiledSchema, partialTiledSchema, embeddedSchema, bagSchema],
  { error: "a task: an object whose kind is 'full-tiled', 'partial-tiled', 'embedded' or 'bag'" },
);

/** Canvases with irrelevant tokens. */
export const clutteredTaskSchema = z.discriminatedUnion('kind', [partialTiledSchema, embeddedSchema], {
  error: "a task: an object whose kind is 'partial-tiled' or 'embedded'",
});

/** Bags whose label is one of two kinds. */
export const twoKindsSchema = bagSchema.refine((task) => task.context.length === 2, {
  error: 'an array of two classes',
  path: ['context'],
});

/** A task with every default filled in. */
export type ResolvedImageTask = z.output<typeof imageTaskSchema>;
