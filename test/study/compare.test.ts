import { join } from 'node:path';
import test from 'ava';
import { OptionRangeError } from '../../lib/base/errors.js';
import { simulate } from '../../lib/simulation/simulate.js';
import { compare, run } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory } from './support.js';

const heads = [{ kind: 'averaging' }, { kind: 'least-squares' }, { kind: 'least-squares', ridge: 1 }] as const;
const { head: _, ...experiment } = smallStudy.experiment;
const study = { ...smallStudy, experiment, factors: { ...smallStudy.factors, head: heads }, trials: 80 } as const;

test('differences are those of paired trials, known better than with independent numbers', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  await run(study, { out });
  const differences = await compare(out);
  t.is(differences.length, 8);
  const one = differences.find(
    ({ factors, level }) =>
      factors.examples === 80 && factors.inverseTemperature === 0.5 && JSON.stringify(level).includes('ridge'),
  );
  t.deepEqual(one?.baseline, { head: { kind: 'averaging' } });
  const errors = async (head: (typeof heads)[number]) => {
    const cell = { ...experiment, head, examples: 80, inverseTemperature: 0.5 };
    return (await simulate(cell, { seed: study.seed, trials: 80, testDraws: 100 })).metrics.error;
  };
  const [base, ridge] = [await errors(heads[0]), await errors(heads[2])];
  const pairs = ridge.map((error, trial) => error - (base[trial] as number));
  const mean = pairs.reduce((sum, x) => sum + x) / 80;
  const variance = pairs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 79;
  t.true(Math.abs((one?.difference ?? 0) - mean) < 1e-14);
  t.true(Math.abs((one?.standardError ?? 0) - Math.sqrt(variance / 80)) < 1e-14);
  let ratio = 0;
  for (const { pairs: count, commonRandomNumbers, standardError, unpairedStandardError } of differences) {
    t.is(count, 80);
    t.true(commonRandomNumbers);
    ratio += standardError / unpairedStandardError / differences.length;
  }
  t.true(ratio < 0.95, `${ratio}`);
});

test('any factor can be compared with any of its levels, in any metric', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  await run({ ...study, trials: 20 }, { out });
  const differences = await compare(out, { factor: 'examples', baseline: 80, metric: 'headNorm' });
  t.is(differences.length, 6);
  for (const { level, baseline, metric, commonRandomNumbers } of differences) {
    t.deepEqual([level, baseline, metric], [{ examples: 40 }, { examples: 80 }, 'headNorm']);
    t.false(commonRandomNumbers);
  }
  await t.throwsAsync(compare(out, { factor: 'mixture.tokens' }), {
    instanceOf: OptionRangeError,
    message: /^factor must be one of examples/,
  });
  await t.throwsAsync(compare(out, { factor: 'examples', baseline: 5 }), {
    instanceOf: OptionRangeError,
    message: /^baseline must be a level of examples: one of 40, 80; got 5$/,
  });
  await t.throwsAsync(compare(out, { metric: 'nothing' }), {
    instanceOf: OptionRangeError,
    message: /^metric must be one of error, relevantAttention, headNorm; got "nothing"/,
  });
});

test('kinds are compared, with a cell that lacks a factor standing against every level of it', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  await run(
    {
      ...smallStudy,
      experiment: { ...experiment, stepSizes: [1, 10, 1] } as never,
      factors: { inverseTemperature: [0, 1], examples: [40] },
      zip: [{ kind: ['known-prompt', 'three-step'], head: [{ kind: 'averaging' }, 'fresh'] }],
      trials: 10,
      theory: false,
    },
    { out },
  );
  const differences = await compare(out);
  t.deepEqual(
    differences.map(({ cell, baselineCell }) => [cell, baselineCell]),
    [
      [1, 0],
      [1, 2],
    ],
  );
});
