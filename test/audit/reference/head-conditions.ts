/**
 * Heads in double-double arithmetic: least squares by Householder reflections, logistic and hinge heads by what proves them
 * optimal. Slow, and sharing no code with the package.
 */
import { add, divide, multiply, negative, type Pair, root, subtract } from './double-double.js';

const zero: Pair = [0, 0];

/** Columns below this share of the largest pivot are taken for dependent, and nothing is said of the solution. */
const kRankTolerance = 1e-24;

/** R and the reflected right-hand sides of a tall matrix given by columns, with pivoting; null if columns are dependent. */
function reflect(
  columns: Pair[][],
  rightHandSide: Pair[],
  rankTolerance = kRankTolerance,
): { pivots: number[]; vectors: Pair[][] } | null {
  const m = rightHandSide.length;
  const k = columns.length;
  const pivots = columns.map((_, j) => j);
  const vectors: Pair[][] = [];
  let first = 0;
  for (let j = 0; j < k; ++j) {
    const size = (column: Pair[]) => column.slice(j).reduce((sum, [x]) => sum + x * x, 0);
    let best = j;
    for (let i = j; i < k; ++i) if (size(columns[i] as Pair[]) > size(columns[best] as Pair[])) best = i;
    [columns[j], columns[best]] = [columns[best] as Pair[], columns[j] as Pair[]];
    [pivots[j], pivots[best]] = [pivots[best] as number, pivots[j] as number];
    const column = columns[j] as Pair[];
    let square = zero;
    for (let i = j; i < m; ++i) square = add(square, multiply(column[i] as Pair, column[i] as Pair));
    const norm = root(square);
    first = Math.max(first, norm[0]);
    if (!(norm[0] > rankTolerance * first)) return null;
    const top = column[j] as Pair;
    const diagonal = top[0] >= 0 ? negative(norm) : norm;
    const v = column.map((x, i) => (i < j ? zero : i === j ? subtract(top, diagonal) : x));
    const beta = divide([-1, 0], multiply(diagonal, v[j] as Pair));
    const apply = (x: Pair[]) => {
      let product = zero;
      for (let i = j; i < m; ++i) product = add(product, multiply(v[i] as Pair, x[i] as Pair));
      const scale = negative(multiply(beta, product));
      for (let i = j; i < m; ++i) x[i] = add(x[i] as Pair, multiply(scale, v[i] as Pair));
    };
    for (let i = j; i < k; ++i) apply(columns[i] as Pair[]);
    apply(rightHandSide);
    vectors.push(v.map((x) => multiply(x, root(beta))));
  }
  return { pivots, vectors };
}

/**
 * argmin Σ (y_i − wᵀv_i)² + penalty ‖w‖², of least norm for n ≤ d without penalty; null where rows and columns are too close to
 * dependent to tell.
 */
export function leastSquares(V: Float64Array, y: Float64Array, penalty: number): Float64Array | null {
  const n = y.length;
  const d = V.length / n;
  const entry = (i: number, j: number): Pair => [V[i * d + j] as number, 0];
  const extra: Pair = root([penalty, 0]);
  if (n > d) {
    const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => sizeOf(V, b, d) - sizeOf(V, a, d));
    const columns = Array.from({ length: d }, (_, j) => [
      ...order.map((i) => entry(i, j)),
      ...(penalty > 0 ? Array.from({ length: d }, (_, i) => (i === j ? extra : zero)) : []),
    ]);
    const f: Pair[] = [
      ...order.map((i): Pair => [y[i] as number, 0]),
      ...(penalty > 0 ? new Array<Pair>(d).fill(zero) : []),
    ];
    const factor = reflect(columns, f);
    if (factor === null) return null;
    const x = new Array<Pair>(d).fill(zero);
    for (let j = d - 1; j >= 0; --j) {
      let sum = f[j] as Pair;
      for (let i = j + 1; i < d; ++i) sum = subtract(sum, multiply((columns[i] as Pair[])[j] as Pair, x[i] as Pair));
      x[j] = divide(sum, (columns[j] as Pair[])[j] as Pair);
    }
    const w = new Float64Array(d);
    factor.pivots.forEach((column, j) => {
      w[column] = (x[j] as Pair)[0];
    });
    return w;
  }
  // min ‖(w, z)‖ with V w + √penalty z = y: rows of unit size outside the two largest coordinates.
  const scales = Array.from({ length: n }, (_, i) => {
    const tail = V.subarray(i * d + Math.min(2, d - 1), (i + 1) * d);
    return 2 ** -Math.round(Math.log2(Math.hypot(...tail, Math.sqrt(penalty)) || Math.sqrt(sizeOf(V, i, d)) || 1));
  });
  const scaled = ([a, b]: Pair, scale: number): Pair => [a * scale, b * scale];
  const columns = scales.map((scale, i) => [
    ...Array.from({ length: d }, (_, j) => scaled(entry(i, j), scale)),
    ...(penalty > 0 ? scales.map((_, j) => (i === j ? scaled(extra, scale) : zero)) : []),
  ]);
  const m = (columns[0] as Pair[]).length;
  const factor = reflect(columns, new Array<Pair>(m).fill(zero));
  if (factor === null) return null;
  // Rᵀu = Pᵀy
  const u = new Array<Pair>(m).fill(zero);
  for (let j = 0; j < n; ++j) {
    const row = factor.pivots[j] as number;
    let sum: Pair = [(y[row] as number) * (scales[row] as number), 0];
    for (let i = 0; i < j; ++i) sum = subtract(sum, multiply((columns[j] as Pair[])[i] as Pair, u[i] as Pair));
    u[j] = divide(sum, (columns[j] as Pair[])[j] as Pair);
  }
  for (let j = n - 1; j >= 0; --j) {
    const v = factor.vectors[j] as Pair[];
    let product = zero;
    for (let i = j; i < m; ++i) product = add(product, multiply(v[i] as Pair, u[i] as Pair));
    for (let i = j; i < m; ++i) u[i] = subtract(u[i] as Pair, multiply(product, v[i] as Pair));
  }
  return Float64Array.from({ length: d }, (_, j) => (u[j] as Pair)[0]);
}

function sizeOf(V: Float64Array, i: number, d: number): number {
  return V.subarray(i * d, (i + 1) * d).reduce((sum, x) => sum + x * x, 0);
}

/** argmin of least squares with given columns and right-hand side of full column rank, or null. */
function solveTall(columns: Pair[][], f: Pair[], rankTolerance = kRankTolerance): Float64Array | null {
  const k = columns.length;
  const factor = reflect(columns, f, rankTolerance);
  if (factor === null) return null;
  const x = new Array<Pair>(k).fill(zero);
  for (let j = k - 1; j >= 0; --j) {
    let sum = f[j] as Pair;
    for (let i = j + 1; i < k; ++i) sum = subtract(sum, multiply((columns[i] as Pair[])[j] as Pair, x[i] as Pair));
    x[j] = divide(sum, (columns[j] as Pair[])[j] as Pair);
  }
  const w = new Float64Array(k);
  factor.pivots.forEach((column, j) => {
    w[column] = (x[j] as Pair)[0];
  });
  return w;
}

/** Norm of the Newton step of the logistic objective at w, or null where the Hessian is singular. */
export function newtonStep(V: Float64Array, y: Float64Array, ridge: number, w: Float64Array): number | null {
  const n = y.length;
  const d = w.length;
  if (ridge === 0 && n < d) return null;
  const margins = Array.from(y, (label, i) => {
    let sum = zero;
    for (let j = 0; j < d; ++j) sum = add(sum, multiply([V[i * d + j] as number, 0], [w[j] as number, 0]));
    return label * sum[0];
  });
  const weights = margins.map((m) => Math.sqrt(1 / (1 + Math.exp(m)) / (1 + Math.exp(-m)) / n));
  const rows = ridge > 0 ? d : 0;
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => (weights[b] as number) ** 2 * sizeOf(V, b, d) - (weights[a] as number) ** 2 * sizeOf(V, a, d),
  );
  const extra = root([ridge, 0]);
  const columns = Array.from({ length: d }, (_, j) => [
    ...order.map((i) => multiply([weights[i] as number, 0], [V[i * d + j] as number, 0])),
    ...Array.from({ length: rows }, (_, i) => (i === j ? extra : zero)),
  ]);
  const f: Pair[] = [
    ...order.map((i): Pair => {
      const weight = weights[i] as number;
      return [weight > 0 ? -(y[i] as number) / (1 + Math.exp(margins[i] as number)) / n / weight : 0, 0];
    }),
    ...Array.from({ length: rows }, (_, j) => multiply(extra, [w[j] as number, 0])),
  ];
  const step = solveTall(columns, f);
  return step && Math.hypot(...step);
}

/**
 * Distance of a hinge head from the one with the same examples on the kink, below and above it, if that proves optimal, relative
 * to its norm: null where it does not or cancellation hides it.
 */
export function largestSlack(V: Float64Array, y: Float64Array, ridge: number, w: Float64Array): number | null {
  const n = y.length;
  const d = w.length;
  const marginOf = (x: Float64Array, i: number) => {
    let sum = zero;
    for (let j = 0; j < d; ++j) sum = add(sum, multiply([V[i * d + j] as number, 0], [x[j] as number, 0]));
    return sum[0] * (y[i] as number);
  };
  const at: number[] = [];
  const f = new Array<Pair>(d).fill(zero);
  for (let i = 0; i < n; ++i) {
    const excess = marginOf(w, i) - 1;
    if (Math.abs(excess) < 1e-6) at.push(i);
    else if (excess < 0)
      for (let j = 0; j < d; ++j)
        f[j] = add(
          f[j] as Pair,
          divide([(y[i] as number) * (V[i * d + j] as number), 0], multiply([n, 0], [ridge, 0])),
        );
  }
  if (at.length > d) return null;
  // a = argmin ‖λ(w − f) − Σ_B a y v‖: all of w but f is in the span of the kink.
  const columns = at.map((i) =>
    Array.from({ length: d }, (_, j): Pair => [(y[i] as number) * (V[i * d + j] as number), 0]),
  );
  const target = f.map((x, j) => subtract([w[j] as number, 0], x));
  const kept = columns.map((column) => [...column]);
  const a = at.length > 0 ? solveTall(columns, [...target], 1e-6) : new Float64Array(0);
  if (a === null) return null;
  let slack = 0;
  for (const value of a) slack = Math.max(slack, -value * ridge * n, value * ridge * n - 1);
  const rest = target.map((x, j) =>
    kept.reduce((sum, column, i) => subtract(sum, multiply(column[j] as Pair, [a[i] as number, 0])), x),
  );
  const size = Math.hypot(...w);
  const scale = Math.hypot(...f.map(([x]) => x));
  // Rounding of w and of a.
  if (scale * 1e-16 > 1e-8 * size) return null;
  return Math.max(slack, size > 0 ? Math.hypot(...rest.map(([x]) => x)) / size : 0);
}
