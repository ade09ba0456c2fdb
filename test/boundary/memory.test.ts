import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { kLimited } from './limit-memory.js';

const run = promisify(execFile);
const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url));

test('memory that cannot be had is a RangeError everywhere, and the next call is right', async (t) => {
  const { stdout } = await run(process.execPath, [...kLimited, pathOf('out-of-memory.ts')]);
  const { outcomes, isSame } = JSON.parse(stdout) as { outcomes: Record<string, string>; isSame: boolean };
  t.true(Object.keys(outcomes).length > 10);
  for (const [name, outcome] of Object.entries(outcomes)) t.regex(outcome, /^RangeError: out of memory: /, name);
  t.true(isSame);
});

test('a limit of address space bounds the memory of trials before they begin', async (t) => {
  const script = `
    import { memoryLimit } from ${JSON.stringify(new URL('../../dist/base/memory.js', import.meta.url).href)};
    console.log(memoryLimit());`;
  const limited = async (kilobytes: string) => {
    const command = `ulimit -v ${kilobytes} && exec "$0" --input-type=module -e "$1"`;
    return Number((await run('sh', ['-c', command, process.execPath, script])).stdout);
  };
  const bytes = await limited('4000000');
  t.true(bytes > 0 && bytes < 4.096e9 - 2 ** 28);
  t.true((await limited('unlimited')) > bytes);
});
