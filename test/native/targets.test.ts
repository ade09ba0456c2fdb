// What is computed with each instruction set that this machine and the build have, forced one after the other: laws to 1e-9, trials up to
// what single-precision noise leaves of their roundings.
import test from 'ava';
import { native } from '../../lib/base/native.js';
import { type Experiment, simulate } from '../../lib/index.js';
import { laws, trials } from '../golden/cases.js';

const kTargets = ['SSSE3', 'SSE4', 'AVX2', 'AVX3', 'AVX3_DL', 'AVX3_ZEN4', 'NEON', 'NEON_WITHOUT_AES'];
/** Of the numbers that say how well something is known, which roundings enter as a share of themselves. */
const kErrorBars = /standardError|StandardError|residual|effectiveDraws/;

function force(target: string): boolean {
  try {
    native.forceSimdTarget({ target });
    return true;
  } catch {
    return false;
  }
}

/** All numbers of a result by their paths. */
function numbersOf(value: unknown, path = ''): [string, number][] {
  if (typeof value === 'number') return [[path, value]];
  if (value === null || typeof value !== 'object') return [];
  const entries = ArrayBuffer.isView(value) ? [...(value as Float64Array).entries()] : Object.entries(value);
  return entries.flatMap(([name, part]) => numbersOf(part, `${path}/${name}`));
}

const targets = kTargets.filter(force);
const own = targets.at(-1) as string;

test('the target that is forced is the one that runs', (t) => {
  t.true(targets.length > 0);
  for (const target of targets) {
    force(target);
    t.is(native.engineInfo().simdTarget, target);
  }
});

/** Compares what a function gives on every target with what it gives on the last one, which has the most instructions. */
async function compare(
  t: { true(condition: boolean, message: string): void; is(a: unknown, b: unknown): void },
  compute: () => unknown,
  tolerance: number,
) {
  force(own);
  const reference = numbersOf(await compute());
  for (const target of targets.slice(0, -1)) {
    force(target);
    const found = numbersOf(await compute());
    t.is(found.length, reference.length);
    for (const [i, [path, value]] of found.entries()) {
      const [, expected] = reference[i] as [string, number];
      const most = (kErrorBars.test(path) ? 1e-3 : tolerance) * Math.max(1, Math.abs(expected));
      t.true(
        Object.is(value, expected) || Math.abs(value - expected) <= most,
        `${target}${path}: ${value}, on ${own} ${expected}`,
      );
    }
  }
}

for (const [name, law] of Object.entries(laws)) test.serial(`law: ${name}`, (t) => compare(t, law, 1e-9));

const settings = { trials: 2, seed: 11, testDraws: 50, threads: 1 } as const;
async function trialsOf(experiment: Experiment, method: 'projected' | 'dense') {
  const { metrics, path, status } = await simulate(experiment, { ...settings, method });
  return { metrics, path, status };
}
for (const [name, { experiment, methods }] of Object.entries(trials))
  for (const method of methods)
    test.serial(`trials: ${name}, ${method}`, (t) => compare(t, () => trialsOf(experiment, method), 1e-6));
