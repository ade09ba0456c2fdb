import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TestFn } from 'ava';
import { native } from '../../lib/base/native.js';
import type { ImageSet } from '../../lib/images/image-set.js';

/** Small images of some classes: smooth patterns that differ by class, with noise. */
export function syntheticSet(count = 60, side = 4, classes = 4, seed = 1): ImageSet {
  const normals = native.randomNumbers({
    kind: 'normal',
    purpose: 200,
    trial: seed,
    first: 0,
    count: count * side * side,
    seed: 5n,
    cellKey: new Uint32Array(4),
  });
  const labels = Uint8Array.from({ length: count }, (_, i) => i % classes);
  const pixels = Uint8Array.from(normals, (normal, j) => {
    const [image, place] = [Math.floor(j / side ** 2), j % side ** 2];
    const pattern = Math.sin((1 + (labels[image] as number)) * (place + 1));
    return Math.max(0, Math.min(255, Math.round(128 + 60 * pattern + 20 * normal)));
  });
  return { name: 'synthetic', pixels, labels, count, height: side, width: side, classes: ['a', 'b', 'c', 'd'] };
}

const hasFashion = existsSync('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz');
const hasDigits = (() => {
  try {
    createRequire(import.meta.url).resolve('mnist/package.json');
    return true;
  } catch {
    return false;
  }
})();

/** A test that needs the real data sets; skipped, visibly, where they are missing. CI installs them. */
export function realDataTest(test: TestFn): TestFn | TestFn['skip'] {
  return hasFashion && hasDigits ? test : test.skip;
}
