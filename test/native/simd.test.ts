// The functions on vectors, by the program that measures their errors on every instruction set of this machine.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../..', import.meta.url));
const hasCompiler = spawnSync('c++', ['--version']).status === 0;
const native = hasCompiler || process.env.CI !== undefined ? test : test.skip;

native('the largest error of every function on vectors is within its bound on every instruction set', (t) => {
  t.timeout(600_000);
  const directory = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const program = join(directory, 'simd_functions');
  execFileSync('c++', [
    ...['-std=c++20', '-O1', '-I', join(root, 'native'), '-I', join(root, 'test/native')],
    // As the addon is built: Highway's functions for less lack what random numbers need.
    ...(process.arch === 'x64' ? ['-march=x86-64-v2'] : []),
    ...[join(root, 'test/native/simd_functions.cpp'), join(root, 'native/core/random/random.cpp')],
    ...['-o', program, '-lhwy'],
  ]);
  const { stdout, status } = spawnSync(program, { encoding: 'utf8' });
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t') as [string, string, string, string]);
  t.is(rows.length % 11, 0, stdout);
  for (const [target, name, error, most] of rows)
    t.true(Number(error) <= Number(most), `${name} on ${target}: ${error} last places, at most ${most}`);
  t.is(status, 0);
});
