import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { root } from './markdown.js';

/** A folder that is gone after the test. */
export function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A folder that looks like a project with the package installed and, for studies and programs, like a checkout. */
export function projectFolder(t: ExecutionContext): string {
  const folder = temporaryFolder(t);
  const programs = join(folder, 'bin');
  for (const name of [programs, join(folder, 'node_modules')]) mkdirSync(name);
  symlinkSync(root, join(folder, 'node_modules/prompt-attention'));
  symlinkSync(join(root, 'examples'), join(folder, 'examples'));
  const run = `exec node ${join(root, 'dist/cli/main.js')} "$@"`;
  const shims = {
    'prompt-attention': run,
    npx: `[ "$1" = prompt-attention ] || { echo "npx $1 is not known here" >&2; exit 1; }\nshift\n${run}`,
  };
  for (const [name, text] of Object.entries(shims)) {
    writeFileSync(join(programs, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(programs, name), 0o755);
  }
  return folder;
}
