// Builds the addon with node-gyp from binding.gyp, the fallback for machines without CMake. Both builds write build/, so
// the folder is emptied first. Headers come from the Node installation or from the system (Debian: libnode-dev), so that
// nothing is downloaded; the addon uses Node-API only, so their version need not be that of the Node that runs it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const prefixes = [dirname(dirname(process.execPath)), '/usr', '/usr/local'];
const nodeDirectory = prefixes.find((prefix) => existsSync(join(prefix, 'include', 'node', 'node_api.h')));
if (nodeDirectory === undefined) {
  console.error('No Node headers found. On Debian or Ubuntu: apt-get install libnode-dev');
  process.exit(1);
}
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const { status } = spawnSync(process.execPath, [nodeGyp, 'rebuild', '--jobs', 'max', `--nodedir=${nodeDirectory}`], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
