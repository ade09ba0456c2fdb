import { createHash } from 'node:crypto';
import { z } from 'zod';
import { DataError } from '../base/errors.js';
import { filePath, oneOf, parseOptions } from '../base/options.js';
import { makeClassifier, requireClassifier, type TextClassifier } from './classifier.js';
import { modelOf } from './experiments/models.js';
import { textClassificationSchema } from './experiments/schemas.js';
import { bytesOf, finiteNumbers, kMostNumbers, readParts, writeParts } from './number-file.js';
import { wordVectors } from './saved-vectors.js';

const kMagic = Buffer.from('prompt-attention text classifier 1\n', 'latin1');
/** Bytes of the description; then the SHA-256 of all that is behind it. */
const kSizeBytes = 4;
const kDigestBytes = 32;
const kMostDescriptionBytes = 2 ** 28;

const names = z.array(z.string());
const descriptionSchema = z.strictObject({
  classes: names.length(2),
  words: names.min(1),
  dimension: z
    .int()
    .min(1)
    .max(2 ** 16),
  seed: z.string().regex(/^\d{1,20}$/),
  experiment: textClassificationSchema.extend({ model: oneOf(['prompt-attention', 'prompt-tuned-layer']) }),
});

/** Names and lengths of the parameters, in the order of the file. */
function shapesOf({ experiment, dimension }: Pick<z.output<typeof descriptionSchema>, 'experiment' | 'dimension'>) {
  const model = modelOf(experiment.model, experiment.prompts);
  const shapes = model.parameterShapes({ tokens: experiment.mostTokens, dimension });
  return Object.entries(shapes).map(([name, shape]) => ({ name, length: shape.reduce((a, b) => a * b, 1) }));
}

/**
 * Save a classifier in a file of this package: all digits, and a checksum. A file of that name is replaced when all is written.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; {@link StoreError} or an error of the system if the file
 * cannot be written.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * async function learnAndSave(path: string): Promise<void> {
 *   const classifier = await text.learnClassifier({ data: { kind: 'csv', path } });
 *   await text.saveClassifier(`${path}.classifier`, classifier);
 * }
 * console.log(typeof learnAndSave); // function
 * ```
 */
export async function saveClassifier(file: string, classifier: TextClassifier): Promise<void> {
  const path = parseOptions(filePath, file, 'file');
  const { classes, vectors, before, after, experiment, seed } = requireClassifier(classifier);
  const { words, dimension } = vectors;
  const description = Buffer.from(JSON.stringify({ classes, words, dimension, seed: String(seed), experiment }));
  const size = Buffer.alloc(kSizeBytes);
  size.writeUInt32LE(description.length);
  const states = [before, after].flatMap((state) =>
    shapesOf({ experiment, dimension }).map(({ name }) => bytesOf(state[name] as Float64Array)),
  );
  const parts = [size, description, bytesOf(vectors.vectors), ...states];
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  await writeParts(path, [kMagic, digest.digest(), ...parts]);
}

/**
 * Load a classifier that {@link saveClassifier} has saved.
 *
 * @throws {@link DataError} if the file cannot be read, is of another kind, or is not as it was saved.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} if `file` is no path.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * try {
 *   await text.loadClassifier('nowhere.classifier');
 * } catch (error) {
 *   // nowhere.classifier: cannot be read: …
 *   console.log((error as Error).message);
 * }
 * ```
 */
export async function loadClassifier(file: string): Promise<TextClassifier> {
  return readParts(parseOptions(filePath, file, 'file'), async (parts) => {
    const fail = (reason: string) => new DataError(`${parts.file}: ${reason}`);
    const magic = await parts.take(Math.min(kMagic.length, parts.left), 'its first line');
    if (!magic.equals(kMagic)) throw fail('holds no classifier that saveClassifier has saved');
    const digest = await parts.take(kDigestBytes, 'its checksum');
    const size = await parts.take(kSizeBytes, 'its size');
    const bytes = size.readUInt32LE(0);
    if (bytes > kMostDescriptionBytes || bytes > parts.left) throw fail('ends within its description');
    const json = await parts.take(bytes, 'its description');
    if (parts.left > 8 * kMostNumbers) throw fail(`holds more than ${kMostNumbers} numbers`);
    const numbers = await parts.take(parts.left, 'its numbers');
    if (!createHash('sha256').update(size).update(json).update(numbers).digest().equals(digest))
      throw fail('is damaged: its checksum is not that of its contents');
    const parsed = descriptionSchema.safeParse(JSON.parse(json.toString('utf8')));
    if (!parsed.success) throw fail('was saved by another version, whose experiments had other options');
    const { words, dimension, experiment, classes, seed } = parsed.data;
    const shapes = shapesOf(parsed.data);
    const perState = shapes.reduce((sum, { length }) => sum + length, 0);
    if (numbers.length !== 8 * (words.length * dimension + 2 * perState))
      throw fail('does not hold as many numbers as it says');
    const values = finiteNumbers(parts.file, numbers, 8);
    let at = 0;
    const next = (length: number) => {
      at += length;
      return values.slice(at - length, at);
    };
    const vectors = wordVectors(words, { shape: [words.length, dimension], values: next(words.length * dimension) });
    const state = () => Object.fromEntries(shapes.map(({ name, length }) => [name, next(length)]));
    const before = state();
    return makeClassifier({ classes, vectors, before, after: state(), experiment, seed: BigInt(seed) });
  });
}
