import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import Database from 'libsql';
import { StoreError } from '../../lib/errors.js';
import { studyCells } from '../../lib/study/cells.js';
import type { Batch } from '../../lib/study/rows.js';
import { define, specHash, specJson } from '../../lib/study/spec.js';
import { StudyStore } from '../../lib/study/store.js';
import { smallStudy, temporaryDirectory } from './support.js';

const spec = define(smallStudy);
const cells = studyCells(spec);
const key = cells[0]?.key ?? '';
const header = {
  name: spec.name,
  spec: specJson(spec),
  specHash: specHash(spec),
  packageVersion: '1',
  nodeVersion: '2',
  engine: 'e',
};

function batch(firstTrial: number, error: readonly number[]): Batch {
  return {
    firstTrial,
    metrics: { error: Float64Array.from(error), headNorm: Float64Array.from(error, (value) => 10 * value) },
    status: Uint8Array.from(error, (value) => (Number.isNaN(value) ? 1 : 0)),
    wallSeconds: 0.5,
    engine: 'e',
  };
}

test('what is stored comes back, bit for bit and in trial order', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'a name with ? and % and #.sqlite');
  const first = batch(0, [0.1 + 0.2, Number.NaN, 5e-324]);
  const second = batch(3, [1 / 3]);
  const store = await StudyStore.openForRun(file, header, cells);
  await store.writeBatch(key, second);
  await store.writeBatch(key, first);
  t.is(await store.readTheory(key), null);
  await store.writeTheory(key, { mean: 0.1 + 0.7, standardError: 1e-300 });
  await store.close();
  t.deepEqual(readdirSync(directory), ['a name with ? and % and #.sqlite']);

  const again = await StudyStore.openForRun(file, header, cells);
  t.deepEqual(await again.readBatches(key), [first, second]);
  t.deepEqual(await again.readTheory(key), { mean: 0.1 + 0.7, standardError: 1e-300 });
  t.deepEqual(await again.countTrials(), new Map([[key, 4]]));
  t.deepEqual(await again.readHeader(), header);
  await again.close();
});

test('a store can be read while it is written, and each view is of one moment', async (t) => {
  const file = join(temporaryDirectory(t), 'x.sqlite');
  const writer = await StudyStore.openForRun(file, header, cells);
  await writer.writeBatch(key, batch(0, [0.1]));
  const reader = StudyStore.openForReading(file);
  await reader.inOneView(async () => {
    t.is((await reader.readBatches(key)).length, 1);
    await writer.writeBatch(key, batch(1, [0.2]));
    t.is((await reader.readBatches(key)).length, 1);
  });
  t.is((await reader.readBatches(key)).length, 2);
  await reader.close();
  await writer.close();
});

test('closing a store that someone reads loses nothing', async (t) => {
  const file = join(temporaryDirectory(t), 'x.sqlite');
  const writer = await StudyStore.openForRun(file, header, cells);
  await writer.writeBatch(key, batch(0, [0.1]));
  const reader = StudyStore.openForReading(file);
  t.is((await reader.readBatches(key)).length, 1);
  await writer.close();
  t.is((await reader.readBatches(key)).length, 1);
  await reader.close();
  const again = await StudyStore.openForRun(file, header, cells);
  t.is((await again.readBatches(key)).length, 1);
  await again.close();
});

test('a batch is stored whole or not at all', async (t) => {
  const file = join(temporaryDirectory(t), 'x.sqlite');
  const store = await StudyStore.openForRun(file, header, cells);
  await store.writeBatch(key, batch(0, [0.1]));
  await t.throwsAsync(store.writeBatch(key, batch(0, [0.2])), {
    instanceOf: StoreError,
    message: /another process is running this study/,
  });
  t.deepEqual(await store.readBatches(key), [batch(0, [0.1])]);
  await store.close();
});

test('another study is refused and its file left alone', async (t) => {
  const file = join(temporaryDirectory(t), 'x.sqlite');
  await (await StudyStore.openForRun(file, header, cells)).close();
  const before = readFileSync(file);
  await t.throwsAsync(StudyStore.openForRun(file, { ...header, specHash: 'f'.repeat(64) }, cells), {
    instanceOf: StoreError,
    message: /holds another study \(small, hash .*--out/,
  });
  t.deepEqual(readFileSync(file), before);
});

test('what is not a store is refused and left alone', async (t) => {
  const directory = temporaryDirectory(t);
  const text = join(directory, 'text');
  writeFileSync(text, 'hello');
  await t.throwsAsync(StudyStore.openForRun(text, header, cells), {
    instanceOf: StoreError,
    message: /not a result file/,
  });
  t.is(readFileSync(text, 'utf8'), 'hello');
  const other = join(directory, 'other.sqlite');
  new Database(other).exec('CREATE TABLE study (x)');
  await t.throwsAsync(StudyStore.openForRun(other, header, cells), {
    instanceOf: StoreError,
    message: /not a result file/,
  });
  mkdirSync(join(directory, 'sub'));
  await t.throwsAsync(StudyStore.openForRun(join(directory, 'sub'), header, cells), {
    instanceOf: StoreError,
    message: /is a directory/,
  });
  await t.throwsAsync(StudyStore.openForRun(join(directory, 'no', 'x.sqlite'), header, cells), {
    instanceOf: StoreError,
    message: /there is no directory/,
  });
  const missing = join(directory, 'missing.sqlite');
  t.throws(() => StudyStore.openForReading(missing), { instanceOf: StoreError, message: /there is no such file/ });
  t.false(existsSync(missing));
});

test('an empty file, as a process killed at once leaves it, counts as new', async (t) => {
  const file = join(temporaryDirectory(t), 'x.sqlite');
  writeFileSync(file, '');
  const reader = StudyStore.openForReading(file);
  await t.throwsAsync(reader.readHeader(), { instanceOf: StoreError, message: /holds no study yet/ });
  await reader.close();
  const store = await StudyStore.openForRun(file, header, cells);
  t.is((await store.readHeader()).name, 'small');
  await store.close();
});

test('a store with a batch missing is reported', async (t) => {
  const file = join(temporaryDirectory(t), 'x.sqlite');
  const store = await StudyStore.openForRun(file, header, cells);
  await store.writeBatch(key, batch(5, [0.1]));
  await t.throwsAsync(store.readBatches(key), { instanceOf: StoreError, message: /damaged: trial 0 of cell/ });
  await store.close();
});
