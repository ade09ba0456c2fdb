// How the gap between the law of a known prompt and simulation falls with the dimension, n/d held fixed: the least squares
// cells of large-dimension.yaml at d = 100 … 100,000. Prints a Markdown table. Usage: node examples/large-dimension.mjs [trials
// at d = 100]
import { fileURLToPath } from 'node:url';
import { risk, simulate, study } from 'prompt-attention';

const trialsAtSmallest = Number(process.argv[2] ?? 40_000);
const dimensions = [100, 1000, 10_000, 100_000];
const { experiment, factors, seed, testDraws } = study.define(
  fileURLToPath(new URL('large-dimension.yaml', import.meta.url)),
);
const cells = factors.head
  .filter(({ kind }) => kind === 'least-squares')
  .flatMap((head) =>
    factors.inverseTemperature.flatMap((inverseTemperature) =>
      factors.examples.map((n) => ({ head, inverseTemperature, ratio: n / experiment.mixture.dimension })),
    ),
  );
const laws = await Promise.all(
  cells.map(({ head, inverseTemperature, ratio }) =>
    risk.knownPrompt({ mixture: experiment.mixture, head, inverseTemperature, sampleRatio: ratio, draws: 1_000_000 }),
  ),
);

console.log('| d | trials per cell | rms gap | expected from noise alone | d × rms gap | largest z |');
console.log('|--:|--:|--:|--:|--:|--:|');
for (const dimension of dimensions) {
  const trials = Math.max(8, Math.round((trialsAtSmallest * dimensions[0]) / dimension));
  const gaps = [];
  for (const [i, { head, inverseTemperature, ratio }] of cells.entries()) {
    const cell = { ...experiment, mixture: { ...experiment.mixture, dimension }, head, inverseTemperature };
    const { error } = (await simulate({ ...cell, examples: ratio * dimension }, { trials, seed, testDraws })).metrics;
    const mean = error.reduce((sum, value) => sum + value, 0) / trials;
    const variance = error.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (trials - 1) / trials;
    gaps.push({ gap: mean - laws[i].error, total: variance + laws[i].standardError ** 2 });
  }
  const root = (values) => Math.sqrt(values.reduce((sum, value) => sum + value, 0) / values.length);
  const rms = root(gaps.map(({ gap }) => gap ** 2));
  const noise = root(gaps.map(({ total }) => total));
  const largest = Math.max(...gaps.map(({ gap, total }) => Math.abs(gap) / Math.sqrt(total)));
  console.log(
    `| ${dimension} | ${trials} | ${rms.toExponential(1)} | ${noise.toExponential(1)} | ${(dimension * rms).toFixed(3)} | ${largest.toFixed(1)} |`,
  );
}
