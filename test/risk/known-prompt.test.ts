import test from 'ava';
import { type ContextualMixtureOptions, type HeadOptions, OptionRangeError, risk, simulate } from '../../lib/index.js';
import { normalTail } from '../support/reference.js';
import { meanAndError } from '../support/statistics.js';

const leastSquares = { kind: 'least-squares' } as const;
const core = { tokens: 16, relevantTokens: 4, contextNorm: 1.2, signalNorm: 0.9 };
const rich = {
  ...core,
  correlation: 0.4,
  noiseLevel: 0.8,
  positiveRate: 0.35,
  confusion: [
    { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
    { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
  ],
};

// Simulated error at d and 2d, extrapolated linearly in 1/d to d = ∞, against the law.
const lawSets: [number, number, HeadOptions, Omit<ContextualMixtureOptions, 'dimension'>][] = [
  [3, 0.5, leastSquares, core],
  [3, 0.7, leastSquares, rich],
  [0.5, 0.7, leastSquares, rich],
  [1, 0.7, { kind: 'least-squares', ridge: 0.05 }, rich],
  [0.5, 0, { kind: 'least-squares', ridge: 0.3 }, { ...rich, correlation: -0.6 }],
  [2, 1.5, { kind: 'least-squares', ridge: 0.01 }, core],
  [4, -0.5, leastSquares, { ...rich, positiveRate: 0.7 }],
];
for (const [alpha, inverseTemperature, head, mixture] of lawSets)
  test(`law and simulation agree: α = ${alpha}, τ = ${inverseTemperature}, ${JSON.stringify(head)}, ρ = ${mixture.correlation ?? 0}`, async (t) => {
    const law = await risk.knownPrompt({
      mixture: { ...mixture, dimension: 100 },
      sampleRatio: alpha,
      inverseTemperature,
      head,
    });
    const run = async (dimension: number, trials: number) =>
      simulate(
        {
          kind: 'known-prompt',
          mixture: { ...mixture, dimension },
          examples: alpha * dimension,
          inverseTemperature,
          head,
        },
        { trials, seed: 21, testDraws: 400 },
      );
    const small = await run(100, 1600);
    const large = await run(200, 800);
    const e1 = meanAndError(small.metrics.error);
    const e2 = meanAndError(large.metrics.error);
    const z =
      (2 * e2.mean - e1.mean - law.error) / Math.hypot(2 * e2.standardError, e1.standardError, law.standardError);
    t.true(Math.abs(z) < 4, `z = ${z}`);
    const attention = meanAndError(large.metrics.relevantAttention as Float64Array);
    const gap = attention.mean - law.relevantAttention;
    const attentionError = Math.hypot(attention.standardError, law.relevantAttentionStandardError);
    t.true(Math.abs(gap) <= 4 * attentionError + 1e-12, `relevantAttention: ${gap / attentionError}`);
  });

test('averaging: the gap to the law vanishes as n and d grow, and both methods of simulation show it', async (t) => {
  // Fluctuations of the head along q⋆ are of order 1/√n and move the error by O(1/n): at n = 4·10⁵ they are gone.
  const mixture = { ...core, contextNorm: 1, dimension: 200_000 };
  const experiment = {
    kind: 'known-prompt',
    mixture,
    examples: 400_000,
    inverseTemperature: 0.5,
    head: { kind: 'averaging' },
  } as const;
  const law = await risk.knownPrompt({ ...experiment, draws: 400_000 });
  const { metrics } = await simulate(experiment, { trials: 8, seed: 3, testDraws: 50_000 });
  const { mean, standardError } = meanAndError(metrics.error);
  const z = (mean - law.error) / Math.hypot(standardError, law.standardError);
  t.true(Math.abs(z) < 4, `z = ${z}`);
});

test('the fixed point equations hold, re-evaluated at τ = 0 where they are closed form', async (t) => {
  const mixture = { ...rich, dimension: 50 };
  const alpha = 2;
  const lambda = 0.1;
  const { chi, inPlaneHead, orthogonalNorm, error } = await risk.knownPrompt({
    mixture,
    sampleRatio: alpha,
    inverseTemperature: 0,
    head: { kind: 'least-squares', ridge: lambda },
  });
  const s2 = (0.64 * 12) / 256;
  const kappa = 1 / (1 + s2 * chi);
  t.true(Math.abs(alpha * s2 * chi * kappa + alpha * lambda * chi - 1) < 1e-12);
  const [w1, w2] = inPlaneHead as unknown as [number, number];
  const norm = Math.hypot(orthogonalNorm, w1, w2) * Math.sqrt(s2);
  const gradient = [lambda * w1, lambda * w2];
  let squares = 0;
  let expected = 0;
  for (const y of [1, -1])
    for (const { deltaQ, deltaW, probability } of rich.confusion) {
      const p = (y > 0 ? 0.35 : 0.65) * probability;
      const mean = (inQ: number, inW: number) => 0.25 * inQ * 1 + 0.75 * inW;
      const u1 = mean(1.2 + y * 0.36, -deltaQ * 1.2 - deltaW * y * 0.36);
      const w = 0.9 * Math.sqrt(1 - 0.16);
      const u2 = mean(y * w, -deltaW * y * w);
      const residual = y - u1 * w1 - u2 * w2;
      gradient[0] = (gradient[0] as number) - p * kappa * (u1 * residual - s2 * w1);
      gradient[1] = (gradient[1] as number) - p * kappa * (u2 * residual - s2 * w2);
      squares += p * (residual ** 2 + s2 * (w1 ** 2 + w2 ** 2));
      expected += p * normalTail((y * (u1 * w1 + u2 * w2)) / norm);
    }
  t.true(Math.abs(gradient[0] as number) < 1e-13 && Math.abs(gradient[1] as number) < 1e-13);
  const scale = alpha * chi ** 2 * kappa ** 2;
  t.true(Math.abs(orthogonalNorm ** 2 * (1 - scale * s2 * s2) - scale * s2 * squares) < 1e-12);
  t.true(Math.abs(error - expected) < 1e-14);
});

test('limits: λ → ∞ is averaging, λ → 0 is interpolation or least squares, α = 1 is chance', async (t) => {
  const at = (sampleRatio: number, head: HeadOptions) =>
    risk.knownPrompt({ mixture: { ...rich, dimension: 50 }, sampleRatio, inverseTemperature: 0.7, head, draws: 2000 });
  for (const alpha of [0.5, 3]) {
    const averaging = await at(alpha, { kind: 'averaging' });
    const heavy = await at(alpha, { kind: 'least-squares', ridge: 1e9 });
    t.true(Math.abs(heavy.error - averaging.error) < 1e-7);
    t.true(Math.abs((heavy.orthogonalNorm * 1e9) / averaging.orthogonalNorm - 1) < 1e-6);
    const light = await at(alpha, { kind: 'least-squares', ridge: 1e-11 });
    t.true(Math.abs(light.error - (await at(alpha, leastSquares)).error) < 1e-5);
  }
  const peak = await at(1, leastSquares);
  t.is(peak.error, 0.5);
  t.is(peak.standardError, 0);
  t.is(peak.orthogonalNorm, Number.POSITIVE_INFINITY);
  for (const alpha of [1 - 1e-9, 1 + 1e-9]) t.true(Math.abs((await at(alpha, leastSquares)).error - 0.5) < 1e-3);
});

test('a curve shares its draws: each point equals the single risk', async (t) => {
  const options = {
    mixture: { ...rich, dimension: 50 },
    inverseTemperature: 0.7,
    head: leastSquares,
    draws: 5000,
    seed: 4,
  };
  const sampleRatios = [0.3, 1, 2, 8];
  const curve = await risk.knownPromptCurve({ ...options, sampleRatios });
  for (const [i, sampleRatio] of sampleRatios.entries()) {
    const point = await risk.knownPrompt({ ...options, sampleRatio });
    t.is(curve.error[i], point.error);
    t.is(curve.standardError[i], point.standardError);
    t.is(curve.orthogonalNorm[i], point.orthogonalNorm);
    t.deepEqual(curve.inPlaneHead.slice(2 * i, 2 * i + 2), point.inPlaneHead);
  }
  // The same but for label imbalance, of order 1/n.
  const imbalanced = await risk.knownPrompt({ ...options, examples: 100 });
  t.true(Math.abs(imbalanced.error / (curve.error[2] as number) - 1) < 0.01);
});

test('the standard error of a risk is the scatter of its value over seeds', async (t) => {
  const errors: number[] = [];
  const claimed: number[] = [];
  for (let seed = 0; seed < 60; ++seed) {
    const { error, standardError } = await risk.knownPrompt({
      mixture: { ...rich, dimension: 50 },
      sampleRatio: 2,
      inverseTemperature: 0.7,
      head: leastSquares,
      draws: 3200,
      seed,
    });
    errors.push(error);
    claimed.push(standardError);
  }
  const scatter = meanAndError(errors).standardError * Math.sqrt(60);
  // The ratio of two estimates of one standard deviation: 60 values against 60 × 15 degrees of freedom.
  const z = Math.log(scatter / meanAndError(claimed).mean) / Math.sqrt(1 / (2 * 59) + 1 / (2 * 60 * 15));
  t.true(Math.abs(z) < 4, `z = ${z}`);
});

test('edges: noiseless, no relevant token, all relevant, one-sided labels, attention that underflows', async (t) => {
  const edges: Partial<ContextualMixtureOptions>[] = [
    { noiseLevel: 0 },
    { relevantTokens: 0 },
    { relevantTokens: 16 },
    { positiveRate: 1 },
    { contextNorm: 0 },
    { signalNorm: 0 },
    { contextNorm: 30 },
  ];
  for (const edge of edges)
    for (const head of [{ kind: 'averaging' }, leastSquares, { kind: 'least-squares', ridge: 0.1 }] as const)
      for (const sampleRatio of [0.5, 1, 2])
        for (const inverseTemperature of [0, 2]) {
          const { error, standardError } = await risk.knownPrompt({
            mixture: { ...rich, dimension: 50, ...edge },
            sampleRatio,
            inverseTemperature,
            head,
            draws: 640,
          });
          t.true(
            error >= 0 && error <= 1 && standardError >= 0,
            JSON.stringify({ edge, head, sampleRatio, inverseTemperature, error }),
          );
        }
});

const long = { tokens: 2000, dimension: 100, relevantTokens: 500, contextNorm: 1, signalNorm: 0.05 };

test('long context: the closed forms of least squares and averaging', (t) => {
  for (const inverseTemperature of [0, 0.5, 0.8]) {
    const S = 2000 * 0.05 ** 2 * (0.25 ** 2 / 0.75) * Math.exp(2 * inverseTemperature - 2 * inverseTemperature ** 2);
    for (const alpha of [1.5, 4, 20]) {
      const squares = risk.longContext({ mixture: long, sampleRatio: alpha, inverseTemperature, head: leastSquares });
      t.true(Math.abs(squares.signalToNoise / S - 1) < 1e-12);
      t.true(Math.abs(squares.error - normalTail((S * Math.sqrt(alpha - 1)) / Math.sqrt(alpha * S + 1))) < 1e-13);
      const averaging = risk.longContext({
        mixture: long,
        sampleRatio: alpha,
        inverseTemperature,
        head: { kind: 'averaging' },
      });
      t.true(Math.abs(averaging.error - normalTail(S / Math.sqrt(S + 1 / alpha))) < 1e-13);
    }
  }
});

test('long context: the known-prompt risk at T = 2000 is within O(1/T) of it, for every head and sample ratio', async (t) => {
  // At fixed T·W² the gap is O(1/T); extrapolating T and 2T linearly in 1/T removes it to O(1/T²).
  const half = { ...long, tokens: 1000, relevantTokens: 250, signalNorm: 0.05 * Math.SQRT2 };
  for (const inverseTemperature of [0, 0.25, 0.5])
    for (const head of [{ kind: 'averaging' }, leastSquares, { kind: 'least-squares', ridge: 1e-3 }] as const)
      for (const sampleRatio of [0.5, 3]) {
        // Feature variance at T = 1000 is twice that at T = 2000: the same penalty relative to it.
        const halfHead = 'ridge' in head ? { ...head, ridge: 2 * head.ridge } : head;
        const large = await risk.knownPrompt({ mixture: long, sampleRatio, inverseTemperature, head, draws: 20_000 });
        const small = await risk.knownPrompt({
          mixture: half,
          sampleRatio,
          inverseTemperature,
          head: halfHead,
          draws: 20_000,
          seed: 1,
        });
        const limit = risk.longContext({ mixture: long, sampleRatio, inverseTemperature, head });
        const gap = 2 * large.error - small.error - limit.error;
        const gapError = Math.hypot(2 * large.standardError, small.standardError);
        t.true(Math.abs(large.error - limit.error) < 0.01);
        t.true(
          Math.abs(gap) < 4 * gapError + 20 / 2000 ** 2,
          JSON.stringify({
            inverseTemperature,
            head,
            sampleRatio,
            gap,
            gapError,
            large: large.error,
            limit: limit.error,
          }),
        );
      }
});

test('long context: the best prompt scale is 1/(2σ²) and multiplies the signal-to-noise ratio by exp(Q²/(2σ²))', (t) => {
  for (const noiseLevel of [0.7, 1, 1.6])
    for (const contextNorm of [0.5, 1, 2]) {
      const mixture = { ...long, noiseLevel, contextNorm };
      const ratio = (inverseTemperature: number) =>
        risk.longContext({ mixture, sampleRatio: 2, inverseTemperature, head: leastSquares }).signalToNoise;
      const best = risk.longContext({
        mixture,
        sampleRatio: 2,
        inverseTemperature: 0,
        head: leastSquares,
      }).optimalInverseTemperature;
      t.is(best, 1 / (2 * noiseLevel ** 2));
      t.true(ratio(best) > ratio(best * 1.01) && ratio(best) > ratio(best * 0.99));
      t.true(Math.abs(ratio(best) / ratio(0) / Math.exp(contextNorm ** 2 / (2 * noiseLevel ** 2)) - 1) < 1e-12);
    }
});

test('the known-prompt risk has its minimum in τ near 1/(2σ²) at long context, not at τ → ∞', async (t) => {
  const error = async (inverseTemperature: number) =>
    (await risk.knownPrompt({ mixture: long, sampleRatio: 3, inverseTemperature, head: leastSquares, draws: 4000 }))
      .error;
  const best = await error(0.5);
  for (const other of [0, 0.2, 1, 2, 5]) t.true((await error(other)) > best);
});

test('refuses mixtures that a law does not cover, naming the option', async (t) => {
  const point = { sampleRatio: 2, inverseTemperature: 0.5, head: leastSquares };
  await t.throwsAsync(risk.knownPrompt({ mixture: { ...long, noise: 'uniform' }, ...point }), {
    instanceOf: OptionRangeError,
    message: /^mixture\.noise/,
  });
  await t.throwsAsync(risk.knownPrompt({ mixture: long, ...point, examples: 3 }), {
    message: /^examples must be given, or sampleRatio/,
  });
  await t.throwsAsync(risk.knownPrompt({ mixture: long, inverseTemperature: 0.5, head: leastSquares }), {
    message: /^examples must be given, or sampleRatio/,
  });
  await t.throwsAsync(
    risk.knownPromptCurve({ mixture: long, inverseTemperature: 0.5, head: leastSquares, sampleRatios: [1, -1] }),
    { message: /^sampleRatios\[1\] must be/ },
  );
  for (const [change, option] of [
    [{ correlation: 0.1 }, 'correlation'],
    [{ positiveRate: 0.4 }, 'positiveRate'],
    [{ confusion: [{ deltaQ: 0, deltaW: 1, probability: 1 }] }, 'confusion'],
  ] as const)
    t.throws(() => risk.longContext({ mixture: { ...long, ...change }, ...point }), {
      instanceOf: OptionRangeError,
      message: new RegExp(`^mixture\\.${option} must be`),
    });
});
