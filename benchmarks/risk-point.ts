/**
 * Time of one point of the known-prompt risk at 10⁵ draws, after the draws, for each head, beside a straightforward vectorised NumPy
 * implementation of the same equations. Run with `npx tsx benchmarks/risk-point.ts`.
 *
 * A point's time is the difference between a curve of eleven sample ratios and of one, over ten. On two threads the points of
 * the curve are shared between them: that is the time per point of a curve.
 *
 * Checks: residuals of all equations below 1e-8; NumPy's error on draws of its own within 1e-3.
 */
import { availableParallelism } from 'node:os';
import { risk } from '../lib/index.js';
import { check, peers, record, seconds } from './support/harness.js';

const mixture = { tokens: 64, dimension: 200, relevantTokens: 16, contextNorm: 2, signalNorm: 0.45 };
const inverseTemperature = 0.5;
const draws = 100_000;
const heads = [
  [{ kind: 'least-squares', ridge: 0.01 }, 1],
  [{ kind: 'logistic', ridge: 0.01 }, 10],
  [{ kind: 'hinge', ridge: 0.01 }, 10],
] as const;
const ratios = Array.from({ length: 11 }, (_, i) => 3 * 1.02 ** i);

for (const [head, bar] of heads) {
  const curveOf = (sampleRatios: readonly number[], threads: number) =>
    risk.knownPromptCurve({ mixture, inverseTemperature, head, sampleRatios, draws, threads });
  const { error, residuals } = await curveOf(ratios, 1);
  check(
    residuals.every((residual) => Math.abs(residual) < 1e-8),
    `${head.kind}: residuals`,
  );
  const perPoint = async (threads: number) => {
    const one = await seconds(() => curveOf(ratios.slice(0, 1), threads));
    return (1000 * ((await seconds(() => curveOf(ratios, threads))) - one)) / 10;
  };
  const workload = `risk of a ${head.kind} head, 10⁵ draws`;
  const single = await perPoint(1);
  record({ workload: `${workload}, one thread`, value: single, unit: 'ms a point' });
  const threads = availableParallelism();
  record({
    workload,
    value: await perPoint(threads),
    unit: `ms a point of a curve on ${threads} threads`,
    bar: { atMost: bar },
  });
  const { contextNorm, signalNorm, tokens, relevantTokens } = mixture;
  const answers = await peers('risk_point_numpy.py', [
    head.kind,
    ratios[0] as number,
    head.ridge,
    tokens,
    relevantTokens,
    contextNorm,
    signalNorm,
    inverseTemperature,
    draws,
  ]);
  if (answers === undefined) continue;
  const [answer] = answers;
  check(
    Math.abs((answer?.error as number) - (error[0] as number)) < 1e-3,
    `${head.kind}: ${answer?.error}, ${error[0]}`,
  );
  record({
    workload: `${workload}, one thread`,
    value: (1000 * (answer?.seconds as number)) / single,
    unit: `× ${answer?.peer}`,
  });
}
