import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const kSoak = [
  '--expose-gc',
  `--import=${import.meta.resolve('tsx')}`,
  fileURLToPath(new URL('soak.ts', import.meta.url)),
];

function soak(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...kSoak, ...args], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  const grown: readonly string[] = stdout.match(/^GROWS +\S+/gm) ?? [];
  return { status, grown, stdout, stderr };
}

test.serial('nothing grows over cycles of every call, of aborts, errors, worker threads and studies', (t) => {
  const { status, grown, stdout, stderr } = soak('--cycles', '12');
  t.is(stderr, '');
  t.deepEqual(grown, [], stdout);
  t.is(status, 0);
});

test.serial('a leak of half a kilobyte a call is seen', (t) => {
  const { status, grown, stdout } = soak('--cycles', '6', '--plant', 'buffer');
  t.is(status, 1, stdout);
  t.true(grown.includes('GROWS  external'), stdout);
});
