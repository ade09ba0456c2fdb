// The test error of given parameters: quadrature where one score is random, otherwise importance sampling whose proposals
// are wide laws (uniform scores for one token or for a random set of them, a wide common part), not the package's ladder.
import { errorGiven, noisyErrorGiven, type Parameters, type Setting, termsOf } from './mixture.js';
import { density } from './normal.js';
import { Stream } from './random.js';

/** A reference with its own standard error (0 for quadrature). */
export interface Reference {
  readonly value: number;
  readonly standardError: number;
  readonly effectiveDraws: number;
}

/** Half the width of the uniform proposal of one score. */
const kReach = 11;
/** Spread of the common part of all scores. */
const kCommon = 4.5;

/** Draws of m scores and their weights under a defensive mixture. */
export class WideScores {
  private readonly shares: readonly { kind: 'plain' | 'one' | 'set' | 'common'; weight: number; rate: number }[];
  readonly g: Float64Array;

  constructor(
    private readonly stream: Stream,
    private readonly m: number,
  ) {
    this.g = new Float64Array(m);
    const sets = [2, 4, 16].filter((size) => 2 * size <= m).map((size) => size / m);
    this.shares = [
      { kind: 'plain', weight: 0.25, rate: 0 },
      { kind: 'one', weight: 0.4 - 0.05 * sets.length, rate: 0 },
      ...sets.map((rate) => ({ kind: 'set' as const, weight: 0.05, rate })),
      { kind: 'common', weight: 0.35, rate: 0 },
    ];
  }

  /** Fill `g` and return its weight. */
  draw(): number {
    const { stream, g, m } = this;
    for (let t = 0; t < m; t++) g[t] = stream.normal();
    const chosen = stream.weighted(this.shares, ({ weight }) => weight);
    if (chosen?.kind === 'one') g[stream.below(m)] = stream.between(-kReach, kReach);
    if (chosen?.kind === 'set')
      for (let t = 0; t < m; t++) if (stream.uniform() < chosen.rate) g[t] = stream.between(-kReach, kReach);
    if (chosen?.kind === 'common') {
      const common = (stream.normal() * Math.sqrt(kCommon ** 2 - 1)) / Math.sqrt(m);
      for (let t = 0; t < m; t++) g[t] = (g[t] as number) + common;
    }
    let sum = 0;
    let ones = 0;
    const products = this.shares.map(() => 1);
    for (const x of g) {
      sum += x;
      const ratio = Math.abs(x) <= kReach ? (Math.exp(0.5 * x * x) * Math.sqrt(2 * Math.PI)) / (2 * kReach) : 0;
      ones += ratio / m;
      for (let j = 0; j < products.length; j++) {
        const rate = (this.shares[j] as { rate: number }).rate;
        if (rate > 0) products[j] = (products[j] as number) * (1 - rate + rate * ratio);
      }
    }
    const square = (sum * sum) / m;
    let mixture = 0;
    for (const [j, { kind, weight }] of this.shares.entries()) {
      const ratio = {
        plain: 1,
        one: ones,
        set: products[j] as number,
        common: Math.exp(0.5 * square * (1 - 1 / kCommon ** 2)) / kCommon,
      }[kind];
      mixture += weight * ratio;
    }
    return 1 / mixture;
  }
}

/** ∫ f(g) φ(g) dg by the trapezoidal rule on [−40, 40]. */
export function integrateNormal(f: (g: number) => number, step = 1 / 512): number {
  let sum = 0;
  const count = Math.round(38 / step);
  for (let i = -count; i <= count; i++) sum += f(i * step) * density(i * step);
  return sum * step;
}

/** The test error: every label and atom is a term of its own. */
export function tailReference(setting: Setting, parameters: Parameters, draws: number, seed = 1): Reference {
  const isNoisy = (setting.relevantNoiseLevel ?? 0) > 0;
  const m = isNoisy ? setting.tokens : setting.tokens - setting.relevantTokens;
  const given = isNoisy ? noisyErrorGiven : errorGiven;
  const stream = new Stream(seed);
  let value = 0;
  let variance = 0;
  let mass = 0;
  let squares = 0;
  for (const term of termsOf(setting)) {
    const { probability } = term;
    const scores = new Float64Array(m);
    if (m === 0 || parameters.promptNorm === 0 || (setting.noiseLevel === 0 && !isNoisy)) {
      value += probability * given(setting, parameters, term, scores);
      continue;
    }
    if (m === 1) {
      const at = (g: number) => {
        scores[0] = g;
        return given(setting, parameters, term, scores);
      };
      value += probability * integrateNormal(at);
      continue;
    }
    const wide = new WideScores(stream, m);
    let sum = 0;
    let sumOfSquares = 0;
    for (let i = 0; i < draws; i++) {
      const v = wide.draw() * given(setting, parameters, term, wide.g);
      sum += v;
      sumOfSquares += v * v;
    }
    value += (probability * sum) / draws;
    variance += (probability ** 2 * (sumOfSquares / draws - (sum / draws) ** 2)) / draws;
    mass += probability * sum;
    squares += probability ** 2 * sumOfSquares;
  }
  return {
    value,
    standardError: Math.sqrt(Math.max(0, variance)),
    effectiveDraws: squares > 0 ? mass ** 2 / squares : Number.POSITIVE_INFINITY,
  };
}
