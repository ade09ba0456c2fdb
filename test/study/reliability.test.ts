import test from 'ava';
import { cellStatistics } from '../../lib/study/statistics.js';
import { normals } from './support.js';

/** Marks and coverage of many cells whose trials have errors exp(σ g), g standard normal, divided by their mean. */
function lognormalCells(sigma: number, trials: number, cells: number) {
  const g = normals(cells * trials, Math.round(1000 * sigma) + trials);
  let [unmarked, covered, tail] = [0, 0, 0];
  for (let cell = 0; cell < cells; ++cell) {
    const own = g.subarray(cell * trials, (cell + 1) * trials);
    const error = own.map((x) => 1e-9 * Math.exp(sigma * x - sigma ** 2 / 2));
    const { marks, intervalLow, intervalHigh } = cellStatistics({ metrics: { error }, status: new Uint8Array(trials) });
    if (marks.includes('heavy-tail')) tail += 1;
    if (marks.length > 0) continue;
    unmarked += 1;
    covered += intervalLow <= 1e-9 && 1e-9 <= intervalHigh ? 1 : 0;
  }
  return { unmarked, covered, tail };
}

test('cells with moderate spread are not marked, and their intervals cover', (t) => {
  for (const [sigma, trials] of [
    [0.25, 64],
    [0.5, 64],
    [0.75, 256],
    [1, 1024],
  ] as const) {
    const { unmarked, covered } = lognormalCells(sigma, trials, 1000);
    t.log(
      `σ = ${sigma}, ${trials} trials: ${unmarked / 10} % not marked, of these ${((100 * covered) / unmarked).toFixed(1)} % cover`,
    );
    t.true(unmarked >= 950, `σ = ${sigma}: ${unmarked}`);
    // 93 % and four standard deviations of the count below.
    t.true(covered / unmarked > 0.9, `σ = ${sigma}: ${covered / unmarked}`);
  }
});

test('cells whose mean few trials carry, or trials that were not seen, are marked', (t) => {
  for (const [sigma, trials] of [
    [1, 16],
    [1.5, 64],
    [2, 64],
    [2, 1024],
    [3, 256],
    [4, 1024],
  ] as const) {
    const { unmarked, tail } = lognormalCells(sigma, trials, 400);
    t.true(unmarked <= 12, `σ = ${sigma}, ${trials} trials: ${unmarked} of 400 are not marked`);
    // 1,024 trials of σ = 2 have enough effective trials in six cells of ten, which the tail then tells.
    if (sigma === 2 && trials === 1024) t.true(tail > 380, `${tail}`);
  }
});

test('a mean that one trial carries is marked: mean 7e-8, median 4e-14', (t) => {
  const error = new Float64Array(64).fill(4e-14);
  error[17] = 64 * 7e-8;
  const { meanError, quantile50, effectiveTrials, marks } = cellStatistics({
    metrics: { error },
    status: new Uint8Array(64),
  });
  t.true(Math.abs(meanError / 7e-8 - 1) < 1e-5);
  t.is(quantile50, 4e-14);
  t.true(effectiveTrials > 1 && effectiveTrials < 1.001);
  t.deepEqual(marks.slice(0, 1), ['few-trials']);
});

test('no error in any trial is a mean of 0 only where test errors are exact', (t) => {
  const error = new Float64Array(64);
  const status = new Uint8Array(64);
  t.deepEqual(cellStatistics({ metrics: { error }, status }).marks, ['few-trials']);
  const draws = new Float64Array(64);
  t.deepEqual(cellStatistics({ metrics: { error, errorEffectiveDraws: draws }, status }).marks, ['few-trials']);
  const exact = draws.map(() => Number.POSITIVE_INFINITY);
  t.deepEqual(cellStatistics({ metrics: { error, errorEffectiveDraws: exact }, status }).marks, []);
});

test('effective draws are those of all trials together; trials that are not reliable mark a cell if they matter', (t) => {
  // Two halves of one sample: 50 draws of weight 1 and 50 of weight 3.
  const error = Float64Array.of(0.1, 0.3);
  const errorEffectiveDraws = Float64Array.of(50, 50);
  const pooled = cellStatistics({ metrics: { error, errorEffectiveDraws }, status: new Uint8Array(2) });
  t.true(Math.abs(pooled.effectiveDraws - (50 + 150) ** 2 / (50 + 450)) < 1e-9);
  const many = Float64Array.from({ length: 100 }, (_, trial) => 0.1 + trial / 1e4);
  const marksOf = (unreliable: number, draws: number) => {
    const errorReliable = many.map((_, trial) => (trial < unreliable ? 0 : 1));
    const metrics = { error: many, errorReliable, errorEffectiveDraws: many.map(() => draws) };
    return cellStatistics({ metrics, status: new Uint8Array(100) }).marks;
  };
  t.deepEqual(marksOf(2, 0.5), []);
  t.deepEqual(marksOf(20, 0.5), ['test-errors']);
  // Three errors seen in each of 100 trials are three hundred.
  t.deepEqual(marksOf(100, 3), []);
});

test('failed trials leave the mean of the others, which is marked if they are more than 1 %', (t) => {
  const error = Float64Array.from({ length: 200 }, (_, trial) => 0.1 + trial / 1e4);
  const failing = (count: number) => {
    const status = Uint8Array.from(error, (_, trial) => (trial < count ? 3 : 0));
    return cellStatistics({ metrics: { error: error.map((e, i) => (status[i] ? Number.NaN : e)) }, status });
  };
  t.deepEqual(failing(2).marks, []);
  t.deepEqual(failing(3).marks, ['failed-trials']);
  const all = failing(200);
  t.deepEqual([all.marks, all.effectiveTrials], [['few-trials', 'failed-trials'], Number.NaN]);
});
