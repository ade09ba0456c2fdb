/**
 * Standard normals on one thread, as the samplers consume them, beside NumPy's float64 `Generator.standard_normal` and PyTorch's
 * float32 `normal_`. Run with `npx tsx benchmarks/normals.ts`.
 *
 * Checks: mean, variance and fourth moment of 2²⁴ numbers within five standard errors.
 */

import { native } from '../lib/base/native.js';
import { engineInfo, measureLimits } from '../lib/index.js';
import { check, meanSeconds, peers, record } from './support/harness.js';

const count = 2 ** 24;
const numbers = native.randomNumbers({
  kind: 'single-normal',
  purpose: 0,
  trial: 0,
  first: 0,
  count,
  seed: 1n,
  cellKey: new Uint32Array(4),
});
for (const [power, mean, variance] of [
  [1, 0, 1],
  [2, 1, 2],
  [4, 3, 96],
] as const) {
  let sum = 0;
  for (const value of numbers) sum += value ** power;
  const z = (sum / count - mean) / Math.sqrt(variance / count);
  check(Math.abs(z) < 5, `moment ${power}: z = ${z}`);
}

const { nanosecondsPerNormal } = await measureLimits({ threads: 1 });
record({ workload: 'normals', value: nanosecondsPerNormal, unit: 'ns each', bar: { atMost: 1.2 } });
const wide = engineInfo().simdTarget.startsWith('AVX3');
for (const [script, bar] of [
  ['normals_numpy.py', { atLeast: wide ? 6 : 4 }],
  ['normals_torch.py', undefined],
] as const) {
  const answers = await peers(script, []);
  if (answers === undefined) continue;
  const ratio = (1e9 * meanSeconds(answers)) / nanosecondsPerNormal;
  record({ workload: 'normals', value: ratio, unit: `× ${answers[0]?.peer}`, ...(bar && { bar }) });
}
