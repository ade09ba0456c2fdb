import type { OwnFloat64Array, OwnUint8Array, OwnUint32Array } from '../base/arrays.js';
import { OptionRangeError } from '../base/errors.js';
import { type ChoiceRange, choosePlaces, uniformsOf } from '../real-data/choices.js';
import type { ImageSet } from './image-set.js';
import { kNoise } from './native-pieces.js';
import type { ResolvedImageTask } from './task.js';

/** Most examples that a trial can have: where the numbers of the next one begin. */
export const kExamplesPerTrial = 2 ** 31;

const pick = <Value>(list: ArrayLike<Value>, uniform: number) => list[Math.floor(uniform * list.length)] as Value;

/** Positions of the images of some classes. */
export function imagesOf(set: ImageSet, classes: readonly number[], option: string): Uint32Array {
  const wrong = classes.find((label) => label >= set.classes.length);
  if (wrong !== undefined) throw new OptionRangeError(option, `classes below ${set.classes.length}`, wrong);
  const wanted = new Set(classes);
  const indices: number[] = [];
  for (const [i, label] of set.labels.entries()) if (wanted.has(label)) indices.push(i);
  if (indices.length === 0) throw new OptionRangeError(option, `classes of which ${set.name} has images`, classes);
  return Uint32Array.from(indices);
}

/** Classes in the order of their labels. */
export function labelledClasses(task: ResolvedImageTask, set: ImageSet): readonly number[] {
  if (task.kind === 'bag') return task.context;
  return task.classes ?? set.classes.map((_, label) => label);
}

/** The label of the class at a position: −1 and +1 for two classes. */
export function labelAt(position: number, classes: number): number {
  return classes === 2 ? 2 * position - 1 : position;
}

/** What a bag is made of: one image per token. */
export interface BagPlan {
  readonly labels: OwnFloat64Array;
  /** Image of every token, n×T. */
  readonly images: OwnUint32Array;
  readonly relevance: OwnUint8Array;
}

/** Choose the images of bags. */
export function planBags(
  task: Extract<ResolvedImageTask, { kind: 'bag' }>,
  set: ImageSet,
  range: ChoiceRange,
): BagPlan {
  const { tokens: T, relevantTokens: k, context } = task;
  const kinds = context.map((label) => imagesOf(set, [label], 'task.context'));
  const others = imagesOf(set, task.others, 'task.others');
  const n = range.examples;
  const perExample = 1 + k + T;
  const uniforms = uniformsOf(range, perExample);
  const plan = {
    labels: new Float64Array(n),
    images: new Uint32Array(n * T),
    relevance: new Uint8Array(n * T),
  };
  for (let i = 0; i < n; ++i) {
    const own = uniforms.subarray(i * perExample, (i + 1) * perExample);
    const position = Math.floor((own[0] as number) * kinds.length);
    plan.labels[i] = labelAt(position, kinds.length);
    const relevance = plan.relevance.subarray(i * T, (i + 1) * T);
    for (const place of choosePlaces(T, own.subarray(1, 1 + k))) relevance[place] = 1;
    for (let t = 0; t < T; ++t)
      plan.images[i * T + t] = pick(relevance[t] ? (kinds[position] as Uint32Array) : others, own[1 + k + t] as number);
  }
  return plan;
}

/** Images of one or two sets, each stored once. */
class ImagePool {
  private readonly positions = new Map<ImageSet, Map<number, number>>();
  private readonly parts: Uint8Array[] = [];

  /** Position in the pool of an image of a set. */
  add(set: ImageSet, index: number): number {
    let known = this.positions.get(set);
    if (known === undefined) {
      known = new Map();
      this.positions.set(set, known);
    }
    let position = known.get(index);
    if (position === undefined) {
      position = this.parts.length;
      known.set(index, position);
      const area = set.height * set.width;
      this.parts.push(set.pixels.subarray(index * area, (index + 1) * area));
    }
    return position;
  }

  get count(): number {
    return this.parts.length;
  }

  pixels(area: number): OwnUint8Array {
    const all = new Uint8Array(this.parts.length * area);
    for (const [i, part] of this.parts.entries()) all.set(part, i * area);
    return all;
  }
}

/** What canvases are made of, as the addon takes it. */
export interface CanvasPlan {
  readonly labels: OwnFloat64Array;
  readonly pieces: OwnUint32Array;
  readonly imageCount: number;
  readonly images: OwnUint8Array;
  /** Sides of a canvas in pixels. */
  readonly height: number;
  readonly width: number;
}

interface FillerImages {
  readonly set: ImageSet;
  readonly indices: Uint32Array;
}

function fillerOf(
  task: Extract<ResolvedImageTask, { kind: 'partial-tiled' | 'embedded' }>,
  set: ImageSet,
  fillers: ImageSet | undefined,
): FillerImages | undefined {
  const { filler } = task;
  if (filler.kind === 'noise') return undefined;
  if (filler.kind === 'classes') return { set, indices: imagesOf(set, filler.classes, 'task.filler.classes') };
  if (fillers === undefined || fillers.height !== set.height || fillers.width !== set.width)
    throw new OptionRangeError(
      'fillers',
      `images of ${set.height}×${set.width} pixels for the filler ${filler.name}`,
      fillers,
    );
  return { set: fillers, indices: Uint32Array.from({ length: fillers.count }, (_, i) => i) };
}

type CanvasTask = Exclude<ResolvedImageTask, { kind: 'bag' }>;

function fragmentOf(task: Extract<CanvasTask, { kind: 'embedded' }>, set: ImageSet): number {
  const fragment = task.fragment ?? task.patch;
  if (set.height % fragment !== 0 || set.width % fragment !== 0)
    throw new OptionRangeError(
      'task.fragment',
      `a divisor of the sides of an image, ${set.height}×${set.width}`,
      fragment,
    );
  return fragment;
}

/** Choose the pieces of canvases. */
export function planCanvases(
  task: CanvasTask,
  set: ImageSet,
  fillers: ImageSet | undefined,
  range: ChoiceRange,
): CanvasPlan {
  const { height: h, width: w } = set;
  const { tiles } = task;
  const kinds = labelledClasses(task, set).map((label) => imagesOf(set, [label], 'task.classes'));
  const filler = task.kind === 'full-tiled' ? undefined : fillerOf(task, set, fillers);
  const pool = new ImagePool();
  const pieces: number[] = [];
  const labels = new Float64Array(range.examples);
  const places = tiles ** 2;
  const fragment = task.kind === 'embedded' ? fragmentOf(task, set) : h;
  const fragmentColumns = (tiles * w) / fragment;
  const fragments = task.kind === 'embedded' ? ((tiles * h) / fragment) * fragmentColumns : 0;
  const perExample = 2 + Math.max(2 * places, 2 + 3 * fragments);
  const uniforms = uniformsOf(range, perExample);
  for (let i = 0; i < range.examples; ++i) {
    let next = i * perExample;
    const uniform = () => uniforms[next++] as number;
    const position = Math.floor(uniform() * kinds.length);
    labels[i] = labelAt(position, kinds.length);
    const image = pool.add(set, pick(kinds[position] as Uint32Array, uniform()));
    const tile = (place: number, source: number, relevant: 0 | 1) =>
      pieces.push(i, source, 0, 0, h, w, Math.floor(place / tiles) * h, (place % tiles) * w, relevant);
    const fillerImage = () => {
      const chosen = uniform();
      return filler === undefined ? kNoise : pool.add(filler.set, pick(filler.indices, chosen));
    };
    if (task.kind === 'embedded') {
      const [top, left] = [h, w].map((side) => {
        const places = Math.floor(((tiles - 1) * side) / task.stride) + 1;
        return Math.floor(uniform() * places) * task.stride;
      }) as [number, number];
      for (let f = 0; f < fragments; ++f) {
        const source = fillerImage();
        const [y, x] = [uniform() * (h - fragment + 1), uniform() * (w - fragment + 1)].map(Math.floor) as [
          number,
          number,
        ];
        const at = [Math.floor(f / fragmentColumns) * fragment, (f % fragmentColumns) * fragment] as const;
        pieces.push(i, source, y, x, fragment, fragment, ...at, 0);
      }
      pieces.push(i, image, 0, 0, h, w, top, left, 1);
    } else {
      const relevantTiles = task.kind === 'full-tiled' ? places : task.relevantTiles;
      const order = choosePlaces(places, uniforms.subarray(next, next + places));
      next += places;
      for (const [rank, place] of order.entries()) {
        if (rank < relevantTiles) tile(place, image, 1);
        else tile(place, fillerImage(), 0);
      }
    }
  }
  return {
    labels,
    pieces: Uint32Array.from(pieces),
    imageCount: pool.count,
    images: pool.pixels(h * w),
    height: tiles * h,
    width: tiles * w,
  };
}
