import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import Database from 'libsql';
import { OptionRangeError, StoreError } from '../../lib/base/errors.js';
import { merge, open, run } from '../../lib/study/index.js';
import { command } from '../cli/support.js';
import { smallStudy, temporaryDirectory, timeless } from './support.js';

test('three shards in three processes, merged, are the unsharded run, bit for bit', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(smallStudy));
  const whole = await run(smallStudy, { out: join(directory, 'whole.sqlite') });
  const shards = await Promise.all(
    [1, 2, 3].map((index) => command(['run', 'study.yaml', '--shard', `${index}/3`, '--progress', 'none'], directory)),
  );
  for (const { code, stderr } of shards) t.is(code, 0, stderr);
  const files = [1, 2, 3].map((index) => `small.shard-${index}-of-3.sqlite`);
  const first = await open(join(directory, files[0] as string));
  t.deepEqual(
    first.rows.map(({ index }) => index),
    [0, 3],
  );
  t.deepEqual(
    first.runs.map(({ shard }) => shard),
    ['1/3'],
  );
  const merged = await command(['merge', ...files, '--out', 'merged.sqlite'], directory);
  t.is(merged.code, 0, merged.stderr);
  t.regex(merged.stdout, /^results: merged.sqlite\n4 of 4 cells finished, \d+ trials\n$/);
  const result = await open(join(directory, 'merged.sqlite'));
  t.deepEqual(timeless(result.rows), timeless(whole.rows));
  t.is(result.runs.length, 3);

  // A merged file is a result file: nothing is left to run, and it may be merged again with its parts.
  const again = await run(smallStudy, { out: join(directory, 'merged.sqlite') });
  t.is(again.runs.length, 3);
  const both = await merge([join(directory, 'whole.sqlite'), join(directory, files[1] as string)], {
    out: join(directory, 'both.sqlite'),
  });
  t.deepEqual(timeless(both.rows), timeless(whole.rows));
});

test('files that end at different trials, in batches of other sizes, are joined where they agree', async (t) => {
  const directory = temporaryDirectory(t);
  const [short, long] = ['short.sqlite', 'long.sqlite'].map((name) => join(directory, name)) as [string, string];
  await run({ ...smallStudy, trials: 10 }, { out: short });
  await run({ ...smallStudy, trials: 100 }, { out: short });
  await run({ ...smallStudy, trials: 100 }, { out: long });
  new Database(long).exec('DELETE FROM batch WHERE cell = 2 OR (cell = 1 AND first_trial > 0)');
  const merged = await merge([long, short], { out: join(directory, 'merged.sqlite') });
  t.deepEqual(timeless(merged.rows), timeless((await open(short)).rows));
});

test('files that are not the whole study are merged only on demand, and the error lists the shards to run', async (t) => {
  const directory = temporaryDirectory(t);
  const spec = {
    ...smallStudy,
    factors: { examples: [40, 50, 60, 70, 80, 90, 100], inverseTemperature: [0] },
    trials: 2,
  };
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(spec));
  for (const index of [2, 5]) await run(spec, { out: join(directory, `${index}.sqlite`), shard: { index, count: 6 } });
  const parts = ['2.sqlite', '5.sqlite', '--out', 'merged.sqlite'];
  const refused = await command(['merge', ...parts], directory);
  t.is(refused.code, 1);
  t.is(
    refused.stderr,
    'prompt-attention: only 2 of 7 cells are finished in these files: shards 1,3-4,6 of 6 are missing or not finished; run them, ' +
      'or merge what there is by partial (--partial)\n',
  );
  t.deepEqual(readdirSync(directory).sort(), ['2.sqlite', '5.sqlite', 'study.yaml']);
  const partial = await command(['merge', ...parts, '--partial'], directory);
  t.is(partial.code, 0, partial.stderr);
  t.is(partial.stdout, 'results: merged.sqlite\n2 of 7 cells finished, 4 trials\n');
  const exported = await command(['export', 'merged.sqlite', '--format', 'csv'], directory);
  t.is(exported.code, 0);
  t.is(exported.stderr, 'warning: only 2 of 7 cells are finished\n');
  await t.throwsAsync(merge([join(directory, 'merged.sqlite')], { out: join(directory, 'again.sqlite') }), {
    instanceOf: StoreError,
    message: /only 2 of 7 cells are finished in these files: shards 1,3-4,6 of 6 are missing/,
  });
  // Without shards, cells are named.
  const whole = join(directory, 'whole.sqlite');
  await run({ ...spec, trials: 1 }, { out: whole });
  new Database(whole).exec('UPDATE cell SET finished = 0 WHERE position IN (0, 1, 4)');
  await t.throwsAsync(merge([whole], { out: join(directory, 'again.sqlite') }), {
    message: /: cells 0-1,4 are missing/,
  });
});

async function pair(t: Parameters<typeof temporaryDirectory>[0], change: object) {
  const directory = temporaryDirectory(t);
  const files = [join(directory, 'a.sqlite'), join(directory, 'b.sqlite')];
  await run({ ...smallStudy, trials: 5 }, { out: files[0] as string });
  await run({ ...smallStudy, trials: 5, ...change }, { out: files[1] as string });
  return { directory, files, out: join(directory, 'merged.sqlite') };
}

for (const [name, change, message] of [
  ['another seed', { seed: 8 }, /b.sqlite: is not the study of .*a.sqlite: there seed is 7, here 8/],
  ['another rule for trials', { trials: 6 }, /there trials.minimum is 5, here 6/],
] as const) {
  test(`different studies are not merged: ${name}`, async (t) => {
    const { directory, files, out } = await pair(t, change);
    await t.throwsAsync(merge(files, { out }), { instanceOf: StoreError, message });
    t.deepEqual(readdirSync(directory).sort(), ['a.sqlite', 'b.sqlite']);
  });
}

test('trials that disagree in one bit are not merged', async (t) => {
  const { directory, files, out } = await pair(t, {});
  // Both with other data of their own, correctly check-summed, as another engine would leave them.
  const other = await run({ ...smallStudy, trials: 5, seed: 8 }, { out: join(directory, 'c.sqlite') });
  t.is(other.rows.length, 4);
  const database = new Database(files[1] as string);
  database.exec(`ATTACH '${join(directory, 'c.sqlite')}' AS c`);
  database.exec(
    'UPDATE batch SET (data, checksum) = (SELECT data, checksum FROM c.batch AS other WHERE other.cell = 2) WHERE cell = 2',
  );
  database.close();
  await t.throwsAsync(merge(files, { out }), {
    instanceOf: StoreError,
    message: /a.sqlite and .*b.sqlite disagree about trials 0 to 4 of cell 2, which must be the same byte for byte/,
  });
  t.false(existsSync(out));
});

test('results of different engines are merged only on demand, with a warning', async (t) => {
  const { files, out } = await pair(t, {});
  const database = new Database(files[1] as string);
  database.exec("UPDATE run SET engine = 'another'");
  database.close();
  await t.throwsAsync(merge(files, { out }), {
    instanceOf: StoreError,
    message: /computed by different engines, .*another \(.*b.sqlite\); mixedEngines \(--mixed-engines\) merges/,
  });
  t.is((await merge(files, { out, mixedEngines: true })).finishedCells, 4);
});

test('a file that exists is not overwritten by a merge', async (t) => {
  const { files } = await pair(t, {});
  const before = readFileSync(files[0] as string);
  await t.throwsAsync(merge(files, { out: files[0] as string }), { instanceOf: StoreError, message: /exists already/ });
  t.deepEqual(readFileSync(files[0] as string), before);
});

test('a shard is one of as many as there are', async (t) => {
  const out = join(temporaryDirectory(t), 'x.sqlite');
  for (const shard of [
    { index: 0, count: 3 },
    { index: 4, count: 3 },
  ])
    await t.throwsAsync(run(smallStudy, { out, shard }), {
      instanceOf: OptionRangeError,
      message: /^shard.index must/,
    });
  // More shards than cells: some have nothing to do.
  const { rows } = await run({ ...smallStudy, trials: 2 }, { out, shard: { index: 7, count: 9 } });
  t.deepEqual(rows, []);
});
