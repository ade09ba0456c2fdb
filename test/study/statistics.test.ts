import test from 'ava';
import { CellAccumulator, cellStatistics, intervalFactor, Moments, zScore } from '../../lib/study/statistics.js';

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
  const margin = intervalFactor(4) * statistics.standardError;
  t.is(statistics.intervalLow, 0.25 - margin);
  t.is(statistics.intervalHigh, 0.25 + margin);
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

test('statistics have the same digits however the trials were split into batches', (t) => {
  const random = Float64Array.from({ length: 1000 }, (_, i) => Math.sin(i * i) ** 2);
  const all = { metrics: { error: random, other: random.map((x) => x + 1e6) }, status: new Uint8Array(1000) };
  all.status[17] = 2;
  const parts = new CellAccumulator();
  for (let from = 0, size = 1; from < 1000; from += size, size = (size * 7) % 64 || 1) {
    const to = Math.min(1000, from + size);
    const metrics = Object.fromEntries(Object.entries(all.metrics).map(([name, x]) => [name, x.slice(from, to)]));
    parts.add({ metrics, status: all.status.slice(from, to) });
  }
  t.deepEqual(parts.statistics(), cellStatistics(all));
});

test('a large offset costs no accuracy', (t) => {
  const moments = new Moments();
  for (const value of [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]) moments.add(value);
  t.deepEqual(moments.estimate(), { mean: 1e9 + 10, standardError: Math.sqrt(30 / 4) });
});

test('errors of 1e-200 have a spread, with the digits that errors of 1 would have', (t) => {
  const values = Float64Array.of(3, 5, 0, 11, 2).map((value) => value * 2 ** -700);
  const tiny = cellStatistics({ metrics: { error: values }, status: new Uint8Array(5) });
  const large = cellStatistics({
    metrics: { error: values.map((value) => value * 2 ** 700) },
    status: new Uint8Array(5),
  });
  t.is(tiny.standardError * 2 ** 700, large.standardError);
  t.true(large.standardError > 1);
  t.is(tiny.effectiveTrials, large.effectiveTrials);
  const moments = new Moments();
  for (const value of [1e-300, 1, 2, 1e120]) moments.add(value);
  t.true(Math.abs(moments.estimate().standardError / 0.25e120 - 1) < 1e-12);
});

test('a metric with several values per trial has an estimate at each', (t) => {
  const path = Float64Array.of(1, 10, 100, 3, 30, 300, Number.NaN, Number.NaN, Number.NaN);
  const { metrics, paths } = cellStatistics({
    metrics: { error: Float64Array.of(0.1, 0.2, Number.NaN), trainingLossPath: path },
    status: Uint8Array.of(0, 0, 2),
  });
  t.deepEqual(metrics, {});
  t.deepEqual(paths, { trainingLossPath: { mean: [2, 20, 200], standardError: [1, 10, 100] } });
});

test('intervals are those of Student: a table of the 97.5 % quantile', (t) => {
  const table = [
    [2, 12.7062],
    [3, 4.30265],
    [4, 3.18245],
    [6, 2.57058],
    [9, 2.306],
    [31, 2.04227],
    [64, 1.99834],
    [1001, 1.96234],
  ] as const;
  for (const [values, quantile] of table) {
    t.true(Math.abs(intervalFactor(values) / quantile - 1) < 1e-5, `${values}: ${intervalFactor(values)}`);
  }
  t.is(intervalFactor(1), Number.NaN);
});

test('z is the distance to theory in standard errors of both', (t) => {
  const simulated = { mean: 0.26, standardError: 0.03 };
  t.is(zScore(simulated, null), null);
  t.true(Math.abs((zScore(simulated, { mean: 0.31, standardError: 0.04 }) ?? 0) + 1) < 1e-12);
  t.is(zScore({ mean: 0.26, standardError: Number.NaN }, { mean: 0.2, standardError: 0 }), null);
  // Values without an error that are equal up to rounding agree; others are infinitely far apart.
  t.is(zScore({ mean: 0.2 + 1e-17, standardError: 0 }, { mean: 0.2, standardError: 0 }), null);
  t.is(zScore({ mean: 0.26, standardError: 0 }, { mean: 0.2, standardError: 0 }), Number.POSITIVE_INFINITY);
});
