/**
 * Plain reference implementations, written for clarity and sharing no code with the package: what the native kernels are
 * compared with.
 */

/** P(N(0,1) > x) to full relative accuracy: a series near 0, a continued fraction in the tail. */
export function normalTail(x: number): number {
  if (x < 0) return 1 - normalTail(-x);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (x < 3) {
    let term = x;
    let sum = x;
    for (let k = 1; Math.abs(term) > 1e-18 * Math.abs(sum); ++k) sum += term *= (x * x) / (2 * k + 1);
    return 0.5 - density * sum;
  }
  let fraction = x;
  for (let k = 400; k >= 1; --k) fraction = x + k / fraction;
  return density / fraction;
}

export function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let sum = 0;
  for (let j = 0; j < x.length; ++j) sum += (x[j] as number) * (y[j] as number);
  return sum;
}

export function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The rows of a row-major matrix. */
export function rowsOf(matrix: Float64Array, columns: number): Float64Array[] {
  return Array.from({ length: matrix.length / columns }, (_, i) => matrix.subarray(i * columns, (i + 1) * columns));
}

/** v = Xᵀ softmax(X q). */
export function pooledFeature(X: readonly Float64Array[], q: Float64Array): Float64Array {
  const phi = softmax(X.map((x) => dot(x, q)));
  return q.map((_, j) => X.reduce((sum, x, t) => sum + (phi[t] as number) * (x[j] as number), 0));
}

/** Solves A x = b by Gaussian elimination with partial pivoting. */
export function solveLinear(A: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = b.length;
  const rows = A.map((row, i) => [...row, b[i] as number]);
  for (let column = 0; column < n; ++column) {
    let pivot = column;
    for (let i = column; i < n; ++i)
      if (Math.abs(rows[i]?.[column] as number) > Math.abs(rows[pivot]?.[column] as number)) pivot = i;
    [rows[column], rows[pivot]] = [rows[pivot] as number[], rows[column] as number[]];
    const top = rows[column] as number[];
    for (let i = column + 1; i < n; ++i) {
      const row = rows[i] as number[];
      const factor = (row[column] as number) / (top[column] as number);
      for (let j = column; j <= n; ++j) row[j] = (row[j] as number) - factor * (top[j] as number);
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; --i) {
    const row = rows[i] as number[];
    let sum = row[n] as number;
    for (let j = i + 1; j < n; ++j) sum -= (row[j] as number) * (x[j] as number);
    x[i] = sum / (row[i] as number);
  }
  return x;
}

/** Averaging head, with weights or without (the weighted one without its part along the first axis), or the ridge head through the normal equations (n ≥ d) or their dual (n < d). */
export function fitHead(
  V: readonly Float64Array[],
  y: ArrayLike<number>,
  head: { kind: 'averaging' | 'weighted-averaging' | 'least-squares'; ridge?: number },
  omega: readonly number[] = [],
): Float64Array {
  const n = V.length;
  const d = V[0]?.length as number;
  const combine = (weights: ArrayLike<number>) =>
    Float64Array.from({ length: d }, (_, j) =>
      V.reduce((sum, v, i) => sum + (weights[i] as number) * (v[j] as number), 0),
    );
  if (head.kind === 'averaging') return combine(Float64Array.from(y, (label) => label / n));
  if (head.kind === 'weighted-averaging') {
    const total = omega.reduce((sum, weight) => sum + weight, 0);
    const w = combine(Float64Array.from(y, (label, i) => (label * (omega[i] as number)) / total));
    w[0] = 0;
    return w;
  }
  const ridge = n * (head.ridge ?? 0);
  if (n < d) {
    const K = V.map((u, i) => V.map((v, j) => dot(u, v) + (i === j ? ridge : 0)));
    return combine(solveLinear(K, Array.from(y)));
  }
  const columns = Array.from({ length: d }, (_, j) => V.map((v) => v[j] as number));
  const G = columns.map((a, i) => columns.map((b, j) => dot(a, b) + (i === j ? ridge : 0)));
  return Float64Array.from(
    solveLinear(
      G,
      columns.map((column) => dot(column, y)),
    ),
  );
}

export interface LabelledExample {
  readonly X: readonly Float64Array[];
  readonly y: number;
}

/** C w with C = (1/T) Xᵀ(I − 11ᵀ/T) X, the covariance of the tokens of one example. */
export function covarianceProduct(X: readonly Float64Array[], w: Float64Array): Float64Array {
  const mean = pooledFeature(X, new Float64Array(w.length));
  const scores = X.map((x) => dot(x, w) - dot(mean, w));
  return w.map((_, j) => X.reduce((sum, x, t) => sum + ((scores[t] as number) * (x[j] as number)) / X.length, 0));
}

/** Three steps of gradient descent, as written down. */
export function threeStepDescent(
  samples: readonly [LabelledExample[], LabelledExample[], LabelledExample[]],
  stepSizes: readonly [number, number, number],
  head: 'fresh' | 'restarted' | 'continued',
) {
  const d = samples[0][0]?.X[0]?.length as number;
  const zero = new Float64Array(d);
  const mean = (vectors: Float64Array[]) =>
    zero.map((_, j) => vectors.reduce((sum, v) => sum + (v[j] as number), 0) / vectors.length);
  const scaled = (factor: number, v: Float64Array) => v.map((value) => factor * value);
  const [first, second, third] = samples;
  const w1 = scaled(stepSizes[0], mean(first.map(({ X, y }) => scaled(y, pooledFeature(X, zero)))));
  const q1 = scaled(
    stepSizes[1],
    mean(second.map(({ X, y }) => scaled(y - dot(w1, pooledFeature(X, zero)), covarianceProduct(X, w1)))),
  );
  const features = third.map(({ X, y }) => ({ y, v: pooledFeature(X, q1) }));
  const step = scaled(stepSizes[2], mean(features.map(({ y, v }) => scaled(head === 'fresh' ? y : y - dot(w1, v), v))));
  const w2 = head === 'continued' ? step.map((value, j) => value + (w1[j] as number)) : step;
  return { w1, q1, w2, meanScore: dot(w2, mean(features.map(({ v }) => v))) };
}
