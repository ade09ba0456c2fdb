import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { type NativeFit, native } from '../base/native.js';
import {
  abortSignal,
  functionOf,
  integerFrom,
  nonNegativeNumber,
  parseOptions,
  positiveNumber,
  seedSchema,
  threadCount,
} from '../base/options.js';
import type { CheckedExamples, ModelData } from '../models/data.js';
import { type HeldExamples, readExamplesOrHeld } from '../models/held.js';
import type { ModelLoss } from '../models/loss.js';
import {
  definitionOf,
  flattenParameters,
  initialParameters,
  lossSchema,
  type Model,
  type ModelDefinition,
  type ModelParameters,
  requireLoss,
  splitParameters,
} from '../models/model.js';
import type { ModelSize } from '../models/size.js';
import {
  type OptimizerOptions,
  optimizerSchema,
  type ScheduleOptions,
  scheduleSchema,
  toNativeOptimizer,
  toNativeSchedule,
} from './optimizer.js';

/** Options of {@link fit}. */
export interface FitOptions<Name extends string = string, Trained extends Name = Name> extends JobOptions {
  /** The loss of one example; its mean over the examples is minimised. */
  readonly loss: ModelLoss;
  /** Number of steps: an integer in [1, 2³¹ − 1). */
  readonly steps: number;
  /** η ≥ 0: one number, or one for every trained parameter (0 keeps it as it is). */
  readonly learningRate: number | Readonly<Record<Trained, number>>;
  /** How a gradient moves a parameter. Default `'gradient-descent'`. */
  readonly optimizer?: OptimizerOptions | undefined;
  /** How the learning rate changes over the steps. Default `'constant'`. */
  readonly schedule?: ScheduleOptions | undefined;
  /**
   * Whether the memory of `examples.tokens` is taken over instead of copied: the array is then detached (empty) from the call
   * on, like one transferred to a worker. For data of which a copy would not fit. Default false.
   */
  readonly transfer?: boolean | undefined;
  /**
   * Examples per step: an integer ≥ 1. Every pass over the examples takes them in a new seeded order; its last batch may be
   * smaller. Default: all examples.
   */
  readonly batchSize?: number | undefined;
  /** Fixes the initial parameters and the order of the examples: an integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Where training starts: the parameters themselves, or the scale of {@link Model.initial}. Default: the scale 1/√d. */
  readonly initial?:
    | ModelParameters<Name>
    | {
        /** Standard deviation, above 0. */
        readonly scale: number;
      }
    | undefined;
  /**
   * Examples on which loss and error are recorded too. T and d must be those of the training examples; where one of the two has lengths, T
   * is the larger of both, as long as it is that of the other where that has none.
   */
  readonly validation?: ModelData | HeldExamples | undefined;
  /**
   * Stop when this many records in a row have not improved on the best validation loss, and return the parameters of the
   * best record: an integer ≥ 1. Needs `validation`. Default: never stop early, return the last parameters.
   */
  readonly patience?: number | undefined;
  /** Steps between two records of the history: an integer ≥ 1. Default: a hundredth of the steps, at least 1. */
  readonly recordEvery?: number | undefined;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
  /**
   * Called at most ten times a second with the number of steps taken, and once at the end. What it throws ends the work and rejects the
   * promise.
   */
  readonly onStep?: ((progress: { readonly step: number; readonly steps: number }) => void) | undefined;
}

/** Records of a training: every array has one entry per record. */
export interface FitHistory<Name extends string = string> {
  /** Steps taken before the record: multiples of `recordEvery`, and the last. */
  readonly step: OwnFloat64Array;
  /** Mean loss over all training examples. */
  readonly loss: OwnFloat64Array;
  /** Share of all training examples misclassified, in [0, 1]. */
  readonly error: OwnFloat64Array;
  /** Euclidean (Frobenius) norm of every parameter. */
  readonly norms: Readonly<Record<Name, OwnFloat64Array>>;
  /**
   * Mean attention weight on relevant tokens, in [0, 1] (for linear attention any number), if the examples have a mask: for
   * self-attention averaged over all queries, for the tuned layer over the prompts.
   */
  readonly relevantAttention?: OwnFloat64Array;
  /** Mean loss over the validation examples, if there are any. */
  readonly validationLoss?: OwnFloat64Array;
  /** Share of the validation examples misclassified, if there are any. */
  readonly validationError?: OwnFloat64Array;
}

/** What {@link fit} found. */
export interface FitResult<Name extends string = string> {
  /** The parameters at the end, or of the best record if `patience` was given. */
  readonly parameters: ModelParameters<Name, OwnFloat64Array>;
  /** Why training ended: all steps were taken, `patience` ran out, or the loss was no longer finite. */
  readonly stopped: 'steps' | 'patience' | 'diverged';
  /** Steps taken. */
  readonly steps: number;
  /** The way there. */
  readonly history: FitHistory<Name>;
}

const optionsSchema = z.strictObject({
  loss: lossSchema,
  steps: integerFrom(1, 2 ** 31 - 2),
  learningRate: z.union([nonNegativeNumber, z.record(z.string(), nonNegativeNumber)], {
    error: 'a finite number ≥ 0, or an object with one for every trained parameter',
  }),
  optimizer: optimizerSchema.default({ kind: 'gradient-descent' }),
  schedule: scheduleSchema.default({ kind: 'constant', warmUp: 0 }),
  transfer: z.boolean({ error: 'true or false' }).default(false),
  batchSize: integerFrom(1, 2 ** 31 - 1).default(2 ** 31 - 1),
  seed: seedSchema.default(0),
  initial: z.unknown().optional(),
  validation: z.unknown().optional(),
  patience: integerFrom(1, 2 ** 31 - 1).optional(),
  recordEvery: integerFrom(1, 2 ** 31 - 1).optional(),
  threads: threadCount,
  signal: abortSignal,
  onStep: functionOf<NonNullable<FitOptions['onStep']>>().optional(),
});

const initialScale = z.strictObject({ scale: positiveNumber });

/** The groups of the addon, in its order, and the parameter that each is called in some model. */
const kGroups = [
  ['prompt', 'prompts'],
  ['weights', 'weights'],
  ['head', 'head'],
] as const;

function learningRates(
  { name: model, trained }: ModelDefinition<string, string>,
  rates: number | Readonly<Record<string, number>>,
): Float64Array {
  if (typeof rates === 'object') {
    for (const name of Object.keys(rates))
      if (!trained.includes(name))
        throw new OptionTypeError(
          `learningRate.${name}`,
          `left out: ${model} trains ${trained.join(', ')} only`,
          rates[name],
        );
    for (const name of trained)
      if (rates[name] === undefined)
        throw new OptionTypeError(`learningRate.${name}`, 'a finite number ≥ 0', undefined);
  }
  const rateOf = (name: string) => (typeof rates === 'number' ? rates : (rates[name] ?? 0));
  return Float64Array.from(kGroups, (names) => {
    const name = trained.find((trainedName) => (names as readonly string[]).includes(trainedName));
    return name === undefined ? 0 : rateOf(name);
  });
}

/** The size that both samples are of: T is the larger one, which a sample without lengths must have. */
function commonSize(training: CheckedExamples, validation: CheckedExamples | undefined): ModelSize {
  const { size } = training;
  if (validation === undefined) return size;
  const tokens = Math.max(size.tokens, validation.size.tokens);
  if (training.native.lengths === undefined && tokens > size.tokens && validation.native.lengths !== undefined)
    throw new OptionRangeError('validation.lengths', `at most ${size.tokens}, T of the training examples`, tokens);
  const fits =
    validation.size.dimension === size.dimension &&
    (validation.native.lengths !== undefined || validation.size.tokens === tokens) &&
    (training.native.lengths !== undefined || size.tokens === tokens);
  if (!fits)
    throw new OptionRangeError(
      'validation.tokens',
      `of shape n×${size.tokens}×${size.dimension}, as the training examples`,
      validation.size.tokens * validation.size.dimension,
    );
  return { tokens, dimension: size.dimension };
}

function historyOf(names: readonly string[], fitted: NativeFit, relevance: boolean, validation: boolean): FitHistory {
  const { step, loss, error, relevantAttention, validationLoss, validationError } = fitted;
  const norms = [fitted.promptNorm, fitted.weightNorm, fitted.headNorm];
  return {
    step,
    loss,
    error,
    norms: Object.fromEntries(
      names.map((name) => [
        name,
        norms[kGroups.findIndex((group) => (group as readonly string[]).includes(name))] as OwnFloat64Array,
      ]),
    ),
    ...(relevance ? { relevantAttention } : {}),
    ...(validation ? { validationLoss, validationError } : {}),
  };
}

/**
 * Train a model on examples by gradient descent, normalized or not, momentum or Adam, on the addon's own threads.
 *
 * The examples are copied once, when the call is made; the steps then run natively on that copy, which is freed at the end.
 * With `transfer: true` the tokens are not copied but taken over, and training needs a small fraction of their size beyond them
 * (measured by benchmarks/fit-step.ts). Seed and options fix the
 * result, whatever the number of threads.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; RangeError if the copy cannot be allocated;
 * the signal's reason if aborted. A loss that is not finite is no error: see {@link FitResult.stopped}.
 * @example
 * ```ts
 * import { fit, promptAttention, sampleExamples } from 'prompt-attention';
 * const mixture = { tokens: 16, dimension: 10, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 };
 * const examples = await sampleExamples(mixture, { examples: 200, seed: 1 });
 * const { parameters, history } = await fit(promptAttention, examples, {
 *   loss: 'logistic',
 *   optimizer: 'adam',
 *   schedule: { kind: 'cosine', warmUp: 10 },
 *   learningRate: 0.05,
 *   steps: 100,
 *   initial: { scale: 0.1 },
 * });
 * console.log(parameters.prompt, history.loss.at(-1), history.relevantAttention?.at(-1));
 * ```
 */
export async function fit<Name extends string, Trained extends Name>(
  model: Model<Name, Trained>,
  examples: ModelData | HeldExamples,
  options: FitOptions<Name, Trained>,
): Promise<FitResult<Name>> {
  const definition = definitionOf(model);
  const { loss, seed, signal, onStep, ...parsed } = parseOptions(optionsSchema, options, '');
  requireLoss(definition, loss);
  const training = readExamplesOrHeld(examples, 'examples', loss, definition.outputs);
  if (parsed.transfer && training.native.held !== undefined)
    throw new OptionRangeError('transfer', 'false for held examples, which are not copied anyway', true);
  const validation =
    parsed.validation === undefined
      ? undefined
      : readExamplesOrHeld(parsed.validation, 'validation', loss, definition.outputs);
  const size = commonSize(training, validation);
  if (parsed.patience !== undefined && validation === undefined)
    throw new OptionTypeError('validation', 'given if patience is', undefined);
  const { initial } = parsed;
  const isScale = initial === undefined || (typeof initial === 'object' && initial !== null && 'scale' in initial);
  const scale = isScale && initial !== undefined ? parseOptions(initialScale, initial, 'initial').scale : undefined;
  const parameters = isScale
    ? initialParameters(definition, size, seed, scale)
    : flattenParameters(definition, size, initial, 'initial');
  const { steps } = parsed;
  const fitted = await runJob(
    () =>
      native.fitModel({
        model: definition.toNative(size),
        loss,
        examples: training.native,
        validation: validation?.native,
        parameters,
        optimizer: toNativeOptimizer(parsed.optimizer),
        schedule: toNativeSchedule(parsed.schedule),
        learningRates: learningRates(definition, parsed.learningRate),
        steps,
        transfer: parsed.transfer,
        batchSize: parsed.batchSize,
        recordEvery: parsed.recordEvery ?? Math.max(1, Math.floor(steps / 100)),
        patience: parsed.patience ?? 0,
        threads: parsed.threads ?? availableParallelism(),
        seed: BigInt(seed),
        cellKey: hashKey('fit'),
      }),
    { signal, onProgress: onStep && ((completed) => onStep({ step: Math.min(completed, steps), steps })) },
  );
  onStep?.({ step: fitted.steps, steps });
  const names = Object.keys(definition.shapes(size)) as Name[];
  return {
    parameters: splitParameters(definition, size, fitted.parameters, names),
    stopped: fitted.stopped,
    steps: fitted.steps,
    history: historyOf(
      names,
      fitted,
      training.native.relevance !== undefined,
      validation !== undefined,
    ) as FitHistory<Name>,
  };
}
