import test from 'ava';
import { cellStatistics, errorStandardError, joinTrials, zScore } from '../../lib/study/statistics.js';

const results = {
  metrics: {
    error: Float64Array.of(0.1, 0.4, Number.NaN, 0.2, 0.3),
    headNorm: Float64Array.of(1, 1, Number.NaN, 3, 3),
  },
  status: Uint8Array.of(0, 0, 1, 0, 0),
};

test('statistics leave failed trials out and count them', (t) => {
  const { metrics, ...statistics } = cellStatistics(results);
  t.is(statistics.trials, 5);
  t.is(statistics.failed, 1);
  t.is(statistics.meanError, 0.25);
  // Deviations ±0.15, ±0.05: sample variance 0.05 / 3, divided by 4 trials.
  t.true(Math.abs(statistics.standardError - Math.sqrt(0.05 / 3 / 4)) < 1e-16);
  // Positions 0.15, 1.5 and 2.85 among the order statistics 0.1, 0.2, 0.3, 0.4.
  t.true(Math.abs(statistics.quantile5 - 0.115) < 1e-15);
  t.is(statistics.quantile50, 0.25);
  t.true(Math.abs(statistics.quantile95 - 0.385) < 1e-15);
  t.is(metrics.headNorm?.mean, 2);
  t.true(Math.abs((metrics.headNorm?.standardError ?? 0) - Math.sqrt(4 / 3 / 4)) < 1e-15);
  t.is(errorStandardError(results), statistics.standardError);
});

test('quantiles interpolate between order statistics whatever the order of the trials', (t) => {
  const error = Float64Array.from({ length: 100 }, (_, trial) => ((trial * 37) % 100) / 100);
  const { quantile5, quantile50, quantile95 } = cellStatistics({ metrics: { error }, status: new Uint8Array(100) });
  t.true(Math.abs(quantile5 - 0.0495) < 1e-15);
  t.true(Math.abs(quantile50 - 0.495) < 1e-15);
  t.true(Math.abs(quantile95 - 0.9405) < 1e-15);
});

test('what cannot be known is NaN', (t) => {
  const one = cellStatistics({ metrics: { error: Float64Array.of(0.3) }, status: Uint8Array.of(0) });
  t.is(one.meanError, 0.3);
  t.is(one.standardError, Number.NaN);
  const none = cellStatistics({ metrics: { error: Float64Array.of(Number.NaN) }, status: Uint8Array.of(1) });
  t.is(none.failed, 1);
  t.is(none.meanError, Number.NaN);
  t.is(none.quantile50, Number.NaN);
});

test('joined batches are one run', (t) => {
  const part = (from: number, to: number) => ({
    metrics: Object.fromEntries(
      Object.entries(results.metrics).map(([name, values]) => [name, values.slice(from, to)]),
    ),
    status: results.status.slice(from, to),
  });
  t.deepEqual(joinTrials([part(0, 2), part(2, 3), part(3, 5)]), results);
  t.deepEqual(joinTrials([]), { metrics: {}, status: new Uint8Array() });
});

test('z is the distance to theory in standard errors of both', (t) => {
  const simulated = { mean: 0.26, standardError: 0.03 };
  t.is(zScore(simulated, null), null);
  t.true(Math.abs((zScore(simulated, { mean: 0.31, standardError: 0.04 }) ?? 0) + 1) < 1e-12);
  t.is(zScore({ mean: 0.26, standardError: Number.NaN }, { mean: 0.2, standardError: 0 }), null);
  t.is(zScore({ mean: 0.26, standardError: 0 }, { mean: 0.2, standardError: 0 }), null);
});
