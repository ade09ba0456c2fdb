// How many times as many examples methods need as the oracle that knows q⋆ and the relevant tokens, at equal error: prints a Markdown
// table, or draws their errors over n for the first of its mixtures. Methods that train are simulated, at the best of some step sizes
// and, for long descent, of stopping times.
// Usage: node examples/oracle.mjs [FIGURE.svg]; minutes.
import { writeFileSync } from 'node:fs';
import { figure, risk, simulate } from 'prompt-attention';

const trials = 30;
const base = {
  tokens: 16,
  dimension: 100,
  relevantTokens: 4,
  contextNorm: 2,
  signalNorm: 0.6,
  noiseLevel: 1,
  relevantNoiseLevel: 0.7,
};
const settings = [
  ['as above', {}],
  ['ζ = 1/8', { relevantTokens: 2 }],
  ['ζ = 1/2', { relevantTokens: 8 }],
  ['d = 50', { dimension: 50 }],
  ['d = 200', { dimension: 200 }],
  ['Q = 1.5', { contextNorm: 1.5 }],
  ['Q = 3', { contextNorm: 3 }],
];
const average = (values) => values.reduce((sum, value) => sum + value) / values.length;

async function threeSteps(mixture, examples) {
  let best = 1;
  for (const eta of [5, 20, 80]) {
    const experiment = { kind: 'three-step', mixture, examples, stepSizes: [1, eta, 1] };
    const { metrics } = await simulate(experiment, { trials, seed: 1, testDraws: 200 });
    best = Math.min(best, average(metrics.error));
  }
  return best;
}

async function longDescent(mixture, examples) {
  let best = 1;
  for (const size of [0.15, 0.5]) {
    const experiment = {
      kind: 'gradient-descent',
      mixture,
      examples,
      model: 'prompt-attention',
      steps: 60,
      recordEvery: 3,
      stepSizes: { head: size, prompt: size },
    };
    const { path } = await simulate(experiment, { trials: Math.ceil(trials / 2), seed: 1, testDraws: 200 });
    const count = path.steps.length;
    for (let step = 0; step < count; ++step)
      best = Math.min(best, average(path.metrics.error.filter((_, i) => i % count === step)));
  }
  return best;
}

/** The n at which an error that falls with n is the target, interpolated; steps of a factor of √2. */
async function crossing(errorAt, target, first, most) {
  let before;
  for (let n = first; n <= most; n = Math.ceil(n * Math.SQRT2)) {
    const error = await errorAt(n);
    if (error <= target) {
      if (before === undefined) return n;
      const share = Math.log(before.error / target) / Math.log(before.error / error);
      return before.n * (n / before.n) ** share;
    }
    before = { n, error };
  }
  return Number.NaN;
}

async function printTable() {
  const ratio = (n, oracle) => (Number.isNaN(n) ? '–' : String(Number((n / oracle).toPrecision(2))));
  console.log('| | error | oracle | known prompt, best head | … averaging | three steps | long descent |');
  console.log('|---|--:|--:|--:|--:|--:|--:|');
  for (const [name, change] of settings) {
    const mixture = { ...base, ...change };
    const d = mixture.dimension;
    // One and a half times what the best prompt along q⋆ reaches with any number of examples.
    const { error: limit, inverseTemperature } = await risk.bestPrompt({ mixture, sampleRatio: 1000 });
    const target = 1.5 * limit;
    const { examples: oracle } = risk.oracleExamples({ mixture, targetError: target });
    const first = Math.max(4, Math.ceil(oracle / 2));
    const known = await crossing(
      async (n) => (await risk.bestPrompt({ mixture, sampleRatio: n / d })).error,
      target,
      first,
      200 * d,
    );
    const averaging = await crossing(
      async (n) =>
        (await risk.knownPrompt({ mixture, inverseTemperature, head: { kind: 'averaging' }, sampleRatio: n / d }))
          .error,
      target,
      first,
      200 * d,
    );
    const three = await crossing((n) => threeSteps(mixture, n), target, Math.ceil(known / 3), 40 * d);
    const long = await crossing((n) => longDescent(mixture, n), target, Math.ceil(known / 2), 20 * d);
    console.log(
      `| ${name} | ${target.toFixed(3)} | ${oracle} | ${ratio(known, oracle)} | ${ratio(averaging, oracle)} | ${ratio(3 * three, oracle)} | ${ratio(long, oracle)} |`,
    );
  }
}

async function draw(file) {
  const mixture = base;
  const drawn = [];
  const add = (examples, method, error) => drawn.push({ n: examples, method, error });
  for (const ratio of [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]) {
    const examples = Math.round(ratio * mixture.dimension);
    add(examples, 'oracle', risk.oracle({ mixture, examples }).error);
    add(examples, 'known prompt, best head', (await risk.bestPrompt({ mixture, sampleRatio: ratio })).error);
    if (ratio <= 20) add(examples, 'long descent', await longDescent(mixture, examples));
    // Of all three samples.
    add(3 * examples, 'three steps', await threeSteps(mixture, examples));
  }
  const title = 'Test error over all examples that a method sees, and what none is below';
  const options = { x: 'n', y: 'error', series: 'method', scale: { x: 'log', y: 'log' }, title };
  writeFileSync(file, await figure(drawn, options).svg());
}

const [, , file] = process.argv;
await (file === undefined ? printTable() : draw(file));
