// npm's prepack script: builds the addon for other Linux machines into prebuilds/, checks that it asks for nothing that a
// machine with Node may lack, and empties dist/, which npm's prepare script fills again.
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPortable } from './portable-addon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
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
checkPortable(addon);
execFileSync(process.execPath, ['-e', 'require(process.argv[1]).engineInfo()', addon]);

const target = join(root, 'prebuilds', 'linux-x64');
rmSync(target, { recursive: true, force: true });
cpSync(join(root, 'build', 'portable'), target, { recursive: true });
rmSync(join(root, 'dist'), { recursive: true, force: true });
