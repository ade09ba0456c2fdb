import { join } from 'node:path';
import test from 'ava';
import { simulate } from '../../lib/simulation/simulate.js';
import { run } from '../../lib/study/index.js';
import { intervalFactor } from '../../lib/study/statistics.js';
import { temporaryDirectory } from './support.js';

/**
 * The last step size scales w2, on which nothing here depends, but gives every cell random numbers of its own: 2,000 small
 * studies of the same thing.
 */
const stepSizes = Array.from({ length: 2000 }, (_, i) => [1, 10, 1 + i / 1000] as const);
const mixture = { tokens: 8, dimension: 12, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
const experiment = { kind: 'three-step', mixture, examples: 20 } as const;
const common = { seed: 11, experiment, factors: { stepSizes }, testDraws: 50, theory: false } as const;

test('95 % intervals cover a mean known exactly in 93.5 to 96.5 % of 2,000 adaptive studies', async (t) => {
  // Reflecting the second axis and the labels changes nothing, so that the mean of ⟨q1, w⋆⟩ is 0.
  const trials = { minimum: 32, maximum: 1024, metric: 'signalOverlap', standardError: 0.04 } as const;
  const { rows } = await run({ ...common, name: 'overlap', trials }, { out: join(temporaryDirectory(t), 'x.sqlite') });
  const stopped = new Map<number, number>();
  let covered = 0;
  for (const row of rows) {
    const { mean = Number.NaN, standardError = Number.NaN } = row.metrics.signalOverlap ?? {};
    covered += Math.abs(mean) <= intervalFactor(row.trials) * standardError ? 1 : 0;
    stopped.set(row.trials, (stopped.get(row.trials) ?? 0) + 1);
  }
  t.log(`coverage ${(covered / 20).toFixed(2)} %, stopped at`, Object.fromEntries(stopped));
  t.true([...stopped.values()].filter((studies) => studies > 200).length >= 2, 'the rule does adapt');
  t.true(covered >= 1870 && covered <= 1930, `${covered} of 2000`);
});

test('95 % intervals cover the mean test error in 93.5 to 96.5 % of 2,000 adaptive studies', async (t) => {
  const trials = { minimum: 32, maximum: 1024, relativeStandardError: 0.0265 } as const;
  const { rows } = await run({ ...common, name: 'error', trials }, { out: join(temporaryDirectory(t), 'x.sqlite') });
  // Known 40 times better than by any of the studies.
  const { metrics } = await simulate(
    { ...experiment, stepSizes: [1, 10, 1] },
    { seed: 12, trials: 200_000, testDraws: 50 },
  );
  const truth = metrics.error.reduce((sum, error) => sum + error) / metrics.error.length;
  const covered = rows.filter(({ intervalLow, intervalHigh }) => intervalLow <= truth && truth <= intervalHigh).length;
  t.log(`coverage ${(covered / 20).toFixed(2)} %, mean trials`, rows.reduce((sum, row) => sum + row.trials, 0) / 2000);
  t.true(covered >= 1870 && covered <= 1930, `${covered} of 2000`);
});
