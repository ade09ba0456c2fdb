import test from 'ava';
import { type LabelledTokens, sampleExamples, threeStep } from '../../lib/index.js';

const mixture = { tokens: 6, dimension: 4, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
const stepSizes = [1, 3, 1] as const;
const part = ({ tokens, labels }: { tokens: Float64Array; labels: Float64Array }, from: number, to: number) => ({
  tokens: tokens.slice(24 * from, 24 * to),
  labels: labels.slice(from, to),
  dimension: 4,
});

test('one set of examples is split into consecutive parts; three sets are used as they are', async (t) => {
  const examples = await sampleExamples(mixture, { examples: 31, seed: 1 });
  const options = { stepSizes, head: 'restarted', debias: 'intercept' } as const;
  const thirds = await threeStep([part(examples, 0, 10), part(examples, 10, 20), part(examples, 20, 31)], options);
  t.deepEqual(await threeStep(examples, options), thirds);
  t.deepEqual(await threeStep(part(examples, 0, 31), options), thirds);
  t.deepEqual(await threeStep(examples, { ...options, split: [10, 10, 11] }), thirds);
  t.notDeepEqual(await threeStep(examples, { ...options, split: [11, 10, 10] }), thirds);
  t.is(thirds.w1.length, 4);
  t.is((await threeStep(examples, { stepSizes })).intercept, 0);
});

test("the caller's arrays may change while the work is under way", async (t) => {
  const examples = await sampleExamples(mixture, { examples: 30, seed: 1 });
  const expected = await threeStep(examples, { stepSizes });
  const running = threeStep(examples, { stepSizes });
  examples.tokens.fill(Number.NaN);
  t.deepEqual(await running, expected);
});

test('an aborted signal rejects with its reason, during the work too', async (t) => {
  const reason = new Error('enough');
  const n = 20_000;
  const large = { tokens: new Float64Array(n * 64 * 8).fill(0.1), labels: new Float64Array(n).fill(1), dimension: 8 };
  const controller = new AbortController();
  const running = threeStep([large, large, large], { stepSizes, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 1);
  t.is(await t.throwsAsync(running), reason);
});

function detached(): LabelledTokens {
  const tokens = new Float64Array(24 * 9);
  structuredClone(tokens, { transfer: [tokens.buffer] });
  return { tokens, labels: new Float64Array(9).fill(1), dimension: 4 };
}
const good = () => ({ tokens: new Float64Array(24 * 9), labels: new Float64Array(9).fill(1), dimension: 4 });
const holed = () => ({ ...good(), tokens: new Float64Array(24 * 9).fill(Number.NaN, 100, 101) });
const shared = () => ({ ...good(), tokens: new Float64Array(new SharedArrayBuffer(24 * 9 * 8)) });
const bad: [string, unknown, object, RegExp][] = [
  ['nothing', undefined, {}, /^examples must be an object/],
  ['no array', { ...good(), tokens: [1, 2, 3] }, {}, /^examples\.tokens must be a Float64Array/],
  ['single precision', { ...good(), tokens: new Float32Array(216) }, {}, /^examples\.tokens must be a Float64Array/],
  ['NaN', holed(), {}, /^examples\.tokens must be without NaN/],
  ['a shared buffer', shared(), {}, /^examples\.tokens must be a Float64Array over an ArrayBuffer/],
  ['a detached buffer', detached(), {}, /^examples\.tokens must be of length n·T·d \(n = 9 labels, d = 4\)/],
  ['a length that does not fit', { ...good(), dimension: 5 }, {}, /^examples\.tokens must be of length n·T·d/],
  ['labels that are not ±1', { ...good(), labels: new Float64Array(9) }, {}, /^examples\.labels must be ±1/],
  ['no labels', { ...good(), labels: new Float64Array(0) }, {}, /^examples\.labels must be of length 1 or more/],
  ['no dimension', { ...good(), dimension: undefined }, {}, /^examples\.dimension must be an integer ≥ 1/],
  ['an unknown field', { ...good(), mask: 1 }, {}, /^examples\.mask must be left out/],
  ['two sets', [good(), good()], {}, /^examples must be one set of examples or three/],
  ['a bad third set', [good(), good(), holed()], {}, /^examples\[2\]\.tokens must be without NaN/],
  [
    'sets of different T',
    [good(), { ...good(), labels: new Float64Array(3).fill(1) }, good()],
    {},
    /^examples\[1\] must be of the same tokensPerExample as examples\[0\], 6; got 18/,
  ],
  ['a split of three sets', [good(), good(), good()], { split: [1, 1, 1] }, /^split must be left out/],
  ['a split beyond the end', good(), { split: [4, 4, 4] }, /^split must be three sizes whose sum is at most 9/],
  ['an empty part', good(), { split: [0, 4, 4] }, /^split\[0\] must be an integer ≥ 1/],
  [
    'two examples without a split',
    { tokens: new Float64Array(48), labels: Float64Array.of(1, -1), dimension: 4 },
    {},
    /^examples must be at least three examples/,
  ],
  ['bad step sizes', good(), { stepSizes: [1, 1] }, /^stepSizes must be three/],
];
for (const [name, examples, options, message] of bad)
  test(`refuses ${name}`, async (t) => {
    const error = await t.throwsAsync(threeStep(examples as LabelledTokens, { stepSizes, ...options }));
    t.true(error instanceof TypeError || error instanceof RangeError);
    t.regex(error.message, message);
  });
