import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { OptionRangeError, OptionTypeError, StudyError } from '../../lib/base/errors.js';
import { knownPrompt } from '../../lib/risk/known-prompt.js';
import { simulate } from '../../lib/simulation/simulate.js';
import { open, run, type StudyProgress } from '../../lib/study/index.js';
import { rowWarnings } from '../../lib/study/rows.js';
import { cellStatistics } from '../../lib/study/statistics.js';
import { smallStudy, temporaryDirectory, timeless } from './support.js';

test('a study has a row per cell, the same when read back', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  const result = await run(smallStudy, { out });
  t.is(result.cells, 4);
  t.is(result.finishedCells, 4);
  t.is(result.rows.length, 4);
  t.deepEqual(result.warnings, []);
  for (const row of result.rows) {
    t.true(row.standardError <= 0.003 || row.trials === 400);
    t.true(row.z !== null && Math.abs(row.z) < 8);
    t.true(row.quantile5 < row.quantile50 && row.quantile50 < row.quantile95);
    t.deepEqual(Object.keys(row.metrics), ['headNorm', 'relevantAttention']);
  }
  t.deepEqual(await open(out), result);
});

test('simulate() and risk.knownPrompt() reproduce a row', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  const { rows } = await run(smallStudy, { out });
  const row = rows[3];
  if (row === undefined) return t.fail();
  const experiment = { ...smallStudy.experiment, examples: 80, inverseTemperature: 0.5 } as const;
  const simulation = await simulate(experiment, { seed: smallStudy.seed, trials: row.trials, testDraws: 100 });
  const { effectiveDraws: _, ...statistics } = cellStatistics(simulation);
  t.like(row, { ...statistics });
  const risk = await knownPrompt({ ...experiment, seed: smallStudy.seed });
  t.is(row.theory, risk.error);
  t.is(row.theoryStandardError, risk.standardError);
});

test('rows do not depend on threads', async (t) => {
  const directory = temporaryDirectory(t);
  const one = await run(smallStudy, { out: join(directory, 'one.sqlite'), threads: 1 });
  const two = await run(smallStudy, { out: join(directory, 'two.sqlite'), threads: 2 });
  t.deepEqual(timeless(one.rows), timeless(two.rows));
});

test('an aborted study keeps its batches and ends with the same rows', async (t) => {
  const directory = temporaryDirectory(t);
  const whole = await run(smallStudy, { out: join(directory, 'whole.sqlite') });
  const out = join(directory, 'parts.sqlite');
  for (const limit of [1, 100, 300]) {
    const controller = new AbortController();
    const onProgress = ({ completedTrials }: StudyProgress) => {
      if (completedTrials > limit) controller.abort(new Error('enough'));
    };
    await t.throwsAsync(run(smallStudy, { out, signal: controller.signal, onProgress }), { message: 'enough' });
  }
  const partial = await open(out);
  t.true(partial.rows.length > 0);
  t.true(partial.finishedCells < 4);
  const resumed = await run(smallStudy, { out });
  t.deepEqual(timeless(resumed.rows), timeless(whole.rows));
});

test('a study aborted beforehand makes no file', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  await t.throwsAsync(run(smallStudy, { out, signal: AbortSignal.abort(new Error('never')) }), { message: 'never' });
  t.false(existsSync(out));
});

test('a finished study is read, not run again', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  const first = await run(smallStudy, { out });
  const second = await run(smallStudy, { out });
  t.deepEqual(second, first);
});

test('without theory, and where there is none, theory and z are null', async (t) => {
  const directory = temporaryDirectory(t);
  const none = await run({ ...smallStudy, theory: false, trials: 5 }, { out: join(directory, 'none.sqlite') });
  const mixture = { ...smallStudy.experiment.mixture, noise: 'uniform' } as const;
  const experiment = { ...smallStudy.experiment, mixture };
  const uniform = await run({ ...smallStudy, experiment, trials: 5 }, { out: join(directory, 'uniform.sqlite') });
  for (const row of [...none.rows, ...uniform.rows]) {
    t.is(row.theory, null);
    t.is(row.theoryStandardError, null);
    t.is(row.z, null);
  }
});

test('progress counts up to the trials of the rows', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  const seen: StudyProgress[] = [];
  const { rows } = await run(smallStudy, { out, onProgress: (progress) => seen.push(progress) });
  const counts = seen.map((progress) => progress.completedTrials);
  t.deepEqual(
    counts,
    [...counts].sort((a, b) => a - b),
  );
  const last = seen.at(-1);
  t.is(last?.finishedCells, 4);
  t.is(last?.completedTrials, last?.expectedTrials);
  t.is(
    last?.completedTrials,
    rows.reduce((sum, row) => sum + row.trials, 0),
  );
});

test('a bad study or option makes no file', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  await t.throwsAsync(run({ ...smallStudy, trials: -1 }, { out }), { instanceOf: StudyError });
  await t.throwsAsync(run(smallStudy, { out, threads: 0 }), { instanceOf: OptionRangeError });
  await t.throwsAsync(run(smallStudy, { out: 5 as unknown as string }), { instanceOf: OptionTypeError });
  t.false(existsSync(out));
});

test('rows of several engines are reported', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  const { rows } = await run({ ...smallStudy, trials: 5 }, { out });
  t.deepEqual(rowWarnings(rows), []);
  const mixed = rows.map((row, index) => ({ ...row, engine: index === 0 ? 'a + b' : 'a' }));
  t.regex(rowWarnings(mixed)[0] ?? '', /several engines \(a, b\)/);
});

test('metrics along the training are stored and averaged record by record', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  const { mixture } = smallStudy.experiment;
  const experiment = {
    kind: 'gradient-descent',
    mixture,
    examples: 30,
    model: 'prompt-attention',
    steps: 5,
    recordEvery: 2,
    stepSizes: { head: 0.1, prompt: 0.1 },
  } as const;
  const { rows } = await run({ name: 'path', seed: 1, experiment, trials: 100, testDraws: 50 }, { out });
  const { path } = await simulate(experiment, { seed: 1, trials: 100, testDraws: 50 });
  const errors = path?.metrics.error ?? new Float64Array();
  t.deepEqual([...(path?.steps ?? [])], [0, 2, 4, 5]);
  for (let record = 0; record < 4; ++record) {
    let sum = 0;
    for (let trial = 0; trial < 100; ++trial) sum += errors[trial * 4 + record] as number;
    t.true(Math.abs((rows[0]?.paths.errorPath?.mean[record] ?? 0) - sum / 100) < 1e-14);
  }
  t.deepEqual((await open(out)).rows, rows);
});
