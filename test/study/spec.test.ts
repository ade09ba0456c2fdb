import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { StudyError } from '../../lib/base/errors.js';
import { define, specHash, specJson } from '../../lib/study/definition/spec.js';
import type { StudyOptions } from '../../lib/study/definition/study-options.js';
import { smallStudy, temporaryDirectory } from './support.js';

function refused(change: object): string {
  try {
    define({ ...smallStudy, ...change } as StudyOptions);
  } catch (error) {
    if (error instanceof StudyError) return error.message;
    throw error;
  }
  return 'accepted';
}

const mixture = (change: object) => ({
  experiment: { ...smallStudy.experiment, mixture: { ...smallStudy.experiment.mixture, ...change } },
});

test('a study gets its defaults, is frozen, and defining it again changes nothing', (t) => {
  const { testDraws: _, ...options } = smallStudy;
  const spec = define(options);
  t.is(spec.testDraws, 1000);
  t.true(spec.theory);
  t.true(Object.isFrozen(spec));
  t.true('mixture' in spec.experiment && Object.isFrozen(spec.experiment.mixture));
  t.deepEqual(define(spec), spec);
  t.is(specHash(define(spec)), specHash(spec));
});

test('a fixed number of trials has its only look at the end', (t) => {
  t.deepEqual(define({ ...smallStudy, trials: 10 }).trials, {
    minimum: 10,
    maximum: 10,
    metric: 'error',
    standardError: 0,
    relativeStandardError: 0,
  });
});

test('a study without factors is one cell', (t) => {
  const experiment = { ...smallStudy.experiment, examples: 30, inverseTemperature: 0.5 };
  t.deepEqual(define({ name: 'one', seed: 1, experiment, trials: 5 }).factors, {});
});

test('the hash depends on what is run, not on the order it is written in', (t) => {
  const hash = specHash(define(smallStudy));
  const { trials, ...others } = smallStudy;
  t.is(specHash(define({ trials, ...others })), hash);
  t.is(specHash(define({ ...smallStudy, trials: 5 })), hash);
  t.not(specHash(define({ ...smallStudy, seed: 8 })), hash);
  t.regex(hash, /^[0-9a-f]{64}$/);
});

test('a seed beyond 2^53 survives JSON and has one form', (t) => {
  const large = define({ ...smallStudy, seed: 2n ** 63n + 1n });
  t.is(large.seed, 2n ** 63n + 1n);
  t.deepEqual(define(JSON.parse(specJson(large)) as StudyOptions), large);
  t.is(specHash(define({ ...smallStudy, seed: '7' })), specHash(define({ ...smallStudy, seed: 7n })));
  t.is(define({ ...smallStudy, seed: 7n }).seed, 7);
});

test('a seed in a file is any integer below 2^64, to its last digit, and other numbers stay numbers', (t) => {
  const file = join(temporaryDirectory(t), 'study.yaml');
  const { seed: _, ...rest } = smallStudy;
  const written = (seed: string, text = JSON.stringify(rest)) => {
    writeFileSync(file, text.replace('{', `{"seed": ${seed}, `));
    return define(file);
  };
  t.is(written('12345678901234567890').seed, 12345678901234567890n);
  t.is(written('"12345678901234567890"').seed, 12345678901234567890n);
  t.is(written('0xFFFFFFFFFFFFFFFF').seed, 2n ** 64n - 1n);
  t.is(written('7').seed, 7);
  t.deepEqual(written('7'), define(smallStudy));
  t.is(specHash(written('12345678901234567890')), specHash(define({ ...smallStudy, seed: 12345678901234567890n })));
  const large = written('7', JSON.stringify(rest).replace('"contextNorm":2', '"contextNorm":100000000000000000000'));
  t.is((large.experiment as { mixture: { contextNorm: number } }).mixture.contextNorm, 1e20);
  t.throws(() => written('18446744073709551616'), {
    message: /seed must be an integer in \[0, 2\^64\).* got 18446744073709551616n$/,
  });
});

const structureFaults: readonly (readonly [string, object, RegExp])[] = [
  ['unknown option', { extra: 1 }, /^extra must be left out/],
  ['name', { name: '../x' }, /^name must be letters, digits/],
  ['missing seed', { seed: undefined }, /^seed must be an integer/],
  ['negative seed', { seed: -1 }, /^seed must be an integer .* got -1$/],
  ['fractional trials', { trials: 2.5 }, /^trials must be an integer ≥ 1/],
  ['no trials', { trials: 0 }, /^trials must be an integer ≥ 1/],
  ['trials text', { trials: 'many' }, /^trials must be an integer ≥ 1 or an object/],
  [
    'fractional minimum',
    { trials: { minimum: 1.5, maximum: 9, standardError: 0 } },
    /^trials.minimum must be an integer/,
  ],
  [
    'maximum',
    { trials: { minimum: 5, maximum: 4, standardError: 0 } },
    /^trials.maximum must be an integer ≥ trials.minimum/,
  ],
  ['standard error', { trials: { minimum: 5, maximum: 9, standardError: -1 } }, /^trials.standardError must be/],
  [
    'unknown trials option',
    { trials: { minimum: 5, maximum: 9, standardError: 0, x: 1 } },
    /^trials.x must be left out/,
  ],
  ['empty factor', { factors: { examples: [] } }, /^factors.examples must be an array with at least one level/],
  ['factor not an array', { factors: { examples: 5 } }, /^factors.examples must be an array of levels/],
  ['null level', { factors: { examples: [null] } }, /^factors.examples\[0\] must be a number/],
  ['method', { method: 'fast' }, /^method must be one of 'projected', 'dense'/],
  ['theory', { theory: 'yes' }, /^theory must be true or false/],
  ['experiment', { experiment: [] }, /^experiment must be an object/],
];
for (const [name, change, expected] of structureFaults) {
  test(`a wrong structure is refused: ${name}`, (t) => {
    t.regex(refused(change), expected);
  });
}

const factorFaults: readonly (readonly [string, RegExp])[] = [
  [
    'mixture.dimensoin',
    /^factors.mixture.dimensoin: mixture has no option "dimensoin"; its options are tokens, dimension,/,
  ],
  ['exampels', /^factors.exampels: an experiment has no option "exampels"; its options are kind, mixture, examples,/],
  ['examples.first', /^factors.examples.first: examples has no option "first"; it has no options of its own/],
  ['mixture.__proto__.x', /no option "__proto__"/],
  ['', /no option ""/],
];
for (const [path, expected] of factorFaults) {
  test(`a factor path that does not exist is refused: ${JSON.stringify(path)}`, (t) => {
    t.regex(refused({ factors: Object.fromEntries([[path, [1]]]) }), expected);
  });
}

test('factors may not lie inside one another', (t) => {
  const factors = { head: [{ kind: 'least-squares' }], 'head.ridge': [0.1] };
  t.regex(refused({ factors: { ...smallStudy.factors, ...factors } }), /^factors.head.ridge: the factor head already/);
});

test('two cells may not be the same experiment', (t) => {
  t.regex(
    refused({ factors: { ...smallStudy.factors, examples: [40, 40] } }),
    /^factors: the cells examples = 40, .* same/,
  );
});

const meaningFaults: readonly (readonly [string, object, RegExp])[] = [
  ['ζT not an integer', mixture({ relevantFraction: 0.3 }), /^experiment.mixture.relevantFraction must be such that/],
  [
    'ζ outside [0, 1]',
    mixture({ relevantFraction: 1.5 }),
    /^experiment.mixture.relevantFraction must be a number in \[0, 1\]/,
  ],
  ['|ρ| > 1', mixture({ correlation: -1.01 }), /^experiment.mixture.correlation must be a number in \[−1, 1\]/],
  ['NaN', mixture({ contextNorm: Number.NaN }), /^experiment.mixture.contextNorm must be a finite number ≥ 0; got NaN/],
  ['d = 0', mixture({ dimension: 0 }), /^experiment.mixture.dimension must be an integer ≥ 1/],
  ['n = 0', { factors: { ...smallStudy.factors, examples: [40, 0] } }, /^experiment.examples must be an integer ≥ 1/],
  [
    'probabilities',
    mixture({ confusion: [{ deltaQ: 0, deltaW: 0, probability: 0.9 }] }),
    /^experiment.mixture.confusion must be a distribution \(the probabilities sum to 0.9, not to 1\)/,
  ],
  ['unknown option', mixture({ tokns: 3 }), /^experiment.mixture.tokns must be left out: there is no such option/],
  [
    'projected without Gaussian noise',
    { method: 'projected', ...mixture({ noise: 'uniform' }) },
    /^method must be 'dense'/,
  ],
];
for (const [name, change, expected] of meaningFaults) {
  test(`a wrong experiment is refused before anything runs: ${name}`, (t) => {
    const message = refused(change);
    t.regex(message, expected);
    t.regex(message, /\(in the cell examples = \d+, inverseTemperature = 0\)$/);
  });
}

test('a study file says what the same object says', (t) => {
  const file = join(temporaryDirectory(t), 'study.yaml');
  writeFileSync(file, JSON.stringify(smallStudy));
  t.deepEqual(define(file), define(smallStudy));
});

test('the example study is the study of 24 cells', (t) => {
  const spec = define('examples/benefit-of-context.yaml');
  t.is(spec.name, 'benefit-of-context');
  t.like(spec.trials, { minimum: 64, maximum: 4096, metric: 'error', standardError: 0.002 });
});

test('errors of a file begin with its path and are one line', (t) => {
  const directory = temporaryDirectory(t);
  const missing = join(directory, 'missing.yaml');
  t.throws(() => define(missing), {
    instanceOf: StudyError,
    message: `${missing}: the study file cannot be read (ENOENT)`,
  });
  const file = join(directory, 'study.yaml');
  for (const text of ['a: [1', 'a: 1\na: 2', '', 'name: *nothing']) {
    writeFileSync(file, text);
    const { message } = t.throws(() => define(file), { instanceOf: StudyError });
    t.true(message.startsWith(`${file}: `), message);
    t.false(message.includes('\n'), message);
  }
});
