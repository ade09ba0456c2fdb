/**
 * Time of `risk.knownPromptCurve` with 50 sample ratios at T = 64 to a standard error of 1e-4, draws included, and of one point of it.
 * Run with `npx tsx benchmarks/risk-curve.ts`.
 *
 * Checks: standard errors at most 1e-4 at every point; errors within five of them of a run with another seed and eight times
 * the draws.
 */
import { availableParallelism } from 'node:os';
import { risk } from '../lib/index.js';
import { check, record, seconds } from './support/harness.js';

const mixture = { tokens: 64, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.45 };
const sampleRatios = Array.from({ length: 50 }, (_, i) => 1.1 * 1.06 ** i);
for (const [head, draws] of [
  [{ kind: 'least-squares' }, 40_000],
  [{ kind: 'logistic', ridge: 0.01 }, 20_000],
  [{ kind: 'hinge', ridge: 0.01 }, 20_000],
] as const) {
  const curveOf = (ratios: readonly number[], threads?: number) =>
    risk.knownPromptCurve({ mixture, inverseTemperature: 0.5, head, sampleRatios: ratios, draws, threads });
  const { error, standardError } = await curveOf(sampleRatios);
  const worst = Math.max(...standardError);
  check(worst <= 1e-4, `${head.kind}: standard error ${worst}`);
  const precise = await risk.knownPromptCurve({
    mixture,
    inverseTemperature: 0.5,
    head,
    sampleRatios,
    draws: 8 * draws,
    seed: 1,
  });
  for (const [i, value] of error.entries()) {
    const z =
      (value - (precise.error[i] as number)) /
      Math.hypot(standardError[i] as number, precise.standardError[i] as number);
    check(Math.abs(z) < 5, `${head.kind}: z = ${z}`);
  }
  const workload = `risk of a ${head.kind} head, T = 64, standard error ${worst.toExponential(1)}`;
  for (const threads of new Set([1, availableParallelism()])) {
    const on = `ms on ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
    const bar = threads > 1 && head.kind === 'least-squares' ? { bar: { atMost: 150 } } : {};
    const curve = 1000 * (await seconds(() => curveOf(sampleRatios, threads)));
    record({ workload, value: curve, unit: `${on} for 50 sample ratios`, ...bar });
    const point = 1000 * (await seconds(() => curveOf([2], threads)));
    record({ workload, value: point, unit: `${on} for one` });
  }
}
