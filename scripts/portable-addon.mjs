// The addon for other Linux machines: made for this processor or by a cross compiler, and what it may ask of a machine.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const kArm64SystemPackages = 'g++-aarch64-linux-gnu libopenblas-dev:arm64 libhwy-dev:arm64';
const kArm64Needs = [
  '/usr/bin/aarch64-linux-gnu-g++',
  '/usr/lib/aarch64-linux-gnu/libopenblas.a',
  '/usr/lib/aarch64-linux-gnu/libhwy.so',
];
/** Libraries of the C library and of Node itself; libhwy lies beside the addon. */
const kAllowed = /^(lib(c|m|hwy|gcc_s)|ld-linux-(x86-64|aarch64))\.so\.\d+$/;
/** The oldest C library that the addon must load with: of Red Hat Enterprise Linux 9. */
const kNewestGlibc = 34;

/** The files of such an addon. */
export const kParts = ['prompt_attention.node', 'libhwy.so.1'];

const root = fileURLToPath(new URL('..', import.meta.url));

/** Throws if the addon needs a library, or a version of the C library, that a machine with Node may lack. */
function checkPortable(addon, objdump) {
  const dump = (option) => execFileSync(objdump, [option, addon], { encoding: 'utf8' });
  const needed = [...dump('-p').matchAll(/NEEDED +(\S+)/g)].map((match) => match[1]);
  const unexpected = needed.filter((name) => !kAllowed.test(name));
  if (unexpected.length > 0) throw new Error(`The portable addon needs ${unexpected.join(', ')}.`);
  const versions = [...dump('-T').matchAll(/GLIBC_2\.(\d+)/g)].map((match) => Number(match[1]));
  if (Math.max(...versions) > kNewestGlibc)
    throw new Error(`The portable addon needs glibc 2.${Math.max(...versions)}.`);
}

/** Runs a program of the build; its output goes to standard error. */
function run(program, parameters, minutes) {
  execFileSync(program, parameters, { cwd: root, stdio: ['ignore', 2, 2], timeout: minutes * 60_000 });
}

/** The folder of an addon for this processor, with the library that it needs beside it. */
export function buildX64() {
  if (`${process.platform}-${process.arch}` !== 'linux-x64') throw new Error('The packages are made on linux-x64.');
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  run(process.execPath, [cmakeJs, 'configure', '--CDPROMPT_ATTENTION_PORTABLE=ON'], 1);
  run(process.execPath, [cmakeJs, 'build', '--target', 'prompt_attention_portable'], 30);
  const folder = join(root, 'build', 'portable');
  const addon = join(folder, 'prompt_attention.node');
  checkPortable(addon, 'objdump');
  run(process.execPath, ['-e', 'require(process.argv[1]).engineInfo()', addon], 1);
  return folder;
}

/** What is missing for {@link buildArm64}, with the command that installs it; undefined if nothing is. */
export function whyNoArm64() {
  const missing = kArm64Needs.filter((file) => !existsSync(file));
  if (missing.length === 0) return undefined;
  return `there is no ${missing.join(', no ')}. On Debian or Ubuntu, as root:
  dpkg --add-architecture arm64 && apt-get update && apt-get install --no-install-recommends ${kArm64SystemPackages}`;
}

/** The same for 64-bit ARM, by Debian's cross compiler. */
export function buildArm64() {
  const build = join(root, 'build-arm64');
  const settings = {
    CMAKE_BUILD_TYPE: 'Release',
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: 'aarch64',
    CMAKE_CXX_COMPILER: 'aarch64-linux-gnu-g++',
    PROMPT_ATTENTION_PORTABLE: 'ON',
  };
  const definitions = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
  run('cmake', ['-S', root, '-B', build, ...definitions], 1);
  const jobs = String(availableParallelism());
  run('cmake', ['--build', build, '--target', 'prompt_attention_portable', '--parallel', jobs], 30);
  const folder = join(build, 'portable');
  checkPortable(join(folder, 'prompt_attention.node'), 'aarch64-linux-gnu-objdump');
  return folder;
}
