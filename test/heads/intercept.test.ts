// Heads with a free intercept against solvers of their own, plain TypeScript that shares nothing with the addon.
import test from 'ava';
import { fitHead, type HeadOptions, OptionTypeError } from '../../lib/index.js';
import { Stream } from '../audit/reference/random.js';
import { solveLinear } from '../support/reference.js';

type Kind = 'least-squares' | 'logistic' | 'hinge';

interface Data {
  readonly n: number;
  readonly d: number;
  /** n rows of d numbers. */
  readonly rows: readonly Float64Array[];
  readonly labels: Float64Array;
}

/** Features with a signal, at a random distance from the origin, and labels of both kinds out of balance. */
function randomData(stream: Stream, n: number, d: number): Data {
  const labels = Float64Array.from({ length: n }, (_, i) => (i === 0 ? 1 : i === 1 || stream.uniform() < 0.7 ? -1 : 1));
  const signal = Array.from({ length: d }, () => 0.5 * stream.normal());
  const shift = Array.from({ length: d }, () => stream.pick([0, 0, 3]) * stream.normal());
  const scale = stream.logBetween(0.1, 10);
  const rows = Array.from(labels, (y) =>
    Float64Array.from(
      { length: d },
      (_, j) => scale * (stream.normal() + y * (signal[j] as number) + (shift[j] as number)),
    ),
  );
  return { n, d, rows, labels };
}

const flat = ({ rows }: Data) => Float64Array.from(rows.flatMap((row) => [...row]));
const fitFreely = (data: Data, kind: Kind, ridge: number) =>
  fitHead(flat(data), data.labels, { kind, ridge, intercept: true });

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, x, j) => sum + x * (b[j] as number), 0);
const scoresOf = ({ rows }: Data, w: ArrayLike<number>, b: number) => rows.map((row) => dot(w, row) - b);

/** Newton's method in (w, −b) with the normal equations of its steps. */
function smoothHead({ n, d, rows, labels }: Data, kind: 'least-squares' | 'logistic', ridge: number): number[] {
  const columns = rows.map((row) => [...row, 1]);
  let x = new Array<number>(d + 1).fill(0);
  for (let step = 0; step < (kind === 'logistic' ? 60 : 3); ++step) {
    const gradient = x.map((value, j) => (j < d ? ridge * value : 0));
    const hessian = x.map((_, i) => x.map((_value, j) => (i === j && j < d ? ridge : 0)));
    for (const [i, v] of columns.entries()) {
      const y = labels[i] as number;
      const f = dot(v, x);
      const wrong = 1 / (1 + Math.exp(y * f));
      const slope = kind === 'logistic' ? -y * wrong : f - y;
      const curvature = kind === 'logistic' ? wrong * (1 - wrong) : 1;
      for (let j = 0; j <= d; ++j) {
        gradient[j] = (gradient[j] as number) + (slope * (v[j] as number)) / n;
        const row = hessian[j] as number[];
        for (let k = 0; k <= d; ++k)
          row[k] = (row[k] as number) + (curvature * (v[j] as number) * (v[k] as number)) / n;
      }
    }
    const change = solveLinear(hessian, gradient);
    const largest = Math.max(...change.map(Math.abs));
    x = x.map((value, j) => value - (change[j] as number) * Math.min(1, 4 / largest));
  }
  return x;
}

/** The dual of the hinge head by pairs of multipliers (sequential minimal optimisation): its value, a lower bound of the objective. */
function hingeDual({ n, rows, labels }: Data, ridge: number): number {
  const a = new Array<number>(n).fill(0);
  const gram = rows.map((u) => rows.map((v) => dot(u, v) / ridge));
  const scores = new Array<number>(n).fill(0);
  for (let step = 0; step < 200_000; ++step) {
    let [up, down] = [-1, -1];
    const ascent = (i: number) => (labels[i] as number) - (scores[i] as number);
    for (let i = 0; i < n; ++i) {
      const y = labels[i] as number;
      const [low, high] = [(a[i] as number) <= 0, (a[i] as number) >= 1 / n];
      if (!(y > 0 ? high : low) && (up < 0 || ascent(i) > ascent(up))) up = i;
      if (!(y > 0 ? low : high) && (down < 0 || ascent(i) < ascent(down))) down = i;
    }
    if (up < 0 || down < 0 || ascent(up) - ascent(down) < 1e-11) break;
    const g = (i: number, j: number) => gram[i]?.[j] as number;
    const curvature = g(up, up) + g(down, down) - 2 * g(up, down);
    const room = (i: number, direction: number) =>
      direction * (labels[i] as number) > 0 ? 1 / n - (a[i] as number) : (a[i] as number);
    const length = Math.min(
      curvature > 0 ? (ascent(up) - ascent(down)) / curvature : Number.POSITIVE_INFINITY,
      room(up, 1),
      room(down, -1),
    );
    a[up] = Math.min(1 / n, Math.max(0, (a[up] as number) + length * (labels[up] as number)));
    a[down] = Math.min(1 / n, Math.max(0, (a[down] as number) - length * (labels[down] as number)));
    for (let i = 0; i < n; ++i) scores[i] = (scores[i] as number) + length * (g(i, up) - g(i, down));
  }
  let value = 0;
  for (let i = 0; i < n; ++i)
    for (let j = 0; j < n; ++j)
      value -=
        0.5 *
        (a[i] as number) *
        (a[j] as number) *
        (labels[i] as number) *
        (labels[j] as number) *
        (gram[i]?.[j] as number);
  return value + a.reduce((sum, x) => sum + x, 0);
}

const size = (x: ArrayLike<number>) => Math.sqrt(dot(x, x));

for (const kind of ['least-squares', 'logistic'] as const)
  test(`${kind}: head and intercept are those of Newton's method, and the gradient vanishes in both`, async (t) => {
    const stream = new Stream(11);
    for (let i = 0; i < 60; ++i) {
      const data = randomData(stream, 3 + stream.below(40), 1 + stream.below(30));
      const ridge = stream.logBetween(1e-4, 10);
      const { head, intercept, status, residual } = await fitFreely(data, kind, ridge);
      t.is(status, 'ok');
      t.true(residual < 1e-10);
      const reference = smoothHead(data, kind, ridge);
      const off = size([...head, -(intercept as number)].map((value, j) => value - (reference[j] as number)));
      t.true(off < 1e-7 * size(reference), `n = ${data.n}, d = ${data.d}, λ = ${ridge}: ${off}`);
      const scores = scoresOf(data, head, intercept as number);
      const slopes = scores.map((f, j) => {
        const y = data.labels[j] as number;
        return (kind === 'logistic' ? -y / (1 + Math.exp(y * f)) : f - y) / data.n;
      });
      const gradient = Array.from(
        head,
        (value, j) =>
          ridge * value +
          dot(
            slopes,
            data.rows.map((row) => row[j] as number),
          ),
      );
      gradient.push(slopes.reduce((sum, slope) => sum + slope, 0));
      const unit = data.rows.reduce((sum, row) => sum + Math.hypot(1, ...row), 0) / data.n;
      t.true(size(gradient) < 1e-10 * unit, `n = ${data.n}, d = ${data.d}, λ = ${ridge}: ${size(gradient) / unit}`);
    }
  });

test('least squares without ridge: the least norm for n ≤ d + 1, in w alone', async (t) => {
  const stream = new Stream(12);
  for (let i = 0; i < 40; ++i) {
    const n = 3 + stream.below(20);
    const data = randomData(stream, n, n - 1 + stream.below(30));
    const { head, intercept, status } = await fitFreely(data, 'least-squares', 0);
    t.is(status, 'ok');
    for (const [j, f] of scoresOf(data, head, intercept as number).entries())
      t.true(Math.abs(f - (data.labels[j] as number)) < 1e-7);
    // Of least norm: a combination Σ a_i v_i with Σ a_i = 0, as the limit of small ridges is.
    const { head: limit } = await fitFreely(data, 'least-squares', 1e-9);
    t.true(size(head.map((value, j) => value - (limit[j] as number))) < 1e-4 * size(head));
  }
  // A feature that is the same for all examples belongs to the intercept, with least squares and the logistic loss.
  const data = randomData(stream, 60, 4);
  const wide: Data = { ...data, d: 5, rows: data.rows.map((row) => Float64Array.of(...row, 2)) };
  for (const kind of ['least-squares', 'logistic'] as const) {
    const narrow = await fitFreely(data, kind, 0);
    const found = await fitFreely(wide, kind, 0);
    if (narrow.status === 'separable') continue;
    t.is(found.status, 'ok');
    t.true(Math.abs(found.head[4] as number) < 1e-9, `${kind}: ${found.head}`);
    t.true(Math.abs((found.intercept as number) - (narrow.intercept as number)) < 1e-7);
  }
});

test('hinge: no objective is below the dual, and the intercept is optimal', async (t) => {
  const stream = new Stream(13);
  for (let i = 0; i < 60; ++i) {
    const data = randomData(stream, 3 + stream.below(30), 1 + stream.below(25));
    const ridge = stream.logBetween(1e-2, 100);
    const { head, intercept, status } = await fitFreely(data, 'hinge', ridge);
    t.is(status, 'ok');
    const objective = (b: number) =>
      scoresOf(data, head, b).reduce((sum, f, j) => sum + Math.max(0, 1 - (data.labels[j] as number) * f), 0) / data.n +
      (ridge / 2) * dot(head, head);
    const value = objective(intercept as number);
    const dual = hingeDual(data, ridge);
    const gap = value - dual;
    t.true(gap > -1e-9 && gap < 1e-7 * value, `n = ${data.n}, d = ${data.d}, λ = ${ridge}: gap ${gap} of ${value}`);
    for (const shift of [-0.1, -1e-3, 1e-3, 0.1]) t.true(objective((intercept as number) + shift) >= value - 1e-12);
  }
});

test('features moved by a vector c move the intercept by ⟨w, c⟩ and nothing else; reversed labels reverse the head', async (t) => {
  const stream = new Stream(14);
  for (const kind of ['least-squares', 'logistic', 'hinge'] as const)
    for (let i = 0; i < 15; ++i) {
      const data = randomData(stream, 5 + stream.below(30), 1 + stream.below(25));
      // Without a signal to speak of the hinge's intercept may be any in an interval.
      const ridge = stream.logBetween(1e-3, 0.1);
      const { head, intercept } = await fitFreely(data, kind, ridge);
      const move = Array.from({ length: data.d }, () => 5 * stream.normal());
      const moved: Data = { ...data, rows: data.rows.map((row) => row.map((value, j) => value + (move[j] as number))) };
      const there = await fitFreely(moved, kind, ridge);
      t.true(size(there.head.map((value, j) => value - (head[j] as number))) < 1e-6 * (1e-3 + size(head)), kind);
      const reversed = await fitFreely({ ...data, labels: data.labels.map((y) => -y) }, kind, ridge);
      t.true(size(reversed.head.map((value, j) => value + (head[j] as number))) < 1e-6 * (1e-3 + size(head)), kind);
      if (kind === 'hinge') continue;
      t.true(Math.abs((there.intercept as number) - (intercept as number) - dot(head, move)) < 1e-5, kind);
      t.true(
        Math.abs((reversed.intercept as number) + (intercept as number)) < 1e-6 * (1 + Math.abs(intercept as number)),
      );
    }
});

test('separable by a hyperplane that misses the origin: the logistic head does not exist without ridge', async (t) => {
  const features = Float64Array.of(1, 2, 3, 4);
  const labels = Float64Array.of(-1, -1, 1, 1);
  const { status, head, intercept } = await fitHead(features, labels, { kind: 'logistic', intercept: true });
  t.is(status, 'separable');
  t.true(Number.isNaN(head[0]) && Number.isNaN(intercept));
  t.is((await fitHead(features, labels, { kind: 'logistic' })).status, 'ok');
});

test('labels that are all the same are the score; a logistic head does not exist', async (t) => {
  for (const y of [1, -1]) {
    const labels = Float64Array.of(y, y, y);
    for (const kind of ['least-squares', 'hinge'] as const) {
      const { status, head, intercept } = await fitHead(Float64Array.of(1, 2, 4), labels, {
        kind,
        ridge: 0.1,
        intercept: true,
      });
      t.is(status, 'ok');
      t.true(Math.abs(head[0] as number) < 1e-14 && Math.abs((intercept as number) + y) < 1e-14);
    }
    const logistic = await fitHead(Float64Array.of(1, 2, 4), labels, { kind: 'logistic', ridge: 0.1, intercept: true });
    t.is(logistic.status, 'separable');
  }
});

test('false is the default, and sums over examples have no intercept', async (t) => {
  const data = randomData(new Stream(15), 20, 5);
  const heads: HeadOptions[] = [
    { kind: 'least-squares' },
    { kind: 'logistic', ridge: 0.1 },
    { kind: 'hinge', ridge: 0.1 },
  ];
  for (const head of heads) {
    const plain = await fitHead(flat(data), data.labels, head);
    t.deepEqual(await fitHead(flat(data), data.labels, { ...head, intercept: false } as HeadOptions), plain);
    t.false('intercept' in plain);
  }
  for (const kind of ['averaging', 'weighted-averaging'] as const)
    await t.throwsAsync(fitHead(flat(data), data.labels, { kind, intercept: true } as never), {
      instanceOf: OptionTypeError,
    });
});
