/** Number that stands for noise in place of an image. */
export const kNoise = 2 ** 32 - 1;

/** Pieces of canvases that each show one image whole, in order. */
export function wholeImages({ count, height, width }: { count: number; height: number; width: number }): Uint32Array {
  const pieces = new Uint32Array(9 * count);
  for (let i = 0; i < count; ++i) pieces.set([i, i, 0, 0, height, width, 0, 0, 1], 9 * i);
  return pieces;
}
