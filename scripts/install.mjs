// npm's install script: keeps the addon that the package carries for this platform if it loads, else builds one from source.
// The variable npm_config_build_from_source=true builds in any case.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const platform = `${process.platform}-${process.arch}`;

/** Why the addon that the package carries is not used; undefined if it works. */
function reasonToBuild() {
  // The tarball has no tsconfig.json. In a checkout the addon follows the sources.
  if (existsSync(join(root, 'tsconfig.json'))) return 'this is a checkout';
  if (['true', 'prompt-attention'].includes(process.env.npm_config_build_from_source)) return 'asked for';
  const addon = join(root, 'prebuilds', platform, 'prompt_attention.node');
  if (!existsSync(addon)) return `the package carries no addon for ${platform}`;
  // In a process of its own: an addon made for another C library may crash rather than fail.
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    ['-e', 'require(process.argv[1]).engineInfo()', addon],
    {
      encoding: 'utf8',
    },
  );
  if (status === 0) return undefined;
  const error = stderr.split('\n').find((line) => line.startsWith('Error: '));
  return `its addon for ${platform} does not load: ${error?.slice('Error: '.length) ?? signal ?? `exit status ${status}`}`;
}

const reason = reasonToBuild();
if (reason === undefined) {
  console.log(`prompt-attention: using the addon for ${platform} that the package carries`);
} else {
  console.log(`prompt-attention: building the addon from source; ${reason}`);
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const { status } = spawnSync(process.execPath, [cmakeJs, 'compile'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    const requirements = readFileSync(join(root, 'native', 'requirements.txt'), 'utf8');
    console.error(`\nprompt-attention: the addon could not be built; ${reason}.\n${requirements}Then install again.`);
    process.exitCode = 1;
  }
}
