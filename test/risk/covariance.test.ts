import test from 'ava';
import { fitHead, images, risk, sampleExamples, simulate } from '../../lib/index.js';
import { dot, rowsOf } from '../support/reference.js';
import { meanAndError } from '../support/statistics.js';

/** The mixture whose noise is white, of one with noise of the diagonal covariance `variances` and q⋆ along its first axis. */
function whitened(signal: Float64Array, Q: number, variances: readonly number[]) {
  const first = variances[0] as number;
  const contextNorm = Q / Math.sqrt(first);
  const signalNorm = Math.sqrt(signal.reduce((sum, value, j) => sum + value ** 2 / (variances[j] as number), 0));
  return { contextNorm, signalNorm, correlation: (Q * (signal[0] as number)) / first / (contextNorm * signalNorm) };
}

test('without ridge and for n > d, noise of another covariance is that of a white mixture with other norms', async (t) => {
  const [dimension, examples, tests, Q, inverseTemperature] = [24, 72, 400, 1.5, 0.5];
  const variances = Array.from({ length: dimension }, (_, j) => (j === 0 ? 1.7 : 2 * 0.05 ** (j / dimension)));
  const signal = Float64Array.from({ length: dimension }, (_, j) => 0.12 * Math.cos(1 + 5 * j));
  const signalNorm = Math.sqrt(dot(signal, signal));
  const mixture = {
    tokens: 6,
    relevantTokens: 2,
    dimension,
    contextNorm: Q,
    signalNorm,
    correlation: (signal[0] as number) / signalNorm,
  };
  const contextVector = Float64Array.from({ length: dimension }, (_, j) => (j === 0 ? Q : 0));
  const noiseFactor = new Float64Array(dimension * dimension);
  for (const [j, variance] of variances.entries()) noiseFactor[j * dimension + j] = Math.sqrt(variance);
  const prompt = contextVector.map((value) => inverseTemperature * value);
  const head = { kind: 'least-squares' } as const;
  const errors: number[] = [];
  for (let seed = 0; seed < 250; ++seed) {
    const { tokens, labels, relevance } = await sampleExamples(mixture, {
      examples: examples + tests,
      seed,
      contextVector,
      signalVector: signal,
      noiseFactor,
    });
    const data = { tokens, labels, relevance, examples: examples + tests, dimension };
    const V = await images.pooledFeatures(data, prompt);
    const { head: w } = await fitHead(V.slice(0, examples * dimension), labels.slice(0, examples), head);
    const fresh = rowsOf(V.slice(examples * dimension), dimension);
    errors.push(fresh.filter((v, i) => dot(v, w) * (labels[examples + i] as number) < 0).length / tests);
  }
  const white = { ...mixture, ...whitened(signal, Q, variances) };
  const point = { mixture: white, examples, inverseTemperature: inverseTemperature * (variances[0] as number), head };
  const { metrics } = await simulate({ kind: 'known-prompt', ...point }, { trials: 1000, seed: 3 });
  const [found, expected] = [meanAndError(errors), meanAndError(metrics.error as Float64Array)];
  const z = (found.mean - expected.mean) / Math.hypot(found.standardError, expected.standardError);
  t.true(Math.abs(z) < 4, `${found.mean} ± ${found.standardError}, ${expected.mean}`);
  // Norms as they are would be far off, and the law of the white mixture is near.
  const naive = await risk.knownPrompt({ mixture, examples, inverseTemperature, head });
  t.true(Math.abs(naive.error - found.mean) > 10 * found.standardError);
  const law = await risk.knownPrompt(point);
  t.true(Math.abs(law.error / found.mean - 1) < 0.1, `${law.error}, ${found.mean}`);
});
