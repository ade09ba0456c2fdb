// npm's prepack script: builds the addon for other Linux machines into prebuilds/, checks that it asks for nothing that a
// machine with Node may lack, and empties dist/, which npm's prepare script fills again.
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Libraries of the C library and of Node itself; libhwy lies beside the addon. */
const kAllowed = /^(lib(c|m|hwy|gcc_s)|ld-linux-x86-64)\.so\.\d+$/;
/** The oldest C library that the addon must load with: of Red Hat Enterprise Linux 9. */
const kNewestGlibc = 34;

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (command, ...parameters) => execFileSync(command, parameters, { cwd: root, encoding: 'utf8' });
const cmakeJs = (...parameters) =>
  execFileSync(process.execPath, [createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js'), ...parameters], {
    cwd: root,
    // npm pack may be asked to print JSON to stdout.
    stdio: ['ignore', 2, 2],
  });

if (`${process.platform}-${process.arch}` !== 'linux-x64') throw new Error('The package is made on linux-x64.');
cmakeJs('configure', '--CDPROMPT_ATTENTION_PORTABLE=ON');
cmakeJs('build', '--target', 'prompt_attention_portable');

const addon = join(root, 'build', 'portable', 'prompt_attention.node');
const needed = [...run('objdump', '-p', addon).matchAll(/NEEDED +(\S+)/g)].map((match) => match[1]);
const unexpected = needed.filter((name) => !kAllowed.test(name));
if (unexpected.length > 0) throw new Error(`The portable addon needs ${unexpected.join(', ')}.`);
const versions = [...run('objdump', '-T', addon).matchAll(/GLIBC_2\.(\d+)/g)].map((match) => Number(match[1]));
if (Math.max(...versions) > kNewestGlibc) throw new Error(`The portable addon needs glibc 2.${Math.max(...versions)}.`);
run(process.execPath, '-e', 'require(process.argv[1]).engineInfo()', addon);

const target = join(root, 'prebuilds', 'linux-x64');
rmSync(target, { recursive: true, force: true });
cpSync(join(root, 'build', 'portable'), target, { recursive: true });
rmSync(join(root, 'dist'), { recursive: true, force: true });
