// Builds the addon from source into build/Release: npm's prepare script of a checkout, and `npx prompt-attention build` of an installed
// package. That one depends on no build tools: those that are not there are fetched for the time of the build.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a build takes from npm; package.json has their versions among its development dependencies. */
const kTools = ['cmake-js', 'node-addon-api', 'node-api-headers'];

const root = fileURLToPath(new URL('..', import.meta.url));
const { resolve } = createRequire(import.meta.url);

function isThere(name) {
  try {
    resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program; true if it succeeded. */
function runs(program, parameters, options) {
  return spawnSync(program, parameters, { stdio: 'inherit', ...options }).status === 0;
}

/** Why the build tools could not be fetched into `folder`; undefined if they are there. */
function reasonOfNoTools(folder) {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = kTools.map((name) => `${name}@${devDependencies[name]}`);
  console.log(`prompt-attention: fetching ${wanted.join(', ')}`);
  const flags = ['--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  return runs('npm', ['install', ...flags, ...wanted], { cwd: folder })
    ? undefined
    : `npm could not fetch ${kTools.join(', ')}`;
}

/** Why cmake-js made no addon that loads; undefined if it did. */
function reasonOfNoAddon(cmakeJs, environment) {
  // Make, unlike Ninja, builds one file at a time unless told otherwise.
  const env = { CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()), ...process.env, ...environment };
  // An earlier build may have been configured with tools that are gone.
  for (const command of ['configure', 'build'])
    if (!runs(process.execPath, [cmakeJs, command], { cwd: root, env })) return 'the addon could not be built';
  const addon = join(root, 'build', 'Release', 'prompt_attention.node');
  // In a process of its own: an addon made for another C library may crash rather than fail.
  const script = 'require(process.argv[1]).engineInfo()';
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', script, addon], { encoding: 'utf8' });
  if (status === 0) return undefined;
  const error = stderr.split('\n').find((line) => line.startsWith('Error: '));
  const reason = error?.slice('Error: '.length) ?? signal ?? `exit status ${status}`;
  return `the addon that was built does not load: ${reason}`;
}

function reasonOfFailure() {
  if (kTools.every(isThere)) return reasonOfNoAddon(resolve('cmake-js/bin/cmake-js'));
  // Outside of the project, whose package manager may have rules of its own for what may be required there.
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-tools-'));
  try {
    const modules = join(folder, 'node_modules');
    return (
      reasonOfNoTools(folder) ??
      reasonOfNoAddon(join(modules, 'cmake-js', 'bin', 'cmake-js'), { NODE_PATH: modules, NODE_OPTIONS: '' })
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

console.log('prompt-attention: building the addon from source');
const failure = reasonOfFailure();
if (failure === undefined) {
  console.log('prompt-attention: built build/Release/prompt_attention.node');
} else {
  const requirements = readFileSync(join(root, 'native', 'requirements.txt'), 'utf8').trimEnd();
  console.error(`\nprompt-attention: ${failure}.\n${requirements}`);
  process.exitCode = 1;
}
