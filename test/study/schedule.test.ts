import test from 'ava';
import { ProgressEstimate } from '../../lib/study/progress.js';
import { expectedTrials, nextBatch, type TrialsRule } from '../../lib/study/schedule.js';

/** All batches of a cell whose standard error is `scale`/√trials, and the trial counts at which it was looked at. */
function wholeSchedule(rule: TrialsRule, scale: number) {
  const looks: number[] = [];
  const ends: number[] = [];
  let done = 0;
  for (;;) {
    const next = nextBatch(rule, done, () => {
      looks.push(done);
      return scale / Math.sqrt(done);
    });
    if (next === undefined) return { looks, ends };
    if (next.firstTrial !== done) throw new Error('not contiguous');
    done += next.trials;
    ends.push(done);
  }
}

test('looks double from the minimum and stop at the first small standard error', (t) => {
  const rule = { minimum: 64, maximum: 4096, standardError: 0.01 };
  t.deepEqual(wholeSchedule(rule, 0.01), { looks: [64], ends: [64] });
  t.deepEqual(wholeSchedule(rule, 0.15), { looks: [64, 128, 256], ends: [64, 128, 192, 256] });
});

test('a cell never exceeds the maximum', (t) => {
  const { looks, ends } = wholeSchedule({ minimum: 100, maximum: 700, standardError: 0 }, 1);
  t.deepEqual(looks, [100, 200, 400]);
  t.deepEqual(ends, [64, 100, 164, 200, 264, 328, 392, 400, 464, 528, 592, 656, 700]);
});

test('a fixed number of trials is never looked at', (t) => {
  t.deepEqual(wholeSchedule({ minimum: 1, maximum: 1, standardError: 0 }, 0), { looks: [], ends: [1] });
  t.deepEqual(wholeSchedule({ minimum: 150, maximum: 150, standardError: 0 }, 0), { looks: [], ends: [64, 128, 150] });
});

test('a standard error that is not a number counts as too large', (t) => {
  const rule = { minimum: 10, maximum: 40, standardError: 1 };
  t.deepEqual(
    nextBatch(rule, 10, () => Number.NaN),
    { firstTrial: 10, trials: 10 },
  );
  t.is(
    nextBatch(rule, 40, () => Number.NaN),
    undefined,
  );
});

test('long stretches have at most 32 batches', (t) => {
  const { ends } = wholeSchedule({ minimum: 64_000, maximum: 64_000, standardError: 0 }, 1);
  t.is(ends.length, 32);
  t.is(ends[0], 2000);
});

test('the expected number of trials is a look of the schedule', (t) => {
  const rule = { minimum: 64, maximum: 4096, standardError: 0.01 };
  t.is(expectedTrials(rule, 0, Number.NaN), 4096);
  t.is(expectedTrials(rule, 64, 0.01), 64);
  t.is(expectedTrials(rule, 64, 0.02), 256);
  t.is(expectedTrials(rule, 64, 0.021), 512);
  t.is(expectedTrials(rule, 64, 1), 4096);
});

test('progress counts stored trials and expects of a new cell what the others need', (t) => {
  const estimate = new ProgressEstimate({ minimum: 64, maximum: 1000, standardError: 0.01 }, [64, 10, 0]);
  t.is(estimate.snapshot(0, {}).expectedTrials, 3000);
  estimate.look(0, 64, 0.005);
  estimate.finish(0);
  estimate.advance(1, 30);
  t.deepEqual(estimate.snapshot(1, { examples: 5 }), {
    cells: 3,
    finishedCells: 1,
    factors: { examples: 5 },
    cellTrials: 30,
    completedTrials: 94,
    storedTrials: 74,
    expectedTrials: 192,
  });
});
