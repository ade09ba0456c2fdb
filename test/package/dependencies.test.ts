import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { license?: string; hasInstallScript?: boolean; dev?: boolean; integrity?: string }>;
};

const headings = {
  dependencies: 'Always installed',
  optionalDependencies: 'Optional, loaded when asked for',
  devDependencies: 'For development',
};

for (const [kind, heading] of Object.entries(headings))
  test(`the contributor page names the ${kind} of package.json with their licences`, (t) => {
    const section = read('CONTRIBUTING.md').split(`### ${heading}\n`)[1]?.split('\n#')[0] ?? '';
    const rows = [...section.matchAll(/^\| (\S+) \| (.+) \| (.+) \|$/gm)].filter(([, name]) => name !== 'package');
    const listed = Object.fromEntries(rows.map(([, name, , licence]) => [name, licence]));
    const named = Object.keys(JSON.parse(read('package.json'))[kind]);
    t.deepEqual(
      listed,
      Object.fromEntries(named.map((name) => [name, lock.packages[`node_modules/${name}`]?.license])),
    );
  });

test('the lock file has a checksum of every package; only esbuild, a development tool, has an install script', (t) => {
  for (const [path, { integrity }] of Object.entries(lock.packages))
    t.true(path === '' || integrity !== undefined, path);
  const scripted = Object.entries(lock.packages).filter(
    ([path, { hasInstallScript }]) => path !== '' && hasInstallScript,
  );
  t.deepEqual(
    scripted.map(([path, { dev }]) => [path, dev]),
    [['node_modules/esbuild', true]],
  );
});

test('the licences of what a user installs are permissive, and one that is not would be noticed', (t) => {
  const licences = (...parameters: string[]) =>
    spawnSync(process.execPath, [join(root, 'scripts', 'licences.mjs'), ...parameters], { encoding: 'utf8' });
  t.is(licences().status, 0);
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const other = join(folder, 'lock.json');
  writeFileSync(
    other,
    JSON.stringify({ packages: { 'node_modules/a': { license: 'GPL-3.0' }, 'node_modules/b': {} } }),
  );
  const { status, stderr } = licences(other);
  t.is(status, 1);
  t.is(stderr, 'not accepted: a: GPL-3.0, b: none\n');
});
