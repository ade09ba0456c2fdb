import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { OptionRangeError } from '../../base/errors.js';
import type { JobOptions } from '../../base/job.js';
import { abortSignal, integerFrom, parseOptions, seedSchema, threadCount } from '../../base/options.js';
import type { TrialContext } from '../../real-data/trials.js';
import { type ContextualImages, contextualImages } from '../contextual-images.js';
import { type AttentionMap, attentionMapsSvg } from '../maps.js';
import { imagesNamed, testExamplesOf } from './resources.js';
import { slice } from './training.js';
import { type ImageTransferExperiment, imageTransferSchema, type ResolvedImageTransfer, transfer } from './transfer.js';

/** Options of {@link attentionMaps}. */
export interface AttentionMapsOptions extends JobOptions {
  /** Fixes everything, as the seed of a study of the experiment does. */
  readonly seed: number | bigint;
  /** Which trial of such a study: an integer in [0, 2²⁰). Default 0. */
  readonly trial?: number | undefined;
  /** Test examples shown that are classified correctly after tuning: an integer in [0, 50]. Default 3. */
  readonly correct?: number | undefined;
  /** Test examples shown that are misclassified after tuning: an integer in [0, 50]. Default 3. */
  readonly wrong?: number | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
}

const optionsSchema = z.strictObject({
  seed: seedSchema,
  trial: integerFrom(0, 2 ** 20 - 1).default(0),
  correct: integerFrom(0, 50).default(3),
  wrong: integerFrom(0, 50).default(3),
  threads: threadCount,
  signal: abortSignal,
});

/** Test examples are searched for right and wrong ones up to here. */
const kSearched = 400;

const largestAt = (values: Float64Array) =>
  values.reduce((best, value, i) => (value > (values[best] as number) ? i : best), 0);

/** Mean over prompts of the attention of one example. */
function meanOverPrompts(attention: Float64Array, T: number): Float64Array {
  const prompts = attention.length / T;
  return Float64Array.from({ length: T }, (_, t) => {
    let sum = 0;
    for (let s = 0; s < prompts; ++s) sum += attention[s * T + t] as number;
    return sum / prompts;
  });
}

const massText = (attention: Float64Array, relevance: Uint8Array) =>
  attention.reduce((sum, weight, t) => sum + (relevance[t] ? weight : 0), 0).toFixed(2);

/** The pixels of the same test examples. */
async function pixelsOf(
  { data, task }: ResolvedImageTransfer,
  examples: number,
  { seed, threads, signal }: TrialContext,
) {
  const filler = task.filler.kind === 'data-set' ? imagesNamed(task.filler.name, 'test') : undefined;
  const images = imagesNamed(data, 'test');
  return contextualImages(task, { images, fillers: filler, examples, seed, threads, signal });
}

/**
 * Where a pretrained layer looks before and after it is tuned: attention maps of test examples as an SVG document, with the
 * relevant patches outlined, and beside them the class, then the class predicted and the attention on relevant patches.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; {@link DataError} if a data set is missing.
 */
export async function attentionMaps(
  experiment: ImageTransferExperiment,
  options: AttentionMapsOptions,
): Promise<string> {
  const resolved = parseOptions(imageTransferSchema, experiment, 'experiment');
  const { correct, wrong, ...parsed } = parseOptions(optionsSchema, options, '');
  if (correct + wrong === 0) throw new OptionRangeError('wrong', 'above 0 if correct is 0', wrong);
  const context = { ...parsed, threads: parsed.threads ?? availableParallelism() };
  const transferred = await transfer(resolved, context);
  if (transferred === 'diverged')
    throw new OptionRangeError(
      'training.learningRates',
      'small enough that one of them does not diverge',
      resolved.training.learningRates,
    );
  const { layer, before, after, embedding, classes } = transferred;
  const all = await testExamplesOf(resolved, embedding, context);
  const test: ContextualImages = slice(all, 0, Math.min(kSearched, all.examples));
  const pixels = await pixelsOf(resolved, test.examples, context);
  const T = test.relevance.length / test.examples;
  const { threads, signal } = context;
  const look = async (parameters: typeof before) => ({
    scores: await layer.scores(parameters, test, { threads, signal }),
    attention: await layer.attention(parameters, test, { threads, signal }),
  });
  const [first, last] = [await look(before), await look(after.parameters)];
  const names = classes.map((label) => imagesNamed(resolved.data, 'test').classes[label] as string);
  const numbersOf = (values: Float64Array, i: number) => {
    const length = values.length / test.examples;
    return values.subarray(i * length, (i + 1) * length);
  };
  const predicted = (state: typeof first, i: number) => largestAt(numbersOf(state.scores, i));
  const isRight = (i: number) => predicted(last, i) === test.labels[i];
  const mapOf = (i: number): AttentionMap => {
    const relevance = test.relevance.subarray(i * T, (i + 1) * T);
    const states = Object.entries({ before: first, after: last }).map(([title, state]) => ({
      title,
      attention: meanOverPrompts(numbersOf(state.attention, i), T),
      label: names[predicted(state, i)],
    }));
    return {
      caption: [
        `${names[test.labels[i] as number]} (${isRight(i) ? 'correct' : 'wrong'})`,
        ...states.map(({ title, attention, label }) => `${title}: ${label}, ${massText(attention, relevance)}`),
      ],
      patches: numbersOf(pixels.tokens, i),
      relevance,
      panels: [{ title: 'canvas' }, ...states.map(({ title, attention }) => ({ title, attention }))],
    };
  };
  const indices = [...test.labels.keys()];
  const shown = [...indices.filter(isRight).slice(0, correct), ...indices.filter((i) => !isRight(i)).slice(0, wrong)];
  const { patch, tiles, kind } = resolved.task;
  const title = `${kind}: ${resolved.method} tuned on n = ${resolved.examples}`;
  return attentionMapsSvg(title, shown.map(mapOf), {
    patchHeight: patch,
    patchWidth: patch,
    columns: (tiles * imagesNamed(resolved.data, 'test').width) / patch,
  });
}
