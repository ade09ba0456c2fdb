/**
 * Heads in double-double arithmetic: least squares by Householder reflections, logistic and hinge heads by what proves them
 * optimal. Slow, and sharing no code with the package.
 */
import { add, divide, multiply, negative, type Pair, root, subtract } from './double-double.js';

const zero: Pair = [0, 0];

/** Columns below this share of the largest pivot are taken for dependent, and nothing is said of the solution. */
const kRankTolerance = 1e-24;

/** R and the reflected right-hand sides of a tall matrix given by columns, with pivoting; null if columns are dependent. */
function reflect(columns: Pair[][], rightHandSide: Pair[]): { pivots: number[]; vectors: Pair[][] } | null {
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
    if (!(norm[0] > kRankTolerance * first)) return null;
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
    const f: Pair[] = [...order.map((i): Pair => [y[i] as number, 0]), ...(penalty > 0 ? new Array<Pair>(d).fill(zero) : [])];
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
