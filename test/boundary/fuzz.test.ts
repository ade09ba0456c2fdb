import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { kLimited } from './limit-memory.js';

const script = fileURLToPath(new URL('fuzz.ts', import.meta.url));

// In processes of their own: a crash is then a failure of this test, and a limit of memory holds for them alone. Many more
// cases: npm run fuzz:boundary.
async function fuzz(...flags: string[]): Promise<Record<string, number>> {
  const { stdout } = await promisify(execFile)(process.execPath, [...kLimited, script, ...flags]);
  return JSON.parse(stdout);
}

for (const [name, flags] of Object.entries({
  'every function of the addon': ['--target', 'native', '--runs', '30000', '--huge'],
  'every function of the package': ['--target', 'public', '--runs', '8000'],
})) {
  test(`${name} answers hostile requests with a typed error or a right answer`, async (t) => {
    const counts = await fuzz(...flags);
    t.log(counts);
    // Neither errors alone nor answers alone would show anything.
    for (const kind of ['answers', 'same', 'trap', 'TypeError', 'RangeError'])
      t.true((counts[kind] as number) > (counts.cases as number) / 200, kind);
  });
}
