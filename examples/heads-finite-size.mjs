// How the simulated error of logistic and hinge heads approaches its law, over 4 mixtures × 4 sample ratios × 4 ridges and
// d = 200, 400, 800. Prints Markdown tables. Usage: node examples/heads-finite-size.mjs [share of the trials] [largest d]
import { risk, simulate } from 'prompt-attention';

const twoAtoms = [
  { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
];
const core = { tokens: 16, relevantTokens: 4, contextNorm: 1.2, signalNorm: 0.9 };
const mixtures = {
  'core, τ = ½': { inverseTemperature: 0.5, mixture: core },
  'two atoms, τ = 0': {
    inverseTemperature: 0,
    mixture: { ...core, correlation: -0.3, positiveRate: 0.6, confusion: twoAtoms },
  },
  'ρ = 0.5, T = 32, τ = 1.5': {
    inverseTemperature: 1.5,
    mixture: { tokens: 32, relevantTokens: 8, contextNorm: 1.5, signalNorm: 0.7, correlation: 0.5 },
  },
  'two atoms, ρ = 0.4, π = 0.35, τ = 1.5': {
    inverseTemperature: 1.5,
    mixture: { ...core, correlation: 0.4, noiseLevel: 0.8, positiveRate: 0.35, confusion: twoAtoms },
  },
};
const kinds = ['logistic', 'hinge'];
const ridges = [1e-3, 1e-2, 0.1, 1];
const share = Number(process.argv[2] ?? 1);
const largest = Number(process.argv[3] ?? 800);
const dimensions = [largest / 4, largest / 2, largest];
// Trials at d = 800; more at smaller d, where they cost less and there is more to see.
const trialsAt800 = { 0.5: 24, 1.5: 14, 3: 12, 10: 10 };
const trialsFor = (alpha, dimension) => Math.max(4, Math.round(share * trialsAt800[alpha] * (800 / dimension) ** 2));
const sampleRatios = Object.keys(trialsAt800).map(Number);

function meanAndVariance(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / (values.length - 1) };
}

const begin = performance.now();
const cells = [];
let failed = 0;
for (const [name, { mixture, inverseTemperature }] of Object.entries(mixtures))
  for (const kind of kinds)
    for (const ridge of ridges) {
      const head = { kind, ridge };
      const law = await risk.knownPromptCurve({
        mixture: { ...mixture, dimension: 100 },
        inverseTemperature,
        head,
        sampleRatios,
        draws: 200_000,
      });
      for (const [i, alpha] of sampleRatios.entries()) {
        const cell = {
          name,
          kind,
          ridge,
          alpha,
          law: law.error[i],
          lawVariance: law.standardError[i] ** 2,
          points: [],
        };
        for (const dimension of dimensions) {
          const { metrics, status } = await simulate(
            {
              kind: 'known-prompt',
              mixture: { ...mixture, dimension },
              examples: alpha * dimension,
              inverseTemperature,
              head,
            },
            { trials: trialsFor(alpha, dimension), seed: 20230606, testDraws: 1000 },
          );
          failed += status.filter((code) => code !== 0).length;
          const errors = metrics.error.filter((error) => !Number.isNaN(error));
          const { mean, variance } = meanAndVariance(errors);
          cell.points.push({ dimension, trials: errors.length, gap: mean - cell.law, trialVariance: variance });
        }
        cells.push(cell);
      }
      console.error(`${name}, ${kind}, λ = ${ridge}: ${((performance.now() - begin) / 1000).toFixed(0)} s`);
    }

// Few trials are enough at large d, too few for a variance of their own: a trial's variance falls like a power of d, fitted
// over all cells of one sample ratio, and each cell's constant is the average over its dimensions.
for (const alpha of sampleRatios) {
  const chosen = cells.filter((cell) => cell.alpha === alpha);
  const total = dimensions.map((_, i) => chosen.reduce((sum, { points }) => sum + points[i].trialVariance, 0));
  const power = Math.log(total[0] / total[2]) / Math.log(dimensions[2] / dimensions[0]);
  for (const cell of chosen) {
    let [weights, sum] = [0, 0];
    for (const { dimension, trials, trialVariance } of cell.points) {
      weights += trials - 1;
      sum += (trials - 1) * trialVariance * dimension ** power;
    }
    for (const point of cell.points)
      point.variance = sum / weights / point.dimension ** power / point.trials + cell.lawVariance;
  }
}

// Mean squared gap over cells without what the Monte Carlo noise adds to it, as a root, and that ± one standard error.
function rmsGap(points) {
  const count = points.length;
  const square = points.reduce((sum, { gap, variance }) => sum + gap ** 2 - variance, 0) / count;
  const terms = points.map(({ gap, variance }) => 2 * variance ** 2 + 4 * Math.max(0, gap ** 2 - variance) * variance);
  const error = Math.sqrt(terms.reduce((sum, term) => sum + term, 0)) / count;
  const root = (value) => Math.sqrt(Math.max(0, value));
  return { rms: root(square), low: root(square - error), high: root(square + error) };
}

// z at the largest d once the term c/d, fitted to the two smaller ones, is taken off the gap.
function zAfterFit({ points }) {
  let [weights, products] = [0, 0];
  for (const [i, dimension] of dimensions.slice(0, 2).entries()) {
    const { gap, variance } = points[i];
    weights += 1 / dimension ** 2 / variance;
    products += gap / dimension / variance;
  }
  const { gap, variance } = points[2];
  return (gap - products / weights / largest) / Math.sqrt(variance + 1 / weights / largest ** 2);
}

const largestOf = (values) => Math.max(...values.map(Math.abs)).toFixed(1);
for (const kind of kinds) {
  console.log(`\n${kind}: rms gap over 16 cells (± one standard error), and z at d = ${largest}\n`);
  console.log(`| mixture | ${dimensions.map((d) => `d = ${d}`).join(' | ')} | largest z | after the 1/d term |`);
  console.log('|---|--:|--:|--:|--:|--:|');
  for (const name of [...Object.keys(mixtures), 'all']) {
    const chosen = cells.filter((cell) => cell.kind === kind && (name === 'all' || cell.name === name));
    const gaps = dimensions.map((_, i) => {
      const { rms, low, high } = rmsGap(chosen.map(({ points }) => points[i]));
      return `${rms.toFixed(5)} (${low.toFixed(5)} … ${high.toFixed(5)})`;
    });
    const raw = chosen.map(({ points }) => points[2].gap / Math.sqrt(points[2].variance));
    console.log(`| ${name} | ${gaps.join(' | ')} | ${largestOf(raw)} | ${largestOf(chosen.map(zAfterFit))} |`);
  }
}
console.log(
  `\n${cells.length} cells, ${failed} trials failed, ${((performance.now() - begin) / 60000).toFixed(0)} minutes`,
);
