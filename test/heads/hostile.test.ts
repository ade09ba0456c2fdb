// Heads of features that tempt a solver to take them for dependent, or not to tell on which side of the margin examples are: nearly
// noiseless ones, several times the same one, scales that differ by thirty orders of magnitude between two examples.
import test from 'ava';
import { fitHead, type HeadOptions, type KnownPromptExperiment, trialFeatures } from '../../lib/index.js';
import { leastSquares } from '../audit/reference/head-conditions.js';

const confusion = [
  { deltaQ: 0.5, deltaW: -0.3, probability: 0.4 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.6 },
];

// Trial, mixture, examples, τ, head.
const kCases: readonly (readonly [number, KnownPromptExperiment['mixture'], number, number, HeadOptions])[] = [
  [
    584,
    {
      tokens: 170,
      dimension: 8,
      relevantTokens: 9,
      contextNorm: 3.313,
      signalNorm: 2.323,
      correlation: 1,
      positiveRate: 0.7191,
    },
    20,
    3.916,
    { kind: 'hinge', ridge: 0.001 },
  ],
  [
    646,
    {
      tokens: 2,
      dimension: 27,
      relevantTokens: 1,
      contextNorm: 0.79,
      signalNorm: 5.911,
      correlation: -0.2013,
      confusion,
    },
    32,
    0,
    { kind: 'hinge', ridge: 2.857e-12 },
  ],
  [
    832,
    {
      tokens: 2,
      dimension: 35,
      relevantTokens: 1,
      contextNorm: 0.7677,
      signalNorm: 0.8508,
      correlation: 0.2733,
      confusion,
    },
    2,
    61.28,
    { kind: 'hinge', ridge: 0.001 },
  ],
  [
    1808,
    {
      tokens: 4,
      dimension: 5,
      relevantTokens: 4,
      contextNorm: 1.854,
      signalNorm: 0.6514,
      correlation: 1,
      positiveRate: 0.1625,
      confusion,
    },
    23,
    0.6842,
    { kind: 'hinge', ridge: 2.589e-9 },
  ],
  [
    1972,
    {
      tokens: 1288,
      dimension: 14,
      relevantTokens: 719,
      contextNorm: 2.067,
      signalNorm: 5.703,
      correlation: 1,
      confusion,
    },
    3,
    5.234,
    { kind: 'hinge', ridge: 0.001 },
  ],
  [
    2470,
    { tokens: 2, dimension: 44, relevantTokens: 2, contextNorm: 3.617, signalNorm: 0.7758, correlation: 1 },
    13,
    0,
    { kind: 'hinge', ridge: 4.558e-11 },
  ],
  [
    3784,
    { tokens: 2, dimension: 6, relevantTokens: 1, contextNorm: 2.32, signalNorm: 0.677 },
    11,
    5.847,
    { kind: 'hinge', ridge: 1.671e-7 },
  ],
  [
    4575,
    {
      tokens: 183,
      dimension: 5,
      relevantTokens: 175,
      contextNorm: 1.975,
      signalNorm: 1.205,
      correlation: -1,
      positiveRate: 0.3146,
      confusion,
    },
    53,
    10.93,
    { kind: 'hinge', ridge: 8.723e-10 },
  ],
  [
    140,
    { tokens: 4, dimension: 4, relevantTokens: 3, contextNorm: 2.08, signalNorm: 0.2106, correlation: 1 },
    2,
    10.07,
    { kind: 'least-squares', ridge: 2.416e-6 },
  ],
  [
    0,
    {
      tokens: 4,
      relevantTokens: 3,
      contextNorm: 0.4528,
      signalNorm: 4.837,
      noiseLevel: 1.172,
      dimension: 9,
      confusion: [{ deltaQ: -0.6912, deltaW: -0.827, probability: 1 }],
    },
    8,
    -0.3264,
    { kind: 'hinge', ridge: 1.95e-12 },
  ],
  [
    0,
    {
      tokens: 2,
      relevantTokens: 1,
      contextNorm: 5.751,
      signalNorm: 2.991,
      positiveRate: 0.02571,
      dimension: 34,
      confusion: [{ deltaQ: 0, deltaW: 0, probability: 1 }],
    },
    20,
    0.1269,
    { kind: 'hinge', ridge: 9.394e-12 },
  ],
];

/**
 * ‖λ n w − Σ t_i y_i v_i‖ over λ n ‖w‖ for the best multipliers t: 1 below the margin, in [0, 1] on it, found by coordinate descent, and
 * 0 above. At the hinge head it is 0, and λ n times a change of the head elsewhere.
 */
function gapOf(features: Float64Array, labels: Float64Array, ridge: number, w: Float64Array): number {
  const [n, d] = [labels.length, w.length];
  const rows = Array.from(labels, (y, i) => features.slice(i * d, (i + 1) * d).map((x) => y * x));
  const inner = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, j) => sum + x * (b[j] as number), 0);
  const rest = w.map((x) => ridge * n * x);
  const t = rows.map((v): number => (inner(v, w) < 1 - 1e-7 ? 1 : 0));
  const kink = rows.map((_, i) => i).filter((i) => Math.abs(inner(rows[i] as Float64Array, w) - 1) <= 1e-7);
  const move = (i: number, by: number) =>
    rows[i]?.forEach((x, j) => {
      rest[j] = (rest[j] as number) - by * x;
    });
  for (const [i, share] of t.entries()) move(i, share);
  for (let sweep = 0; sweep < 20_000; sweep++)
    for (const i of kink) {
      const v = rows[i] as Float64Array;
      const next = Math.min(1, Math.max(0, (t[i] as number) + inner(v, rest) / inner(v, v)));
      move(i, next - (t[i] as number));
      t[i] = next;
    }
  return Math.hypot(...rest) / (ridge * n * Math.hypot(...w));
}

for (const [trial, mixture, examples, inverseTemperature, head] of kCases)
  test(`${head.kind}, T = ${mixture.tokens}, n = ${examples}, d = ${mixture.dimension}: converged and optimal`, async (t) => {
    const experiment = { kind: 'known-prompt', mixture, examples, inverseTemperature, head } as const;
    const { features, labels } = await trialFeatures(experiment, { seed: 1, trial });
    const { head: w, status } = await fitHead(features, labels, head);
    t.is(status, 'ok');
    if (head.kind === 'hinge') {
      const gap = gapOf(features, labels, head.ridge, w);
      t.true(gap < 1e-6, `gap ${gap}`);
    } else if (head.kind === 'least-squares') {
      const right = leastSquares(features, labels, examples * (head.ridge ?? 0)) as Float64Array;
      t.true(Math.hypot(...w.map((x, j) => x - (right[j] as number))) < 1e-8 * Math.hypot(...right));
    } else t.fail();
  });
