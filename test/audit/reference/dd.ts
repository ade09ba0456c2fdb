// Double-double numbers (about 32 digits) as pairs of doubles, and the linear algebra of the references on arrays of them.

/** hi + lo, |lo| ≤ half a unit in the last place of hi. */
export type DD = readonly [number, number];

const kSplit = 134217729;

function twoSum(a: number, b: number): DD {
  const s = a + b;
  const t = s - a;
  return [s, a - (s - t) + (b - t)];
}

function quick(a: number, b: number): DD {
  const s = a + b;
  return [s, b - (s - a)];
}

function twoProduct(a: number, b: number): DD {
  const p = a * b;
  const ta = kSplit * a;
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = kSplit * b;
  const bh = tb - (tb - b);
  const bl = b - bh;
  return [p, ah * bh - p + ah * bl + al * bh + al * bl];
}

export const dd = (x: number): DD => [x, 0];
export const negate = ([a, b]: DD): DD => [-a, -b];

export function add(a: DD, b: DD): DD {
  const [s, e] = twoSum(a[0], b[0]);
  const [t, f] = twoSum(a[1], b[1]);
  const [u, v] = quick(s, e + t);
  return quick(u, v + f);
}

export const subtract = (a: DD, b: DD): DD => add(a, negate(b));

export function multiply(a: DD, b: DD): DD {
  const [p, e] = twoProduct(a[0], b[0]);
  return quick(p, e + (a[0] * b[1] + a[1] * b[0]));
}

export function divide(a: DD, b: DD): DD {
  const q1 = a[0] / b[0];
  const r1 = subtract(a, multiply(b, dd(q1)));
  const q2 = r1[0] / b[0];
  const r2 = subtract(r1, multiply(b, dd(q2)));
  return add(quick(q1, q2), dd(r2[0] / b[0]));
}

export function squareRoot(a: DD): DD {
  if (a[0] <= 0) return dd(0);
  const x = dd(Math.sqrt(a[0]));
  // Two steps of Newton: the second is for the last bits.
  const once = multiply(dd(0.5), add(x, divide(a, x)));
  return multiply(dd(0.5), add(once, divide(a, once)));
}

const kLn2: DD = [Math.LN2, 2.3190468138462996e-17];

export function exponential(a: DD): DD {
  if (a[0] < -700) return dd(0);
  const k = Math.round(a[0] / Math.LN2);
  const scale = 2 ** -9;
  const r = multiply(subtract(a, multiply(dd(k), kLn2)), dd(scale));
  // e^r − 1 by its series, then (1 + x)² − 1 = x (2 + x) nine times.
  let term = r;
  let sum = r;
  for (let n = 2; n < 14; n++) {
    term = divide(multiply(term, r), dd(n));
    sum = add(sum, term);
  }
  for (let i = 0; i < 9; i++) sum = multiply(sum, add(dd(2), sum));
  return multiply(add(dd(1), sum), dd(2 ** k));
}

/** A matrix by rows. */
export type Matrix = DD[][];

export const dot = (a: readonly DD[], b: readonly DD[]): DD =>
  a.reduce((sum, x, i) => add(sum, multiply(x, b[i] as DD)), dd(0));

/** Cholesky solution of a symmetric positive definite system; A is overwritten. */
export function solvePositive(A: Matrix, b: readonly DD[]): DD[] {
  const n = b.length;
  for (let j = 0; j < n; j++) {
    const row = A[j] as DD[];
    for (let i = j; i < n; i++) {
      const other = A[i] as DD[];
      let sum = other[j] as DD;
      for (let c = 0; c < j; c++) sum = subtract(sum, multiply(other[c] as DD, row[c] as DD));
      other[j] = i === j ? squareRoot(sum) : divide(sum, row[j] as DD);
    }
  }
  const x = [...b];
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < i; c++) x[i] = subtract(x[i] as DD, multiply(A[i]?.[c] as DD, x[c] as DD));
    x[i] = divide(x[i] as DD, A[i]?.[i] as DD);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let c = i + 1; c < n; c++) x[i] = subtract(x[i] as DD, multiply(A[c]?.[i] as DD, x[c] as DD));
    x[i] = divide(x[i] as DD, A[i]?.[i] as DD);
  }
  return x;
}

/** Householder reflections of A (rows ≥ columns), rows sorted by size and columns pivoted; R and what is needed for Qᵀb, Qb. */
function factorise(A: Matrix) {
  const rows = A.length;
  const columns = (A[0] as DD[]).length;
  const order = A.map((row, i) => [Math.max(...row.map(([x]) => Math.abs(x))), i] as const).sort((a, b) => b[0] - a[0]);
  const R = order.map(([, i]) => [...(A[i] as DD[])]);
  const pivots = Array.from({ length: columns }, (_, j) => j);
  const reflections: { v: DD[]; beta: DD; from: number }[] = [];
  for (let j = 0; j < columns; j++) {
    const norms = pivots.map((_, c) => (c < j ? -1 : R.slice(j).reduce((sum, row) => sum + (row[c] as DD)[0] ** 2, 0)));
    const p = norms.indexOf(Math.max(...norms));
    for (const row of R) [row[j], row[p]] = [row[p] as DD, row[j] as DD];
    [pivots[j], pivots[p]] = [pivots[p] as number, pivots[j] as number];
    const v = R.slice(j).map((row) => row[j] as DD);
    const length = squareRoot(dot(v, v));
    if (length[0] === 0) continue;
    const head = v[0] as DD;
    const alpha = head[0] > 0 ? negate(length) : length;
    v[0] = subtract(head, alpha);
    const beta = divide(dd(2), dot(v, v));
    reflections.push({ v, beta, from: j });
    for (let c = j; c < columns; c++) {
      let sum = dd(0);
      for (const [i, x] of v.entries()) sum = add(sum, multiply(x, R[j + i]?.[c] as DD));
      const factor = multiply(beta, sum);
      for (const [i, x] of v.entries()) {
        const row = R[j + i] as DD[];
        row[c] = subtract(row[c] as DD, multiply(factor, x));
      }
    }
  }
  const reflect = (b: DD[], { v, beta, from }: { v: DD[]; beta: DD; from: number }) => {
    const factor = multiply(beta, dot(v, b.slice(from)));
    for (const [i, x] of v.entries()) b[from + i] = subtract(b[from + i] as DD, multiply(factor, x));
  };
  return { R, rows, columns, pivots, order: order.map(([, i]) => i), reflections, reflect };
}

/** argmin ‖A x − b‖ for full column rank, or the solution of least norm of A x = b for full row rank with rows < columns. */
export function leastSquares(A: Matrix, b: readonly DD[]): DD[] {
  const wide = A.length < (A[0] as DD[]).length;
  const source = wide ? (A[0] as DD[]).map((_, j) => A.map((row) => row[j] as DD)) : A;
  const { R, rows, columns, pivots, order, reflections, reflect } = factorise(source);
  if (!wide) {
    const c = order.map((i) => b[i] as DD);
    for (const reflection of reflections) reflect(c, reflection);
    const x: DD[] = new Array(columns).fill(dd(0));
    for (let i = columns - 1; i >= 0; i--) {
      let sum = c[i] as DD;
      for (let j = i + 1; j < columns; j++)
        sum = subtract(sum, multiply(R[i]?.[j] as DD, x[pivots[j] as number] as DD));
      x[pivots[i] as number] = divide(sum, R[i]?.[i] as DD);
    }
    return x;
  }
  // Aᵀ = QR with pivots: solve Rᵀ z = b (pivoted), x = Q z.
  const z: DD[] = new Array(rows).fill(dd(0));
  for (let i = 0; i < columns; i++) {
    let sum = b[pivots[i] as number] as DD;
    for (let j = 0; j < i; j++) sum = subtract(sum, multiply(R[j]?.[i] as DD, z[j] as DD));
    z[i] = divide(sum, R[i]?.[i] as DD);
  }
  for (const reflection of reflections.toReversed()) reflect(z, reflection);
  const x: DD[] = new Array(rows).fill(dd(0));
  for (const [i, at] of order.entries()) x[at] = z[i] as DD;
  return x;
}
