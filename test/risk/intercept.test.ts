// Laws of heads with a free intercept: numbers of public solvers, a fixed point of its own making, limits, and simulation.
import test from 'ava';
import { type ContextualMixtureOptions, OptionRangeError, OptionTypeError, risk, simulate } from '../../lib/index.js';
import { Stream } from '../audit/reference/random.js';
import { pull } from '../support/proximal.js';
import { normalTail } from '../support/reference.js';
import { meanAndError } from '../support/statistics.js';
import { core, iterated, rich } from './support.js';

const kinds = ['least-squares', ...iterated] as const;
type Kind = (typeof kinds)[number];

/** Two clusters ±1 with noise of variance v in every direction: ζW = 1, σ²(1 − ζ)/T = v, and any context. */
const twoClusters = (v: number, contextNorm: number, positiveRate: number) => ({
  tokens: 4,
  dimension: 100,
  relevantTokens: 1,
  contextNorm,
  signalNorm: 4,
  noiseLevel: Math.sqrt((16 * v) / 3),
  positiveRate,
});

test('two clusters out of balance: the fixed points of public solvers, whatever the context', async (t) => {
  const known = { 'least-squares': 0.211499187, logistic: 0.191215805, hinge: 0.215915302 };
  for (const contextNorm of [0, 1e-3, 2])
    for (const kind of kinds) {
      const { error } = await risk.knownPrompt({
        mixture: twoClusters(2, contextNorm, 0.2),
        inverseTemperature: 0,
        sampleRatio: 3,
        head: { kind, ridge: 0.5 / 3, intercept: true },
      });
      t.true(Math.abs(error - known[kind]) < 2e-9, `Q = ${contextNorm}, ${kind}: ${error - known[kind]}`);
    }
});

const nodes = Array.from({ length: 321 }, (_, i) => {
  const z = (i - 160) / 16;
  return [z, Math.exp((-z * z) / 2) / (16 * Math.sqrt(2 * Math.PI))] as const;
});

/** Two clusters ±1, noise of variance v, by damped iteration of the equations of w, r, χ and b. */
function clusters(kind: Kind, alpha: number, ridge: number, v: number, rate: number) {
  let [w, r, b, chi] = [0.5, 0.5, 0, 1 / (alpha * (ridge + v))];
  for (let iteration = 0; iteration < 4000; ++iteration) {
    const t = Math.sqrt(v * (r * r + w * w));
    const [c, sums] = [chi * v, [0, 0, 0, 0] as [number, number, number, number]];
    for (const [y, share] of [
      [1, rate],
      [-1, 1 - rate],
    ] as const)
      for (const [z, weight] of nodes) {
        const e = pull(kind, w + y * b + t * z, c);
        for (const [j, value] of [e, e * e, z * e, y * e].entries())
          sums[j] = (sums[j] as number) + share * weight * value;
      }
    const [e, ee, ze, ye] = sums;
    const next = 1 / (alpha * ((-v * ze) / t + ridge));
    const step = 0.5 * Math.min(1, chi * v) + 0.1;
    const change = Math.abs(next / chi - 1) + Math.abs((alpha * next * e) / w - 1) + Math.abs(ye);
    b += step * ye;
    chi = Math.sqrt(chi * next);
    w += 0.5 * (alpha * chi * e - w);
    r += 0.5 * (Math.sqrt(alpha * v * ee) * chi - r);
    if (change < 1e-12) break;
  }
  const t = Math.sqrt(v * (r * r + w * w));
  return { chi, w, r, b, error: rate * normalTail((w + b) / t) + (1 - rate) * normalTail((w - b) / t) };
}

for (const kind of kinds)
  test(`two clusters: the fixed point of the ${kind} head is that of an independent solver`, async (t) => {
    for (const [alpha, ridge, v, rate] of [
      [0.7, 0.1, 0.5, 0.3],
      [2, 0.3, 1, 0.4],
      [10, 0.1, 2, 0.85],
    ] as const) {
      const law = await risk.knownPrompt({
        mixture: twoClusters(v, 0, rate),
        inverseTemperature: 0,
        head: { kind, ridge, intercept: true },
        sampleRatio: alpha,
      });
      const reference = clusters(kind, alpha, ridge, v, rate);
      const off = {
        error: law.error / reference.error - 1,
        chi: law.chi / reference.chi - 1,
        along: (law.inPlaneHead[1] as number) / reference.w - 1,
        across: law.orthogonalNorm / reference.r - 1,
        intercept: (law.intercept as number) + reference.b,
      };
      // The sum over nodes resolves the kink of the hinge to its step.
      const accuracy = kind === 'hinge' ? 1e-3 : 1e-9;
      const worst = Math.max(...Object.values(off).map(Math.abs));
      t.true(worst < accuracy, `α = ${alpha}, λ = ${ridge}: ${JSON.stringify(off)}`);
      t.is(law.residuals.length, 5);
      t.true(Math.max(...law.residuals.map(Math.abs)) < 1e-8);
    }
  });

test('labels in balance and no confusion: the law is that of features without context, and b is ⟨w, q⋆⟩ times the attention', async (t) => {
  // At τ = 0 every feature has the same share ζ q⋆ of the context.
  for (const kind of kinds)
    for (const [sampleRatio, ridge] of [
      [0.5, 0.1],
      [3, 0.02],
    ] as const) {
      const shared = { inverseTemperature: 0, sampleRatio };
      const head = { kind, ridge };
      const free = { ...head, intercept: true };
      const plain = await risk.knownPrompt({ ...shared, head, mixture: { ...core, contextNorm: 0, dimension: 50 } });
      const without = await risk.knownPrompt({
        ...shared,
        head: free,
        mixture: { ...core, contextNorm: 0, dimension: 50 },
      });
      t.true(Math.abs(without.error - plain.error) < 1e-9 * plain.error, kind);
      t.true(Math.abs(without.intercept as number) < 1e-9, `${kind}: ${without.intercept}`);
      const moved = await risk.knownPrompt({ ...shared, head: free, mixture: { ...core, dimension: 50 } });
      t.true(Math.abs(moved.error - plain.error) < 1e-9 * plain.error, kind);
      const along = 0.25 * core.contextNorm * (moved.inPlaneHead[0] as number);
      t.true(Math.abs((moved.intercept as number) - along) < 1e-8, kind);
    }
});

test('with a prompt: balanced labels leave the intercept near that of the mean feature, and the error near that without', async (t) => {
  for (const kind of kinds) {
    const options = { mixture: { ...core, dimension: 50 }, inverseTemperature: 0.5, sampleRatio: 3, draws: 20_000 };
    const free = await risk.knownPrompt({ ...options, head: { kind, ridge: 0.01, intercept: true } });
    const plain = await risk.knownPrompt({ ...options, head: { kind, ridge: 0.01 } });
    // By symmetry neither b nor w along q⋆ is of use, within the noise of the draws.
    t.true(Math.abs(free.intercept as number) < 5 * (free.interceptStandardError as number) + 1e-9, kind);
    t.true(Math.abs(free.error - plain.error) < 5 * Math.hypot(free.standardError, plain.standardError) + 1e-9, kind);
  }
});

test('without ridge: interpolation, the largest margin and what joins them', async (t) => {
  const mixture = { ...rich, positiveRate: 0.25, dimension: 50 };
  const at = (kind: Kind, ridge: number, sampleRatio: number) =>
    risk.knownPrompt({
      mixture,
      sampleRatio,
      inverseTemperature: 0.7,
      head: { kind, ridge, intercept: true } as risk.RiskHead,
      draws: 10_000,
    });
  const [interpolated, nearly] = [await at('least-squares', 0, 0.5), await at('least-squares', 1e-7, 0.5)];
  t.is(interpolated.chi, Number.POSITIVE_INFINITY);
  t.true(Math.abs(interpolated.error - nearly.error) < 1e-5);
  t.true(Math.abs((interpolated.intercept as number) - (nearly.intercept as number)) < 1e-4);
  const threshold = (await at('logistic', 0, 1)).separabilityThreshold as number;
  const plain = (
    await risk.knownPrompt({
      mixture,
      sampleRatio: 1,
      inverseTemperature: 0.7,
      head: { kind: 'logistic' },
      draws: 10_000,
    })
  ).separabilityThreshold as number;
  t.true(threshold > plain, `${threshold} ${plain}`);
  // Below it, above that without intercept too, is the largest margin.
  for (const sampleRatio of [0.6 * threshold, 0.5 * (threshold + plain)]) {
    const margin = await at('hinge', 0, sampleRatio);
    t.is(margin.separable, true);
    const small = await at('hinge', 1e-6, sampleRatio);
    t.true(Math.abs(margin.error - small.error) < 1e-6, `${sampleRatio}: ${margin.error} ${small.error}`);
    t.true(Math.abs((margin.intercept as number) - (small.intercept as number)) < 1e-4);
  }
  for (const kind of iterated) {
    const above = await at(kind, 0, 2 * threshold);
    t.is(above.separable, false);
    t.true(Math.abs(above.error - (await at(kind, 1e-7, 2 * threshold)).error) < 1e-5);
  }
});

test('the threshold of separability is that of simulations', async (t) => {
  const mixture = { ...rich, positiveRate: 0.25, dimension: 150 };
  const head = { kind: 'logistic', intercept: true } as const;
  const options = { mixture, inverseTemperature: 0.7, head } as const;
  const { separabilityThreshold } = await risk.knownPrompt({ ...options, sampleRatio: 1 });
  for (const [factor, expected] of [
    [0.75, 3],
    [1.35, 0],
  ] as const) {
    const examples = Math.round(factor * (separabilityThreshold as number) * 150);
    const experiment = { kind: 'known-prompt', ...options, examples } as const;
    const { status } = await simulate(experiment, { trials: 10, seed: 6, testDraws: 1 });
    t.true(
      status.every((code) => code === expected),
      `${factor}: ${status}`,
    );
  }
});

test('without noise the heads minimise their objective over the few points there are', async (t) => {
  const mixture = { ...rich, noiseLevel: 0, dimension: 30 };
  for (const kind of kinds) {
    const law = await risk.knownPrompt({
      mixture,
      sampleRatio: 1e6,
      inverseTemperature: 0.7,
      head: { kind, ridge: 0.01, intercept: true },
    });
    // What little noise does.
    const noisy = await risk.knownPrompt({
      mixture: { ...mixture, noiseLevel: 1e-4 },
      sampleRatio: 1e6,
      inverseTemperature: 0.7,
      head: { kind, ridge: 0.01, intercept: true },
    });
    const off = Math.max(
      Math.abs((law.intercept as number) - (noisy.intercept as number)),
      ...law.inPlaneHead.map((value, j) => Math.abs(value - (noisy.inPlaneHead[j] as number))),
    );
    t.true(off < 1e-2, `${kind}: ${off}`);
  }
});

/** A setting from wide ranges, at which a head and its law are compared. */
function randomSetting(stream: Stream, kind: Kind) {
  const tokens = 2 + stream.below(20);
  const mixture: Omit<ContextualMixtureOptions, 'dimension'> = {
    tokens,
    relevantTokens: 1 + stream.below(tokens - 1),
    contextNorm: stream.between(0.1, 2),
    signalNorm: stream.between(0.3, 1.2),
    correlation: stream.pick([0, stream.between(-0.8, 0.8)]),
    noiseLevel: stream.between(0.8, 2),
    positiveRate: stream.between(0.25, 0.75),
    confusion: stream.pick([
      [{ deltaQ: 0, deltaW: 0, probability: 1 }],
      [
        { deltaQ: stream.between(-0.5, 0.5), deltaW: stream.between(-0.5, 0.5), probability: 0.6 },
        { deltaQ: stream.between(-0.5, 0.5), deltaW: stream.between(-0.5, 0.5), probability: 0.4 },
      ],
    ]),
    labelNoise: stream.pick([0, 0, 0, 0.15]),
    relevantNoiseLevel: stream.pick([0, 0, 0, 0.7]),
  };
  return {
    mixture,
    inverseTemperature: stream.pick([0, stream.between(0, 1), stream.between(0, 1), stream.between(0, 1)]),
    alpha: stream.pick([0.5, 0.6, 1.5, 2, 4]),
    head: {
      kind,
      ridge: kind === 'least-squares' ? stream.pick([0, 0.1]) : stream.logBetween(1e-3, 1),
      intercept: true,
    },
  };
}

for (const [part, kind] of kinds.entries())
  test(`${kind}: law and simulation agree at random settings`, async (t) => {
    const stream = new Stream(40 + part);
    for (let i = 0; i < 14; ++i) {
      const { mixture, inverseTemperature, alpha, head } = randomSetting(stream, kind);
      // At d and 2d, both with the fluctuation of the labels; what is left is of order 1/d.
      const compared = async (dimension: number, trials: number) => {
        const options = { mixture: { ...mixture, dimension }, examples: alpha * dimension, inverseTemperature, head };
        const law = await risk.knownPrompt({ ...options, draws: 20_000 });
        const { metrics, status } = await simulate(
          { kind: 'known-prompt', ...options },
          { trials, seed: 8, testDraws: 300 },
        );
        t.true(status.every((code) => code === 0));
        return { law, metrics };
      };
      const [small, large] = [await compared(60, 200), await compared(120, 100)];
      const values = [
        ['error', small.law.error, large.law.error, large.law.standardError],
        ['headNorm', small.law.headNorm, large.law.headNorm, large.law.headNormStandardError],
        ['intercept', small.law.intercept, large.law.intercept, large.law.interceptStandardError],
      ] as const;
      for (const [metric, atSmall, atLarge, standardError] of values) {
        const e1 = meanAndError(small.metrics[metric] as Float64Array);
        const e2 = meanAndError(large.metrics[metric] as Float64Array);
        const gap = 2 * (e2.mean - (atLarge as number)) - (e1.mean - (atSmall as number));
        // The mean over shares of labels leaves out heads of 1e-5 of the probability.
        const left = 1e-5 * Math.abs(atLarge as number);
        const z = gap / Math.hypot(2 * e2.standardError, e1.standardError, standardError as number, left, 1e-8);
        t.true(
          Math.abs(z) < 4,
          `${metric}: z = ${z} at ${JSON.stringify({ mixture, inverseTemperature, alpha, head })}`,
        );
      }
    }
  });

test('curves, searches and sample complexity have the intercept', async (t) => {
  const mixture = { ...core, positiveRate: 0.25, dimension: 100 };
  const head = { kind: 'least-squares', ridge: 0.1, intercept: true } as const;
  const shared = { mixture, inverseTemperature: 0.5, head } as const;
  const curve = await risk.knownPromptCurve({ ...shared, sampleRatios: [1, 3], draws: 2000 });
  const point = await risk.knownPrompt({ ...shared, sampleRatio: 3, draws: 2000 });
  t.is(curve.error[1], point.error);
  t.is(curve.intercept?.[1], point.intercept);
  t.is(curve.residuals.length, 10);
  const best = await risk.optimal({
    mixture,
    sampleRatio: 3,
    inverseTemperature: 0.5,
    head: { kind: 'least-squares', intercept: true },
    choose: ['ridge'],
    draws: 2000,
  });
  t.true(Number.isFinite(best.ridge) && best.error <= point.error + 3 * point.standardError);
  const at = await risk.knownPrompt({ ...shared, head: { ...head, ridge: best.ridge }, sampleRatio: 3, draws: 2000 });
  t.true(Math.abs(at.error - best.error) < 1e-12);
  const prompt = await risk.optimal({ mixture, sampleRatio: 3, head, choose: ['inverseTemperature'], draws: 2000 });
  t.true(prompt.error <= point.error + 3 * point.standardError);
  const experiment = { kind: 'known-prompt', ...shared } as const;
  const enough = await risk.sampleComplexity({ experiment, targetError: point.error });
  t.true('examples' in enough);
  if (!('examples' in enough)) return;
  t.true((await risk.knownPrompt({ ...shared, examples: enough.examples })).error < point.error + 1e-3);
});

test('what has no intercept says so', async (t) => {
  const mixture = { ...core, dimension: 50 };
  const shared = { mixture, inverseTemperature: 0.5, sampleRatio: 2 };
  for (const kind of ['averaging', 'weighted-averaging'] as const)
    await t.throwsAsync(risk.knownPrompt({ ...shared, head: { kind, intercept: true } as never }), {
      instanceOf: OptionTypeError,
      message: /intercept/,
    });
  t.throws(() => risk.longContext({ ...shared, head: { kind: 'least-squares', intercept: true } }), {
    instanceOf: OptionRangeError,
    message: /head.intercept/,
  });
  await t.throwsAsync(risk.knownPrompt({ ...shared, head: { kind: 'logistic', intercept: 1 } as never }), {
    instanceOf: OptionTypeError,
    message: /head.intercept/,
  });
});
