// The solver of the fixed point alone.
import test from 'ava';
import { native } from '../../lib/base/native.js';
import { type ContextualMixtureOptions, ConvergenceError, risk } from '../../lib/index.js';
import { contextualMixture, toNativeMixture } from '../../lib/mixture/mixture.js';
import { iterated, rich, twoAtoms } from './support.js';

const nativeRisk = (options: {
  readonly mixture: ContextualMixtureOptions;
  readonly sampleRatio: number;
  readonly ridge: number;
  readonly inverseTemperature: number;
  readonly general: boolean;
}) =>
  native.knownPromptRisk({
    mixture: toNativeMixture(contextualMixture(options.mixture)),
    sampleRatios: Float64Array.of(options.sampleRatio),
    ridges: Float64Array.of(options.ridge),
    inverseTemperature: options.inverseTemperature,
    head: 'least-squares',
    draws: 4000,
    threads: 1,
    general: options.general,
    seed: 0n,
    cellKey: new Uint32Array(4),
  }).promise;

test('the general solver gives the closed form of least squares', async (t) => {
  for (const inverseTemperature of [0, 0.7, 1.5])
    for (const sampleRatio of [0.3, 1, 4, 50])
      for (const ridge of [1e-4, 0.05, 3]) {
        const mixture = { ...rich, dimension: 50 };
        const options = { mixture, sampleRatio, ridge, inverseTemperature };
        const closed = await nativeRisk({ ...options, general: false });
        const general = await nativeRisk({ ...options, general: true });
        const at = JSON.stringify({ sampleRatio, ridge, inverseTemperature });
        for (const name of ['error', 'trainingError', 'standardError'] as const)
          t.true(Math.abs((general[name][0] as number) - (closed[name][0] as number)) < 1e-10, `${name} ${at}`);
        for (const name of ['chi', 'orthogonalNorm'] as const)
          t.true(Math.abs((general[name][0] as number) / (closed[name][0] as number) - 1) < 1e-8, `${name} ${at}`);
      }
});

test('proximal operators solve their equations to 1e-14, as bisection does', (t) => {
  const margins = [-1e6, -300, -20, -3, -0.5, 0, 1e-9, 0.7, 1, 1.5, 10, 1e4];
  const scales = [0, 1e-12, 1e-3, 0.3, 1, 5, 80, 1e5, 1e10];
  const pairs = margins.flatMap((margin) => scales.map((scale) => [margin, scale] as const));
  const request = {
    margins: Float64Array.from(pairs, ([margin]) => margin),
    scales: Float64Array.from(pairs, ([, scale]) => scale),
  };
  const bisected = (margin: number, scale: number) => {
    let [low, high] = [margin, margin + scale];
    for (let step = 0; step < 3000 && low < high; ++step) {
      const middle = low + (high - low) / 2;
      if (middle === low || middle === high) break;
      if (middle - margin - scale / (1 + Math.exp(middle)) > 0) high = middle;
      else low = middle;
    }
    return high;
  };
  const logistic = native.proximalOperator({ head: 'logistic', ...request });
  for (const [i, [margin, scale]] of pairs.entries()) {
    const p = logistic[i] as number;
    const reference = bisected(margin, scale);
    t.true(p >= margin && p <= margin + scale);
    const accuracy = 1e-14 * (1 + Math.abs(reference)) + 4e-16 * Math.abs(margin);
    t.true(Math.abs(p - reference) <= accuracy, `${margin}, ${scale}: ${p} and ${reference}`);
  }
  const hinge = native.proximalOperator({ head: 'hinge', ...request });
  const square = native.proximalOperator({ head: 'least-squares', ...request });
  for (const [i, [margin, scale]] of pairs.entries()) {
    t.is(hinge[i], margin >= 1 ? margin : Math.min(1, margin + scale));
    t.is(square[i], (margin + scale) / (1 + scale));
  }
});

test('300 random settings converge to a residual below 1e-8 or raise a ConvergenceError; errors are in [0, 1]', async (t) => {
  let state = 12345;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const spread = (low: number, high: number) => low * (high / low) ** uniform();
  let failures = 0;
  for (let i = 0; i < 300; ++i) {
    const tokens = Math.round(spread(2, 10_000));
    const relevantTokens = Math.min(tokens - 1, Math.round(uniform() * tokens));
    const share = Math.max(relevantTokens, 1) / tokens;
    const noiseLevel = spread(0.1, 10);
    const signalToNoise = spread(1e-4, 1e4);
    const mixture = {
      tokens,
      relevantTokens,
      dimension: 100,
      contextNorm: spread(0.1, 4),
      signalNorm: (noiseLevel / share) * Math.sqrt((signalToNoise * (1 - share + 1 / tokens)) / tokens),
      noiseLevel,
      ...(uniform() < 0.5
        ? { correlation: 2 * uniform() - 1, positiveRate: 0.05 + 0.9 * uniform(), confusion: twoAtoms }
        : {}),
    };
    const kind = (['least-squares', ...iterated] as const)[i % 3] as 'least-squares' | 'logistic' | 'hinge';
    const options = {
      mixture,
      inverseTemperature: uniform() < 0.2 ? 0 : spread(0.05, 3),
      sampleRatio: spread(0.05, 1e3),
      head: { kind, ridge: spread(1e-8, 1e3) },
      draws: 1000,
    };
    try {
      const { error, trainingError, residuals } = await risk.knownPrompt(options);
      const inRange = error >= 0 && error <= 1 && trainingError >= 0 && trainingError <= 1;
      t.true(inRange && residuals.every((value) => Math.abs(value) < 1e-8), JSON.stringify(options));
    } catch (error) {
      if (!(error instanceof ConvergenceError)) throw error;
      t.is(error.code, 'ERR_CONVERGENCE');
      t.true((error.state.residuals as readonly number[]).length === 4);
      failures += 1;
    }
  }
  t.true(failures <= 3, `${failures} of 300 did not converge`);
});
