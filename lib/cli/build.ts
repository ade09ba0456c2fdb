import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const kScript = fileURLToPath(new URL('../../scripts/build-addon.mjs', import.meta.url));

/** `prompt-attention build`. */
export function buildCommand(): Command {
  return new Command('build')
    .description('build the native addon from source, where none is ready or one made for this machine is wanted')
    .action(() => {
      if (!existsSync(kScript)) throw new Error(`${kScript} is missing: the package is not whole`);
      const { status } = spawnSync(process.execPath, [kScript], { stdio: 'inherit' });
      process.exitCode = status ?? 1;
    });
}
