// npm's install script: keeps the addon that the package carries for this platform if it loads, else builds one from source.
// With the argument `build` (npx prompt-attention build) or the variable npm_config_build_from_source=true it builds in any case.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const platform = `${process.platform}-${process.arch}`;

/** Why the addon that the package carries is not used; undefined if it works. */
function reasonToBuild() {
  // The tarball has no tsconfig.json. In a checkout the addon follows the sources.
  if (existsSync(join(root, 'tsconfig.json'))) return 'this is a checkout';
  if (process.argv[2] === 'build') return 'asked for';
  if (['true', 'prompt-attention'].includes(process.env.npm_config_build_from_source)) return 'asked for';
  const addon = join(root, 'prebuilds', platform, 'prompt_attention.node');
  if (!existsSync(addon)) return `the package carries no addon for ${platform}`;
  const error = errorOf(addon);
  return error && `its addon for ${platform} does not load: ${error}`;
}

/** Why an addon does not load. In a process of its own: one that is made for another C library may crash rather than fail. */
function errorOf(addon) {
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    ['-e', 'require(process.argv[1]).engineInfo()', addon],
    { encoding: 'utf8' },
  );
  if (status === 0) return undefined;
  const error = stderr.split('\n').find((line) => line.startsWith('Error: '));
  return error?.slice('Error: '.length) ?? signal ?? `exit status ${status}`;
}

/** Why there is no addon from source; undefined once there is one that loads. */
function reasonOfFailure() {
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  // Make, unlike Ninja, builds one file at a time unless told otherwise.
  const env = { CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()), ...process.env };
  const { status } = spawnSync(process.execPath, [cmakeJs, 'compile'], { cwd: root, stdio: 'inherit', env });
  if (status !== 0) return 'the addon could not be built';
  const error = errorOf(join(root, 'build', 'Release', 'prompt_attention.node'));
  return error && `the addon that was built does not load: ${error}`;
}

const reason = reasonToBuild();
if (reason === undefined) {
  console.log(`prompt-attention: using the addon for ${platform} that the package carries`);
} else {
  console.log(`prompt-attention: building the addon from source; ${reason}`);
  const failure = reasonOfFailure();
  if (failure === undefined) {
    console.log('prompt-attention: built build/Release/prompt_attention.node');
  } else {
    const requirements = readFileSync(join(root, 'native', 'requirements.txt'), 'utf8');
    const again = process.argv[2] === 'build' ? 'npx prompt-attention build' : 'install again';
    console.error(`\nprompt-attention: ${failure}; ${reason}.\n${requirements}Then: ${again}`);
    process.exitCode = 1;
  }
}
