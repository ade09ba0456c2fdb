// Heads on given features in double-double arithmetic: least squares by Householder reflections, logistic by Newton's
// method whose steps are least-squares problems, hinge by an interior-point method on its dual.
import {
  add,
  type DD,
  dd,
  divide,
  dot,
  exponential,
  leastSquares,
  type Matrix,
  multiply,
  negate,
  solvePositive,
  squareRoot,
  subtract,
} from './dd.js';

/** Rows of n×d features as double-double numbers. */
export function rowsOf(features: Float64Array, n: number): Matrix {
  const d = features.length / n;
  return Array.from({ length: n }, (_, i) => Array.from(features.subarray(i * d, (i + 1) * d), dd));
}

const toDoubles = (x: readonly DD[]) => Float64Array.from(x, ([hi, lo]) => hi + lo);

/** argmin (1/2n) Σ (y − f)² + (λ/2)‖w‖²; λ = 0 is the solution of least norm if the rows are fewer than the columns. */
export function exactLeastSquares(features: Float64Array, labels: ArrayLike<number>, ridge: number): Float64Array {
  const n = labels.length;
  const A = rowsOf(features, n);
  const b = Array.from(labels, dd);
  return toDoubles(leastSquares(...withRidge(A, b, ridge, n)));
}

function withRidge(A: Matrix, b: DD[], ridge: number, n: number): [Matrix, DD[]] {
  if (ridge === 0) return [A, b];
  const d = (A[0] as DD[]).length;
  const root = squareRoot(multiply(dd(n), dd(ridge)));
  const extra = Array.from({ length: d }, (_, i) => Array.from({ length: d }, (_, j) => (i === j ? root : dd(0))));
  return [
    [...A, ...extra],
    [...b, ...extra.map(() => dd(0))],
  ];
}

/** argmin (1/n) Σ log(1 + exp(−y f)) + (λ/2)‖w‖²; null if Newton's method does not settle (no solution at λ = 0). */
export function exactLogistic(features: Float64Array, labels: ArrayLike<number>, ridge: number): Float64Array | null {
  const n = labels.length;
  const A = rowsOf(features, n);
  const d = (A[0] as DD[]).length;
  const nl = multiply(dd(n), dd(ridge));
  const objective = (w: readonly DD[]) => {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const z = (labels[i] as number) * dot(A[i] as DD[], w)[0];
      sum += z > 0 ? Math.log1p(Math.exp(-z)) : -z + Math.log1p(Math.exp(z));
    }
    return sum + 0.5 * nl[0] * dot(w, w)[0];
  };
  let w: DD[] = new Array(d).fill(dd(0));
  let value = objective(w);
  for (let round = 0; round < 200; round++) {
    // With p = σ(−yf): minimise Σ p(1−p) (v·δ − y/(1−p))² + nλ ‖w + δ‖².
    const rows: Matrix = [];
    const right: DD[] = [];
    for (let i = 0; i < n; i++) {
      const z = multiply(dd(labels[i] as number), dot(A[i] as DD[], w));
      const positive = z[0] > 0;
      const e = exponential(positive ? negate(z) : z);
      const one = add(dd(1), e);
      const p = positive ? divide(e, one) : divide(dd(1), one);
      const rest = positive ? divide(dd(1), one) : divide(e, one);
      const root = squareRoot(multiply(p, rest));
      rows.push((A[i] as DD[]).map((x) => multiply(root, x)));
      right.push(rest[0] > 0 ? multiply(dd(labels[i] as number), divide(root, rest)) : dd(0));
    }
    if (ridge > 0) {
      const rootRidge = squareRoot(nl);
      for (let j = 0; j < d; j++) {
        rows.push(Array.from({ length: d }, (_, c) => (c === j ? rootRidge : dd(0))));
        right.push(negate(multiply(rootRidge, w[j] as DD)));
      }
    }
    const step = leastSquares(rows, right);
    if (!step.every(([x]) => Number.isFinite(x))) return null;
    const size = Math.sqrt(dot(step, step)[0]);
    const norm = Math.sqrt(dot(w, w)[0]);
    let share = 1;
    let moved = w.map((x, j) => add(x, step[j] as DD));
    // Near the solution the objective in doubles cannot tell; full steps converge there.
    while (size > 1e-6 * norm && share > 1e-6) {
      const next = objective(moved);
      if (next <= value * (1 + 1e-14)) break;
      share /= 2;
      moved = w.map((x, j) => add(x, multiply(dd(share), step[j] as DD)));
    }
    w = moved;
    value = objective(w);
    if (size < 1e-18 * Math.sqrt(dot(w, w)[0])) return toDoubles(w);
    if (ridge === 0 && Math.sqrt(dot(w, w)[0]) > 1e14) return null;
  }
  return null;
}

/** argmin (1/n) Σ max(0, 1 − y f) + (λ/2)‖w‖². */
export function exactHinge(features: Float64Array, labels: ArrayLike<number>, ridge: number): Float64Array | null {
  const n = labels.length;
  const A = rowsOf(features, n).map((row, i) => row.map((x) => multiply(dd(labels[i] as number), x)));
  const nl = multiply(dd(n), dd(ridge));
  // w = (1/nλ) Σ b_i y_i v_i, b in [0, 1]: minimise ½ bᵀ K b − Σ b.
  const K = A.map((row) => A.map((other) => divide(dot(row, other), nl)));
  let b: DD[] = new Array(n).fill(dd(0.5));
  let low: DD[] = new Array(n).fill(dd(1));
  let high: DD[] = new Array(n).fill(dd(1));
  for (let round = 0; round < 200; round++) {
    const c = b.map((x) => subtract(dd(1), x));
    const gap = b.reduce((sum, x, i) => sum + x[0] * (low[i] as DD)[0] + (c[i] as DD)[0] * (high[i] as DD)[0], 0);
    const residual = K.map((row, i) =>
      add(subtract(add(subtract(dot(row, b), dd(1)), high[i] as DD), low[i] as DD), dd(0)),
    );
    const worst = Math.max(...residual.map(([x]) => Math.abs(x)));
    if (gap / (2 * n) < 1e-24 && worst < 1e-18) break;
    const mu = dd((0.1 * gap) / (2 * n));
    const H = K.map((row, i) =>
      row.map((x, j) =>
        i === j ? add(x, add(divide(low[i] as DD, b[i] as DD), divide(high[i] as DD, c[i] as DD))) : x,
      ),
    );
    const right = residual.map((x, i) =>
      add(
        negate(x),
        subtract(subtract(divide(mu, b[i] as DD), low[i] as DD), subtract(divide(mu, c[i] as DD), high[i] as DD)),
      ),
    );
    const step = solvePositive(H, right);
    if (!step.every(([x]) => Number.isFinite(x))) return null;
    const lowStep = step.map((x, i) =>
      subtract(divide(subtract(mu, multiply(low[i] as DD, x)), b[i] as DD), low[i] as DD),
    );
    const highStep = step.map((x, i) =>
      subtract(divide(add(mu, multiply(high[i] as DD, x)), c[i] as DD), high[i] as DD),
    );
    let share = 1;
    const limit = (x: DD, dx: DD) => {
      if (dx[0] < 0) share = Math.min(share, (-0.99 * x[0]) / dx[0]);
    };
    for (let i = 0; i < n; i++) {
      limit(b[i] as DD, step[i] as DD);
      limit(c[i] as DD, negate(step[i] as DD));
      limit(low[i] as DD, lowStep[i] as DD);
      limit(high[i] as DD, highStep[i] as DD);
    }
    const move = (x: readonly DD[], dx: readonly DD[]) =>
      x.map((value, i) => add(value, multiply(dd(share), dx[i] as DD)));
    [b, low, high] = [move(b, step), move(low, lowStep), move(high, highStep)];
  }
  const d = (A[0] as DD[]).length;
  return toDoubles(
    Array.from({ length: d }, (_, j) =>
      divide(
        A.reduce((sum, row, i) => add(sum, multiply(row[j] as DD, b[i] as DD)), dd(0)),
        nl,
      ),
    ),
  );
}
