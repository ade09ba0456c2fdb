import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { kFormats } from '../../lib/formats/table.js';
import { StudyCells } from '../../lib/study/cells.js';
import { define } from '../../lib/study/definition/spec.js';
import { exportResults, merge, open, run } from '../../lib/study/index.js';
import { openForRun } from '../../lib/study/sqlite.js';
import { smallStudy, temporaryDirectory } from '../study/support.js';
import { command } from './support.js';

const study = { ...smallStudy, trials: 3 };

async function results(t: ExecutionContext): Promise<string> {
  const directory = temporaryDirectory(t);
  await run(study, { out: join(directory, 'x.sqlite') });
  return directory;
}

test('an export writes through links, and leaves nothing beside them', async (t) => {
  const directory = await results(t);
  mkdirSync(join(directory, 'other'));
  const link = join(directory, 'link.csv');
  symlinkSync('other/target.csv', link);
  for (const before of ['nothing', 'something']) {
    await exportResults(join(directory, 'x.sqlite'), { format: 'csv', out: link });
    t.true(lstatSync(link).isSymbolicLink(), before);
    t.regex(readFileSync(join(directory, 'other/target.csv'), 'utf8'), /^study,specHash,/, before);
    t.deepEqual(readdirSync(join(directory, 'other')), ['target.csv']);
    writeFileSync(join(directory, 'other/target.csv'), 'stale');
  }
});

// One at a time: a pipe that waits for its writer takes one of libuv's four threads.
for (const format of kFormats)
  test.serial(`an export writes into a pipe, which stays one: ${format}`, async (t) => {
    const directory = await results(t);
    const [pipe, link, file] = ['pipe', 'link', `file.${format}`].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    execFileSync('mkfifo', [pipe]);
    symlinkSync('pipe', link);
    const [read] = await Promise.all([
      readFile(pipe),
      exportResults(join(directory, 'x.sqlite'), { format, out: link }),
    ]);
    await exportResults(join(directory, 'x.sqlite'), { format, out: file });
    t.deepEqual(read, readFileSync(file));
    t.true(lstatSync(pipe).isFIFO());
    t.true(lstatSync(link).isSymbolicLink());
  });

test('- is standard output, with nothing else in it', async (t) => {
  const directory = await results(t);
  const { code, stdout, stderr } = await command(['export', 'x.sqlite', '--format', 'csv', '--out', '-'], directory);
  t.is(code, 0);
  t.is(stderr, 'rows: -\n');
  await exportResults(join(directory, 'x.sqlite'), { format: 'csv', out: join(directory, 'x.csv') });
  t.is(stdout, readFileSync(join(directory, 'x.csv'), 'utf8'));
  t.false(existsSync(join(directory, '-')));
  // A shell's redirection that appends, to a link that must survive.
  const script = 'echo before > all; "$@" --out stdout >> all; echo after >> all';
  symlinkSync('/dev/stdout', join(directory, 'stdout'));
  const words = ['export', join(directory, 'x.sqlite'), '--format', 'csv'];
  const loader = import.meta.resolve('tsx');
  const main = join(import.meta.dirname, '../../lib/cli/main.ts');
  execFileSync('bash', ['-c', script, '-', process.execPath, `--import=${loader}`, main, ...words], {
    cwd: directory,
    stdio: 'ignore',
  });
  t.is(readFileSync(join(directory, 'all'), 'utf8'), `before\n${stdout}after\n`);
  t.true(lstatSync(join(directory, 'stdout')).isSymbolicLink());
});

for (const format of ['npz', 'arrow', 'parquet'] as const)
  test(`- is standard output for bytes too: ${format}`, async (t) => {
    const directory = await results(t);
    const words = ['export', 'x.sqlite', '--format', format, '--out', '-'];
    const main = join(import.meta.dirname, '../../lib/cli/main.ts');
    const bytes = execFileSync(process.execPath, [`--import=${import.meta.resolve('tsx')}`, main, ...words], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const file = join(directory, `x.${format}`);
    await exportResults(join(directory, 'x.sqlite'), { format, out: file });
    t.deepEqual(bytes, readFileSync(file));
  });

test('merging follows links, and leaves devices alone', async (t) => {
  const directory = await results(t);
  mkdirSync(join(directory, 'other'));
  symlinkSync('other/target.sqlite', join(directory, 'link.sqlite'));
  const files = [join(directory, 'x.sqlite')];
  await merge(files, { out: join(directory, 'link.sqlite') });
  t.true(lstatSync(join(directory, 'link.sqlite')).isSymbolicLink());
  t.is((await open(join(directory, 'other/target.sqlite'))).finishedCells, 4);
  await t.throwsAsync(merge(files, { out: join(directory, 'link.sqlite') }), { message: /exists already/ });
  await t.throwsAsync(merge(files, { out: '/dev/null' }), { message: /\/dev\/null: exists already/ });
  t.true(lstatSync('/dev/null').isCharacterDevice());
});

test('two links to one result file are one file to lock', async (t) => {
  const directory = await results(t);
  symlinkSync('x.sqlite', join(directory, 'link.sqlite'));
  const spec = define(study);
  const { store } = await openForRun(join(directory, 'x.sqlite'), spec, StudyCells.of(spec));
  await t.throwsAsync(run(study, { out: join(directory, 'link.sqlite') }), {
    message: /link.sqlite: another process is running this study into the same file/,
  });
  await store.close();
});
