import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { open, progress, run } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory, timeless } from '../study/support.js';
import { command, start } from './support.js';

/** Slow enough to be caught in the middle. */
const slowStudy = {
  ...smallStudy,
  name: 'slow',
  method: 'dense',
  experiment: { ...smallStudy.experiment, mixture: { ...smallStudy.experiment.mixture, tokens: 32, dimension: 100 } },
  factors: { examples: [200, 300], inverseTemperature: [0, 0.5] },
  trials: { minimum: 64, maximum: 800, standardError: 0.0005 },
} as const;

/** How often a study is killed: a few times here, fifty times with STUDY_KILLS=50. */
const kKills = Number(process.env.STUDY_KILLS ?? 8);

/** Trials in a result file; 0 while it cannot be read. */
async function trialsIn(file: string): Promise<number> {
  try {
    return (await progress(file)).completedTrials;
  } catch {
    return 0;
  }
}

/** Wait until a run with `--progress json` has finished some trials. */
async function hasBegun(child: ChildProcess): Promise<void> {
  if (child.stderr === null) throw new Error('no standard error');
  for await (const line of createInterface({ input: child.stderr })) if (/"completedTrials":[1-9]/.test(line)) return;
}

test('killed at random moments and run again, a study ends with bit-identical rows', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(slowStudy));
  const begin = performance.now();
  const whole = await run(slowStudy, { out: join(directory, 'whole.sqlite'), threads: 1 });
  const duration = performance.now() - begin;
  const file = join(directory, 'slow.sqlite');
  let kills = 0;
  while (kills < kKills) {
    const args = ['run', 'study.yaml', '--threads', '1', '--out', file, '--progress', 'json'];
    const { child, finished } = start(args, directory);
    const before = await trialsIn(file);
    await Promise.race([hasBegun(child), finished]);
    await sleep((Math.random() * duration) / 2);
    child.kill('SIGKILL');
    const { signal, code, stderr } = await finished;
    if (signal === 'SIGKILL') kills += 1;
    else t.is(code, 0, stderr);
    const after = await trialsIn(file);
    t.true(after >= before, `${before} trials before, ${after} after kill ${kills}`);
    t.log(`kill ${kills}: ${after} trials kept`);
    // A new study once one is finished, so that every phase of it is hit.
    if (signal !== 'SIGKILL') {
      t.deepEqual(timeless((await open(file)).rows), timeless(whole.rows));
      for (const name of readdirSync(directory)) if (name.startsWith('slow.')) rmSync(join(directory, name));
    }
  }
  const last = await command(['run', 'study.yaml', '--out', file], directory);
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

test('status works while the study runs; a second run is refused; an interrupt ends it with 130 and keeps what is finished', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...slowStudy, trials: 100_000 }));
  const file = join(directory, 'slow.sqlite');
  const { child, finished } = start(['run', 'study.yaml', '--threads', '1', '--progress', 'json'], directory);
  t.teardown(() => child.kill('SIGKILL'));
  await hasBegun(child);
  // Results are stored a few times a second.
  await sleep(1000);
  const status = await command(['status', 'slow.sqlite'], directory);
  t.is(status.code, 0, status.stderr);
  t.regex(
    status.stdout,
    /^study slow \([0-9a-f]{12}\): 0 of 4 cells finished, \d+ trials of about 400000, [\d.e+]+ trials\/s, about [\d.]+ (s|min|h) left\n/,
  );
  const second = await command(['run', 'study.yaml'], directory);
  t.is(second.code, 1);
  t.regex(second.stderr, /^prompt-attention: slow.sqlite: another process is running this study into the same file\n$/);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await finished;
  t.is(code, 130);
  t.is(stdout, '');
  t.regex(stderr, /prompt-attention: interrupted; finished trials are kept in slow.sqlite, .*\n$/);
  t.deepEqual(readdirSync(directory).sort(), ['slow.sqlite', 'study.yaml']);
  t.true((await trialsIn(file)) > 0);
});
