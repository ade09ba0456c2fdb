// Two Gaussian clusters are the mixture at τ = 0 without context: the fixed point against a solver of its own making, plain TypeScript
// from the equations of theory.md §6 with quadrature over one normal.
import test from 'ava';
import { risk } from '../../lib/index.js';
import { pull } from '../support/proximal.js';
import { normalTail } from '../support/reference.js';

type Loss = 'least-squares' | 'logistic' | 'hinge';

/** Nodes and weights of Gauss and Legendre's rule on [−1, 1], by Newton's method on the polynomial. */
function gaussLegendre(size: number): readonly (readonly [number, number])[] {
  return Array.from({ length: size }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (size + 0.5));
    let slope = 1;
    for (let step = 0; step < 100; ++step) {
      let before = 1;
      let at = x;
      for (let j = 2; j <= size; ++j) [before, at] = [at, ((2 * j - 1) * x * at - (j - 1) * before) / j];
      slope = (size * (x * at - before)) / (x * x - 1);
      x -= at / slope;
    }
    return [x, 2 / ((1 - x * x) * slope * slope)] as const;
  });
}
const rule = gaussLegendre(16);

/** E f(z), z ~ N(0, 1), for f smooth between the breaks. */
function normalMean(f: (z: number) => readonly number[], breaks: readonly number[]): number[] {
  const edges = [...Array.from({ length: 25 }, (_, i) => i - 12), ...breaks.filter((z) => Math.abs(z) < 12)];
  edges.sort((a, b) => a - b);
  const sums: number[] = [];
  for (let i = 0; i + 1 < edges.length; ++i) {
    const half = ((edges[i + 1] as number) - (edges[i] as number)) / 2;
    for (const [x, weight] of rule) {
      const z = (edges[i] as number) + half * (1 + x);
      const density = (weight * half * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
      for (const [j, value] of f(z).entries()) sums[j] = (sums[j] ?? 0) + density * value;
    }
  }
  return sums;
}

/** Clusters ±1 along one direction with noise of variance v in every direction. */
function twoClusters(loss: Loss, alpha: number, ridge: number, v: number) {
  let w = 0.5;
  let r = 0.5;
  let chi = 1 / (alpha * (ridge + v));
  for (let iteration = 0; iteration < 20_000; ++iteration) {
    const t = Math.sqrt(v * (r * r + w * w));
    const c = chi * v;
    const breaks = loss === 'hinge' ? [(1 - w) / t, (1 - c - w) / t] : [];
    const [e = 0, ee = 0, ze = 0] = normalMean((z) => {
      const value = pull(loss, w + t * z, c);
      return [value, value * value, z * value];
    }, breaks);
    // E[∂e/∂ω] by parts.
    const next = 1 / (alpha * ((-v * ze) / t + ridge));
    const change = Math.abs(next / chi - 1) + Math.abs((alpha * next * e) / w - 1);
    chi = Math.sqrt(chi * next);
    w += 0.5 * (alpha * chi * e - w);
    r += 0.5 * (Math.sqrt(alpha * v * ee) * chi - r);
    if (change < 1e-14) break;
  }
  return { chi, w, r, error: normalTail(w / Math.sqrt(v * (r * r + w * w))) };
}

// σ² (1 − ζ)/T = ½ and ζW = 1.
const mixture = {
  tokens: 4,
  dimension: 100,
  relevantFraction: 0.25,
  contextNorm: 0,
  signalNorm: 4,
  noiseLevel: Math.sqrt(8 / 3),
};

for (const kind of ['least-squares', 'logistic', 'hinge'] as const)
  test(`two clusters: the fixed point of the ${kind} head is that of an independent solver`, async (t) => {
    for (const [sampleRatio, ridge] of [
      [0.7, 0.1],
      [2, 0.01],
      [2, 1],
      [10, 0.1],
    ] as const) {
      const law = await risk.knownPrompt({ mixture, inverseTemperature: 0, head: { kind, ridge }, sampleRatio });
      const reference = twoClusters(kind, sampleRatio, ridge, 0.5);
      const off = {
        error: law.error / reference.error - 1,
        chi: law.chi / reference.chi - 1,
        along: (law.inPlaneHead[1] as number) / reference.w - 1,
        across: law.orthogonalNorm / reference.r - 1,
      };
      const worst = Math.max(...Object.values(off).map(Math.abs));
      t.true(worst < 1e-10, `α = ${sampleRatio}, λ = ${ridge}: ${JSON.stringify(off)}`);
    }
  });
