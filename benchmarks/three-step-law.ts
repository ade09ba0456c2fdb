// How close is risk.threeStep to simulation? Prints, for n = 250 … 4000 at d = n/5, the mean error of simulated trials, the law
// with and without fluctuations, the gaps and z, for one head, for all (head, debias) at n = 2000 with --heads, or for errors that are
// nearly step functions of the fluctuations with --step-like.
//
//   npx tsx benchmarks/three-step-law.ts [--heads | --step-like]
import { risk, simulate, type ThreeStepExperiment } from '../lib/index.js';

const kDraws = 20_000;

const experiment = (n: number, change: Partial<ThreeStepExperiment> = {}): ThreeStepExperiment => ({
  kind: 'three-step',
  mixture: {
    tokens: 20,
    dimension: n / 5,
    relevantTokens: 4,
    contextNorm: 2,
    signalNorm: 1,
    correlation: 0.3,
    positiveRate: 0.4,
    confusion: [
      { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
      { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
    ],
  },
  examples: n,
  stepSizes: [1, 5, 1],
  ...change,
});

async function compare(name: string, run: ThreeStepExperiment, trials: number) {
  const { metrics } = await simulate(run, { trials, seed: 1, testDraws: 500 });
  const mean = metrics.error.reduce((sum, value) => sum + value, 0) / trials;
  const squares = metrics.error.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const standardError = Math.sqrt(squares / (trials - 1) / trials);
  const law = await risk.threeStep({ ...run, draws: kDraws });
  const limit = await risk.threeStep({ ...run, draws: kDraws, fluctuations: false });
  const gaps = [law, limit].map(({ error, standardError: own }) => {
    const gap = mean - error;
    return `${error.toFixed(5)} ± ${own.toFixed(5)} | ${gap.toFixed(5)} | ${(gap / Math.hypot(standardError, own)).toFixed(1)}`;
  });
  console.log(`| ${name} | ${trials} | ${mean.toFixed(5)} ± ${standardError.toFixed(5)} | ${gaps.join(' | ')} |`);
}

console.log('| case | trials | simulation | law | gap | z | limit | gap | z |');
console.log('|---|---|---|---|---|---|---|---|---|');
if (process.argv.includes('--heads')) {
  for (const head of ['fresh', 'restarted', 'continued'] as const)
    for (const debias of ['none', 'intercept'] as const)
      await compare(`${head}, ${debias}`, experiment(2000, { head, debias }), 5000);
} else if (process.argv.includes('--step-like')) {
  const run: ThreeStepExperiment = {
    kind: 'three-step',
    mixture: { tokens: 32, dimension: 100, relevantTokens: 8, contextNorm: 4, signalNorm: 1 },
    examples: 1000,
    stepSizes: [1, 5, 1],
    head: 'restarted',
  };
  for (const [n, trials] of [
    [1000, 4000],
    [4000, 3000],
    [16_000, 2000],
  ] as const)
    await compare(`restarted, T = 32, n = ${n}`, { ...run, examples: n }, trials);
  const mixture = { tokens: 8, dimension: 100, relevantTokens: 8, contextNorm: 2, signalNorm: 1 };
  await compare('continued, T = k = 8, n = 500', { ...run, mixture, examples: 500, head: 'continued' }, 20_000);
} else {
  for (const [n, trials] of [
    [125, 100_000],
    [250, 50_000],
    [500, 40_000],
    [1000, 30_000],
    [2000, 20_000],
    [4000, 10_000],
  ] as const)
    await compare(`n = ${n}, d = ${n / 5}`, experiment(n), trials);
}
