import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { open, run } from '../../lib/study/index.js';
import { command } from '../cli/support.js';
import { smallStudy, temporaryDirectory, timeless } from './support.js';

const kMain = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
const kLoader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** Runs the command line by way of a shell that first does something to its own process. */
async function limited(directory: string, before: string, args: readonly string[]) {
  const script = `${before} "$@"`;
  const argv = ['-c', script, 'bash', process.execPath, `--import=${kLoader}`, kMain, ...args];
  try {
    return { code: 0, ...(await promisify(execFile)('bash', argv, { cwd: directory })) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

test('a full disk ends a run with a clear error; what was stored is kept and the same command continues', async (t) => {
  const directory = temporaryDirectory(t);
  const study = { ...smallStudy, trials: { minimum: 64, maximum: 2000, standardError: 0 } };
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify(study));
  // No file may become larger than so many KiB: what a full disk or a quota does, without being root.
  const full = await limited(directory, 'ulimit -f 96; exec', ['run', 'study.yaml', '--progress', 'none']);
  t.is(full.code, 1, full.stderr);
  t.regex(
    full.stderr,
    /^prompt-attention: small.sqlite: cannot be written \(is the disk full, .*continues the study.*\n$/,
  );
  const partial = await open(join(directory, 'small.sqlite'));
  t.true(partial.finishedCells < 4);
  const again = await command(['run', 'study.yaml', '--progress', 'none'], directory);
  t.is(again.code, 0, again.stderr);
  const whole = await run(study, { out: join(directory, 'whole.sqlite') });
  t.deepEqual(timeless((await open(join(directory, 'small.sqlite'))).rows), timeless(whole.rows));
});

test('a read-only result file can be read, and a run into it ends with a clear error', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...smallStudy, trials: 10 }));
  const file = join(directory, 'small.sqlite');
  await run({ ...smallStudy, trials: 5 }, { out: file });
  const before = readFileSync(file);
  chmodSync(file, 0o444);
  // Root may write everything, unless it gives that up.
  const drop = process.getuid?.() === 0 ? 'exec setpriv --bounding-set=-dac_override --inh-caps=-dac_override' : 'exec';
  const refused = await limited(directory, drop, ['run', 'study.yaml', '--progress', 'none']);
  t.is(refused.code, 1, refused.stderr);
  t.regex(refused.stderr, /^prompt-attention: small.sqlite: cannot be written \(.*or the file read-only\?\).*\n$/);
  t.deepEqual(readFileSync(file), before);
  const status = await limited(directory, drop, ['status', 'small.sqlite']);
  t.is(status.code, 0, status.stderr);
});

test('a damaged result file is named as such, by every command', async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'study.yaml'), JSON.stringify({ ...smallStudy, trials: 500 }));
  const file = join(directory, 'small.sqlite');
  await run({ ...smallStudy, trials: 200 }, { out: file });
  const bytes = readFileSync(file);
  bytes.fill(0x5a, 4096);
  writeFileSync(file, bytes);
  const runs = [
    ['run', 'study.yaml'],
    ['status', 'small.sqlite'],
    ['export', 'small.sqlite', '--format', 'csv'],
    ['report', 'small.sqlite', '--out', 'report'],
    ['merge', 'small.sqlite', '--out', 'merged.sqlite'],
  ];
  for (const { code, stderr } of await Promise.all(runs.map((args) => command(args, directory)))) {
    t.is(code, 1);
    t.regex(stderr, /^prompt-attention: small.sqlite: (is damaged|damaged: )[^\n]*\n$/);
  }
});
