import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { loadOptional } from '../../lib/base/optional-packages.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;
const platform = `${process.platform}-${process.arch}`;
const carrier = `@prompt-attention/${platform}-gnu`;
/** Where the package of this platform has its addon. */
const carried = `node_modules/${carrier}/prompt_attention.node`;
/** Where a package that was packed from a checkout has one. */
const packed = 'prebuilds/prompt_attention.node';

/** The same file of this checkout, its addon, or a text. */
type Content = 'copy' | 'addon' | { readonly text: string };
type Files = Readonly<Record<string, Content>>;

/** An installed package of these files and native/requirements.txt. */
function packageWith(t: ExecutionContext, files: Files): string {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const contents: Files = { 'native/requirements.txt': 'copy', ...files };
  for (const [file, content] of Object.entries(contents)) {
    const target = join(folder, file);
    mkdirSync(dirname(target), { recursive: true });
    if (typeof content === 'object') writeFileSync(target, content.text);
    else copyFileSync(content === 'copy' ? join(root, file) : addon, target);
  }
  return folder;
}

const broken = { text: 'not a library' };

/** What lib/base/load-native.ts does in a package: the file it loaded, or its error. */
function load(t: ExecutionContext, files: Files, flags: readonly string[] = []): { path?: string; error?: string } {
  const folder = packageWith(t, {
    'package.json': { text: '{ "type": "module" }' },
    'lib/base/load-native.ts': 'copy',
    'lib/base/errors.ts': 'copy',
    ...files,
  });
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  for (const name of ['bindings', 'file-uri-to-path'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  const script = `
    import { createRequire } from 'node:module';
    const { loadAddon } = await import(${JSON.stringify(pathToFileURL(join(folder, 'lib/base/load-native.ts')).href)});
    let result;
    try {
      const addon = loadAddon();
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.endsWith('.node'));
      result = { path: typeof addon.engineInfo().blasCore === 'string' ? loaded.at(-1) : undefined };
    } catch (error) {
      result = { error: error.name + ' ' + error.code + ' ' + error.message };
    }
    console.log(JSON.stringify(result));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, '--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  t.is(stderr, '');
  const result = JSON.parse(stdout) as { path?: string; error?: string };
  return result.path === undefined ? result : { path: result.path.slice(folder.length + 1) };
}

test('the addon that this machine built comes before the one of the package of its platform, and that before a packed one', (t) => {
  t.is(
    load(t, { 'build/Release/prompt_attention.node': 'addon', [carried]: 'addon' }).path,
    'build/Release/prompt_attention.node',
  );
  t.is(load(t, { [carried]: 'addon', [packed]: 'addon' }).path, carried);
  t.is(load(t, { [packed]: 'addon' }).path, packed);
});

test('an addon that does not load does not hide the next', (t) => {
  t.is(load(t, { 'build/Release/prompt_attention.node': broken, [carried]: 'addon' }).path, carried);
  t.is(load(t, { [carried]: broken, [packed]: 'addon' }).path, packed);
});

test('if none loads, the error tells what was tried, why each failed, and what a build needs', (t) => {
  const { error } = load(t, { 'build/Release/prompt_attention.node': broken });
  t.regex(error ?? '', /^NativeError ERR_NATIVE /);
  t.regex(error ?? '', /build\/Release\/prompt_attention\.node: .*(invalid ELF header|file too short|not a mach-o)/i);
  t.true(error?.includes(`${carrier}/prompt_attention.node: there is no such file`));
  t.true(error?.includes(`${packed}: there is no such file`));
  t.true(error?.includes('The package came without an addon that is ready for this platform.'));
  for (const system of ['Debian', 'Fedora', 'Alpine', 'macOS']) t.true(error?.includes(system), system);
  t.true(error?.includes('npx prompt-attention build'));
});

test('where the addon of the platform should be installed the error tells why it may be absent', (t) => {
  const optionalDependencies = { [carrier]: '0.1.0', '@prompt-attention/other': '0.1.0' };
  const { error } = load(t, { 'package.json': { text: JSON.stringify({ type: 'module', optionalDependencies }) } });
  t.true(error?.includes(`${carrier} is an optional dependency: it is left out by --omit=optional`));
  t.true(error?.includes('npx prompt-attention build'));
});

test('where Node is told not to load addons the error names the flags, not a compiler', (t) => {
  const { error } = load(t, { 'build/Release/prompt_attention.node': 'addon' }, ['--no-addons']);
  t.regex(error ?? '', /leave out --no-addons; with --permission add --allow-addons/);
  t.false(error?.includes('compiler'));
});

test('in a bundle the error says to keep the package external', async (t) => {
  const { buildSync } = await import('esbuild');
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const format of ['esm', 'cjs'] as const) {
    const outfile = join(folder, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs');
    const stdin = { contents: "import { loadAddon } from './lib/base/load-native.ts'; loadAddon();", resolveDir: root };
    buildSync({ stdin, bundle: true, platform: 'node', format, outfile, logLevel: 'silent' });
    const { stderr } = spawnSync(process.execPath, [outfile], { encoding: 'utf8' });
    t.regex(stderr, /NativeError: prompt-attention has been bundled .* --external:prompt-attention/, format);
  }
});

/** A cmake-js that prints its parameters, makes an addon of the file `makes`, and ends with `status`. */
const toolsOf = (makes: string, status: number): Files => ({
  'node_modules/cmake-js/package.json': { text: '{ "main": "bin/cmake-js" }' },
  'node_modules/cmake-js/bin/cmake-js': {
    text: `
      console.log('cmake-js', ...process.argv.slice(2));
      const { cpSync } = require('node:fs');
      if (${status} === 0) cpSync(${JSON.stringify(makes)}, 'build/Release/prompt_attention.node');
      process.exit(${status});`,
  },
  'node_modules/node-addon-api/index.js': { text: '' },
  'node_modules/node-api-headers/index.js': { text: '' },
});

/** What `prompt-attention build` does in a package of these files. */
function build(t: ExecutionContext, files: Files, environment: Readonly<Record<string, string>> = {}) {
  const folder = packageWith(t, {
    'scripts/build-addon.mjs': 'copy',
    'lib/cli/build.ts': 'copy',
    'package.json': 'copy',
    ...files,
  });
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(join(root, 'node_modules', 'commander'), join(folder, 'node_modules', 'commander'));
  const script = `
    const { buildCommand } = await import(${JSON.stringify(pathToFileURL(join(folder, 'lib/cli/build.ts')).href)});
    await buildCommand().parseAsync([], { from: 'user' });`;
  const parameters = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];
  return spawnSync(process.execPath, parameters, { encoding: 'utf8', env: { ...process.env, ...environment } });
}

test('the command line starts without an addon, so that it can build one', (t) => {
  const main = join(root, 'lib', 'cli', 'main.ts');
  const parameters = ['--no-addons', '--import', import.meta.resolve('tsx'), main, 'build', '--help'];
  const { status, stderr } = spawnSync(process.execPath, parameters, { encoding: 'utf8' });
  t.is(status, 0, stderr);
});

const kBuilding = 'prompt-attention: building the addon from source\n';

test('the command build builds, also where the addon of the platform is there', (t) => {
  const { status, stdout } = build(t, { ...toolsOf(addon, 0), [carried]: 'addon' });
  t.is(
    stdout,
    `${kBuilding}cmake-js configure\ncmake-js build\nprompt-attention: built build/Release/prompt_attention.node\n`,
  );
  t.is(status, 0);
});

test('an addon that cannot be built, or does not load, is a failure, and one list says what to install', (t) => {
  const failed = build(t, toolsOf(addon, 3));
  t.is(failed.status, 1);
  t.true(failed.stderr.includes('the addon could not be built.'));
  for (const command of ['apt-get install', 'dnf install', 'apk add', 'brew install'])
    t.true(failed.stderr.includes(command), command);
  t.regex(failed.stderr, /Then: npx prompt-attention build \(in a checkout: npm run build\)\n$/);
  const broken = build(t, toolsOf(join(root, 'LICENSE'), 0));
  t.is(broken.status, 1);
  t.regex(broken.stderr, /the addon that was built does not load: .+/);
});

test('build tools that are not installed are fetched for the time of the build, in the versions of package.json', (t) => {
  const programs = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(programs, { recursive: true }));
  const temporary = join(programs, 'tmp');
  mkdirSync(temporary);
  // An npm that puts the tools where it is told.
  const files = Object.entries(toolsOf(addon, 0)).map(([file, content]) => [file, (content as { text: string }).text]);
  writeFileSync(
    join(programs, 'npm'),
    `#!${process.execPath}
    const { mkdirSync, writeFileSync } = require('node:fs');
    const { dirname, join } = require('node:path');
    const parameters = process.argv.slice(2);
    console.log('npm', ...parameters.filter((parameter) => parameter.includes('@')));
    for (const [file, text] of ${JSON.stringify(files)}) {
      const path = join(parameters[parameters.indexOf('--prefix') + 1], file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }`,
    { mode: 0o755 },
  );
  const fetched = build(t, {}, { PATH: `${programs}:${process.env.PATH}`, TMPDIR: temporary });
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = ['cmake-js', 'node-addon-api', 'node-api-headers'].map((name) => `${name}@${devDependencies[name]}`);
  t.true(
    fetched.stdout.startsWith(`${kBuilding}prompt-attention: fetching ${wanted.join(', ')}\nnpm ${wanted.join(' ')}\n`),
  );
  t.is(fetched.status, 0, fetched.stderr);
  t.deepEqual(
    readdirSync(temporary).filter((name) => name.startsWith('prompt-attention')),
    [],
  );

  const without = build(t, {}, { PATH: temporary });
  t.is(without.status, 1);
  t.regex(without.stderr, /npm could not fetch cmake-js.*\nA build from source needs npm/);
});

test('where packages for who wants them are not installed the error says what to install; other errors stay', async (t) => {
  const absent: string = 'prompt-attention-absent';
  const error = await t.throwsAsync(loadOptional('figures', ['vega', 'vega-lite'], () => import(absent)));
  t.is((error as { code?: unknown }).code, 'ERR_STORE');
  t.is(error?.message, 'figures need packages that are not installed: npm install vega@6 vega-lite@6');
  const broken = new Error('broken');
  t.is(await t.throwsAsync(loadOptional('figures', ['vega'], () => Promise.reject(broken))), broken);
});

test('computations do without libsql; a study says that it needs it', (t) => {
  const script = `
    const { default: Module } = await import('node:module');
    const resolve = Module._resolveFilename;
    Module._resolveFilename = (name, ...rest) => {
      if (name.startsWith('@libsql/')) throw new Error("Cannot find module '@libsql/some-platform'");
      return resolve(name, ...rest);
    };
    const { engineInfo, study } = await import(${JSON.stringify(new URL('../../lib/index.ts', import.meta.url).href)});
    const error = await study.open(${JSON.stringify(join(root, 'LICENSE'))}).then(() => undefined, (error) => error);
    console.log(JSON.stringify([typeof engineInfo().blasCore, error?.code, error?.message]));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  t.is(stderr, '');
  const [blasCore, code, message] = JSON.parse(stdout) as [string, string, string];
  t.is(blasCore, 'string');
  t.is(code, 'ERR_STORE');
  t.regex(message, /libsql.*: npm install libsql@0\.5 \(Cannot find module '@libsql\/some-platform'\)/);
});
