// The averaging head at finite n: how far simulation is from the law, with n/d = 2 held fixed. Prints a Markdown table.
// Usage: node examples/averaging-gap.mjs
import { risk, simulate } from 'prompt-attention';

const mixtureAt = (dimension, contextNorm) => ({
  tokens: 16,
  dimension,
  relevantFraction: 0.25,
  contextNorm,
  signalNorm: 0.8,
});
const head = { kind: 'averaging' };
const inverseTemperature = 0.5;

console.log('| Q | n | trials | gap | standard error | n × gap |');
console.log('|--:|--:|--:|--:|--:|--:|');
for (const contextNorm of [0, 1, 2]) {
  const law = await risk.knownPrompt({
    mixture: mixtureAt(100, contextNorm),
    inverseTemperature,
    head,
    sampleRatio: 2,
    draws: 1_000_000,
  });
  for (const [examples, trials] of [
    [1000, 4000],
    [10_000, 1000],
    [100_000, 200],
  ]) {
    const mixture = mixtureAt(examples / 2, contextNorm);
    const experiment = { kind: 'known-prompt', mixture, examples, inverseTemperature, head };
    const { error } = (await simulate(experiment, { trials, seed: 1, testDraws: 4000 })).metrics;
    const mean = error.reduce((sum, value) => sum + value, 0) / trials;
    const variance = error.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (trials - 1) / trials;
    const gap = mean - law.error;
    const gapError = Math.sqrt(variance + law.standardError ** 2);
    console.log(
      `| ${contextNorm} | ${examples} | ${trials} | ${gap.toFixed(5)} | ${gapError.toFixed(5)} | ${(examples * gap).toFixed(1)} ± ${(examples * gapError).toFixed(1)} |`,
    );
  }
}
