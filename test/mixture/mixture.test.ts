import test from 'ava';
import {
  type ContextualMixtureOptions,
  contextualMixture,
  OptionRangeError,
  OptionTypeError,
} from '../../lib/index.js';

const base: ContextualMixtureOptions = {
  tokens: 8,
  dimension: 16,
  relevantFraction: 0.25,
  contextNorm: 2,
  signalNorm: 1,
};

test('defaults are filled in and the result is frozen', (t) => {
  const mixture = contextualMixture(base);
  t.deepEqual(mixture, {
    ...base,
    relevantFraction: 0.25,
    relevantTokens: 2,
    correlation: 0,
    noiseLevel: 1,
    relevantNoiseLevel: 0,
    labelNoise: 0,
    noise: 'gaussian',
    positiveRate: 0.5,
    confusion: [{ deltaQ: 0, deltaW: 0, probability: 1 }],
    relevance: 'fixed',
  });
  t.true(Object.isFrozen(mixture) && Object.isFrozen(mixture.confusion) && Object.isFrozen(mixture.confusion[0]));
});

test('a mixture is accepted where options are, unchanged', (t) => {
  const mixture = contextualMixture({ ...base, tokens: 3, relevantFraction: 1 / 3 });
  t.is(mixture.relevantTokens, 1);
  t.deepEqual(contextualMixture(mixture), mixture);
});

test('relevant tokens may be given as a fraction, as a count, or as both', (t) => {
  const { relevantFraction, ...rest } = base;
  t.is(relevantFraction, 0.25);
  t.is(contextualMixture({ ...rest, relevantTokens: 2 }).relevantFraction, 0.25);
  t.is(contextualMixture({ ...rest, relevantTokens: 0 }).relevantFraction, 0);
  t.is(contextualMixture({ ...base, relevantTokens: 2 }).relevantTokens, 2);
});

const bad: [string, object, typeof OptionRangeError | typeof OptionTypeError, string][] = [
  ['ζT not an integer', { relevantFraction: 0.3 }, OptionRangeError, 'mixture.relevantFraction'],
  ['ζ above 1', { relevantFraction: 1.5 }, OptionRangeError, 'mixture.relevantFraction'],
  ['ζ below 0', { relevantFraction: -0.25 }, OptionRangeError, 'mixture.relevantFraction'],
  ['neither ζ nor k', { relevantFraction: undefined }, OptionTypeError, 'mixture.relevantFraction'],
  ['k above T', { relevantFraction: undefined, relevantTokens: 9 }, OptionRangeError, 'mixture.relevantTokens'],
  ['ζ and k that disagree', { relevantTokens: 3 }, OptionRangeError, 'mixture.relevantTokens'],
  ['|ρ| > 1', { correlation: -1.01 }, OptionRangeError, 'mixture.correlation'],
  ['NaN', { contextNorm: Number.NaN }, OptionRangeError, 'mixture.contextNorm'],
  ['infinity', { signalNorm: Number.POSITIVE_INFINITY }, OptionRangeError, 'mixture.signalNorm'],
  ['d = 0', { dimension: 0 }, OptionRangeError, 'mixture.dimension'],
  ['d = 1 with a signal off the context', { dimension: 1 }, OptionRangeError, 'mixture.dimension'],
  ['T not an integer', { tokens: 2.5 }, OptionRangeError, 'mixture.tokens'],
  ['σ < 0', { noiseLevel: -1 }, OptionRangeError, 'mixture.noiseLevel'],
  ['π > 1', { positiveRate: 1.1 }, OptionRangeError, 'mixture.positiveRate'],
  ['unknown noise', { noise: 'cauchy' }, OptionRangeError, 'mixture.noise'],
  ['a string for a number', { tokens: '8' }, OptionTypeError, 'mixture.tokens'],
  ['null', { signalNorm: null }, OptionTypeError, 'mixture.signalNorm'],
  ['an unknown option', { zeta: 0.25 }, OptionTypeError, 'mixture.zeta'],
  ['no atoms', { confusion: [] }, OptionRangeError, 'mixture.confusion'],
  [
    'an atom without probability',
    { confusion: [{ deltaQ: 0, deltaW: 0 }] },
    OptionTypeError,
    'mixture.confusion[0].probability',
  ],
  [
    'probabilities that do not sum to 1',
    { confusion: [{ deltaQ: 0, deltaW: 0, probability: 0.9 }] },
    OptionRangeError,
    'mixture.confusion',
  ],
];
for (const [name, change, errorClass, option] of bad) {
  test(`refuses ${name}, naming the option`, (t) => {
    const error = t.throws(() => contextualMixture({ ...base, ...change } as ContextualMixtureOptions));
    t.true(error instanceof errorClass, `${error.name}: ${error.message}`);
    t.is((error as OptionRangeError).option, option);
    t.regex(error.message, /^\S+ must be .*; got /);
    t.notRegex(error.message, /\n/);
  });
}

test('refuses what is not an object', (t) => {
  for (const value of [undefined, null, 3, 'mixture'])
    t.throws(() => contextualMixture(value as unknown as ContextualMixtureOptions), {
      instanceOf: OptionTypeError,
      message: /^mixture must be/,
    });
});
