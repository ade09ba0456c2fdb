import test from 'ava';
import { fromPayload, planJobs, toPayload, type WorkItem } from '../../lib/cluster/plan.js';

const item = (cell: number, trials: number, firstTrial = 0): WorkItem => ({ cell, firstTrial, trials });

test('jobs of known cost take about ten seconds, and hold every trial once', (t) => {
  const items = [item(0, 1000), item(1, 10, 64), item(2, 1_000_000), item(3, 1)];
  const rates = [0.01, 0.5, 0.0001, 60];
  const jobs = planJobs(items, (cell) => rates[cell]);
  for (const job of jobs) {
    const seconds = job.reduce((sum, { cell, trials }) => sum + trials * (rates[cell] as number), 0);
    t.true(seconds <= 10.001 || (job.length === 1 && job[0]?.trials === 1), `${seconds}`);
  }
  for (const { cell, firstTrial, trials } of items) {
    const parts = jobs.flat().filter((part) => part.cell === cell);
    let next = firstTrial;
    for (const part of parts) {
      t.is(part.firstTrial, next);
      next += part.trials;
    }
    t.is(next, firstTrial + trials);
  }
});

test('small items share a job', (t) => {
  const items = Array.from({ length: 5000 }, (_, cell) => item(cell, 10));
  t.is(planJobs(items, () => 0.0001).length, 3);
});

test('a billion trials of a millisecond to ten milliseconds are at most a million jobs', (t) => {
  for (const seconds of [0.001, 0.01]) {
    const jobs = planJobs([item(0, 1e9)], () => seconds);
    t.true(jobs.length <= 1e6, `${jobs.length}`);
  }
});

test('a study of unknown cost begins as few jobs, each with few enough items', (t) => {
  t.is(
    planJobs(
      Array.from({ length: 24 }, (_, cell) => item(cell, 64)),
      () => undefined,
    ).length,
    24,
  );
  const jobs = planJobs(
    Array.from({ length: 200_000 }, (_, cell) => item(cell, 10)),
    () => undefined,
  );
  t.is(jobs.length, 100);
  t.true(jobs.every((job) => job.length <= 2000));
  t.deepEqual(
    planJobs([], () => undefined),
    [],
  );
});

test('a payload comes back as it was, and nothing else is one', (t) => {
  const items = [item(3, 10, 5), item(4, 0)];
  t.deepEqual(fromPayload(JSON.parse(JSON.stringify(toPayload(items)))), items);
  for (const payload of [
    null,
    {},
    { items: [] },
    { items: [[1, 2]] },
    { items: [[1, 2, -3]] },
    { items: [[1, 2, 3]], run: 'x' },
  ])
    t.throws(() => fromPayload(payload), { message: /not one of prompt-attention/ });
});
