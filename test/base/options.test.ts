import test from 'ava';
import { OptionTypeError } from '../../lib/base/errors.js';
import { optionNamesAt, suggestion } from '../../lib/base/option-names.js';
import {
  cluster,
  contextualMixture,
  fitHead,
  images,
  measureLimits,
  risk,
  simulate,
  study,
  testError,
} from '../../lib/index.js';
import { experimentSchema } from '../../lib/simulation/kinds.js';

const experiment = {
  kind: 'known-prompt',
  mixture: { tokens: 8, dimension: 40, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
  head: { kind: 'least-squares' },
  inverseTemperature: 1,
  examples: 10,
} as const;
const spec = { name: 'x', seed: 1, experiment, trials: 1 };
const { mixture } = experiment;

for (const [change, hint] of [
  [{ exampels: 3 }, 'exampels must be left out: there is no such option; did you mean examples?; got 3'],
  [
    { mixture: { ...mixture, contextnorm: 3 } },
    'mixture.contextnorm must be left out: there is no such option; did you mean contextNorm?; got 3',
  ],
  [
    { head: { kind: 'least-squares', rigde: 3 } },
    'head.rigde must be left out: there is no such option; did you mean ridge?; got 3',
  ],
  [
    { mixture: { ...mixture, confusion: [{ deltaQ: 0, deltaw: 1, probability: 1 }] } },
    'mixture.confusion[0].deltaw must be left out: there is no such option; did you mean deltaW?; got 1',
  ],
  // An option of another kind is not offered, nor is a name that is little like it.
  [{ stepSize: 3 }, 'stepSize must be left out: there is no such option; got 3'],
  [{ colour: 3 }, 'colour must be left out: there is no such option; got 3'],
] as const)
  test(`an option that does not exist: ${JSON.stringify(change)}`, async (t) => {
    const error = await t.throwsAsync(simulate({ ...experiment, ...change } as never, { seed: 1, trials: 1 }));
    t.is(error?.message, `experiment.${hint}`);
  });

test('a path of a factor that does not exist', (t) => {
  t.throws(() => study.define({ ...spec, factors: { 'mixture.contextnorm': [1] } }), {
    message: /did you mean contextNorm\?$/,
  });
});

test('the nearest name wins, whatever the case, and swapped letters are one mistake', (t) => {
  t.is(suggestion('dimensoin', ['dimension', 'tokens']), '; did you mean dimension?');
  t.is(suggestion('TOKENS', ['dimension', 'tokens']), '; did you mean tokens?');
  t.is(suggestion('sed', ['head', 'seed']), '; did you mean seed?');
  t.is(suggestion('x', ['out', 'seed']), '');
  t.deepEqual(optionNamesAt(experimentSchema, { kind: 'known-prompt' }, ['head']).includes('ridge'), true);
  t.deepEqual(optionNamesAt(experimentSchema, {}, ['nothing', 'here']), []);
});

// As from JavaScript, without types.
const calls: Readonly<Record<string, () => unknown>> = {
  'simulate without options': () => simulate(experiment, undefined as never),
  'study.run without options': () => study.run(spec, undefined as never),
  'study.open of nothing': () => study.open(undefined as never),
  'study.progress of a number': () => study.progress(3 as never),
  'study.compare of nothing': () => study.compare(undefined as never),
  'study.merge of nothing': () => study.merge(undefined as never, undefined as never),
  'study.exportResults without options': () => study.exportResults('x.sqlite', undefined as never),
  'study.report without options': () => study.report('x.sqlite', undefined as never),
  'cluster.list without options': () => cluster.list(undefined as never),
  'contextualMixture of nothing': () => contextualMixture(undefined as never),
  'testError of nothing': () => (testError as (...none: unknown[]) => unknown)(),
  'fitHead of nothing': () => (fitHead as (...none: unknown[]) => unknown)(),
  'measureLimits of a number': () => measureLimits(3 as never),
  'images.loadImages of nothing': () => images.loadImages(undefined as never),
  'risk.knownPrompt of nothing': () => risk.knownPrompt(undefined as never),
  'risk.separation of nothing': () => risk.separation(undefined as never),
};
for (const [what, call] of Object.entries(calls))
  test(`names what is missing, in words of its own: ${what}`, async (t) => {
    const error = await t.throwsAsync(async () => call(), { instanceOf: OptionTypeError });
    t.regex(error?.message ?? '', /^[a-z]+ must be (?!Invalid)/);
  });

test('options that are no object are told what they may be', async (t) => {
  await t.throwsAsync(study.run(spec, undefined as never), {
    message: 'options must be an object { out, threads, shard, signal, onProgress }; got undefined',
  });
});
