/**
 * The risk of a known prompt at 1,000 random settings over the whole range it is meant for: T from 2 to 10⁴, signal-to-noise ratio of mean
 * pooling 1e-4 to 1e4, α from 0.05 to 1000, λ from 1e-8 to 1000, σ from 0.1 to 10, τ of either sign. Prints how many converged, the
 * largest residual and the times. Run with `npx tsx benchmarks/risk-range.ts [settings = 1000]`.
 *
 * Checks: every call converges to residuals below 1e-8 or raises a ConvergenceError; errors are in [0, 1].
 */
import { ConvergenceError, risk } from '../lib/index.js';
import { check } from './support/harness.js';

const settings = Number(process.argv[2] ?? 1000);
let state = 12345;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const spread = (low: number, high: number) => low * (high / low) ** uniform();

function randomOptions(index: number) {
  const tokens = Math.round(spread(2, 10_000));
  const relevantTokens = Math.min(tokens - 1, Math.round(uniform() * tokens));
  const share = Math.max(relevantTokens, 1) / tokens;
  const noiseLevel = spread(0.1, 10);
  const signalToNoise = spread(1e-4, 1e4);
  const atom = (probability: number) => ({ deltaQ: uniform() - 0.5, deltaW: uniform() - 0.5, probability });
  return {
    mixture: {
      tokens,
      relevantTokens,
      dimension: 100,
      contextNorm: spread(0.1, 4),
      signalNorm: (noiseLevel / share) * Math.sqrt((signalToNoise * (1 - share + 1 / tokens)) / tokens),
      noiseLevel,
      ...(uniform() < 0.5
        ? {
            correlation: 2 * uniform() - 1,
            positiveRate: 0.05 + 0.9 * uniform(),
            confusion: [atom(0.3), atom(0.7)],
          }
        : {}),
    },
    inverseTemperature: uniform() < 0.2 ? 0 : (uniform() < 0.1 ? -1 : 1) * spread(0.05, 3),
    sampleRatio: spread(0.05, 1e3),
    head: {
      kind: (['least-squares', 'logistic', 'hinge'] as const)[index % 3] as 'least-squares' | 'logistic' | 'hinge',
      ridge: spread(1e-8, 1e3),
    },
    draws: 2000,
  };
}

const times: number[] = [];
let largest = 0;
let failures = 0;
for (let i = 0; i < settings; ++i) {
  const options = randomOptions(i);
  const begin = performance.now();
  try {
    const { error, trainingError, residuals } = await risk.knownPrompt(options);
    const residual = Math.max(...residuals.map(Math.abs));
    check(residual < 1e-8, `residual ${residual} of ${JSON.stringify(options)}`);
    check(error >= 0 && error <= 1 && trainingError >= 0 && trainingError <= 1, JSON.stringify(options));
    largest = Math.max(largest, residual);
  } catch (error) {
    if (!(error instanceof ConvergenceError)) throw error;
    failures += 1;
    console.log(`not converged: ${JSON.stringify(options)}`);
  }
  times.push(performance.now() - begin);
}
times.sort((a, b) => a - b);
const quantile = (level: number) => (times[Math.min(settings - 1, Math.floor(level * settings))] as number).toFixed(1);
console.log(
  `${settings - failures} of ${settings} converged, largest residual ${largest.toExponential(1)}; ` +
    `median ${quantile(0.5)} ms, 99 % below ${quantile(0.99)} ms, at most ${quantile(1)} ms`,
);
