import { z } from 'zod';
import { normalTail } from '../base/distributions.js';
import { OptionRangeError } from '../base/errors.js';
import { arrayOf, finiteNumber, parseOptions } from '../base/options.js';

/**
 * Pooled features of real examples as the risk law sees them: in the coordinates in which the noise of a pooled feature is
 * isotropic on average, example i has the mean y A_i W along one direction and noise of standard deviation s_i in every one.
 */
export interface MeasuredNoise {
  /** A_i, attention on relevant tokens. */
  readonly masses: Float64Array;
  /** s_i > 0, of root mean square 1. */
  readonly scales: Float64Array;
  /** W. */
  readonly signalNorm: number;
}

const measuredNoise = z.looseObject({
  masses: arrayOf('Float64Array'),
  scales: arrayOf('Float64Array'),
  signalNorm: finiteNumber,
});

/** Halvings of an interval of ln χ: beyond double precision. */
const kHalvings = 200;
const kLogRange = 300;

/**
 * Limit of the test error of a least-squares head without ridge (of least norm for α < 1) on features with measured noise, at
 * n/d = α. The equations of {@link risk.knownPrompt} with the distribution of (A, s) that was measured in place of the mixture's:
 * κ = 1/(1 + s²χ), αE[s²χκ] = 1, w = E[κu y]/E[κu²] with u = yAW + sz and z a standard normal variable,
 * r²(1 − αχ²E[s⁴κ²]) = αχ²E[s²κ²(y − uw)²], error = E Q(AWw/(s√(r² + w²))), Q the normal tail.
 *
 * @param noise As {@link estimateMixture} measured it.
 * @param sampleRatio α > 0.
 * @throws {@link OptionTypeError} if the noise has not those fields; {@link OptionRangeError} if α is not above 0.
 * @example
 * ```ts
 * import { images } from 'prompt-attention';
 * const noise = { masses: Float64Array.of(0.5, 0.9), scales: Float64Array.of(1, 1), signalNorm: 2 };
 * console.log(images.measuredNoiseRisk(noise, 4));
 * ```
 */
export function measuredNoiseRisk(noise: MeasuredNoise, sampleRatio: number): number {
  const { masses, scales, signalNorm: W } = parseOptions(measuredNoise, noise, 'noise');
  const alpha = sampleRatio;
  if (!(alpha > 0)) throw new OptionRangeError('sampleRatio', 'a number > 0', sampleRatio);
  if (alpha === 1) return 0.5;
  const mean = (value: (A: number, s2: number) => number) =>
    scales.reduce((sum, s, i) => sum + value(masses[i] as number, s * s), 0) / scales.length;
  const errorAt = (w: number, r2: number) => mean((A, s2) => normalTail((A * W * w) / Math.sqrt(s2 * (r2 + w * w))));
  /** E[(y − uw)²] given A and s². */
  const residual = (A: number, s2: number, w: number) => (1 - A * W * w) ** 2 + s2 * w * w;
  if (alpha < 1) {
    const w = mean((A, s2) => (A * W) / s2) / (mean((A, s2) => (A * W) ** 2 / s2 + 1) + (1 - alpha) / alpha);
    return errorAt(w, (alpha * mean((A, s2) => residual(A, s2, w) / s2)) / (1 - alpha));
  }
  let [low, high] = [-kLogRange, kLogRange];
  for (let k = 0; k < kHalvings; ++k) {
    const chi = Math.exp((low + high) / 2);
    if (alpha * mean((_, s2) => (s2 * chi) / (1 + s2 * chi)) < 1) low = (low + high) / 2;
    else high = (low + high) / 2;
  }
  const chi = Math.exp(low);
  const kappa = (s2: number) => 1 / (1 + s2 * chi);
  const w = mean((A, s2) => kappa(s2) * A * W) / mean((A, s2) => kappa(s2) * ((A * W) ** 2 + s2));
  const gain = 1 - alpha * mean((_, s2) => (s2 * chi * kappa(s2)) ** 2);
  const r2 = (alpha * chi ** 2 * mean((A, s2) => s2 * kappa(s2) ** 2 * residual(A, s2, w))) / gain;
  return errorAt(w, r2);
}
