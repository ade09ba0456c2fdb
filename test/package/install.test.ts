import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const root = fileURLToPath(new URL('../..', import.meta.url));
const addon = createRequire(import.meta.url)('bindings')({ bindings: 'prompt_attention', path: true }) as string;
const platform = `${process.platform}-${process.arch}`;
const carried = `prebuilds/${platform}/prompt_attention.node`;

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
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
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

test('the addon that this machine built comes before the one that the package carries', (t) => {
  t.is(
    load(t, { 'build/Release/prompt_attention.node': 'addon', [carried]: 'addon' }).path,
    'build/Release/prompt_attention.node',
  );
  t.is(load(t, { [carried]: 'addon' }).path, carried);
});

test('an addon that does not load does not hide the next', (t) => {
  t.is(load(t, { 'build/Release/prompt_attention.node': broken, [carried]: 'addon' }).path, carried);
});

test('if none loads, the error tells what was tried, why each failed, and what a build needs', (t) => {
  const { error } = load(t, { 'build/Release/prompt_attention.node': broken });
  t.regex(error ?? '', /^NativeError ERR_NATIVE /);
  t.regex(error ?? '', /build\/Release\/prompt_attention\.node: .*(invalid ELF header|file too short|not a mach-o)/i);
  t.true(error?.includes(`${carried}: there is no such file`));
  for (const system of ['Debian', 'Fedora', 'Alpine', 'macOS']) t.true(error?.includes(system), system);
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

/** What scripts/install.mjs, or a command of the command line, does in a package whose cmake-js ends with `status`. */
function install(
  t: ExecutionContext,
  files: Files,
  {
    status = 0,
    makes = addon,
    command,
    ...environment
  }: { status?: number; makes?: string; command?: 'build'; npm_config_build_from_source?: string } = {},
): { status: number | null; stdout: string; stderr: string } {
  const folder = packageWith(t, {
    'scripts/install.mjs': 'copy',
    'node_modules/cmake-js/bin/cmake-js': {
      text: `
        console.log('cmake-js', ...process.argv.slice(2));
        const { cpSync } = require('node:fs');
        if (${status} === 0) cpSync(${JSON.stringify(makes)}, 'build/Release/prompt_attention.node');
        process.exit(${status});`,
    },
    'package.json': { text: '{ "type": "module" }' },
    'node_modules/cmake-js/package.json': { text: '{ "type": "commonjs" }' },
    ...(command && { 'lib/cli/build.ts': 'copy' }),
    ...files,
  });
  symlinkSync(join(root, 'node_modules', 'commander'), join(folder, 'node_modules', 'commander'));
  const script = `
    const { buildCommand } = await import(${JSON.stringify(pathToFileURL(join(folder, 'lib/cli/build.ts')).href)});
    await buildCommand().parseAsync([], { from: 'user' });`;
  const { npm_config_build_from_source: _, ...inherited } = process.env;
  const parameters =
    command === undefined
      ? [join(folder, 'scripts/install.mjs')]
      : ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];
  return spawnSync(process.execPath, parameters, {
    encoding: 'utf8',
    env: { ...inherited, ...environment },
  });
}

test('the addon that the package carries is kept if it loads', (t) => {
  const { status, stdout } = install(t, { [carried]: 'addon' });
  t.is(status, 0);
  t.is(stdout, `prompt-attention: using the addon for ${platform} that the package carries\n`);
});

test('the addon is built where the package carries none or a broken one, in a checkout, and on demand', (t) => {
  const built = 'cmake-js compile\nprompt-attention: built build/Release/prompt_attention.node\n';
  const none = install(t, {});
  t.is(
    none.stdout,
    `prompt-attention: building the addon from source; the package carries no addon for ${platform}\n${built}`,
  );
  t.is(none.status, 0);
  t.regex(
    install(t, { [carried]: broken }).stdout,
    /does not load: .+\ncmake-js compile\nprompt-attention: built \S+\n$/,
  );
  t.true(install(t, { [carried]: 'addon', 'tsconfig.json': 'copy' }).stdout.endsWith(built));
  for (const value of ['true', 'prompt-attention'])
    t.true(install(t, { [carried]: 'addon' }, { npm_config_build_from_source: value }).stdout.endsWith(built), value);
  t.false(install(t, { [carried]: 'addon' }, { npm_config_build_from_source: 'another' }).stdout.endsWith(built));
});

test('an addon that cannot be built fails the installation and says what to install', (t) => {
  const { status, stderr } = install(t, {}, { status: 3 });
  t.is(status, 1);
  t.true(stderr.includes('the addon could not be built'));
  for (const command of ['apt-get install', 'dnf install', 'apk add', 'brew install'])
    t.true(stderr.includes(command), command);
  t.true(stderr.endsWith('Then: install again\n'));
});

test('an addon that was built and does not load is no addon', (t) => {
  const { status, stderr } = install(t, {}, { makes: join(root, 'LICENSE') });
  t.is(status, 1);
  t.regex(stderr, /the addon that was built does not load: .+; the package carries no addon/);
});

test('the command build builds in any case, and says what to install if it cannot', (t) => {
  const { status, stdout } = install(t, { [carried]: 'addon' }, { command: 'build' });
  t.is(status, 0);
  t.regex(
    stdout,
    /^prompt-attention: building the addon from source; asked for\ncmake-js compile\nprompt-attention: built /,
  );
  const failed = install(t, { [carried]: 'addon' }, { command: 'build', status: 3 });
  t.is(failed.status, 1);
  t.regex(failed.stderr, /could not be built; asked for\.\n.*apt-get install.*\nThen: npx prompt-attention build\n$/s);
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
  t.regex(message, /libsql .*optional dependencies \(Cannot find module '@libsql\/some-platform'\)/);
});
