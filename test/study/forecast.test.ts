import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { forecast } from '../../lib/study/forecast.js';
import { define, run } from '../../lib/study/index.js';
import { command } from '../cli/support.js';
import { smallStudy, temporaryDirectory } from './support.js';

const knownPrompt = smallStudy.experiment;

test('cells, trials and bytes are those of the study, and cells without a law are those that get none', async (t) => {
  const spec = define({
    ...smallStudy,
    experiment: {
      mixture: knownPrompt.mixture,
      head: { kind: 'least-squares' },
      inverseTemperature: 0.5,
      model: 'mean-pooling',
      steps: 2,
      stepSizes: { head: 0.1, prompt: 0.1 },
    } as never,
    factors: { kind: ['known-prompt', 'gradient-descent'], examples: [40, 80] },
    trials: { minimum: 4, maximum: 10, standardError: 0 },
  });
  const { rows } = await run(spec, { out: join(temporaryDirectory(t), 'x.sqlite') });
  const { cells, trials, seconds, bytes, measured, withoutLaw } = await forecast(spec, {});
  t.is(cells, 4);
  t.deepEqual(trials, { least: 16, most: 40 });
  t.true(seconds.least > 0 && seconds.least < seconds.most);
  t.true(bytes.most >= 40 * 8 * 3 && bytes.most <= 40 * 8 * 20, String(bytes.most));
  t.is(measured.cells, 4);
  t.deepEqual(
    withoutLaw.map(({ index }) => index),
    rows.filter(({ theory }) => theory === null).map(({ index }) => index),
  );
  t.is(withoutLaw.length, 2);
  const shard = await forecast(spec, { shard: { index: 2, count: 3 } });
  t.is(shard.cells, 1);
  t.is((await forecast(define({ ...smallStudy, theory: false }), {})).withoutLaw.length, 0);
});

test('a study of laws alone, and one whose trials are given, are forecast too', async (t) => {
  const alone = await forecast(define({ ...smallStudy, trials: 'theory-only' }), {});
  t.deepEqual(
    [alone.trials, alone.bytes],
    [
      { least: 0, most: 0 },
      { least: 0, most: 0 },
    ],
  );
  const many = define({
    ...smallStudy,
    trials: 7,
    factors: { examples: { linspace: [20, 119, 100], integer: true }, inverseTemperature: [0] },
  });
  const { cells, trials, measured } = await forecast(many, {});
  t.is(cells, 100);
  t.deepEqual(trials, { least: 700, most: 700 });
  t.true(measured.cells >= 1 && measured.cells <= 12);
});

test('the size of the result file is that of a run', async (t) => {
  for (const [trials, count] of [
    [3, 200],
    [500, 20],
  ] as const) {
    const factors = { ...smallStudy.factors, examples: { linspace: [40, 39 + count / 2, count / 2] as const } };
    const spec = define({ ...smallStudy, factors, trials });
    const { fileBytes, memory, cells } = await forecast(spec, {});
    t.is(cells, count);
    t.is(fileBytes.least, fileBytes.most);
    const file = join(temporaryDirectory(t), 'x.sqlite');
    await run(spec, { out: file });
    const ratio = statSync(file).size / fileBytes.least;
    t.true(ratio > 0.7 && ratio < 1.4, `${trials} trials: ${ratio}`);
    t.true(memory > 2e7 && memory < 2e9, String(memory));
  }
});

test('a dry run prints the forecast and writes nothing', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(smallStudy));
  const { code, stdout, stderr } = await command(['run', 'study.yaml', '--dry-run', '--threads', '2'], directory);
  t.is(code, 0, stderr);
  t.regex(
    stdout,
    /^study small: 4 cells\ntrials: 200 to 1,600\ntime: +about .*, from 4 cells measured in .*\nmemory: \d+ MB for the cells measured\nresult: a file of about .*B, .*B of it raw results\nlaw: +of 4 of 4 cells\n$/,
  );
  t.deepEqual(readdirSync(directory), ['study.yaml']);
});
