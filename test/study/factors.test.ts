import test from 'ava';
import { StudyError } from '../../lib/base/errors.js';
import { StudyCells } from '../../lib/study/cells.js';
import { parseExpression } from '../../lib/study/definition/expressions.js';
import { define } from '../../lib/study/definition/spec.js';
import type { StudyOptions } from '../../lib/study/definition/study-options.js';
import { smallStudy } from './support.js';

const factorsOf = (change: object) =>
  [...StudyCells.of(define({ ...smallStudy, ...change } as StudyOptions))].map((cell) => cell.factors);
const refused = (change: object) => {
  const { message } = t0(() => define({ ...smallStudy, ...change } as StudyOptions));
  return message;
};
function t0(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    if (error instanceof StudyError) return error;
    throw error;
  }
  throw new Error('accepted');
}

test('ranges are evenly spaced, in steps or in ratios, with both ends and without rounding noise', (t) => {
  const levels = (range: object) =>
    define({ ...smallStudy, factors: { ...smallStudy.factors, inverseTemperature: range } } as StudyOptions).factors
      .inverseTemperature;
  t.deepEqual(levels({ linspace: [0, 1, 11] }), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
  t.deepEqual(levels({ logspace: [0.01, 100, 5] }), [0.01, 0.1, 1, 10, 100]);
  t.deepEqual(levels({ logspace: [-8, -1, 4] }), [-8, -4, -2, -1]);
  t.deepEqual(levels({ linspace: [1, 3, 9], integer: true }), [1, 2, 3]);
  t.deepEqual(levels({ linspace: [7, 9, 1] }), [7]);
});

for (const [name, range, message] of [
  ['zero end', { logspace: [0, 1, 3] }, /^factors.examples.logspace must be two ends of the same sign/],
  ['two numbers', { linspace: [0, 1] }, /^factors.examples.linspace must be an array \[first, last, count\]/],
  ['unknown option', { linspace: [1, 2, 2], steps: 3 }, /^factors.examples.steps must be left out/],
  ['fractional count', { linspace: [1, 2, 1.5] }, /^factors.examples.linspace\[2\] must be an integer ≥ 1/],
] as const)
  test(`a range that makes no sense is refused: ${name}`, (t) => {
    t.regex(refused({ factors: { ...smallStudy.factors, examples: range } }), message);
  });

test('zipped factors vary together, as one axis of the grid', (t) => {
  const zip = [{ 'mixture.dimension': [20, 40], 'mixture.contextNorm': [1, 2] }];
  t.deepEqual(factorsOf({ factors: { examples: [40, 80], inverseTemperature: [1] }, zip }), [
    { examples: 40, inverseTemperature: 1, 'mixture.dimension': 20, 'mixture.contextNorm': 1 },
    { examples: 40, inverseTemperature: 1, 'mixture.dimension': 40, 'mixture.contextNorm': 2 },
    { examples: 80, inverseTemperature: 1, 'mixture.dimension': 20, 'mixture.contextNorm': 1 },
    { examples: 80, inverseTemperature: 1, 'mixture.dimension': 40, 'mixture.contextNorm': 2 },
  ]);
  const uneven = [{ 'mixture.dimension': [20, 40], 'mixture.contextNorm': [1] }];
  t.regex(refused({ zip: uneven }), /^zip\[0\].mixture.contextNorm must be as long as the list of mixture.dimension/);
  t.regex(refused({ zip: [{ examples: [1] }] }), /^zip\[0\].examples: factors already varies this option/);
});

test('linked options follow the others, in the order in which they are listed', (t) => {
  const linked = { examples: '2 * mixture.dimension', inverseTemperature: 'examples / 100 > 0.5 ? 1 : sqrt(0.25)' };
  t.deepEqual(factorsOf({ factors: { 'mixture.dimension': [20, 40] }, linked }), [
    { 'mixture.dimension': 20, examples: 40, inverseTemperature: 0.5 },
    { 'mixture.dimension': 40, examples: 80, inverseTemperature: 1 },
  ]);
});

test('excluded cells are left out, also those that would not be valid', (t) => {
  const exclude = ['examples < mixture.dimension', "head.kind == 'averaging' && inverseTemperature == 0"];
  const change = { factors: { ...smallStudy.factors, examples: [0, 40, 80] }, exclude };
  t.is(factorsOf(change).length, 4);
  t.regex(refused({ exclude: ['true'] }), /^exclude: leaves no cell/);
  t.regex(refused({ exclude: ['examples'] }), /^exclude\[0\]: must be true or false for every cell; examples is 40/);
});

test('if the kind varies, a cell has the options of its kind only, and factors it does not have do not multiply it', (t) => {
  const experiment = { ...smallStudy.experiment, stepSizes: [1, 10, 1] };
  const { head: _, ...rest } = experiment;
  const zip = [{ kind: ['known-prompt', 'three-step'], head: [{ kind: 'averaging' }, 'fresh'] }];
  const factors = factorsOf({ experiment: rest, factors: { inverseTemperature: [0, 1], examples: [40] }, zip });
  t.deepEqual(factors, [
    { inverseTemperature: 0, examples: 40, kind: 'known-prompt', head: { kind: 'averaging' } },
    { examples: 40, kind: 'three-step', head: 'fresh' },
    { inverseTemperature: 1, examples: 40, kind: 'known-prompt', head: { kind: 'averaging' } },
  ]);
});

test('a target metric must be one of every cell', (t) => {
  const trials = { minimum: 2, maximum: 4, metric: 'headNorm', relativeStandardError: 0.1 };
  t.is(define({ ...smallStudy, trials }).trials.metric, 'headNorm');
  t.regex(
    refused({ trials: { ...trials, metric: 'promptNorm' } }),
    /^trials.metric must be one of error, relevantAttention, headNorm; got "promptNorm" \(in the cell examples = 40/,
  );
});

const options = { examples: 40, list: [1, 20], mixture: { dimension: 16 }, head: { kind: 'averaging' }, flag: true };
const values: readonly (readonly [string, unknown])[] = [
  ['1 + 2 * 3 ** 2 % 5', 1 + ((2 * 3 ** 2) % 5)],
  ['-mixture.dimension / 2 - -1', -7],
  ['list[1] + list[0]', 21],
  ['[1, 0.05 * sqrt(mixture.dimension), max(2, 1, list[1])]', [1, 0.2, 20]],
  ['round(log(exp(2)) + log2(8) + log10(100) + abs(-1) + floor(1.5) + ceil(1.5) + min(1, 2))', 12],
  ["head.kind == 'averaging' && !(examples <= 39) || false", true],
  ['flag ? "yes" : "no"', 'yes'],
];
for (const [text, expected] of values)
  test(`an expression computes: ${text}`, (t) => {
    t.deepEqual(parseExpression(text, 'here')(options), expected);
  });

const attacks = [
  'constructor.constructor("return process")()',
  'examples.constructor',
  'mixture.__proto__',
  'list.length',
  'list.map(exp)',
  'toString()',
  'process.exit(1)',
  'this',
  'globalThis.process',
  '(1).constructor',
  '"a".constructor',
  'head["kind"]["constructor"]',
  'sqrt.constructor("x")',
  'hasOwnProperty',
  'examples = 3',
  'examples; 3',
  'null',
  '`a`',
  '() => 1',
  'new Date()',
  '1 ^ 2',
  '"a" + "b"',
  '1 && true',
  'sqrt("4")',
  '1 + ',
  '',
  `${'('.repeat(300)}1${')'.repeat(300)}`,
];
for (const text of attacks)
  test(`what is not an expression over the options is refused: ${text.slice(0, 40)}`, (t) => {
    const { message } = t0(() => parseExpression(text, 'linked.x')(options));
    t.regex(message, /^linked.x: /);
  });
