// The tarballs of a release, for the checks that install them.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Makes them in a folder, and returns that; says what it makes. */
export function pack(folder) {
  const script = fileURLToPath(new URL('pack.mjs', import.meta.url));
  execFileSync(process.execPath, [script, folder], { stdio: ['ignore', 'inherit', 'ignore'] });
  return folder;
}

export const tarballsOf = (folder) =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.tgz'))
    .map((file) => join(folder, file));
