import test from 'ava';
import { fitHead } from '../../lib/index.js';

const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
  Array.from(x).reduce((sum, value, j) => sum + value * (y[j] as number), 0);
/** Numbers in [−1, 1] without a pattern. */
const numbers = (count: number, seed = 1) => Float64Array.from({ length: count }, (_, i) => Math.sin((i + seed) ** 2));
const labelsOf = (n: number) => Float64Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 1 : -1));
const rowOf = (V: Float64Array, d: number, i: number) => V.subarray(i * d, (i + 1) * d);

test('the hinge head of a vanishing ridge is that of the largest margin', async (t) => {
  // Both examples are at the margin: w = Vᵀ(VVᵀ)⁻¹y, whatever the ridge below that of the margin's price.
  const V = Float64Array.of(3, 1, 0.5, -1, -2, 0.25);
  const y = Float64Array.of(1, -1);
  const [a, b] = [rowOf(V, 3, 0), rowOf(V, 3, 1)];
  const determinant = dot(a, a) * dot(b, b) - dot(a, b) ** 2;
  const alpha = [(dot(b, b) + dot(a, b)) / determinant, -(dot(a, a) + dot(a, b)) / determinant];
  const expected = Array.from(a, (value, j) => (alpha[0] as number) * value + (alpha[1] as number) * (b[j] as number));
  for (const ridge of [1e-3, 1e-6, 1e-9, 1e-12]) {
    const { head, status } = await fitHead(V, y, { kind: 'hinge', ridge });
    t.is(status, 'ok');
    for (const [j, value] of expected.entries())
      t.true(Math.abs((head[j] as number) - value) < 1e-12, `${ridge}: ${head[j]} for ${value}`);
  }
});

for (const ridge of [1e6, 1, 1e-3, 1e-6, 1e-9, 1e-12])
  for (const [n, d] of [
    [12, 40],
    [40, 12],
  ] as const)
    test(`a logistic head that is ok is optimal as far as its gradient can tell: ridge ${ridge}, n = ${n}, d = ${d}, features of sizes 1 to 1e-6`, async (t) => {
      const V = numbers(n * d);
      for (let i = 0; i < n; ++i) for (let j = 0; j < d; ++j) (V[i * d + j] as number) *= 10 ** -(i % 7);
      const y = labelsOf(n);
      const { head, status } = await fitHead(V, y, { kind: 'logistic', ridge });
      t.is(status, 'ok');
      // ‖w − ŵ‖ ≤ ‖∇F(w)‖/λ, since F is λ-strongly convex. At λ = 1e-12 rounding of ∇F itself is 1e-5 of λ‖w‖.
      const gradient = Array.from(head, (value) => ridge * value);
      for (let i = 0; i < n; ++i) {
        const v = rowOf(V, d, i);
        const slope = (y[i] as number) / (1 + Math.exp((y[i] as number) * dot(v, head))) / n;
        for (let j = 0; j < d; ++j) gradient[j] = (gradient[j] as number) - slope * (v[j] as number);
      }
      const bound = Math.sqrt(dot(gradient, gradient) / dot(head, head)) / ridge;
      t.true(bound < (ridge > 1e-12 ? 1e-6 : 1e-3), `bound ${bound}`);
    });

for (const kind of ['logistic', 'hinge'] as const)
  test(`the ${kind} head of fewer examples than dimensions is that of the examples in their own span`, async (t) => {
    const [n, d] = [6, 40];
    const V = numbers(n * d);
    const y = labelsOf(n);
    // V = L Qᵀ with L the Cholesky factor of VVᵀ.
    const L = new Float64Array(n * n);
    for (let i = 0; i < n; ++i)
      for (let j = 0; j <= i; ++j) {
        const rest =
          dot(rowOf(V, d, i), rowOf(V, d, j)) - dot(rowOf(L, n, i).subarray(0, j), rowOf(L, n, j).subarray(0, j));
        L[i * n + j] = i === j ? Math.sqrt(rest) : rest / (L[j * n + j] as number);
      }
    const whole = await fitHead(V, y, { kind, ridge: 0.01 });
    const own = await fitHead(L, y, { kind, ridge: 0.01 });
    t.is(whole.status, 'ok');
    t.true(Math.abs(dot(whole.head, whole.head) / dot(own.head, own.head) - 1) < 1e-10);
    for (let i = 0; i < n; ++i)
      t.true(Math.abs(dot(rowOf(V, d, i), whole.head) - dot(rowOf(L, n, i), own.head)) < 1e-10);
  });

test('a hinge head on equal examples is found at any ridge', async (t) => {
  // Along e1 copies of ±1: w = (w1, 0), w1 = min(1, 1/λ).
  for (const ridge of [10, 1, 1e-3, 1e-6, 1e-9, 1e-12]) {
    const V = new Float64Array(40).map((_, j) => (j % 2 === 0 ? (j % 4 === 0 ? 1 : -1) : 0));
    const { head, status } = await fitHead(V, labelsOf(20), { kind: 'hinge', ridge });
    t.is(status, 'ok', `${ridge}`);
    t.true(Math.abs((head[0] as number) - Math.min(1, 1 / ridge)) < 1e-9, `${ridge}: ${head[0]}`);
    t.true(Math.abs(head[1] as number) < 1e-9);
  }
});
