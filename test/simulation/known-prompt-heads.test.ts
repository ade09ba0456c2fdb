import test from 'ava';
import { fitHead, SolverFallback, SolverUsed, simulate, TrialStatus, trialFeatures } from '../../lib/index.js';
import { leastSquares } from '../audit/reference/head-conditions.js';
import { meanAndError } from '../support/statistics.js';

/** Heavy-tailed attention: the scales of the features spread over many orders of magnitude. */
const heavy = (tokens: number, examples: number, dimension: number) =>
  ({
    kind: 'known-prompt',
    mixture: { tokens, dimension, relevantTokens: 2, contextNorm: 3, signalNorm: 1 },
    examples,
    inverseTemperature: 2,
    head: { kind: 'least-squares' },
  }) as const;

/** README's mixture with a long prompt. */
const readme = (dimension: number) =>
  ({
    kind: 'known-prompt',
    mixture: { tokens: 32, dimension, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 },
    examples: 2 * dimension,
    inverseTemperature: 3,
    head: { kind: 'least-squares' },
  }) as const;

const distance = (w: Float64Array, reference: Float64Array) =>
  Math.hypot(...w.map((x, j) => x - (reference[j] as number))) / Math.hypot(...reference);

// Errors and norms of heads solved in extended precision, with their standard errors: docs/theory.md §10.
for (const [tokens, error, errorSpread, norm, normSpread] of [
  [4, 1.025e-3, 2e-5, 1.751, 0.014],
  [8, 3.069e-3, 3e-5, 1.808, 0.017],
] as const)
  for (const solver of ['auto', 'direct'] as const)
    test(`ill-conditioned heads are right: T = ${tokens}, n = 300, d = 600, ${solver}`, async (t) => {
      const { metrics, status } = await simulate({ ...heavy(tokens, 300, 600), solver }, { trials: 24, seed: 5 });
      t.true(status.every((code) => code === TrialStatus.ok));
      for (const [values, expected, spread] of [
        [metrics.error, error, errorSpread],
        [metrics.headNorm as Float64Array, norm, normSpread],
      ] as const) {
        const { mean, standardError } = meanAndError(values);
        const z = (mean - expected) / Math.hypot(standardError, spread);
        t.true(Math.abs(z) < 4, `${mean} ± ${standardError}, expected ${expected}: z = ${z}`);
      }
    });

test('a head that the iterative solver cannot vouch for is not converged, and auto finds it in another way', async (t) => {
  const experiment = heavy(4, 100, 200);
  const forced = await simulate({ ...experiment, solver: 'iterative' }, { trials: 4, seed: 1 });
  t.deepEqual([...forced.status], new Array(4).fill(TrialStatus.notConverged));
  t.true(forced.metrics.error.every(Number.isNaN));
  t.true(forced.solverUsed?.every((code) => code === SolverUsed.iterative));
  t.true(forced.solverFallback?.every((code) => code === SolverFallback.none));
  for (const [examples, dimension] of [
    [500, 1000],
    [260, 200],
  ] as const) {
    const { status, solverUsed } = await simulate(heavy(4, examples, dimension), { trials: 2, seed: 1 });
    t.deepEqual([...status], [0, 0]);
    t.deepEqual([...(solverUsed as Uint8Array)], [SolverUsed.orthogonal, SolverUsed.orthogonal]);
  }
});

test('auto sees from the experiment, or from the scales, that conjugate gradients would take too long', async (t) => {
  const long = await simulate(readme(1000), { trials: 2, seed: 1 });
  t.is(long.solver, 'direct');
  t.deepEqual([...long.status], [0, 0]);
  t.deepEqual([...(long.solverFallback as Uint8Array)], [0, 0]);
  // One irrelevant token: its scale is anything.
  const spread = {
    kind: 'known-prompt',
    mixture: { tokens: 2, dimension: 625, relevantTokens: 1, contextNorm: 1.89, signalNorm: 0.6 },
    examples: 1537,
    inverseTemperature: 0.78,
    head: { kind: 'least-squares' },
  } as const;
  const run = await simulate(spread, { trials: 2, seed: 1 });
  t.is(run.solver, 'iterative');
  t.deepEqual([...run.status], [0, 0]);
  t.deepEqual([...(run.solverUsed as Uint8Array)], [SolverUsed.direct, SolverUsed.direct]);
  t.deepEqual([...(run.solverFallback as Uint8Array)], [SolverFallback.predicted, SolverFallback.predicted]);
  const direct = await simulate({ ...spread, solver: 'direct' }, { trials: 2, seed: 1 });
  t.deepEqual(run.metrics.error, direct.metrics.error);
  t.deepEqual([...(direct.solverFallback as Uint8Array)], [0, 0]);
  // An easy one stays with conjugate gradients.
  const easy = await simulate({ ...readme(1000), inverseTemperature: 0.5 }, { trials: 1, seed: 1 });
  t.deepEqual([...(easy.solverUsed as Uint8Array)], [SolverUsed.iterative]);
  const averaging = await simulate({ ...readme(50), head: { kind: 'averaging' } }, { trials: 1, seed: 1 });
  t.deepEqual([...(averaging.solverUsed as Uint8Array)], [SolverUsed.none]);
});

test('heads of trials with scales of all sizes equal a reference in double-double arithmetic', async (t) => {
  let checked = 0;
  for (const [examples, dimension] of [
    [12, 25],
    [30, 20],
    [20, 20],
    [25, 24],
  ] as const)
    for (const [tokens, inverseTemperature, contextNorm] of [
      [2, 1, 4],
      [4, 2, 3],
      [16, 4, 2],
      [8, 5, 3],
    ] as const)
      for (const ridge of [0, 1e-12, 1e-3, 1e6]) {
        const experiment = {
          ...heavy(tokens, examples, dimension),
          inverseTemperature,
          mixture: { tokens, dimension, relevantTokens: 1, contextNorm, signalNorm: 1, correlation: 0.2 },
          head: { kind: 'least-squares', ridge },
        } as const;
        const { features, labels } = await trialFeatures(experiment, { seed: 3 });
        const reference = leastSquares(features, labels, examples * ridge);
        if (reference === null) continue;
        const { head, status } = await fitHead(features, labels, experiment.head);
        const note = JSON.stringify({ tokens, examples, dimension, inverseTemperature, ridge });
        t.is(status, 'ok', note);
        t.true(distance(head, reference) < 1e-6, `${note}: ${distance(head, reference)}`);
        ++checked;
      }
  t.true(checked > 55, `${checked}`);
});

test('dependent features have the least squares head of least norm', async (t) => {
  const close = (w: Float64Array, expected: readonly number[]) =>
    t.true(Math.hypot(...w.map((x, j) => x - (expected[j] as number))) < 1e-12, `${w}`);
  const leastNorm = async (V: readonly number[], y: readonly number[]) => {
    const { head, status } = await fitHead(Float64Array.from(V), Float64Array.from(y), { kind: 'least-squares' });
    t.is(status, 'ok');
    return head;
  };
  // A repeated column shares its weight; a repeated row with both labels asks for their mean; both at once.
  close(await leastNorm([1, 1, 2, 2, 3, 3], [1, -1, 1]), [1 / 14, 1 / 14]);
  close(await leastNorm([1, 2, 0, 1, 2, 0], [1, -1]), [0, 0, 0]);
  close(await leastNorm([1, 0, 0, 1, 0, 0, 0, 3, 3], [1, 1, -1]), [1, -1 / 6, -1 / 6]);
  close(await leastNorm([1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0], [1, 1, -1]), [1 / 6, 1 / 6, 0, 0]);
  close(await leastNorm([0, 0, 0, 0], [1, -1]), [0, 0]);
  // Columns of very different scales are not dependent.
  const scaled = await leastNorm([1e-60, 0, 0, 1e60, 1e-60, 1e60], [1, 1, -1]);
  close(Float64Array.of((scaled[0] as number) * 1e-60, (scaled[1] as number) * 1e60), [0, 0]);
});

test('without noise all methods find the head of least norm', async (t) => {
  const experiment = {
    ...heavy(8, 50, 20),
    mixture: { ...heavy(8, 50, 20).mixture, noiseLevel: 0 },
  };
  const runs = await Promise.all([
    simulate({ ...experiment, solver: 'direct' }, { trials: 3, seed: 1 }),
    simulate({ ...experiment, solver: 'iterative' }, { trials: 3, seed: 1 }),
    simulate(experiment, { trials: 3, seed: 1, method: 'dense' }),
  ]);
  for (const { status, metrics } of runs) {
    t.deepEqual([...status], [0, 0, 0]);
    // w = w⋆/W² fits all labels.
    t.true(
      metrics.headNorm?.every((norm) => Math.abs(norm - 1) < 1e-7),
      `${metrics.headNorm}`,
    );
    t.deepEqual([...metrics.error], [0, 0, 0]);
  }
});

test('logistic and hinge heads are the same in the span of the features', async (t) => {
  // Columns of zeros make n < d of the same problem.
  const { features, labels } = await trialFeatures(heavy(8, 30, 20), { seed: 1 });
  const wide = new Float64Array(30 * 40);
  for (let i = 0; i < 30; ++i) wide.set(features.subarray(i * 20, (i + 1) * 20), i * 40 + 10);
  for (const head of [
    { kind: 'logistic', ridge: 1e-6 },
    { kind: 'logistic', ridge: 0.1 },
    { kind: 'hinge', ridge: 1e-6 },
    { kind: 'hinge', ridge: 0.1 },
  ] as const) {
    const narrow = await fitHead(features, labels, head);
    const reduced = await fitHead(wide, labels, head);
    t.is(narrow.status, 'ok');
    t.is(reduced.status, 'ok');
    const expected = new Float64Array(40);
    expected.set(narrow.head, 10);
    t.true(distance(reduced.head, expected) < 1e-8, `${JSON.stringify(head)}: ${distance(reduced.head, expected)}`);
  }
});
