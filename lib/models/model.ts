import { availableParallelism } from 'node:os';
import { z } from 'zod';
import type { OwnFloat64Array } from '../base/arrays.js';
import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { type JobOptions, runJob } from '../base/job.js';
import { type NativeModel, native } from '../base/native.js';
import {
  abortSignal,
  finiteVector,
  integerFrom,
  oneOf,
  parseOptions,
  positiveNumber,
  seedSchema,
  threadCount,
} from '../base/options.js';
import type { ModelData } from './data.js';
import { type HeldExamples, readExamplesOrHeld, readTokensOrHeld } from './held.js';
import type { ModelLoss } from './loss.js';
import type { ModelSize } from './size.js';

/** Name of a model. */
export type ModelName =
  | 'prompt-attention'
  | 'linear-attention'
  | 'mean-pooling'
  | 'self-attention'
  | 'self-attention-full-head'
  | 'prompt-tuned-layer';

/** Parameters of a model by name, each a row-major array of finite numbers; those of a result in {@link OwnFloat64Array}s. */
export type ModelParameters<Name extends string = string, Numbers extends Float64Array = Float64Array> = Readonly<
  Record<Name, Numbers>
>;

/** Options of {@link Model.scores} and {@link Model.attention}. */
export interface ModelCallOptions extends JobOptions {
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. Results do not depend on it. */
  readonly threads?: number | undefined;
}

/** Options of {@link Model.gradient}. */
export interface ModelGradientOptions extends ModelCallOptions {
  /** The loss of one example. `'cross-entropy'` for K ≥ 2 outputs, one of the others for one. */
  readonly loss: ModelLoss;
}

/** Options of {@link Model.initial}. */
export interface InitialOptions {
  /** An integer in [0, 2⁵³) or a bigint in [0, 2⁶⁴). Default 0. */
  readonly seed?: number | bigint | undefined;
  /** Standard deviation of prompts and head, and √d times that of attention weights: above 0. Default 1/√d. */
  readonly scale?: number | undefined;
}

/** What {@link Model.gradient} found. */
export interface ModelGradient<Name extends string = string> {
  /** Mean loss over the examples. */
  readonly loss: number;
  /** Share of misclassified examples, in [0, 1]; a tie between c classes counts 1 − 1/c. */
  readonly error: number;
  /** Derivative of the mean loss by every trained parameter, in that parameter's shape. */
  readonly gradient: ModelParameters<Name, OwnFloat64Array>;
}

/**
 * A model of one-layer attention on real arrays. Models are constants of this package ({@link promptAttention},
 * {@link linearAttention}, {@link meanPooling}, {@link selfAttention}, {@link selfAttentionFullHead}) or made by
 * {@link promptTunedLayer}; they hold no parameters. Every method copies its arrays when it is called and works on the
 * addon's own threads; its result does not depend on how many.
 */
export interface Model<Name extends string = string, Trained extends Name = Name> {
  /** Which model it is. */
  readonly name: ModelName;
  /** K, scores per example. */
  readonly outputs: number;
  /** Names of the parameters that {@link Model.gradient} differentiates by and {@link fit} trains. */
  readonly trained: readonly Trained[];
  /**
   * Shape of every parameter.
   *
   * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad size.
   */
  parameterShapes(size: ModelSize): Readonly<Record<Name, readonly number[]>>;
  /**
   * Independent zero-mean normal parameters.
   *
   * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
   */
  initial(size: ModelSize, options?: InitialOptions): ModelParameters<Name, OwnFloat64Array>;
  /**
   * Scores, row-major n×K. The predicted label is the sign of the score, or the largest score's class if K ≥ 2.
   *
   * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; the signal's reason if aborted.
   */
  scores(
    parameters: ModelParameters<Name>,
    data: ModelData | HeldExamples,
    options?: ModelCallOptions,
  ): Promise<OwnFloat64Array>;
  /**
   * Attention weights, row-major: n×T, or n×M×T with one row per query for self-attention (M = T) and the tuned layer
   * (M = prompts + T, prompts first; M = prompts with a pooled head). Rows of softmax attention and of mean pooling sum to 1. With lengths
   * those of an example of T_i tokens are T_i numbers, or M×T_i with M for T_i, behind those of the example before.
   *
   * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; the signal's reason if aborted.
   */
  attention(
    parameters: ModelParameters<Name>,
    data: ModelData | HeldExamples,
    options?: ModelCallOptions,
  ): Promise<OwnFloat64Array>;
  /**
   * Mean loss and error over the examples, and the gradient of the mean loss.
   *
   * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; the signal's reason if aborted.
   */
  gradient(
    parameters: ModelParameters<Name>,
    data: ModelData | HeldExamples,
    options: ModelGradientOptions,
  ): Promise<ModelGradient<Trained>>;
}

/** What a model of this package is made of. */
export interface ModelDefinition<Name extends string, Trained extends Name> {
  readonly name: ModelName;
  readonly outputs: number;
  readonly trained: readonly Trained[];
  /** In the order prompts, weights, head. */
  shapes(size: ModelSize): Readonly<Record<Name, readonly number[]>>;
  toNative(size: ModelSize): NativeModel;
}

const definitions = new WeakMap<object, ModelDefinition<string, string>>();

/** The definition of a model of this package. */
export function definitionOf(model: unknown): ModelDefinition<string, string> {
  const definition = typeof model === 'object' && model !== null ? definitions.get(model) : undefined;
  if (definition === undefined) throw new OptionTypeError('model', 'a model of this package', model);
  return definition;
}

const sizeSchema = z.strictObject(
  { tokens: integerFrom(1, 2 ** 31 - 1), dimension: integerFrom(1, 2 ** 31 - 1) },
  { error: 'an object { tokens, dimension }' },
);
const initialSchema = z.strictObject({ seed: seedSchema.default(0), scale: positiveNumber.optional() });
const callSchema = z.strictObject({ threads: threadCount, signal: abortSignal });

export const lossSchema = oneOf(['square', 'logistic', 'cross-entropy']);

/** Refuse a loss that the model's number of outputs does not allow. */
export function requireLoss(definition: { readonly outputs: number }, loss: ModelLoss): void {
  if ((loss === 'cross-entropy') !== definition.outputs > 1)
    throw new OptionRangeError(
      'loss',
      definition.outputs > 1
        ? `'cross-entropy' for ${definition.outputs} outputs`
        : "'square' or 'logistic' for one output",
      loss,
    );
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

/** The parameters in the order of the definition, in one array. */
export function flattenParameters(
  definition: ModelDefinition<string, string>,
  size: ModelSize,
  parameters: unknown,
  root: string,
): Float64Array {
  const shapes = Object.entries(definition.shapes(size));
  if (typeof parameters !== 'object' || parameters === null)
    throw new OptionTypeError(root, `an object { ${shapes.map(([name]) => name).join(', ')} }`, parameters);
  for (const name of Object.keys(parameters))
    if (!shapes.some(([known]) => known === name))
      throw new OptionTypeError(
        `${root}.${name}`,
        `left out: ${definition.name} has no such parameter`,
        (parameters as Record<string, unknown>)[name],
      );
  const flat = new Float64Array(shapes.reduce((sum, [, shape]) => sum + sizeOf(shape), 0));
  let offset = 0;
  for (const [name, shape] of shapes) {
    const value = (parameters as Record<string, unknown>)[name];
    const option = `${root}.${name}`;
    const array = parseOptions(finiteVector, value, option);
    if (array.length !== sizeOf(shape))
      throw new OptionRangeError(option, `of length ${shape.join('×')} = ${sizeOf(shape)}`, array);
    flat.set(array, offset);
    offset += array.length;
  }
  return flat;
}

/** Copies of the named parts of an array that {@link flattenParameters} could have made. */
export function splitParameters<Name extends string>(
  definition: ModelDefinition<string, string>,
  size: ModelSize,
  flat: Float64Array,
  names: readonly Name[],
): ModelParameters<Name, OwnFloat64Array> {
  const parts: Partial<Record<Name, OwnFloat64Array>> = {};
  let offset = 0;
  for (const [name, shape] of Object.entries(definition.shapes(size))) {
    const end = offset + sizeOf(shape);
    if ((names as readonly string[]).includes(name)) parts[name as Name] = flat.slice(offset, end);
    offset = end;
  }
  return parts as ModelParameters<Name, OwnFloat64Array>;
}

/** Purpose of the stream of initial parameters; native/core/random/random.h lists them all. */
const kInitialPurpose = 12;

/** Independent normals, in the order of the definition. */
export function initialParameters(
  definition: ModelDefinition<string, string>,
  size: ModelSize,
  seed: number | bigint,
  scale = 1 / Math.sqrt(size.dimension),
): Float64Array {
  const shapes = Object.entries(definition.shapes(size));
  const flat = native.randomNumbers({
    kind: 'normal',
    purpose: kInitialPurpose,
    trial: 0,
    first: 0,
    count: shapes.reduce((sum, [, shape]) => sum + sizeOf(shape), 0),
    seed: BigInt(seed),
    cellKey: hashKey('fit'),
  });
  let offset = 0;
  for (const [name, shape] of shapes) {
    const deviation = name === 'weights' ? scale / Math.sqrt(size.dimension) : scale;
    const end = offset + sizeOf(shape);
    for (; offset < end; ++offset) flat[offset] = (flat[offset] as number) * deviation;
  }
  return flat;
}

/** A frozen model from its definition. */
export function makeModel<Name extends string, Trained extends Name>(
  definition: ModelDefinition<Name, Trained>,
): Model<Name, Trained> {
  const { name, outputs, trained } = definition;
  const names = (size: ModelSize) => Object.keys(definition.shapes(size)) as Name[];
  const exampleValues =
    (kernel: 'modelScores' | 'modelAttention'): Model<Name, Trained>['scores'] =>
    async (parameters, data, options = {}) => {
      const { threads = availableParallelism(), signal } = parseOptions(callSchema, options, '');
      const examples = readTokensOrHeld(data, 'data');
      return runJob(
        () =>
          native[kernel]({
            model: definition.toNative(examples.size),
            examples: examples.native,
            parameters: flattenParameters(definition, examples.size, parameters, 'parameters'),
            threads,
          }),
        { signal },
      );
    };
  const model: Model<Name, Trained> = Object.freeze({
    name,
    outputs,
    trained: Object.freeze([...trained]),
    parameterShapes: (size: ModelSize) => definition.shapes(parseOptions(sizeSchema, size, 'size')),
    initial: (size: ModelSize, options: InitialOptions = {}) => {
      const resolved = parseOptions(sizeSchema, size, 'size');
      const { seed, scale } = parseOptions(initialSchema, options, '');
      return splitParameters(
        definition,
        resolved,
        initialParameters(definition, resolved, seed, scale),
        names(resolved),
      );
    },
    scores: exampleValues('modelScores'),
    attention: exampleValues('modelAttention'),
    gradient: async (
      parameters: ModelParameters<Name>,
      data: ModelData | HeldExamples,
      options: ModelGradientOptions,
    ) => {
      const { loss, threads, signal } = parseOptions(callSchema.extend({ loss: lossSchema }), options, '');
      requireLoss(definition, loss);
      const examples = readExamplesOrHeld(data, 'data', loss, outputs);
      const result = await runJob(
        () =>
          native.modelGradient({
            model: definition.toNative(examples.size),
            loss,
            examples: examples.native,
            parameters: flattenParameters(definition, examples.size, parameters, 'parameters'),
            threads: threads ?? availableParallelism(),
          }),
        { signal },
      );
      return { ...result, gradient: splitParameters(definition, examples.size, result.gradient, trained) };
    },
  });
  definitions.set(model, definition);
  return model;
}
