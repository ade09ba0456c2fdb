import test from 'ava';
import type { Estimate } from '../../lib/base/kind.js';
import { expectedTrials, isGrowth, nextBatch, type TrialsRule } from '../../lib/study/definition/schedule.js';
import { ProgressEstimate } from '../../lib/study/progress.js';

const untargeted = { metric: 'error', relativeStandardError: 0 };
const estimate = (standardError: number, mean = 0.1): Estimate => ({ mean, standardError });

/** All batches of a cell whose standard error is `scale`/√trials, and the trial counts at which it was looked at. */
function wholeSchedule(rule: TrialsRule, scale: number) {
  const looks: number[] = [];
  const ends: number[] = [];
  let done = 0;
  for (;;) {
    const next = nextBatch(rule, done, () => {
      looks.push(done);
      return estimate(scale / Math.sqrt(done));
    });
    if (next === undefined) return { looks, ends };
    if (next.firstTrial !== done) throw new Error('not contiguous');
    done += next.trials;
    ends.push(done);
  }
}

test('looks double from the minimum and stop at the first small standard error', (t) => {
  const rule = { ...untargeted, minimum: 64, maximum: 4096, standardError: 0.01 };
  t.deepEqual(wholeSchedule(rule, 0.01), { looks: [64], ends: [64] });
  t.deepEqual(wholeSchedule(rule, 0.15), { looks: [64, 128, 256], ends: [64, 128, 192, 256] });
});

test('a cell never exceeds the maximum', (t) => {
  const { looks, ends } = wholeSchedule({ ...untargeted, minimum: 100, maximum: 700, standardError: 0 }, 1);
  t.deepEqual(looks, [100, 200, 400]);
  t.deepEqual(ends, [64, 100, 164, 200, 264, 328, 392, 400, 464, 528, 592, 656, 700]);
});

test('a fixed number of trials is never looked at', (t) => {
  t.deepEqual(wholeSchedule({ ...untargeted, minimum: 1, maximum: 1, standardError: 0 }, 0), { looks: [], ends: [1] });
  t.deepEqual(wholeSchedule({ ...untargeted, minimum: 150, maximum: 150, standardError: 0 }, 0), {
    looks: [],
    ends: [64, 128, 150],
  });
});

test('a standard error that is not a number counts as too large', (t) => {
  const rule = { ...untargeted, minimum: 10, maximum: 40, standardError: 1 };
  t.deepEqual(
    nextBatch(rule, 10, () => estimate(Number.NaN)),
    { firstTrial: 10, trials: 10 },
  );
  t.is(
    nextBatch(rule, 40, () => estimate(Number.NaN)),
    undefined,
  );
});

test('long stretches have at most 32 batches', (t) => {
  const { ends } = wholeSchedule({ ...untargeted, minimum: 64_000, maximum: 64_000, standardError: 0 }, 1);
  t.is(ends.length, 32);
  t.is(ends[0], 2000);
});

test('the expected number of trials is a look of the schedule', (t) => {
  const rule = { ...untargeted, minimum: 64, maximum: 4096, standardError: 0.01 };
  t.is(expectedTrials(rule, 0, estimate(Number.NaN)), 4096);
  t.is(expectedTrials(rule, 64, estimate(0.01)), 64);
  t.is(expectedTrials(rule, 64, estimate(0.02)), 256);
  t.is(expectedTrials(rule, 64, estimate(0.021)), 512);
  t.is(expectedTrials(rule, 64, estimate(1)), 4096);
});

test('progress counts stored trials and expects of a new cell what the others need', (t) => {
  const progress = new ProgressEstimate(
    { ...untargeted, minimum: 64, maximum: 1000, standardError: 0.01 },
    [64, 10, 0],
  );
  t.is(progress.snapshot(0, {}).expectedTrials, 3000);
  progress.look(0, 64, estimate(0.005));
  progress.finish(0);
  progress.advance(1, 30);
  t.deepEqual(progress.snapshot(1, { examples: 5 }), {
    cells: 3,
    finishedCells: 1,
    factors: { examples: 5 },
    cellTrials: 30,
    completedTrials: 94,
    storedTrials: 74,
    expectedTrials: 192,
  });
});

test('a relative target is a share of the mean, and the looser of the two targets decides', (t) => {
  const rule = { ...untargeted, minimum: 10, maximum: 1000, standardError: 0.01, relativeStandardError: 0.1 };
  const next = (standardError: number, mean: number) => nextBatch(rule, 10, () => estimate(standardError, mean));
  t.is(next(0.01, 0), undefined);
  t.is(next(0.02, -0.2), undefined);
  t.deepEqual(next(0.021, 0.2), { firstTrial: 10, trials: 10 });
  t.is(expectedTrials(rule, 10, estimate(0.04, 0.2)), 40);
});

test('batches never exceed 16384 trials', (t) => {
  const rule = { ...untargeted, minimum: 2 ** 30, maximum: 2 ** 31 - 1, standardError: 0 };
  t.is(nextBatch(rule, 0, () => estimate(1))?.trials, 16_384);
});

test('no trials at all are wanted of a study of laws', (t) => {
  const rule = { ...untargeted, minimum: 0, maximum: 0, standardError: 0 };
  t.is(
    nextBatch(rule, 0, () => estimate(1)),
    undefined,
  );
});

test('a rule may follow another one exactly if it never stops a cell earlier', (t) => {
  const rule = { ...untargeted, minimum: 64, maximum: 512, standardError: 0.01 };
  const grows = (change: Partial<TrialsRule>) => isGrowth(rule, { ...rule, ...change });
  t.true(grows({}));
  t.true(grows({ maximum: 1024 }));
  t.true(grows({ standardError: 0.005 }));
  t.true(grows({ minimum: 512, maximum: 600, standardError: 1, metric: 'headNorm' }));
  t.false(grows({ maximum: 256 }));
  t.false(grows({ standardError: 0.02 }));
  t.false(grows({ relativeStandardError: 0.1 }));
  t.false(grows({ metric: 'headNorm' }));
  t.false(grows({ minimum: 32 }));
  t.false(grows({ minimum: 128 }));
});
