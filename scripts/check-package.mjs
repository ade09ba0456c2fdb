// `npm run check:package`: packs, then looks at the tarball as a stranger would: its contents, its metadata (publint, attw), and a
// project that was empty, with an empty home and nothing but Node and a shell on the PATH, in which it is installed, compiled
// against and used. `npm run check:bare` does the latter on a machine without OpenBLAS.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { resolve } = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-package-'));
const project = join(folder, 'project');
const home = join(folder, 'home');
const path = join(folder, 'bin');
const tools = join(folder, 'tools');

/** Every packed file matches one of these, and each of these a packed file. */
const kContents = [
  /^package\.json$/,
  /^README\.md$/,
  /^CHANGELOG\.md$/,
  /^LICENSE$/,
  /^THIRD-PARTY-LICENSES\.txt$/,
  /^prebuilds\/linux-x64\/prompt_attention\.node$/,
  /^prebuilds\/linux-x64\/libhwy\.so\.1$/,
  /^dist\/([\w-]+\/)*[\w-]+\.(js|d\.ts)$/,
  /^examples\/[\w-]+\.(yaml|mjs|ipynb|sbatch|service)$/,
  // What a build from source needs.
  /^scripts\/install\.mjs$/,
  /^CMakeLists\.txt$/,
  /^binding\.gyp$/,
  /^native\/(sources|requirements)\.txt$/,
  /^native\/(core|addon)\/\w+\/[\w-]+\.(h|cpp)$/,
  /^native\/portable\/\w+\.(cpp|map)$/,
];

const kOlderCompilers = ['5.4', '5.6'];

function step(title, work) {
  const begin = performance.now();
  const result = work();
  console.log(`${((performance.now() - begin) / 1000).toFixed(1).padStart(6)} s  ${title}`);
  return result;
}

/** Runs a command of the stranger's machine in the project. */
function run(command, ...parameters) {
  const { NODE_EXTRA_CA_CERTS } = process.env;
  return execFileSync(join(path, command), parameters, {
    cwd: project,
    encoding: 'utf8',
    env: {
      HOME: home,
      PATH: path,
      npm_config_registry: registry,
      ...(certificates !== 'null' && { npm_config_cafile: certificates }),
      ...(NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS }),
    },
  });
}

function compile(name, files, options, compiler = resolve('typescript/bin/tsc')) {
  const compilerOptions = { target: 'ES2022', strict: true, skipLibCheck: false, ...options };
  writeFileSync(join(project, name), JSON.stringify({ compilerOptions, files }));
  execFileSync(process.execPath, [compiler, '-p', name], { cwd: project, stdio: 'inherit' });
}

/** The files of the project that a program needs, as Next and serverless platforms find them. */
function filesOf(program) {
  const script = `
    const { nodeFileTrace } = require(${JSON.stringify(join(tools, 'node_modules', '@vercel', 'nft'))});
    nodeFileTrace([process.argv[1]], { base: process.cwd() }).then(({ fileList }) => console.log(JSON.stringify([...fileList])));`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script, program], { cwd: project, encoding: 'utf8' }));
}

const configured = (name) => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
const registry = configured('registry');
/** A file of certificates, where the machine needs one to reach the registry. */
const certificates = configured('cafile');
try {
  const tarball = step('npm pack', () => {
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [{ filename, size, unpackedSize, files }] = JSON.parse(output.slice(output.indexOf('[\n')));
    const paths = files.map((file) => file.path);
    for (const pattern of kContents)
      assert.ok(
        paths.some((file) => pattern.test(file)),
        `nothing packed is ${pattern}`,
      );
    for (const file of paths) {
      assert.ok(
        kContents.some((pattern) => pattern.test(file)),
        `${file} is packed`,
      );
      const source = /^dist\/(.*)\.(js|d\.ts)$/.exec(file)?.[1];
      assert.ok(source === undefined || existsSync(join(root, 'lib', `${source}.ts`)), `${file} has no source`);
    }
    const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
    console.log(`          ${filename}: ${megabytes(size)}, ${paths.length} files of ${megabytes(unpackedSize)}`);
    return join(folder, filename);
  });

  step('publint', () =>
    execFileSync('npx', ['publint', tarball, '--strict'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }),
  );
  // The package is of ES modules only. The rule says that require() cannot load those: Node 20.19, 22.12 and later can, see below.
  step('attw', () =>
    execFileSync('npx', ['attw', tarball, '--no-definitely-typed', '--ignore-rules', 'cjs-resolves-to-esm'], {
      cwd: root,
    }),
  );

  for (const directory of [project, home, path]) mkdirSync(directory);
  symlinkSync(process.execPath, join(path, 'node'));
  for (const tool of ['npm', 'npx', 'sh'])
    symlinkSync(realpathSync(execFileSync('which', [tool], { encoding: 'utf8' }).trim()), join(path, tool));
  run('npm', 'init', '--yes');
  step('npm install in an empty project', () => {
    const output = run('npm', 'install', tarball, '--foreground-scripts', '--no-audit', '--no-fund');
    assert.match(output, /using the addon for linux-x64 that the package carries/);
  });

  for (const file of ['first-use.ts', 'first-use.cts'])
    copyFileSync(join(root, 'test', 'package', file), join(project, file));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
  const node = { types: ['node'], typeRoots: [join(root, 'node_modules', '@types')] };
  step('tsc, moduleResolution bundler', () =>
    compile('bundler.json', ['first-use.ts'], { ...node, module: 'ESNext', moduleResolution: 'bundler', noEmit: true }),
  );
  step('tsc, module NodeNext', () =>
    compile('node.json', ['first-use.ts', 'first-use.cts'], { ...node, module: 'NodeNext' }),
  );
  // The least that README names, and the last one without parameters of typed arrays.
  step('npm install of older compilers and @vercel/nft', () => {
    mkdirSync(tools);
    const wanted = kOlderCompilers.map((version) => `typescript-${version}@npm:typescript@${version}`);
    run('npm', 'install', '--prefix', tools, '--no-audit', '--no-fund', '@vercel/nft@1', ...wanted);
  });
  for (const version of kOlderCompilers)
    step(`tsc ${version}`, () => {
      const options = { ...node, module: 'NodeNext', noEmit: true };
      const compiler = join(tools, 'node_modules', `typescript-${version}`, 'bin', 'tsc');
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
  const [fromModule, fromRequire] = step('import and require()', () =>
    ['first-use.js', 'first-use.cjs'].map((file) => JSON.parse(run('node', file))),
  );
  assert.equal(fromRequire.fingerprint, fromModule.fingerprint);
  const loaded = fromModule.libraries.map((file) => file.slice(realpathSync(project).length)).sort();
  assert.deepEqual(loaded, [
    '/node_modules/prompt-attention/prebuilds/linux-x64/libhwy.so.1',
    '/node_modules/prompt-attention/prebuilds/linux-x64/prompt_attention.node',
  ]);

  step('a program with the files that @vercel/nft finds for it, elsewhere', () => {
    const traced = join(folder, 'traced');
    copyFileSync(join(root, 'test', 'package', 'traced.mjs'), join(project, 'traced.mjs'));
    for (const file of filesOf('traced.mjs')) {
      mkdirSync(dirname(join(traced, file)), { recursive: true });
      copyFileSync(join(project, file), join(traced, file));
    }
    assert.equal(
      JSON.parse(execFileSync(process.execPath, ['traced.mjs'], { cwd: traced, encoding: 'utf8' })).cells,
      1,
    );
  });

  const command = (...parameters) => run('npx', '--no', 'prompt-attention', ...parameters);
  step('prompt-attention doctor', () => assert.match(command('doctor'), /BLAS core/));
  step('prompt-attention separation', () => {
    const mixture = '{ tokens: 10, dimension: 2, relevantFraction: 0.6, contextNorm: 1, signalNorm: 1 }';
    assert.equal(JSON.parse(command('separation', mixture)).promptAttention.accuracy, 1);
  });
  step('prompt-attention run, with a figure', () => {
    command('run', 'node_modules/prompt-attention/examples/benefit-of-context.yaml', '--figure', 'benefit.svg');
    assert.match(readFileSync(join(project, 'benefit.svg'), 'utf8'), /^<svg/);
  });
} finally {
  rmSync(folder, { recursive: true });
}
