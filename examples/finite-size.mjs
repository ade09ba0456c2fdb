// How fast simulation approaches the law as the dimension grows: the cells of benefit-of-context.yaml at several dimensions
// with α = n/d held fixed. Prints a Markdown table. Usage: node examples/finite-size.mjs [trials at d = 20]
import { risk, simulate } from 'prompt-attention';

const sampleRatios = [1.25, 1.5, 2, 3, 5, 10];
const inverseTemperatures = [0, 0.25, 0.5, 1];
const dimensions = [20, 40, 100, 200, 400, 800];
const trialsAtSmallest = Number(process.argv[2] ?? 16_000);
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

// Each cell's finite-size term c/d + c'/d², fitted by weighted least squares to the dimensions other than the one it is
// tested on: its value there and the variance of that value.
function allowanceFor(cell, dimension) {
  let [a11, a12, a22, b1, b2] = [0, 0, 0, 0, 0];
  for (const point of cell.points.filter((other) => other.dimension !== dimension)) {
    const x = 1 / point.dimension;
    a11 += x ** 2 / point.variance;
    a12 += x ** 3 / point.variance;
    a22 += x ** 4 / point.variance;
    b1 += (x * point.gap) / point.variance;
    b2 += (x ** 2 * point.gap) / point.variance;
  }
  const determinant = a11 * a22 - a12 ** 2;
  const u = [1 / dimension, 1 / dimension ** 2];
  const value = (u[0] * (a22 * b1 - a12 * b2) + u[1] * (a11 * b2 - a12 * b1)) / determinant;
  const variance = (u[0] ** 2 * a22 - 2 * u[0] * u[1] * a12 + u[1] ** 2 * a11) / determinant;
  return { value, variance };
}
const largest = (values) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

console.log('| d | trials per cell | rms gap | d × rms gap | largest z | largest z after the finite-size term |');
console.log('|--:|--:|--:|--:|--:|--:|');
for (const [i, dimension] of dimensions.entries()) {
  const points = cells.map((cell) => ({ ...cell.points[i], total: cell.points[i].variance + cell.lawError ** 2 }));
  const raw = points.map((point) => point.gap / Math.sqrt(point.total));
  const allowed = cells.map((cell, j) => {
    const { value, variance } = allowanceFor(cell, dimension);
    return (points[j].gap - value) / Math.sqrt(points[j].total + variance);
  });
  // Mean squared gap over the cells without what the Monte Carlo noise adds to it, and its standard error.
  const count = points.length;
  const square = points.reduce((sum, point) => sum + point.gap ** 2 - point.total, 0) / count;
  const squareError =
    Math.sqrt(
      points.reduce((sum, { gap, total }) => sum + 2 * total ** 2 + 4 * Math.max(0, gap ** 2 - total) * total, 0),
    ) / count;
  const rms = Math.sqrt(Math.max(0, square));
  const low = Math.sqrt(Math.max(0, square - squareError));
  const high = Math.sqrt(square + squareError);
  const trials = Math.round((trialsAtSmallest * dimensions[0]) / dimension);
  console.log(
    `| ${dimension} | ${trials} | ${rms.toFixed(5)} (${low.toFixed(5)} … ${high.toFixed(5)}) | ${(dimension * rms).toFixed(2)} | ${largest(raw).toFixed(1)} | ${largest(allowed).toFixed(1)} |`,
  );
}
