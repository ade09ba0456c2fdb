import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { open, run } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { command, start } from './support.js';

/** Slow enough to be caught in the middle. */
const slowStudy = {
  ...smallStudy,
  name: 'slow',
  method: 'dense',
  experiment: { ...smallStudy.experiment, mixture: { ...smallStudy.experiment.mixture, tokens: 32, dimension: 100 } },
  factors: { examples: [200, 300], inverseTemperature: [0, 0.5] },
  trials: { minimum: 64, maximum: 400, standardError: 0.0005 },
} as const;

/** Wait until the write-ahead log of a result file has at least so many bytes; a batch takes about 25,000. */
async function logReaches(file: string, bytes: number): Promise<void> {
  while ((statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) < bytes) await sleep(2);
}

test('killed at several moments and run again, a study ends with bit-identical rows', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(slowStudy));
  const whole = await run(slowStudy, { out: join(directory, 'whole.sqlite'), threads: 2 });
  const file = join(directory, 'slow.sqlite');
  for (const bytes of [20_000, 100_000, 200_000]) {
    const { child, finished } = start(['run', 'study.yaml', '--threads', '1'], directory);
    await logReaches(file, bytes);
    child.kill('SIGKILL');
    t.is((await finished).signal, 'SIGKILL');
    const partial = await open(file);
    t.log(partial.rows.map((row) => row.trials).join(' '), 'trials kept');
    t.true(partial.rows.length > 0);
    t.true(partial.finishedCells < partial.cells);
  }
  const last = await command(['run', 'study.yaml'], directory);
  t.is(last.code, 0, last.stderr);
  const resumed = await open(file);
  t.is(resumed.finishedCells, 4);
  t.deepEqual(timeless(resumed.rows), timeless(whole.rows));
});

test('killed before its first batch, a study starts anew', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...slowStudy, trials: 20 }));
  const file = join(directory, 'slow.sqlite');
  const { child, finished } = start(['run', 'study.yaml'], directory);
  while (!existsSync(file)) await sleep(1);
  child.kill('SIGKILL');
  t.is((await finished).signal, 'SIGKILL');
  t.is((await command(['run', 'study.yaml'], directory)).code, 0);
  t.is((await open(file)).finishedCells, 4);
});

test('status works while the study runs; an interrupt ends it with 130 and keeps what is finished', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...slowStudy, trials: 100_000 }));
  const file = join(directory, 'slow.sqlite');
  const { child, finished } = start(['run', 'study.yaml', '--threads', '1'], directory);
  await logReaches(file, 40_000);
  const status = await command(['status', 'slow.sqlite'], directory);
  t.is(status.code, 0, status.stderr);
  t.regex(status.stdout, /^study slow \([0-9a-f]{12}\): 0 of 4 cells finished, \d+ trials\n/);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await finished;
  t.is(code, 130);
  t.is(stdout, '');
  t.regex(stderr, /prompt-attention: interrupted; finished trials are kept in slow.sqlite, .*\n$/);
  t.deepEqual(readdirSync(directory).sort(), ['slow.sqlite', 'study.yaml']);
  const [row] = (await open(file)).rows;
  t.true((row?.trials ?? 0) > 0);
});
