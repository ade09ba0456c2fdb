/**
 * What a study costs beyond its trials: 10⁵ cells of 10 trials each through the whole path (spec, cells, schedule, statistics, SQLite),
 * against the same trials run bare, and the plan of a study of 10⁹ trials.
 *
 *   npx tsx benchmarks/study-overhead.ts [cells per side, default 316]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { planJobs } from '../lib/cluster/plan.js';
import { simulate, study } from '../lib/index.js';
import { record } from './support/harness.js';

const side = Number(process.argv[2] ?? 316);
const trials = 10;
const mixture = { tokens: 8, dimension: 20, relevantFraction: 0.25, contextNorm: 1, signalNorm: 1 };
const head = { kind: 'averaging' } as const;
const experiment = { kind: 'known-prompt', mixture, examples: 40, inverseTemperature: 0.5, head } as const;
const options = {
  name: 'overhead',
  seed: 1,
  experiment,
  factors: {
    'mixture.contextNorm': { linspace: [0.5, 3, side] },
    'mixture.signalNorm': { linspace: [0.5, 3, side + 1] },
  },
  testDraws: 100,
  trials,
  theory: false,
} as const;

const directory = mkdtempSync(join(tmpdir(), 'study-overhead-'));
const out = join(directory, 'x.sqlite');
try {
  let highest = 0;
  const watch = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 50);
  const begin = performance.now();
  const { rows, cells } = await study.run(options, { out });
  const total = performance.now() - begin;
  clearInterval(watch);
  highest = Math.max(highest, process.memoryUsage.rss());
  if (rows.length !== cells || rows.some((row) => row.trials !== trials)) throw new Error('rows are missing');

  // The same trials without a study: every hundredth cell, one call each, as the study makes them.
  const sample = rows.filter((_, i) => i % 100 === 0);
  const beginBare = performance.now();
  for (const { factors } of sample) {
    const norms = { contextNorm: factors['mixture.contextNorm'], signalNorm: factors['mixture.signalNorm'] };
    const cell = {
      ...experiment,
      mixture: { ...mixture, ...(norms as Pick<typeof mixture, 'contextNorm' | 'signalNorm'>) },
    };
    await simulate(cell, { trials, seed: 1, testDraws: 100, threads: 1 });
  }
  const bare = (performance.now() - beginBare) / sample.length;
  const store = statSync(out).size;

  // A large study by arithmetic: 10⁹ projected trials at the rate of one that is worth its name.
  const large = { ...experiment, examples: 400, mixture: { ...mixture, tokens: 32, dimension: 200 } };
  const beginLarge = performance.now();
  await simulate(large, { trials: 2000, seed: 1 });
  const perTrial = (performance.now() - beginLarge) / 2000;
  const workload = `study of ${cells} cells × ${trials} trials`;
  const overhead = Math.max(0, total / cells - bare / availableParallelism());
  record({ workload, value: total / 1000, unit: 's' });
  record({ workload, value: overhead, unit: 'ms a cell beyond its trials', bar: { atMost: 1 } });
  record({ workload, value: highest / 2 ** 20, unit: 'MiB resident', bar: { atMost: 500 } });
  record({ workload, value: store / 2 ** 20, unit: 'MiB of store', bar: { atMost: 100 } });
  const plan = `plan of 10⁹ trials of ${perTrial.toPrecision(2)} ms`;
  record({ workload: plan, value: (1e9 * perTrial) / 3.6e6, unit: 'hours of this machine' });
  const jobs = planJobs([{ cell: 0, firstTrial: 0, trials: 1e9 }], () => perTrial / 1000).length;
  record({ workload: plan, value: jobs, unit: 'jobs', bar: { atMost: 1e6 } });
  // Three metrics of eight bytes; the rest of a batch is negligible beside its thousands of trials.
  record({ workload: plan, value: 3 * 8, unit: 'GB of store' });
} finally {
  rmSync(directory, { recursive: true });
}
