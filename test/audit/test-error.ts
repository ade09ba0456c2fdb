/**
 * Calibration of test errors of given parameters: coverage of error ± 1.96 standard errors over random settings and seeds, by size of
 * the error, at default draws and at few. Run with
 * `npx tsx test/audit/test-error.ts [settings] [seeds] [draws] [draws of the reference] [numbers of tokens…]`.
 *
 *
 * The truth shares no kernel with the package: plain TypeScript in double precision with a generator of its own: quadrature for
 * one or two irrelevant tokens, else importance sampled from a mixture of shifts on a finer grid than the package's, with its own standard error, which the comparison allows for.
 */
import { pathToFileURL } from 'node:url';
import { testError } from '../../lib/index.js';
import { normalTail } from '../support/reference.js';

/** One setting: mixture, prompt and head. */
export interface Setting {
  readonly tokens: number;
  readonly relevantTokens: number;
  readonly contextNorm: number;
  readonly signalNorm: number;
  readonly correlation: number;
  readonly positiveRate: number;
  readonly confusion: readonly { deltaQ: number; deltaW: number; probability: number }[];
  readonly prompt: readonly [number, number, number];
  readonly head: readonly [number, number, number];
  readonly intercept: number;
}

/** Uniforms of xorshift128+-like quality that are not the package's (mulberry32, two words a number). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  const word = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return () => (word() * 2 ** 21 + (word() >>> 11) + 0.5) * 2 ** -53;
}

/** Conditional error given the scores, by its definition: sums over tokens, no shortcuts. */
export function conditionalError(setting: Setting, g: Float64Array): number {
  const { relevantTokens: k, contextNorm: Q, signalNorm: W, correlation, positiveRate, confusion } = setting;
  const [q1, q2, q3] = setting.prompt;
  const [w1, w2, w3] = setting.head;
  const norm = Math.hypot(q1, q2, q3);
  const along = (q1 * w1 + q2 * w2 + q3 * w3) / norm;
  const across = Math.hypot(w1 - (along * q1) / norm, w2 - (along * q2) / norm, w3 - (along * q3) / norm);
  const signal = [W * correlation, W * Math.sqrt(1 - correlation ** 2)] as const;
  let error = 0;
  for (const y of [1, -1])
    for (const atom of confusion) {
      const r = [Q + y * signal[0], y * signal[1]] as const;
      const mu = [-atom.deltaQ * Q - atom.deltaW * y * signal[0], -atom.deltaW * y * signal[1]] as const;
      const relevantScore = r[0] * q1 + r[1] * q2;
      const score = mu[0] * q1 + mu[1] * q2;
      let top = k > 0 ? relevantScore : Number.NEGATIVE_INFINITY;
      for (const value of g) top = Math.max(top, score + norm * value);
      const relevant = k * Math.exp(relevantScore - top);
      let total = relevant;
      let weighted = 0;
      let squares = 0;
      for (const value of g) {
        const weight = Math.exp(score + norm * value - top);
        total += weight;
        weighted += weight * value;
        squares += weight * weight;
      }
      const mass = relevant / total;
      const rest = g.length === 0 ? 0 : (total - relevant) / total;
      const mean =
        mass * (r[0] * w1 + r[1] * w2) +
        rest * (mu[0] * w1 + mu[1] * w2) +
        (weighted / total) * along -
        setting.intercept;
      const z = (y * mean) / ((Math.sqrt(squares) / total) * across);
      error += atom.probability * (y > 0 ? positiveRate : 1 - positiveRate) * normalTail(z);
    }
  return error;
}

/** Error and its standard error from a fine ladder of shifts: one token by D, all by a/√m, and both. */
export function referenceError(
  setting: Setting,
  draws: number,
  seed: number,
): { error: number; standardError: number } {
  const m = setting.tokens - setting.relevantTokens;
  const uniform = generator(seed);
  const shifts: { D: number; a: number }[] = [];
  for (let D = 0; D <= 9; D += m > 1 ? 0.75 : 10)
    for (let a = -9; a <= 9; a += 1.5) if (D === 0 || Math.abs(a) <= 4.5) shifts.push({ D, a: a / Math.sqrt(m) });
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const g = new Float64Array(m);
  // As many plain draws as tilted ones.
  const plain = 0.3;
  let mean = 0;
  let squares = 0;
  const levels = [...new Set(shifts.map(({ D }) => D))];
  for (let i = 0; i < draws; i++) {
    for (let t = 0; t < m; t++) g[t] = normal();
    if (uniform() >= plain) {
      const { D, a } = shifts[Math.floor(uniform() * shifts.length)] as { D: number; a: number };
      const token = Math.floor(uniform() * m);
      for (let t = 0; t < m; t++) g[t] = (g[t] as number) + a + (t === token ? D : 0);
    }
    let sum = 0;
    for (const value of g) sum += value;
    const powers = new Map(levels.map((D) => [D, g.reduce((total, value) => total + Math.exp(D * value), 0) / m]));
    let density = plain;
    for (const { D, a } of shifts)
      density +=
        ((1 - plain) / shifts.length) *
        Math.exp(a * sum - (m * a * a) / 2 - D * a - (D * D) / 2 + Math.log(powers.get(D) as number));
    const value = conditionalError(setting, g) / density;
    const change = value - mean;
    mean += change / (i + 1);
    squares += change * (value - mean);
  }
  return { error: mean, standardError: Math.sqrt(squares / draws / (draws - 1)) };
}

/** ∫ over one or two scores by the trapezoidal rule. */
export function quadrature(setting: Setting, step: number): number {
  const m = setting.tokens - setting.relevantTokens;
  const g = new Float64Array(m);
  let sum = 0;
  for (let a = -12; a <= 12; a += step)
    for (let b = m === 1 ? 0 : -12; b <= (m === 1 ? 0 : 12); b += step) {
      const weight = Math.exp(-(a * a + b * b) / 2);
      if (weight < 1e-25) continue;
      g[0] = a;
      if (m === 2) g[1] = b;
      sum += weight * conditionalError(setting, g);
    }
  return sum * (step / Math.sqrt(2 * Math.PI)) ** m;
}

/** Quadrature for one or two irrelevant tokens, else the importance sampler. */
function truthOf(setting: Setting, draws: number, seed: number) {
  const m = setting.tokens - setting.relevantTokens;
  if (m > 2) return referenceError(setting, draws, seed);
  const [coarse, fine] = m === 1 ? ([1 / 128, 1 / 256] as const) : ([1 / 8, 1 / 16] as const);
  const error = quadrature(setting, fine);
  return { error, standardError: Math.abs(error - quadrature(setting, coarse)) };
}

/** A random setting from the wide ranges. */
export function randomSetting(uniform: () => number, tokenCounts: readonly number[]): Setting {
  const between = (low: number, high: number) => low + (high - low) * uniform();
  const pick = <T>(values: readonly T[]) => values[Math.floor(uniform() * values.length)] as T;
  const tokens = pick(tokenCounts);
  // Half of them as simple as theory's: no rare term to hide behind.
  const isCore = uniform() < 0.5;
  const relevantTokens = Math.max(tokens > 1 ? 1 : 0, Math.min(tokens - 1, Math.round(tokens * uniform())));
  const contextNorm = Math.exp(between(Math.log(0.5), Math.log(6)));
  const correlation = isCore ? 0 : pick([0, 0, between(-1, 1)]);
  const scale = between(0.05, 1.2) * Math.sqrt(Math.min(1, 50 / contextNorm ** 2));
  const atoms = isCore ? 1 : pick([1, 1, 2, 4]);
  const raw = Array.from({ length: atoms }, () => uniform() + 0.02);
  const total = raw.reduce((sum, value) => sum + value);
  return {
    tokens,
    relevantTokens,
    contextNorm,
    signalNorm: Math.exp(between(Math.log(0.3), Math.log(12))),
    correlation,
    positiveRate: isCore ? 0.5 : pick([0.5, 0.5, between(0.01, 0.99)]),
    confusion: raw.map((value) => ({
      deltaQ: atoms === 1 ? 0 : between(-0.5, 1),
      deltaW: atoms === 1 ? 0 : between(-0.3, 0.3),
      probability: value / total,
    })),
    prompt: [scale * contextNorm, between(-0.2, 0.2) * scale, pick([0, between(0, 0.5)])],
    head: [isCore ? 0 : between(-0.1, 0.1), 1, isCore ? 0 : pick([0, between(0, 1)])],
    intercept: isCore ? 0 : pick([0, 0, between(-0.1, 0.1)]),
  };
}

/** The package's estimate of a setting. */
export function estimate({ prompt, head, intercept, ...mixture }: Setting, seed: number, draws: number) {
  return testError({
    mixture: { ...mixture, confusion: [...mixture.confusion], dimension: 3 },
    prompt: Float64Array.from(prompt),
    head: Float64Array.from(head),
    intercept,
    draws,
    seed,
  });
}

interface Row {
  settings: number;
  intervals: number;
  covered: number;
  marked: number;
  squares: number;
}

/** Coverage by decade of the error over random settings with errors in [1e-12, ½). */
export async function calibrate(
  settings: number,
  seeds: number,
  draws: number,
  referenceDraws: number,
  tokenCounts: readonly number[] = [1, 2, 3, 4, 8, 16, 32, 64],
) {
  const uniform = generator(20261127);
  const rows = new Map<number, Row>();
  const worst: { setting: Setting; truth: number; covered: number; z: number }[] = [];
  for (let done = 0, tried = 0; done < settings; tried++) {
    const setting = randomSetting(uniform, tokenCounts);
    // Most random settings have errors above 0.1: one in five is enough of them.
    const screen = await estimate(setting, 12345, 640);
    if (!(screen.error > 1e-13 && screen.error < 0.5) || (screen.error > 0.1 && tried % 5 !== 0)) continue;
    const truth = truthOf(setting, referenceDraws, 1000 + tried);
    // Where the reference itself is not sharp nothing is judged: it would move all seeds together.
    const quoted = screen.standardError * Math.sqrt(640 / draws);
    if (!(truth.error > 1e-12) || truth.standardError > 0.35 * quoted) continue;
    done++;
    const decade = Math.floor(Math.log10(truth.error));
    const row = rows.get(decade) ?? { settings: 0, intervals: 0, covered: 0, marked: 0, squares: 0 };
    rows.set(decade, row);
    row.settings++;
    let covered = 0;
    let sum = 0;
    let unmarked = 0;
    for (let seed = 0; seed < seeds; seed++) {
      const result = await estimate(setting, seed, draws);
      if (!result.reliable) {
        row.marked++;
        continue;
      }
      const z = (result.error - truth.error) / Math.hypot(result.standardError, truth.standardError);
      unmarked++;
      row.intervals++;
      row.squares += z * z;
      sum += z;
      if (Math.abs(z) <= 1.96) covered++;
    }
    row.covered += covered;
    worst.push({
      setting,
      truth: truth.error,
      covered: covered / Math.max(unmarked, 1),
      z: sum / Math.sqrt(Math.max(unmarked, 1)),
    });
  }
  worst.sort((a, b) => a.covered - b.covered);
  return { rows: [...rows].sort(([a], [b]) => b - a), worst: worst.slice(0, 5) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [settings = 400, seeds = 100, draws = 640, reference = 20_000, ...tokens] = process.argv.slice(2).map(Number);
  const counts = tokens.length > 0 ? tokens : undefined;
  const { rows, worst } = await calibrate(settings, seeds, draws, reference, counts);
  console.log('error        settings  intervals  covered  marked  mean z²');
  for (const [decade, row] of rows)
    console.log(
      `1e${decade}…1e${decade + 1}`.padEnd(13),
      String(row.settings).padStart(7),
      String(row.intervals).padStart(10),
      `${((100 * row.covered) / row.intervals).toFixed(1)} %`.padStart(9),
      `${((100 * row.marked) / (row.marked + row.intervals)).toFixed(2)} %`.padStart(8),
      (row.squares / row.intervals).toFixed(3).padStart(8),
    );
  for (const { setting, truth, covered, z } of worst)
    console.log(truth.toExponential(3), `covered ${covered}`, `z of the mean ${z.toFixed(1)}`, JSON.stringify(setting));
}
