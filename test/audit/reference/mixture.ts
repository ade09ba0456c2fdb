// The mixture, prompt and head as the audit sees them: inner products only.
import { upperTail } from './normal.js';

/** A setting of the mixture. */
export interface Setting {
  readonly tokens: number;
  readonly relevantTokens: number;
  readonly contextNorm: number;
  readonly signalNorm: number;
  readonly correlation: number;
  readonly noiseLevel: number;
  /** 0 if left out. */
  readonly relevantNoiseLevel?: number;
  readonly positiveRate: number;
  readonly confusion: readonly { readonly deltaQ: number; readonly deltaW: number; readonly probability: number }[];
}

/** One label with one atom of the confusion: a term of an exact sum. */
export interface Term {
  readonly probability: number;
  readonly y: number;
  /** Relevant and irrelevant means in the frame e1 = q⋆/Q, e2. */
  readonly relevant: readonly [number, number];
  readonly irrelevant: readonly [number, number];
}

/** The terms of positive probability. */
export function termsOf(setting: Setting): Term[] {
  const { contextNorm: Q, signalNorm: W, correlation: rho, positiveRate, confusion } = setting;
  const w1 = W * rho;
  const w2 = W * Math.sqrt((1 - rho) * (1 + rho));
  return [1, -1].flatMap((y) =>
    confusion
      .map(({ deltaQ, deltaW, probability }) => ({
        probability: probability * (y > 0 ? positiveRate : 1 - positiveRate),
        y,
        relevant: [Q + y * w1, y * w2] as const,
        irrelevant: [-deltaQ * Q - deltaW * y * w1, -deltaW * y * w2] as const,
      }))
      .filter(({ probability }) => probability > 0),
  );
}

/** What attention makes of an example with these scores. */
export interface Pooled {
  /** A, the mass on relevant tokens. */
  relevant: number;
  /** 1 − A, without cancellation. */
  irrelevant: number;
  /** Σ φ_t g_t over irrelevant tokens. */
  shift: number;
  /** √Σ φ_t² over irrelevant tokens. */
  scale: number;
}

/** Attention over k scores a and scores b + c g_t. */
export function attend(k: number, a: number, b: number, c: number, g: Float64Array): Pooled {
  let top = k > 0 ? a : Number.NEGATIVE_INFINITY;
  for (const x of g) top = Math.max(top, b + c * x);
  const own = k > 0 ? k * Math.exp(a - top) : 0;
  let others = 0;
  let moment = 0;
  for (const x of g) {
    const e = Math.exp(b + c * x - top);
    others += e;
    moment += e * x;
  }
  // Squares relative to the largest irrelevant weight, so that they do not underflow.
  let most = Number.NEGATIVE_INFINITY;
  for (const x of g) most = Math.max(most, b + c * x - top);
  let squares = 0;
  for (const x of g) squares += Math.exp(2 * (b + c * x - top - most));
  const sum = own + others;
  return {
    relevant: own / sum,
    irrelevant: others / sum,
    shift: moment / sum,
    scale: g.length > 0 ? (Math.exp(most) * Math.sqrt(squares)) / sum : 0,
  };
}

/** Inner products of the prompt and the head that a test error depends on. */
export interface Parameters {
  readonly promptPlane: readonly [number, number];
  readonly headPlane: readonly [number, number];
  readonly promptNorm: number;
  /** ⟨q̂, w⟩; 0 without a prompt. */
  readonly headAlong: number;
  /** ‖w − q̂⟨q̂, w⟩‖. */
  readonly headAcross: number;
  readonly intercept: number;
}

export function parametersOf(prompt: ArrayLike<number>, head: ArrayLike<number>, intercept = 0): Parameters {
  const q = Array.from(prompt);
  const w = Array.from(head);
  const promptNorm = Math.hypot(...q);
  const unit = q.map((x) => (promptNorm > 0 ? x / promptNorm : 0));
  const headAlong = unit.reduce((sum, x, i) => sum + x * (w[i] as number), 0);
  const headAcross = Math.hypot(...w.map((x, i) => x - headAlong * (unit[i] as number)));
  const plane = (v: number[]) => [v[0] ?? 0, v[1] ?? 0] as const;
  return { promptPlane: plane(q), headPlane: plane(w), promptNorm, headAlong, headAcross, intercept };
}

/** P(wrong | label, atom, scores) with noise on every token: the first scores are those of the relevant ones. */
export function noisyErrorGiven(setting: Setting, parameters: Parameters, term: Term, g: Float64Array): number {
  const { relevantTokens: k, noiseLevel, relevantNoiseLevel = 0 } = setting;
  const { promptPlane, headPlane, promptNorm, headAlong, headAcross, intercept } = parameters;
  const tokens = Array.from(g, (x, t) => {
    const mean = t < k ? term.relevant : term.irrelevant;
    const noise = t < k ? relevantNoiseLevel : noiseLevel;
    return {
      noise,
      score: dot(mean, promptPlane) + noise * promptNorm * x,
      value: dot(mean, headPlane) + noise * headAlong * x,
    };
  });
  const top = Math.max(...tokens.map(({ score }) => score));
  const weights = tokens.map(({ score }) => Math.exp(score - top));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  let mean = -intercept;
  let square = 0;
  for (const [t, { noise, value }] of tokens.entries()) {
    const share = (weights[t] as number) / sum;
    mean += share * value;
    square += (share * noise) ** 2;
  }
  const sd = Math.sqrt(square) * headAcross;
  const margin = term.y * mean;
  if (sd > 0) return upperTail(margin / sd);
  return margin > 0 ? 0 : margin < 0 ? 1 : 0.5;
}

const dot = (a: readonly [number, number], b: readonly [number, number]) => a[0] * b[0] + a[1] * b[1];

/** P(wrong | label, atom, scores). */
export function errorGiven(setting: Setting, parameters: Parameters, term: Term, g: Float64Array): number {
  const { noiseLevel } = setting;
  const { promptPlane, headPlane, promptNorm, headAlong, headAcross, intercept } = parameters;
  const pooled = attend(
    setting.relevantTokens,
    dot(term.relevant, promptPlane),
    dot(term.irrelevant, promptPlane),
    noiseLevel * promptNorm,
    g,
  );
  const mean =
    pooled.relevant * dot(term.relevant, headPlane) +
    pooled.irrelevant * dot(term.irrelevant, headPlane) +
    noiseLevel * pooled.shift * headAlong -
    intercept;
  const sd = noiseLevel * pooled.scale * headAcross;
  const margin = term.y * mean;
  if (sd > 0) return upperTail(margin / sd);
  return margin > 0 ? 0 : margin < 0 ? 1 : 0.5;
}
