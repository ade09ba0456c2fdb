import test from 'ava';
import { native } from '../../lib/base/native.js';
import { fitHead, type HeadOptions, OptionRangeError, OptionTypeError } from '../../lib/index.js';
import { dot, fitHead as plainHead, rowsOf } from '../support/reference.js';
import { relativeDistance } from '../support/reference-models.js';

const numbers = (count: number, seed: number, kind: 'normal' | 'uniform' = 'normal') =>
  native.randomNumbers({
    kind,
    purpose: 201,
    trial: 0,
    first: 0,
    count,
    seed: BigInt(seed),
    cellKey: new Uint32Array(4),
  });

/** Features whose first coordinate tells the label with the given strength, and the labels. */
function sample(n: number, d: number, strength: number, seed: number) {
  const V = numbers(n * d, seed);
  const y = numbers(n, seed + 1000).map((z) => (z > 0 ? 1 : -1));
  for (let i = 0; i < n; ++i) V[i * d] = (V[i * d] as number) + strength * (y[i] as number);
  return { V, y };
}

const marginsOf = (V: Float64Array, y: Float64Array, w: Float64Array) =>
  rowsOf(V, w.length).map((v, i) => (y[i] as number) * dot(v, w));

test('averaging, ridge and least norm equal the reference', async (t) => {
  for (const [n, d] of [
    [40, 7],
    [7, 40],
    [1, 3],
  ] as const) {
    const { V, y } = sample(n, d, 0.5, n);
    for (const head of [
      { kind: 'averaging' },
      { kind: 'least-squares', ridge: 0.3 },
      { kind: 'least-squares' },
    ] as const) {
      const fitted = await fitHead(V, y, head);
      t.is(fitted.status, 'ok');
      t.true(relativeDistance(fitted.head, plainHead(rowsOf(V, d), y, head)) < 1e-10, `${n} ${d} ${head.kind}`);
      t.true(fitted.residual < 1e-14);
    }
  }
});

/** Norm of the gradient of the logistic objective. */
function logisticGradient(V: Float64Array, y: Float64Array, w: Float64Array, ridge: number): number {
  const gradient = w.map((x) => ridge * x);
  const margins = marginsOf(V, y, w);
  rowsOf(V, w.length).forEach((v, i) => {
    const p = 1 / (1 + Math.exp(margins[i] as number));
    for (let j = 0; j < w.length; ++j)
      gradient[j] = (gradient[j] as number) - ((y[i] as number) * p * (v[j] as number)) / y.length;
  });
  return Math.hypot(...gradient);
}

test('the logistic head has no gradient, with and without ridge, n above and below d, features of any scale', async (t) => {
  for (const [n, d, ridge] of [
    [200, 5, 0],
    [200, 5, 0.01],
    [20, 30, 0.1],
    [20, 30, 1e-6],
    [600, 20, 1e-4],
  ] as const)
    for (const scale of [1, 1e-4, 1e4]) {
      const { V, y } = sample(n, d, 0.4, n + d);
      const scaled = V.map((v) => scale * v);
      const fitted = await fitHead(scaled, y, { kind: 'logistic', ridge: ridge * scale ** 2 });
      t.is(fitted.status, 'ok', `${n} ${d} ${ridge} ${scale}`);
      t.true(fitted.residual <= 1e-10);
      t.true(logisticGradient(scaled, y, fitted.head, ridge * scale ** 2) < 1e-9 * scale * Math.sqrt(d));
      t.true(fitted.iterations < 60);
    }
});

test('logistic heads in closed form', async (t) => {
  // Three of four examples v = 1 have y = 1: the log odds are log 3.
  const V = new Float64Array(4).fill(1);
  const y = Float64Array.of(1, 1, 1, -1);
  const { head } = await fitHead(V, y, { kind: 'logistic' });
  t.true(Math.abs((head[0] as number) - Math.log(3)) < 1e-12);
  // A repeated column: the least norm splits the weight.
  const twice = await fitHead(new Float64Array(8).fill(1), y, { kind: 'logistic' });
  t.is(twice.status, 'ok');
  for (const weight of twice.head) t.true(Math.abs(weight - Math.log(3) / 2) < 1e-6);
  // Balanced labels on one feature, and features that are all zero.
  t.deepEqual([...(await fitHead(V, Float64Array.of(1, -1, 1, -1), { kind: 'logistic' })).head], [0]);
  t.deepEqual((await fitHead(new Float64Array(4), y, { kind: 'logistic' })).status, 'ok');
});

test('separable classes have no logistic head without ridge', async (t) => {
  const separated = sample(50, 5, 8, 1);
  const wide = sample(20, 60, 0, 2);
  // Quasi-separated: both classes on the hyperplane v1 = 0, one of them also beside it.
  const quasi = {
    V: Float64Array.of(0, 1, 0, -1, 0, 1, 0, -1, 1, 0.3, 2, -0.5),
    y: Float64Array.of(1, -1, -1, 1, 1, 1),
  };
  for (const { V, y } of [separated, wide, quasi]) {
    const { status, head } = await fitHead(V, y, { kind: 'logistic' });
    t.is(status, 'separable');
    t.true(head.every(Number.isNaN));
    t.is((await fitHead(V, y, { kind: 'logistic', ridge: 1e-3 })).status, 'ok');
  }
});

test('no direction improves the hinge head', async (t) => {
  for (const [n, d, ridge] of [
    [120, 4, 0.05],
    [120, 4, 2],
    [30, 40, 0.01],
    [200, 10, 0.001],
  ] as const) {
    const { V, y } = sample(n, d, 0.8, n + d);
    const { head, status, residual } = await fitHead(V, y, { kind: 'hinge', ridge });
    t.is(status, 'ok', `${n} ${d} ${ridge}`);
    t.true(residual <= 1e-8);
    const margins = marginsOf(V, y, head);
    const rows = rowsOf(V, d);
    // One-sided derivative of the objective: margins at the kink count where it rises.
    const slope = (direction: Float64Array) =>
      rows.reduce((sum, v, i) => {
        const change = -(y[i] as number) * dot(v, direction);
        const margin = margins[i] as number;
        if (margin < 1 - 1e-7) return sum + change / n;
        return margin > 1 + 1e-7 ? sum : sum + Math.max(change, 0) / n;
      }, ridge * dot(head, direction));
    const directions = rowsOf(numbers(300 * d, 5), d);
    for (let j = 0; j < d; ++j)
      for (const sign of [1, -1]) directions.push(new Float64Array(d).map((_, i) => (i === j ? sign : 0)));
    directions.push(
      head.map((x) => -x),
      head,
    );
    for (const direction of directions)
      t.true(slope(direction) > -1e-6 * Math.hypot(...direction), `${n} ${d} ${ridge}: ${slope(direction)}`);
  }
});

test('hinge heads in closed form', async (t) => {
  // One example v = 1: w = min(1, 1/λ).
  for (const [ridge, expected] of [
    [0.5, 1],
    [4, 0.25],
  ] as const) {
    const { head } = await fitHead(Float64Array.of(1), Float64Array.of(1), { kind: 'hinge', ridge });
    t.true(Math.abs((head[0] as number) - expected) < 1e-8);
  }
  // Support vectors (1, ±1) against (−1, ±1): the widest margin is w = e1.
  const V = Float64Array.of(1, 1, 1, -1, -1, 1, -1, -1, 5, 0);
  const { head } = await fitHead(V, Float64Array.of(1, 1, -1, -1, 1), { kind: 'hinge', ridge: 1e-3 });
  t.true(Math.hypot((head[0] as number) - 1, head[1] as number) < 1e-7);
  const zero = await fitHead(new Float64Array(3), Float64Array.of(1, 1, -1), { kind: 'hinge', ridge: 1 });
  t.deepEqual([...zero.head], [0]);
});

test('an aborted fit rejects with the reason', async (t) => {
  const { V, y } = sample(4000, 500, 0, 3);
  const controller = new AbortController();
  const reason = new Error('enough');
  const fit = fitHead(V, y, { kind: 'hinge', ridge: 1e-7 }, { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 20);
  t.is(await t.throwsAsync(fit), reason);
});

test('refuses bad arguments, naming them', async (t) => {
  const V = new Float64Array(6).fill(1);
  const y = Float64Array.of(1, -1, 1);
  const good = { kind: 'averaging' } as HeadOptions;
  const cases: [unknown, unknown, unknown, RegExp][] = [
    [[1], y, good, /^features must be a Float64Array/],
    [new Float64Array(0), y, good, /^features must be neither empty nor detached/],
    [new Float64Array(7), y, good, /^features must be of length n×d/],
    [new Float64Array(2), y, good, /^features must be of length n×d/],
    [Float64Array.of(1, 1, Number.NaN), y, good, /^features must be without NaN/],
    [new Float64Array(new SharedArrayBuffer(48)), y, good, /^features must be .* shared/],
    [V, new Float64Array(0), good, /^labels must be neither empty/],
    [V, Float64Array.of(1, 0, 1), good, /^labels\[1\] must be −1 or 1; got 0/],
    [V, y, { kind: 'hinge' }, /^head\.ridge must be/],
    [V, y, { kind: 'hinge', ridge: 0 }, /^head\.ridge must be a finite number > 0/],
    [V, y, { kind: 'logistic', ridge: -1 }, /^head\.ridge must be a finite number ≥ 0/],
    [V, y, { kind: 'tree' }, /^head\.kind must be/],
    [V, y, undefined, /^head must be/],
  ];
  for (const [features, labels, head, message] of cases) {
    const error = await t.throwsAsync(
      fitHead(features as Float64Array, labels as Float64Array, head as HeadOptions),
      undefined,
      message.source,
    );
    t.true(error instanceof OptionTypeError || error instanceof OptionRangeError);
    t.regex(error.message, message);
  }
});
