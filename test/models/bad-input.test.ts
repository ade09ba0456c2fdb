import test from 'ava';
import {
  type ModelData,
  OptionRangeError,
  OptionTypeError,
  promptAttention,
  promptTunedLayer,
} from '../../lib/index.js';
import { classes } from './support.js';

const data = {
  tokens: Float64Array.from({ length: 24 }, (_, i) => Math.sin(i + 1)),
  labels: Float64Array.of(1, -1, -1, 1),
  dimension: 2,
};
const parameters = { prompt: new Float64Array(2), head: new Float64Array(2) };
const detached = () => {
  const array = new Float64Array(24);
  structuredClone(array, { transfer: [array.buffer] });
  return array;
};
const resizable = (length: number) => {
  const options = { maxByteLength: 8 * length } as object;
  return new Float64Array(
    new (ArrayBuffer as new (length: number, options: object) => ArrayBuffer)(8 * length, options),
  );
};
const with_ = (array: Float64Array, index: number, value: number) => {
  const copy = array.slice();
  copy[index] = value;
  return copy;
};
const badData: [string, Record<string, unknown> | undefined, RegExp][] = [
  ['no data', undefined, /^data must be an object/],
  ['no tokens', { tokens: undefined }, /^data\.tokens must be a Float64Array/],
  ['single precision', { tokens: new Float32Array(24) }, /^data\.tokens must be a Float64Array/],
  ['an array', { tokens: [1, 2] }, /^data\.tokens must be a Float64Array/],
  ['empty tokens', { tokens: new Float64Array(0) }, /^data\.tokens must be neither empty nor detached/],
  ['detached tokens', { tokens: detached() }, /^data\.tokens must be neither empty nor detached/],
  [
    'shared tokens',
    { tokens: new Float64Array(new SharedArrayBuffer(192)) },
    /^data\.tokens must be .* not a shared or resizable/,
  ],
  ['resizable tokens', { tokens: resizable(24) }, /^data\.tokens must be .* not a shared or resizable/],
  ['too few tokens', { tokens: new Float64Array(23) }, /^data\.tokens must be of length n×T×d/],
  [
    'NaN tokens',
    { tokens: with_(data.tokens, 17, Number.NaN) },
    /^data\.tokens must be without NaN .*entry 17.* got NaN/,
  ],
  ['infinite tokens', { tokens: with_(data.tokens, 0, Number.NEGATIVE_INFINITY) }, /^data\.tokens must be without NaN/],
  ['no labels', { labels: undefined, examples: 4 }, /^data\.labels must be given/],
  ['neither labels nor examples', { labels: undefined }, /^data\.examples must be given, unless labels are/],
  ['empty labels', { labels: new Float64Array(0) }, /^data\.labels must be neither empty/],
  ['wrong number of labels', { examples: 3, labels: data.labels }, /^data\.(tokens|labels) must be of length/],
  ['labels 0', { labels: with_(data.labels, 2, 0) }, /^data\.labels\[2\] must be −1 or 1; got 0/],
  ['labels NaN', { labels: with_(data.labels, 3, Number.NaN) }, /^data\.labels\[3\] must be −1 or 1; got NaN/],
  ['shared labels', { labels: new Float64Array(new SharedArrayBuffer(32)) }, /^data\.labels must be/],
  ['no dimension', { dimension: undefined }, /^data\.dimension must be given, unless a mixture is/],
  ['dimension 0', { dimension: 0 }, /^data\.dimension must be an integer ≥ 1/],
  ['a short mask', { relevance: new Uint8Array(3) }, /^data\.relevance must be of length n×T/],
  ['an unknown option', { token: 3 }, /^data\.token must be left out/],
];
for (const [name, change, message] of badData)
  test(`refuses data with ${name}`, async (t) => {
    const value = (change && { ...data, ...change }) as ModelData;
    const error = await t.throwsAsync(promptAttention.gradient(parameters, value, { loss: 'square' }));
    t.true(error instanceof OptionTypeError || error instanceof OptionRangeError);
    t.regex(error.message, message);
  });

test('refuses bad parameters, losses and options', async (t) => {
  const cases: [unknown, unknown, RegExp][] = [
    [undefined, {}, /^parameters must be an object \{ prompt, head \}/],
    [{ prompt: parameters.prompt }, {}, /^parameters\.head must be a Float64Array/],
    [{ ...parameters, tail: 1 }, {}, /^parameters\.tail must be left out/],
    [{ ...parameters, head: new Float64Array(3) }, {}, /^parameters\.head must be of length 2/],
    [{ ...parameters, head: Float64Array.of(1, Number.NaN) }, {}, /^parameters\.head must be without NaN/],
    [{ ...parameters, head: new Float64Array(new SharedArrayBuffer(16)) }, {}, /^parameters\.head must be/],
    [{ ...parameters, head: resizable(2) }, {}, /^parameters\.head must be/],
    [parameters, { loss: 'hinge' }, /^loss must be one of/],
    [parameters, { loss: 'cross-entropy' }, /^loss must be 'square' or 'logistic'/],
    [parameters, { threads: 0 }, /^threads must be/],
    [parameters, { signal: 3 }, /^signal must be an AbortSignal/],
    [parameters, { step: 3 }, /^step must be left out/],
  ];
  for (const [point, options, message] of cases) {
    const call = promptAttention.gradient(point as typeof parameters, data, { loss: 'square', ...(options as object) });
    const error = await t.throwsAsync(call);
    t.true(error instanceof OptionTypeError || error instanceof OptionRangeError);
    t.regex(error.message, message);
  }
  await t.throwsAsync(classes.gradient(classes.initial({ tokens: 3, dimension: 2 }), data, { loss: 'square' }), {
    message: /^loss must be 'cross-entropy'/,
  });
  await t.throwsAsync(classes.gradient(classes.initial({ tokens: 3, dimension: 2 }), data, { loss: 'cross-entropy' }), {
    message: /^data\.labels\[1\] must be an integer in \[0, 3\); got -1/,
  });
  t.throws(() => promptTunedLayer({ prompts: 0 }), { instanceOf: OptionRangeError, message: /^prompts must be/ });
  t.throws(() => promptTunedLayer({ prompts: 1, trained: [] }), { message: /^trained must be/ });
  t.throws(() => promptTunedLayer({ prompts: 1, trained: ['head', 'head'] }), { message: /^trained must be/ });
  t.throws(() => promptAttention.initial({ tokens: 3, dimension: 2 }, { scale: 0 }), { message: /^scale must be/ });
  t.throws(() => promptAttention.initial({ tokens: 3, dimension: 0.5 }), { message: /^size\.dimension must be/ });
});
