// The fixed point of a head learned with the prompt τ q⋆ (n, d → ∞), for square, logistic and hinge loss, on nodes that a
// caller chooses: quadrature nodes where at most one score is random, weighted draws otherwise. With Stein's identity the
// equations for the plane (w1 along q̂, w2 across), r and χ are, D = (ω − prox)/(χs²) at ω ~ N(w·M, s²(w2² + r²)),
//   λ w1 = −E[M1 D],   w2 = −αχ E[M2 D],   r² = αχ² E[s² D²],   1/(αχ) = λ + E[s² ∂D/∂ω].
import { attend, type Setting, termsOf } from './mixture.js';
import { density, upperTail } from './normal.js';
import { Stream } from './random.js';
import { WideScores } from './tail.js';

export type Loss = 'square' | 'logistic' | 'hinge';

/** What is averaged over: weight, label, means along q̂ and across, scale of the noise. */
export interface Nodes {
  readonly weight: Float64Array;
  readonly y: Float64Array;
  readonly m1: Float64Array;
  readonly m2: Float64Array;
  readonly s: Float64Array;
}

/**
 * Nodes for the prompt τ q⋆: `step` is the widest of the quadrature, in standard deviations or 0.4/c if that is less, divided by
 * `refined`, over scores up to `reach`; `draws` are per label and atom.
 */
export function nodesOf(
  setting: Setting,
  tau: number,
  { step: widest = 1 / 8, refined = 1, reach = 11, draws = 20_000, seed = 1 } = {},
): Nodes {
  const { tokens, relevantTokens: k, contextNorm: Q, noiseLevel } = setting;
  const m = tokens - k;
  const c = noiseLevel * Math.abs(tau) * Q;
  // Attention passes from 0 to 1 over scores of 1/c.
  const step = Math.min(widest, 0.4 / Math.max(c, 1e-9)) / refined;
  const direction = tau < 0 ? -1 : 1;
  const rows: number[][] = [];
  const stream = new Stream(seed);
  for (const term of termsOf(setting)) {
    const add = (g: Float64Array, weight: number) => {
      const pooled = attend(k, tau * Q * term.relevant[0], tau * Q * term.irrelevant[0], c, g);
      const along = pooled.relevant * term.relevant[0] + pooled.irrelevant * term.irrelevant[0];
      const across = pooled.relevant * term.relevant[1] + pooled.irrelevant * term.irrelevant[1];
      rows.push([
        weight * term.probability,
        term.y,
        direction * along + noiseLevel * pooled.shift,
        across,
        noiseLevel * pooled.scale,
      ]);
    };
    if (m === 0 || noiseLevel === 0) add(new Float64Array(m), 1);
    else if (m === 1)
      for (let i = -Math.round(reach / step); i <= reach / step; i++)
        add(Float64Array.of(i * step), step * density(i * step));
    else {
      // Without scores (τ = 0) the pooled noise is Gaussian along q̂ too: m draws do.
      const wide = new WideScores(stream, m);
      for (let i = 0; i < draws; i++) {
        const weight = wide.draw() / draws;
        add(wide.g, weight);
      }
    }
  }
  const column = (j: number) => Float64Array.from(rows, (row) => row[j] as number);
  const total = column(0).reduce((sum, w) => sum + w, 0);
  return { weight: column(0).map((w) => w / total), y: column(1), m1: column(2), m2: column(3), s: column(4) };
}

interface Moments {
  first: number;
  second: number;
  slope: number;
}

/** E[D], E[D²], E[∂D/∂ω] for ω ~ N(mean, sd²), V = χs². */
function momentsOf(loss: Loss, y: number, mean: number, sd: number, V: number, out: Moments): void {
  if (loss === 'square') {
    out.first = (mean - y) / (1 + V);
    out.second = ((mean - y) ** 2 + sd * sd) / (1 + V) ** 2;
    out.slope = 1 / (1 + V);
    return;
  }
  const margin = y * mean;
  if (loss === 'hinge') {
    // z = yω: D = −y below 1 − V, −y(1 − z)/V up to 1, 0 above.
    const a = (1 - V - margin) / sd;
    const b = (1 - margin) / sd;
    const below = upperTail(-a);
    const between = a > 0 ? upperTail(a) - upperTail(b) : upperTail(-b) - upperTail(-a);
    const [da, db] = [density(a), density(b)];
    const first = sd * (b * between - (da - db));
    const second = sd * sd * (b * b * between - 2 * b * (da - db) + between + a * da - b * db);
    out.first = -y * (below + first / V);
    out.second = below + second / (V * V);
    out.slope = between / V;
    return;
  }
  const step = Math.min(0.5, 1.5 / Math.max(sd, 1e-9));
  const count = Math.ceil(8.5 / step);
  let [first, second, slope] = [0, 0, 0];
  for (let i = -count; i <= count; i++) {
    const weight = step * density(i * step);
    const z = margin + sd * i * step;
    // p = z + V σ(−p) by Newton from a point where the residual is monotone.
    let p = z + V * 0.5;
    if (p < z || p > z + V) p = z;
    let low = z;
    let high = z + V;
    for (let round = 0; round < 100; round++) {
      const u = p > 0 ? Math.exp(-p) / (1 + Math.exp(-p)) : 1 / (1 + Math.exp(p));
      const residual = p - z - V * u;
      if (residual > 0) high = p;
      else low = p;
      const next = p - residual / (1 + V * u * (1 - u));
      const moved = next > low && next < high ? next : 0.5 * (low + high);
      const change = Math.abs(moved - p);
      p = moved;
      if (change <= 1e-14 * (1 + Math.abs(p))) break;
    }
    const u = p > 0 ? Math.exp(-p) / (1 + Math.exp(-p)) : 1 / (1 + Math.exp(p));
    const curvature = u * (1 - u);
    first -= weight * u;
    second += weight * u * u;
    slope += (weight * curvature) / (1 + V * curvature);
  }
  out.first = y * first;
  out.second = second;
  out.slope = slope;
}

/** A solution. */
export interface FixedPoint {
  readonly w1: number;
  readonly w2: number;
  readonly r: number;
  readonly chi: number;
  readonly error: number;
  readonly residual: number;
}

/** The limit of the test error of a head with these coordinates. */
export function riskOf(nodes: Nodes, w1: number, w2: number, r: number): number {
  const spread = Math.hypot(w2, r);
  return nodes.weight.reduce((sum, weight, i) => {
    const margin = (nodes.y[i] as number) * (w1 * (nodes.m1[i] as number) + w2 * (nodes.m2[i] as number));
    const sd = (nodes.s[i] as number) * spread;
    return sum + weight * (sd > 0 ? upperTail(margin / sd) : margin > 0 ? 0 : margin < 0 ? 1 : 0.5);
  }, 0);
}

type State = [number, number, number, number];

/** What is left of the equations at (w1, w2, log r, log χ), relative to their terms. */
function residualsAt(nodes: Nodes, loss: Loss, alpha: number, lambda: number, x: State): State {
  const [w1, w2] = x;
  const [r, chi] = [Math.exp(x[2]), Math.exp(x[3])];
  const spread = Math.hypot(w2, r);
  const moments = { first: 0, second: 0, slope: 0 };
  const sums: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < nodes.weight.length; i++) {
    const [weight, y, m1, m2, s] = [nodes.weight, nodes.y, nodes.m1, nodes.m2, nodes.s].map((v) => v[i]) as [
      number,
      number,
      number,
      number,
      number,
    ];
    momentsOf(loss, y, w1 * m1 + w2 * m2, s * spread, chi * s * s, moments);
    sums[0] += weight * m1 * moments.first;
    sums[1] += weight * m2 * moments.first;
    sums[2] += weight * s * s * moments.second;
    sums[3] += weight * s * s * moments.slope;
    sums[4] += weight * Math.abs(m1 * moments.first);
    sums[5] += weight * Math.abs(m2 * moments.first);
  }
  const [e1, e2, e3, e4, size1, size2] = sums;
  const scale2 = Math.abs(w2) + alpha * chi * size2 + 1e-300;
  return [
    (lambda * w1 + e1) / (lambda * Math.abs(w1) + size1 + 1e-300),
    (w2 + alpha * chi * e2) / scale2,
    Math.log(r) - Math.log(chi) - 0.5 * Math.log(alpha * e3),
    Math.log(alpha * chi * (lambda + e4)),
  ];
}

const norm = (x: State) => Math.hypot(...x);

/** Solve four linear equations by elimination with pivoting. */
function solve4(a: number[][], b: number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i] as number]);
  for (let j = 0; j < 4; j++) {
    let p = j;
    for (let i = j; i < 4; i++) if (Math.abs(rows[i]?.[j] ?? 0) > Math.abs(rows[p]?.[j] ?? 0)) p = i;
    [rows[j], rows[p]] = [rows[p] as number[], rows[j] as number[]];
    for (let i = 0; i < 4; i++) {
      if (i === j) continue;
      const f = (rows[i]?.[j] as number) / (rows[j]?.[j] as number);
      for (let c = j; c < 5; c++) (rows[i] as number[])[c] = (rows[i]?.[c] as number) - f * (rows[j]?.[c] as number);
    }
  }
  return rows.map((row, i) => (row[4] as number) / (row[i] as number));
}

function newton(nodes: Nodes, loss: Loss, alpha: number, lambda: number, start: State): { x: State; residual: number } {
  let x = start;
  let f = residualsAt(nodes, loss, alpha, lambda, x);
  for (let round = 0; round < 30 && norm(f) > 1e-11; round++) {
    const columns = [0, 1, 2, 3].map((j) => {
      const h = j < 2 ? 1e-6 * (Math.abs(x[j] as number) + 1e-3 * Math.hypot(x[0], x[1], Math.exp(x[2]))) : 1e-6;
      const moved = [...x] as State;
      moved[j] = (moved[j] as number) + h;
      const up = residualsAt(nodes, loss, alpha, lambda, moved);
      return up.map((value, i) => (value - (f[i] as number)) / h);
    });
    const step = solve4(
      [0, 1, 2, 3].map((i) => columns.map((column) => column[i] as number)),
      f.map((value) => -value),
    );
    if (!step.every(Number.isFinite)) break;
    let share = Math.min(1, 2 / Math.max(Math.abs(step[2] as number), Math.abs(step[3] as number), 1e-300));
    let better = false;
    for (let halving = 0; halving < 30; halving++, share /= 2) {
      const moved = x.map((value, i) => value + share * (step[i] as number)) as State;
      const value = residualsAt(nodes, loss, alpha, lambda, moved);
      if (!(norm(value) < norm(f))) continue;
      [x, f, better] = [moved, value, true];
      break;
    }
    if (!better) break;
  }
  return { x, residual: norm(f) };
}

/** The fixed point, from a ridge where it is nearly explicit down to λ by steps. */
export function fixedPoint(nodes: Nodes, loss: Loss, alpha: number, lambda: number): FixedPoint {
  const slope = loss === 'logistic' ? 0.5 : 1;
  const average = (f: (i: number) => number) => nodes.weight.reduce((sum, w, i) => sum + w * f(i), 0);
  const s2 = average((i) => (nodes.s[i] as number) ** 2);
  const scale = average(
    (i) => (nodes.m1[i] as number) ** 2 + (nodes.m2[i] as number) ** 2 + (nodes.s[i] as number) ** 2,
  );
  let ridge = Math.max(lambda, 300 * scale);
  let x: State = [
    (slope * average((i) => (nodes.y[i] as number) * (nodes.m1[i] as number))) / ridge,
    (slope * average((i) => (nodes.y[i] as number) * (nodes.m2[i] as number))) / ridge,
    Math.log((slope * Math.sqrt(s2 / alpha)) / ridge),
    -Math.log(alpha * ridge),
  ];
  let found = newton(nodes, loss, alpha, ridge, x);
  let factor = 0.1;
  while (ridge > lambda) {
    const next = ridge * factor > Math.max(lambda, 1e-6 * scale) ? ridge * factor : lambda;
    const trial = newton(nodes, loss, alpha, next, found.x);
    if (trial.residual > 1e-9 && factor < 0.7) {
      factor = Math.sqrt(factor);
      continue;
    }
    [ridge, found] = [next, trial];
    if (trial.residual > 1e-9) break;
  }
  x = found.x;
  if (ridge > lambda) found = { x, residual: Number.POSITIVE_INFINITY };
  const [w1, w2, r, chi] = [x[0], x[1], Math.exp(x[2]), Math.exp(x[3])];
  return { w1, w2, r, chi, error: riskOf(nodes, w1, w2, r), residual: found.residual };
}

/** Averaging (α E[s²]…: explicit) as a fixed point. */
export function averaging(nodes: Nodes, alpha: number): FixedPoint {
  const average = (f: (i: number) => number) => nodes.weight.reduce((sum, w, i) => sum + w * f(i), 0);
  const w1 = average((i) => (nodes.y[i] as number) * (nodes.m1[i] as number));
  const w2 = average((i) => (nodes.y[i] as number) * (nodes.m2[i] as number));
  const r = Math.sqrt(average((i) => (nodes.s[i] as number) ** 2) / alpha);
  return { w1, w2, r, chi: Number.NaN, error: riskOf(nodes, w1, w2, r), residual: 0 };
}

/**
 * The error of averaging on n examples of which a binomial number has label +1: the mean over that number of the limit with this share
 * of labels among the training examples.
 */
export function averagingOf(nodes: Nodes, alpha: number, n: number, positiveRate: number): number {
  const ofLabel = [1, -1].map((label) => {
    const rate = label > 0 ? positiveRate : 1 - positiveRate;
    const average = (f: (i: number) => number) =>
      nodes.weight.reduce((sum, w, i) => sum + (nodes.y[i] === label ? (w / rate) * f(i) : 0), 0);
    return [
      label * average((i) => nodes.m1[i] as number),
      label * average((i) => nodes.m2[i] as number),
      average((i) => (nodes.s[i] as number) ** 2),
    ] as const;
  }) as [readonly [number, number, number], readonly [number, number, number]];
  const errorAt = (share: number) => {
    const [w1, w2, s2] = [0, 1, 2].map(
      (j) => share * (ofLabel[0][j] as number) + (1 - share) * (ofLabel[1][j] as number),
    );
    return riskOf(nodes, w1 as number, w2 as number, Math.sqrt((s2 as number) / alpha));
  };
  const deviation = Math.sqrt(n * positiveRate * (1 - positiveRate));
  const stride = Math.max(1, Math.floor(deviation / 400));
  let [sum, total, log] = [0, 0, 0];
  const middle = Math.round(n * positiveRate);
  // Probabilities relative to that of the middle, by their ratios.
  for (const direction of [1, -1]) {
    log = 0;
    for (let count = middle; count >= 0 && count <= n && log > -30; count += direction) {
      if ((count - middle) % stride === 0 && (direction > 0 || count !== middle)) {
        sum += Math.exp(log) * errorAt(count / n);
        total += Math.exp(log);
      }
      log +=
        direction > 0
          ? Math.log(((n - count) * positiveRate) / ((count + 1) * (1 - positiveRate)))
          : Math.log((count * (1 - positiveRate)) / ((n - count + 1) * positiveRate));
    }
  }
  return sum / total;
}

/** Least squares with λ = 0 and α > 1 or least norm (α < 1), by the closed forms and bisection on log χ: no floor on s². */
export function plainLeastSquares(nodes: Nodes, alpha: number): FixedPoint {
  const average = (f: (i: number) => number) => nodes.weight.reduce((sum, w, i) => sum + w * f(i), 0);
  const value = (v: Float64Array, i: number) => v[i] as number;
  let [low, high] = [-700, 700];
  // α E[V/(1 + V)] = 1 for α > 1; χ = ∞ below.
  for (let round = 0; alpha > 1 && round < 200; round++) {
    const middle = 0.5 * (low + high);
    const left = alpha * average((i) => 1 / (1 + Math.exp(-middle - 2 * Math.log(value(nodes.s, i)))));
    if (left < 1) low = middle;
    else high = middle;
  }
  const logChi = alpha > 1 ? 0.5 * (low + high) : Number.POSITIVE_INFINITY;
  // Everything times χ: κχ = 1/(1/χ + s²).
  const kappa = (i: number) => 1 / (Math.exp(-logChi) + value(nodes.s, i) ** 2);
  const s2k = average((i) => value(nodes.s, i) ** 2 * kappa(i));
  const [a11, a12, a22, b1, b2] = [
    average((i) => kappa(i) * value(nodes.m1, i) ** 2),
    average((i) => kappa(i) * value(nodes.m1, i) * value(nodes.m2, i)),
    average((i) => kappa(i) * value(nodes.m2, i) ** 2) + s2k,
    average((i) => kappa(i) * value(nodes.m1, i) * value(nodes.y, i)),
    average((i) => kappa(i) * value(nodes.m2, i) * value(nodes.y, i)),
  ];
  const extra = alpha < 1 ? 1 / alpha - 1 : 0;
  const [c11, c22] = [a11 + extra, a22 + extra];
  const determinant = c11 * c22 - a12 * a12;
  const w1 = (c22 * b1 - a12 * b2) / determinant;
  const w2 = (c11 * b2 - a12 * b1) / determinant;
  const left = 1 - alpha * average((i) => (value(nodes.s, i) ** 2 * kappa(i)) ** 2);
  const right =
    alpha *
    average((i) => {
      const s2 = value(nodes.s, i) ** 2;
      const miss = value(nodes.y, i) - w1 * value(nodes.m1, i) - w2 * value(nodes.m2, i);
      return s2 * kappa(i) ** 2 * (miss ** 2 + s2 * w2 ** 2);
    });
  const r = Math.sqrt(right / left);
  return { w1, w2, r, chi: Math.exp(logChi), error: riskOf(nodes, w1, w2, r), residual: 0 };
}
