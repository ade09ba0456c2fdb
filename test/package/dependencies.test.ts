import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { installCommand } from '../../lib/base/optional-packages.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { license?: string; hasInstallScript?: boolean; dev?: boolean; integrity?: string }>;
};

const headings = {
  dependencies: 'Always installed',
  peerDependencies: 'Installed by who wants them',
  devDependencies: 'For development',
};

for (const [kind, heading] of Object.entries(headings))
  test(`the contributor page names the ${kind} of package.json with their licences`, (t) => {
    const section = read('CONTRIBUTING.md').split(`### ${heading}\n`)[1]?.split('\n#')[0] ?? '';
    const rows = [...section.matchAll(/^\| (\S+) \| (.+) \| (.+) \|$/gm)].filter(([, name]) => name !== 'package');
    const listed = Object.fromEntries(rows.map(([, name, , licence]) => [name, licence]));
    const manifest = JSON.parse(read('package.json'));
    const named = Object.keys(manifest[kind]).filter(
      (name) => kind !== 'devDependencies' || !(name in manifest.peerDependencies),
    );
    // What is installed by who wants it is for development too, and has its line elsewhere.
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

test('who installs the package runs no script of it, gets no build tools, and is asked for nothing optional', (t) => {
  const { scripts, dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta, devDependencies } =
    JSON.parse(read('package.json'));
  for (const hook of ['preinstall', 'install', 'postinstall']) t.false(hook in scripts, hook);
  for (const tool of ['cmake-js', 'node-addon-api', 'node-api-headers']) {
    t.false(tool in dependencies, tool);
    // `npx prompt-attention build` takes their versions from here.
    t.true(tool in devDependencies, tool);
  }
  // Those of the platforms are added to what is packed (scripts/pack.mjs).
  t.is(optionalDependencies, undefined);
  for (const [name, range] of Object.entries(peerDependencies)) {
    t.deepEqual(peerDependenciesMeta[name], { optional: true }, name);
    t.is(devDependencies[name], range, name);
    t.regex(String(range), /^\^\d+\.\d+\.\d+$/, name);
  }
});

test('an error names packages in the versions that package.json wants', (t) => {
  const { vega, 'hyparquet-writer': parquet } = JSON.parse(read('package.json')).peerDependencies as Record<
    string,
    string
  >;
  t.is(
    installCommand(['vega', 'hyparquet-writer']),
    `npm install vega@${vega?.slice(1).split('.')[0]} hyparquet-writer@0.${parquet?.split('.')[1]}`,
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
    JSON.stringify({
      packages: {
        '': { dependencies: { a: '1' }, peerDependencies: { b: '1' }, devDependencies: { e: '1' } },
        'node_modules/a': { license: 'MIT' },
        'node_modules/b': { dependencies: { c: '1', d: '1' } },
        'node_modules/b/node_modules/c': { license: 'GPL-3.0', dependencies: { a: '1' } },
        'node_modules/c': { license: 'MIT' },
        'node_modules/d': { license: 'MIT' },
        'node_modules/e': { license: 'GPL-3.0' },
      },
    }),
  );
  const { status, stderr } = licences(other);
  t.is(status, 1);
  t.is(stderr, 'not accepted: b: none, c: GPL-3.0\n');
});
