// npm's prepare script, of a checkout, with `build:ts` behind it: builds the addon, and puts it into prebuilds/ for what npm packs of a
// checkout, as a dependency from git or by `npm pack`: what is installed from there runs no script and has no build tools. `npm pack` makes
// one for other Linux machines too, where it can.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildX64, kParts } from './portable-addon.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const isPacking = ['pack', 'publish'].includes(process.env.npm_command);

/** The folder of an addon for this machine. */
function buildHere() {
  // npm pack may be asked to print JSON to stdout.
  const stdio = ['ignore', isPacking ? 2 : 'inherit', 'inherit'];
  execFileSync(process.execPath, [join(root, 'scripts', 'build-addon.mjs')], { stdio });
  return join(root, 'build', 'Release');
}

try {
  const isForOthers = isPacking && `${process.platform}-${process.arch}` === 'linux-x64';
  const built = isForOthers ? buildX64() : buildHere();
  const target = join(root, 'prebuilds');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  for (const part of kParts) if (existsSync(join(built, part))) cpSync(join(built, part), join(target, part));
  // What was compiled from files that are gone must not be packed.
  if (isPacking) rmSync(join(root, 'dist'), { recursive: true, force: true });
} catch (error) {
  // What runs in it has told why.
  if (error.status === undefined) throw error;
  process.exitCode = 1;
}
