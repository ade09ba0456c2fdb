// On which scale of the sample size do the learning curves of the three-step trajectory fall on one curve? Simulates the
// cells of examples/scaling-collapse.yaml and prints, for several quantities, the spread between the curves of all (ζ, d)
// when they are drawn against n ζ^a / d^b: the named candidates first, then the best exponents of a fine grid. A spread of 0
// is a perfect collapse; the spread without any scaling (a = b = 0) is printed for comparison.
//
//   npx tsx benchmarks/scaling-collapse.ts [trials = 400]
import { risk, simulate, type ThreeStepExperiment } from '../lib/index.js';

const trials = Number(process.argv[2] ?? 400);
const fractions = [0.05, 0.1, 0.2];
const dimensions = [100, 200, 400];
const samples = [100, 200, 400, 800, 1600, 3200, 6400, 12800];

const experiment = (relevantFraction: number, dimension: number, examples: number): ThreeStepExperiment => ({
  kind: 'three-step',
  mixture: { tokens: 40, dimension, relevantFraction, contextNorm: 2, signalNorm: 1 },
  examples,
  stepSizes: [1, 20, 1],
  debias: 'intercept',
});

interface Curve {
  readonly fraction: number;
  readonly dimension: number;
  /** One value per sample size. */
  readonly values: number[];
}

const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** x with P(N(0, 1) > x) = p, by bisection on Mills' continued fraction. */
function normalQuantile(p: number): number {
  const tail = (x: number): number => {
    if (x < 0) return 1 - tail(-x);
    let fraction = x;
    for (let k = 200; k >= 1; --k) fraction = x + k / fraction;
    return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI) / fraction;
  };
  let low = -10;
  let high = 10;
  for (let step = 0; step < 60; ++step) {
    const middle = (low + high) / 2;
    if (tail(middle) > p) low = middle;
    else high = middle;
  }
  return low;
}

const curves: Record<string, Curve[]> = {};
const record = (quantity: string, fraction: number, dimension: number, value: number) => {
  curves[quantity] ??= [];
  const list = curves[quantity];
  let curve = list.find((other) => other.fraction === fraction && other.dimension === dimension);
  if (curve === undefined) {
    curve = { fraction, dimension, values: [] };
    list.push(curve);
  }
  curve.values.push(value);
};

for (const fraction of fractions) {
  for (const dimension of dimensions) {
    const limit = await risk.threeStep({ ...experiment(fraction, dimension, 2 ** 31 - 1), fluctuations: false });
    const row: string[] = [];
    for (const n of samples) {
      const { metrics } = await simulate(experiment(fraction, dimension, n), { trials, seed: 1, testDraws: 200 });
      const error = mean(metrics.error);
      record('cos(w1, w⋆)', fraction, dimension, mean(metrics.w1SignalCosine as Float64Array));
      record('cos(q1, q⋆)', fraction, dimension, mean(metrics.q1ContextCosine as Float64Array));
      record('error', fraction, dimension, error);
      record('Φ⁻¹(error)/Φ⁻¹(limit)', fraction, dimension, normalQuantile(error) / normalQuantile(limit.error));
      row.push(error.toPrecision(3));
    }
    console.log(`ζ = ${fraction}, d = ${dimension}: error ${row.join(' ')} → ${limit.error.toPrecision(3)}`);
  }
}

/** Value at log x by linear interpolation between the points of a curve, or undefined outside of them. */
function valueAt(xs: readonly number[], values: readonly number[], x: number): number | undefined {
  const i = xs.findIndex((right) => right >= x);
  if (i <= 0) return undefined;
  const [left, right] = [xs[i - 1] as number, xs[i] as number];
  const share = (x - left) / (right - left);
  return (values[i - 1] as number) * (1 - share) + (values[i] as number) * share;
}

/** Root mean square, over the scale, of the standard deviation between the curves that reach that point. */
function spread(list: readonly Curve[], a: number, b: number): number {
  const scaled = list.map(({ fraction, dimension, values }) => ({
    xs: samples.map((n) => Math.log(n) + a * Math.log(fraction) - b * Math.log(dimension)),
    values,
  }));
  const first = Math.min(...scaled.map(({ xs }) => xs[0] as number));
  const last = Math.max(...scaled.map(({ xs }) => xs.at(-1) as number));
  let sum = 0;
  let count = 0;
  for (let x = first; x <= last; x += 0.05) {
    const seen = scaled.map(({ xs, values }) => valueAt(xs, values, x)).filter((value) => value !== undefined);
    if (seen.length < Math.min(4, list.length)) continue;
    const center = seen.reduce((total, value) => total + value, 0) / seen.length;
    sum += seen.reduce((total, value) => total + (value - center) ** 2, 0) / (seen.length - 1);
    ++count;
  }
  return Math.sqrt(sum / count);
}

console.log('Error at one ζ, spread over d:');
for (const fraction of fractions) {
  const list = (curves.error as Curve[]).filter((curve) => curve.fraction === fraction);
  const values = [0, 0.5, 1, 1.5].map((b) => `n/d^${b} ${spread(list, 0, b).toFixed(4)}`);
  console.log(`  ζ = ${fraction}: ${values.join(', ')}`);
}

const candidates: [string, number, number][] = [
  ['n', 0, 0],
  ['n/d', 0, 1],
  ['nζ/d', 1, 1],
  ['nζ²/d', 2, 1],
  ['nζ³/d', 3, 1],
  ['nζ⁴/d', 4, 1],
  ['nζ²/√d', 2, 0.5],
];
for (const [quantity, list] of Object.entries(curves)) {
  console.log(
    `${quantity}: ${candidates.map(([name, a, b]) => `${name} ${spread(list, a, b).toFixed(4)}`).join(', ')}`,
  );
  let best = { a: 0, b: 0, value: Number.POSITIVE_INFINITY };
  for (let a = 0; a <= 4.01; a += 0.1)
    for (let b = 0; b <= 2.01; b += 0.1) {
      const value = spread(list, a, b);
      if (value < best.value) best = { a, b, value };
    }
  console.log(`  best: nζ^${best.a.toFixed(1)}/d^${best.b.toFixed(1)} ${best.value.toFixed(4)}`);
}
