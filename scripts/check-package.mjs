// `npm run check:package`: packs, then looks at the tarballs as a stranger would: their contents, their metadata (publint, attw), and a
// project that was empty, with an empty home and nothing but Node and a shell on the PATH, in which the package is installed by its name
// from a registry on this machine, compiled against and used; then as the tarball that `npm pack` makes. `--packed FOLDER` is for the
// tarballs of `npm run pack:all -- FOLDER`, which are made otherwise. `npm run check:bare` is for a machine without OpenBLAS.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installTools, startRegistry } from './local-registry.mjs';
import { pack, tarballsOf } from './tarballs.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { resolve } = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-package-'));
const project = join(folder, 'project');
const home = join(folder, 'home');
const path = join(folder, 'bin');

/** Every file of a tarball matches one of these, and each of these a file. */
const kPlatformContents = [
  /^package\.json$/,
  /^README\.md$/,
  /^LICENSE$/,
  /^THIRD-PARTY-LICENSES\.txt$/,
  /^prompt_attention\.node$/,
  /^libhwy\.so\.1$/,
];
const kMainContents = [
  /^package\.json$/,
  /^README\.md$/,
  /^CHANGELOG\.md$/,
  /^LICENSE$/,
  /^THIRD-PARTY-LICENSES\.txt$/,
  /^dist\/([\w-]+\/)*[\w-]+\.(js|d\.ts)$/,
  /^examples\/[\w-]+\.(yaml|mjs|ipynb|sbatch|service)$/,
  // What a build from source needs.
  /^scripts\/build-addon\.mjs$/,
  /^CMakeLists\.txt$/,
  /^native\/(sources|requirements)\.txt$/,
  /^native\/(core|addon)\/\w+\/[\w-]+\.(h|cpp)$/,
  /^native\/portable\/\w+\.(cpp|map)$/,
];
const kCheckoutContents = [...kMainContents, /^prebuilds\/prompt_attention\.node$/, /^prebuilds\/libhwy\.so\.1$/];

const kOlderCompilers = ['5.4', '5.6'];
/** As README names them. */
const kForFigures = ['vega@6', 'vega-lite@6', 'vega-interpreter@2'];

function step(title, work) {
  const begin = performance.now();
  const result = work();
  console.log(`${((performance.now() - begin) / 1000).toFixed(1).padStart(6)} s  ${title}`);
  return result;
}

/** Runs a command of the stranger's machine in the project. */
function run(command, ...parameters) {
  return execFileSync(join(path, command), parameters, {
    cwd: project,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      HOME: home,
      PATH: path,
      npm_config_registry: registry.url,
    },
  });
}

function compile(name, files, options, compiler = resolve('typescript/bin/tsc')) {
  const compilerOptions = { target: 'ES2022', strict: true, skipLibCheck: false, ...options };
  writeFileSync(join(project, name), JSON.stringify({ compilerOptions, files }));
  execFileSync(process.execPath, [compiler, '-p', name], { cwd: project, stdio: 'inherit' });
}

const command = (...parameters) => run('npx', '--no', 'prompt-attention', ...parameters);

const megabytesOf = (directory) => execFileSync('du', ['-sm', directory], { encoding: 'utf8' }).split('\t', 1)[0];

/** The files of the project that a program needs, as Next and serverless platforms find them. */
function filesOf(tracer, program) {
  const script = `
    const { nodeFileTrace } = require(${JSON.stringify(tracer)});
    nodeFileTrace([process.argv[1]], { base: process.cwd() }).then(({ fileList }) => console.log(JSON.stringify([...fileList])));`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script, program], { cwd: project, encoding: 'utf8' }));
}

/** Says what is wrong with the contents of a tarball. */
function checkContents(tarball, patterns) {
  const list = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  const paths = list.map((file) => file.replace(/^package\//, ''));
  for (const pattern of patterns)
    assert.ok(
      paths.some((file) => pattern.test(file)),
      `nothing packed is ${pattern}`,
    );
  for (const file of paths) {
    assert.ok(
      patterns.some((pattern) => pattern.test(file)),
      `${file} is packed`,
    );
    const source = /^dist\/(.*)\.(js|d\.ts)$/.exec(file)?.[1];
    assert.ok(source === undefined || existsSync(join(root, 'lib', `${source}.ts`)), `${file} has no source`);
  }
}

const { packed } = parseArgs({ options: { packed: { type: 'string' } } }).values;
let registry;
try {
  const tarballs = tarballsOf(packed ?? step('the tarballs of a release', () => pack(join(folder, 'packed'))));
  const isOfPlatform = (tarball) => basename(tarball).includes('-linux-');
  for (const tarball of tarballs) checkContents(tarball, isOfPlatform(tarball) ? kPlatformContents : kMainContents);
  const main = tarballs.find((tarball) => !isOfPlatform(tarball));

  step('publint', () => {
    for (const tarball of tarballs)
      execFileSync('npx', ['publint', tarball, '--strict'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  });
  // The package is of ES modules only. The rule says that require() cannot load those: Node 20.19, 22.12 and later can, see below.
  step('attw', () =>
    execFileSync('npx', ['attw', main, '--no-definitely-typed', '--ignore-rules', 'cjs-resolves-to-esm'], {
      cwd: root,
    }),
  );

  // Of compilers, the least that README names, and the last one without parameters of typed arrays.
  const modules = step('npm install of a registry, older compilers and @vercel/nft', () => {
    const compilers = kOlderCompilers.map((version) => `typescript-${version}@npm:typescript@${version}`);
    return installTools(join(folder, 'tools'), ['verdaccio@6', '@vercel/nft@1', ...compilers]);
  });
  registry = await startRegistry(modules, join(folder, 'registry'));
  step('npm publish to a registry on this machine', () => {
    for (const tarball of tarballs) registry.publish(tarball);
  });

  for (const directory of [project, home, path]) mkdirSync(directory);
  symlinkSync(process.execPath, join(path, 'node'));
  for (const tool of ['npm', 'npx', 'sh'])
    symlinkSync(realpathSync(execFileSync('which', [tool], { encoding: 'utf8' }).trim()), join(path, tool));
  run('npm', 'init', '--yes');
  step('npm install prompt-attention in an empty project', () =>
    run('npm', 'install', 'prompt-attention', '--no-audit', '--no-fund'),
  );
  step('what it installed: the addon of this platform alone, no script to run, no build tools', () => {
    const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8'));
    for (const [name, { hasInstallScript }] of Object.entries(packages)) assert.ok(!hasInstallScript, name);
    for (const tool of ['cmake-js', 'node-addon-api', 'node-api-headers'])
      assert.ok(!existsSync(join(project, 'node_modules', tool)), tool);
    assert.deepEqual(readdirSync(join(project, 'node_modules', '@prompt-attention')), ['linux-x64-gnu']);
    console.log(`          ${megabytesOf(join(project, 'node_modules'))} MB of node_modules (du -sm)`);
  });
  const study = 'node_modules/prompt-attention/examples/benefit-of-context.yaml';
  step('what is not installed is named, with the command that installs it', () => {
    assert.throws(
      () => command('run', study, '--figure', 'benefit.svg'),
      /npm install vega@6 vega-lite@6 vega-interpreter@2/,
    );
  });

  for (const file of ['first-use.ts', 'first-use.cts'])
    copyFileSync(join(root, 'test', 'package', file), join(project, file));
  run('npm', 'pkg', 'set', 'type=module');
  const node = { types: ['node'], typeRoots: [join(root, 'node_modules', '@types')] };
  step('tsc, moduleResolution bundler', () =>
    compile('bundler.json', ['first-use.ts'], { ...node, module: 'ESNext', moduleResolution: 'bundler', noEmit: true }),
  );
  step('tsc, module NodeNext', () =>
    compile('node.json', ['first-use.ts', 'first-use.cts'], { ...node, module: 'NodeNext' }),
  );
  for (const version of kOlderCompilers)
    step(`tsc ${version}`, () => {
      const options = { ...node, module: 'NodeNext', noEmit: true };
      const compiler = join(modules, `typescript-${version}`, 'bin', 'tsc');
      compile('older.json', ['first-use.ts'], options, compiler);
    });
  // Without the types of Node or of a browser; those of zod ask for one of them.
  step('tsc without types of Node', () => {
    writeFileSync(join(project, 'bare.ts'), "import { simulate } from 'prompt-attention';\nexport default simulate;\n");
    compile('bare.json', ['bare.ts'], {
      types: [],
      lib: ['ES2022'],
      module: 'NodeNext',
      noEmit: true,
      skipLibCheck: true,
    });
  });
  const importAndRequire = () => {
    const [fromModule, fromRequire] = ['first-use.js', 'first-use.cjs'].map((file) => JSON.parse(run('node', file)));
    assert.equal(fromRequire.fingerprint, fromModule.fingerprint);
    return fromModule.libraries.map((file) => file.slice(realpathSync(project).length)).sort();
  };
  const addonsIn = (folder) =>
    ['libhwy.so.1', 'prompt_attention.node'].map((file) => `/node_modules/${folder}/${file}`);
  step('import and require()', () => assert.deepEqual(importAndRequire(), addonsIn('@prompt-attention/linux-x64-gnu')));

  const [forResults, ...forFigures] = kForFigures;
  step('npm install of what result files need, and a study', () => {
    run('npm', 'install', '--no-audit', '--no-fund', forResults);
    assert.match(command('run', study, '--out', 'plain.sqlite'), /figure: {2}none; figures need packages .*vega@6/);
  });
  step('npm install of what figures need', () => run('npm', 'install', '--no-audit', '--no-fund', ...forFigures));

  copyFileSync(join(root, 'test', 'package', 'traced.mjs'), join(project, 'traced.mjs'));
  const runTraced = () => {
    const traced = mkdtempSync(join(folder, 'traced-'));
    for (const file of filesOf(join(modules, '@vercel', 'nft'), 'traced.mjs')) {
      mkdirSync(dirname(join(traced, file)), { recursive: true });
      copyFileSync(join(project, file), join(traced, file));
    }
    const output = execFileSync(process.execPath, ['traced.mjs'], { cwd: traced, encoding: 'utf8' });
    assert.equal(JSON.parse(output).cells, 1);
  };
  step('a program with the files that @vercel/nft finds for it, elsewhere', runTraced);

  step('prompt-attention doctor', () => assert.match(command('doctor'), /BLAS core/));
  step('prompt-attention separation', () => {
    const mixture = '{ tokens: 10, dimension: 2, relevantFraction: 0.6, contextNorm: 1, signalNorm: 1 }';
    assert.equal(JSON.parse(command('separation', mixture)).promptAttention.accuracy, 1);
  });
  step('prompt-attention run, with a figure', () => {
    command('run', study, '--figure', 'benefit.svg');
    assert.match(readFileSync(join(project, 'benefit.svg'), 'utf8'), /^<svg/);
  });

  const tarball = step('npm pack of the checkout', () => {
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return join(folder, JSON.parse(output)[0].filename);
  });
  checkContents(tarball, kCheckoutContents);
  step('npm install of that tarball, import and require()', () => {
    run('npm', 'install', tarball, '--no-audit', '--no-fund');
    assert.ok(!existsSync(join(project, 'node_modules', '@prompt-attention', 'linux-x64-gnu')));
    assert.deepEqual(importAndRequire(), addonsIn('prompt-attention/prebuilds'));
  });
  step('a program with the files that @vercel/nft finds for it, elsewhere', runTraced);
} finally {
  await registry?.stop();
  rmSync(folder, { recursive: true });
}
