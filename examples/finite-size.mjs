// How fast simulation approaches the law as the dimension grows: the cells of benefit-of-context.yaml at four dimensions
// with α = n/d held fixed. Prints a Markdown table. Usage: node examples/finite-size.mjs [trials at d = 100]
import { risk, simulate } from 'prompt-attention';

const sampleRatios = [1.25, 1.5, 2, 3, 5, 10];
const inverseTemperatures = [0, 0.25, 0.5, 1];
const dimensions = [100, 200, 400, 800];
const trialsAtSmallest = Number(process.argv[2] ?? 3200);
const head = { kind: 'least-squares' };
const mixtureAt = (dimension) => ({ tokens: 32, dimension, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 });

const cells = [];
for (const inverseTemperature of inverseTemperatures) {
  const law = await risk.knownPromptCurve({
    mixture: mixtureAt(100),
    inverseTemperature,
    head,
    sampleRatios,
    draws: 1_000_000,
  });
  for (const [i, alpha] of sampleRatios.entries())
    cells.push({ alpha, inverseTemperature, law: law.error[i], lawError: law.standardError[i], points: [] });
}

for (const dimension of dimensions) {
  const trials = Math.round((trialsAtSmallest * dimensions[0]) / dimension);
  for (const cell of cells) {
    const experiment = {
      kind: 'known-prompt',
      mixture: mixtureAt(dimension),
      examples: cell.alpha * dimension,
      inverseTemperature: cell.inverseTemperature,
      head,
    };
    const { error } = (await simulate(experiment, { trials, seed: 20230606, testDraws: 4000 })).metrics;
    const mean = error.reduce((sum, value) => sum + value, 0) / trials;
    const variance = error.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (trials - 1);
    cell.points.push({ dimension, gap: mean - cell.law, variance: variance / trials });
  }
}

// Each cell's finite-size term c/d, fitted by weighted least squares to the dimensions other than the one it is tested on.
const allowanceFor = (cell, dimension) => {
  const others = cell.points.filter((point) => point.dimension !== dimension);
  const weight = others.reduce((sum, point) => sum + 1 / (point.dimension ** 2 * point.variance), 0);
  const c = others.reduce((sum, point) => sum + point.gap / (point.dimension * point.variance), 0) / weight;
  return { value: c / dimension, variance: 1 / (weight * dimension ** 2) };
};
const largest = (values) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

console.log('| d | trials per cell | mean gap | largest gap | largest z | largest z after the 1/d term |');
console.log('|--:|--:|--:|--:|--:|--:|');
for (const [i, dimension] of dimensions.entries()) {
  const gaps = cells.map((cell) => cell.points[i].gap);
  const raw = cells.map((cell) => cell.points[i].gap / Math.sqrt(cell.points[i].variance + cell.lawError ** 2));
  const allowed = cells.map((cell) => {
    const { value, variance } = allowanceFor(cell, dimension);
    return (cell.points[i].gap - value) / Math.sqrt(cell.points[i].variance + variance + cell.lawError ** 2);
  });
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const trials = Math.round((trialsAtSmallest * dimensions[0]) / dimension);
  console.log(
    `| ${dimension} | ${trials} | ${mean.toFixed(5)} | ${largest(gaps).toFixed(5)} | ${largest(raw).toFixed(1)} | ${largest(allowed).toFixed(1)} |`,
  );
}
