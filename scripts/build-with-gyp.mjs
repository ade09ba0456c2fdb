// Builds the addon with node-gyp from binding.gyp, the fallback for machines without CMake. Both builds write build/, so
// the folder is emptied first. Headers come from the Node installation itself where it has them: nothing is downloaded.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const nodeDirectory = dirname(dirname(process.execPath));
const hasHeaders = existsSync(join(nodeDirectory, 'include', 'node', 'node_api.h'));
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const { status } = spawnSync(
  process.execPath,
  [nodeGyp, 'rebuild', ...(hasHeaders ? [`--nodedir=${nodeDirectory}`] : [])],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
