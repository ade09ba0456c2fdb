import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { allFinished, type JobOptions, runJob } from '../base/job.js';
import { type NativePrincipalComponents, native } from '../base/native.js';
import { finiteVector, parseOptions } from '../base/options.js';
import { type ContextualMixture, contextualMixture } from '../mixture/mixture.js';
import { readTokens, requireLabels } from '../models/data.js';
import { linearAttention, promptAttention, promptTunedLayer } from '../models/index.js';
import { relevantMass } from '../real-data/evaluation.js';
import type { ContextualImages } from './contextual-images.js';
import type { MeasuredNoise } from './measured-noise.js';
import { average, massMoments, noiseRatio, pooledMoments, scoreMoments } from './pooled-moments.js';

/** A contextual mixture that stands for real tokens, and the prompt in it: what {@link risk.knownPrompt} takes. */
export interface PlugIn {
  /** The mixture. */
  readonly mixture: ContextualMixture;
  /** τ: the prompt that stands for the learned one is τ q⋆. */
  readonly inverseTemperature: number;
}

/** What {@link estimateMixture} found. */
export interface MixtureEstimate {
  /**
   * From the moments of single tokens, taken from the mean of the irrelevant ones: q⋆ and w⋆ are half the sum and half the difference
   * of the two means of relevant tokens, Q², W² and ⟨q⋆, w⋆⟩ are freed of the variance of those means, σ² and σ_R² are the mean variances of
   * an irrelevant and of a relevant token's coordinates about their means, τ = ⟨q, q⋆⟩/Q².
   */
  readonly moments: PlugIn;
  /**
   * From what the prompt and the head see, with σ = 1: Q and τ give irrelevant scores the deviation, and relevant scores the lead,
   * that the learned prompt gives them; σ_R² is the ratio of tr(S⁻¹Σ) of relevant and of irrelevant tokens; W gives a pooled feature the separation m̄ᵀS⁻¹m̄ that it has,
   * m̄ half the difference of the class means and S the covariance within a class. A least-squares head without ridge
   * does not see a linear map of its features as long as n > d, so that it is predicted in the coordinates in which S is a multiple of
   * the identity; for n < d, where the head of least norm sees it, this is an approximation.
   */
  readonly effective: PlugIn;
  /**
   * For {@link measuredNoiseRisk}: the attention A_i and the noise s_i² = Σ_t φ_t² tr(S⁻¹Σ_t)/d of every example, Σ_t the covariance
   * of a relevant or of an irrelevant token, S as for `effective`.
   */
  readonly measured: MeasuredNoise;
  /** Mean attention on relevant tokens under the prompt. */
  readonly relevantAttention: number;
  /** √(m̄ᵀS⁻¹m̄), freed of the bias of a finite sample: at most Φ(−this) is the error of the best linear head on Gaussian features. */
  readonly separation: number;
  /** Root mean square deviation of a coordinate of a relevant token from the mean of its class: σ_R of `moments`. */
  readonly relevantNoiseLevel: number;
  /** Deviation of an irrelevant token along the prompt, in the units of `moments.mixture.noiseLevel`. */
  readonly promptNoiseLevel: number;
}

const kLeastExamples = 100;

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** The rows at some positions. */
function rowsAt(rows: Float64Array, dimension: number, positions: readonly number[]): Float64Array {
  const chosen = new Float64Array(positions.length * dimension);
  for (const [to, from] of positions.entries())
    chosen.set(rows.subarray(from * dimension, (from + 1) * dimension), to * dimension);
  return chosen;
}

const momentsOf = (rows: Float64Array, dimension: number, options: JobOptions) =>
  runJob(() => native.principalComponents({ count: rows.length / dimension, dimension, rows }), options);

/**
 * Pooled features v_i = X_iᵀφ(X_iq) of softmax prompt-attention, n×d row-major: what a linear head is fitted on.
 *
 * @param examples Tokens.
 * @param prompt q, length d.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad argument; the signal's reason if aborted.
 * @example
 * ```ts
 * import { fitHead, images, sampleExamples } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 3, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const { tokens, labels, relevance } = await sampleExamples(mixture, { examples: 50, seed: 1 });
 * const examples = { tokens, labels, relevance, examples: 50, dimension: 3 };
 * const features = await images.pooledFeatures(examples, Float64Array.of(1, 0, 0));
 * console.log(features.length, (await fitHead(features, labels, { kind: 'least-squares' })).head);
 * ```
 */
export function pooledFeatures(
  examples: ContextualImages,
  prompt: Float64Array,
  options: JobOptions & { readonly threads?: number | undefined } = {},
): Promise<Float64Array> {
  const d = readTokens(examples, 'examples').size.dimension;
  const identity = new Float64Array(d * d);
  for (let j = 0; j < d; ++j) identity[j * d + j] = 1;
  // The tuned layer whose scores are the coordinates of its prompt's output.
  const layer = promptTunedLayer({ prompts: 1, outputs: d, head: 'pooled' });
  return layer.scores({ prompts: prompt, weights: identity, head: identity }, examples, options);
}

/** A deviation that may be the rounding of numbers of size `size`; then 0. */
const beyondRounding = (deviation: number, size: number) => (deviation > 1e-7 * size ? deviation : 0);

/** Half the difference of the class means of features, and the covariance within a class. */
function classMoments(classes: readonly NativePrincipalComponents[], counts: readonly number[]) {
  const [first, second] = classes as [NativePrincipalComponents, NativePrincipalComponents];
  const [a, b] = counts as [number, number];
  return {
    half: first.mean.map((value, j) => (value - (second.mean[j] as number)) / 2),
    within: first.covariance.map((value, j) => (a * value + b * (second.covariance[j] as number)) / (a + b - 2)),
    // E[Ŝ⁻¹] = S⁻¹ (n−2)/(n−d−3), and m̄ has the covariance S(1/a + 1/b)/4.
    unbiased: (raw: number, d: number) =>
      Math.max(0, (raw * (a + b - d - 3)) / (a + b - 2) - (d * (1 / a + 1 / b)) / 4),
  };
}

/** Lower Cholesky factor of a d×d matrix. */
function cholesky(matrix: Float64Array, d: number): Float64Array {
  const L = new Float64Array(d * d);
  for (let i = 0; i < d; ++i)
    for (let j = 0; j <= i; ++j) {
      const rest = (matrix[i * d + j] as number) - dot(L.subarray(i * d, i * d + j), L.subarray(j * d, j * d + j));
      if (i === j && !(rest > 0))
        throw new OptionRangeError('examples', 'with features that vary in every direction', `direction ${i} of ${d}`);
      L[i * d + j] = i === j ? Math.sqrt(rest) : rest / (L[j * d + j] as number);
    }
  return L;
}

/** L⁻¹b. */
function forwardSolve(L: Float64Array, b: Float64Array): Float64Array {
  const d = b.length;
  const x = new Float64Array(d);
  for (let i = 0; i < d; ++i)
    x[i] = ((b[i] as number) - dot(L.subarray(i * d, i * d + i), x.subarray(0, i))) / (L[i * d + i] as number);
  return x;
}

/** tr(S⁻¹C) for S = LLᵀ and the covariance C of some rows. */
const relativeTrace = (L: Float64Array, { values, vectors, mean: { length: d } }: NativePrincipalComponents) =>
  values.reduce((sum, value, j) => {
    const x = forwardSolve(L, vectors.subarray(j * d, (j + 1) * d));
    return sum + Math.max(value, 0) * dot(x, x);
  }, 0);

function positions(examples: ContextualImages, keep: (relevant: boolean, label: number) => boolean): number[] {
  const T = examples.relevance.length / examples.examples;
  const kept: number[] = [];
  for (const [row, relevant] of examples.relevance.entries())
    if (keep(relevant === 1, examples.labels[Math.floor(row / T)] as number)) kept.push(row);
  return kept;
}

async function momentsPlugIn(
  examples: ContextualImages,
  prompt: Float64Array,
  size: { readonly tokens: number; readonly relevantTokens: number; readonly dimension: number },
  options: JobOptions,
) {
  const { tokens, dimension: d } = examples;
  const parts = [
    positions(examples, (relevant, label) => relevant && label > 0),
    positions(examples, (relevant, label) => relevant && label < 0),
    positions(examples, (relevant) => !relevant),
  ];
  const [plus, minus, others] = (await allFinished(
    parts.map((rows) => momentsOf(rowsAt(tokens, d, rows), d, options)),
  )) as [NativePrincipalComponents, NativePrincipalComponents, NativePrincipalComponents];
  const trace = ({ values }: NativePrincipalComponents) => values.reduce((sum, value) => sum + value, 0);
  const [a, b, c] = parts.map((rows) => rows.length) as [number, number, number];
  const q = plus.mean.map((value, j) => (value + (minus.mean[j] as number)) / 2 - (others.mean[j] as number));
  const w = plus.mean.map((value, j) => (value - (minus.mean[j] as number)) / 2);
  // What the means of finite samples add to squares and products.
  const spread = (trace(plus) / a + trace(minus) / b) / 4;
  const Q = Math.sqrt(Math.max(dot(q, q) - spread - trace(others) / c, 0));
  const W = Math.sqrt(Math.max(dot(w, w) - spread, 0));
  const product = dot(q, w) - (trace(plus) / a - trace(minus) / b) / 4;
  const sigma = Math.sqrt(trace(others) / d);
  const relevantNoiseLevel = beyondRounding(
    Math.sqrt((a * trace(plus) + b * trace(minus)) / ((a + b) * d)),
    Math.hypot(sigma, Q, W),
  );
  const plugIn: PlugIn = {
    mixture: contextualMixture({
      ...size,
      contextNorm: Q,
      signalNorm: W,
      correlation: Q * W > 0 ? Math.max(-1, Math.min(1, product / (Q * W))) : 0,
      noiseLevel: sigma,
      relevantNoiseLevel,
    }),
    inverseTemperature: Q > 0 ? dot(prompt, q) / Q ** 2 : 0,
  };
  const variance = dot(
    prompt,
    Float64Array.from({ length: d }, (_, i) => dot(others.covariance.subarray(i * d, (i + 1) * d), prompt)),
  );
  return {
    plugIn,
    others,
    relevant: [plus, minus].map((part, i) => ({ part, share: (i === 0 ? a : b) / (a + b) })),
    relevantNoiseLevel,
    promptNoiseLevel: Math.sqrt(variance / dot(prompt, prompt)),
  };
}

/**
 * Estimate the contextual mixture that stands for real tokens under a learned prompt, so that {@link risk.knownPrompt} can predict
 * the error of heads learned with that prompt.
 *
 * Real noise is neither Gaussian nor isotropic, and a learned prompt is not a multiple of q⋆: the
 * mixture `effective` folds these into its parameters as far as the law's own quantities allow, `moments` ignores them. See
 * docs/real-data.md for how far each is from what is measured.
 *
 * @param examples Bags or canvases with labels ±1 and a mask, at least 100 and more than d + 3 of them; every example has the same
 * number of relevant tokens. Independent of those that the prompt was learned from.
 * @param prompt q, length d.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad argument, too few examples, or a number of relevant tokens
 * that varies; the signal's reason if aborted.
 * @example
 * ```ts
 * import { images, risk, sampleExamples } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 10, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const { tokens, labels, relevance } = await sampleExamples(mixture, { examples: 2000, seed: 1 });
 * const prompt = new Float64Array(10);
 * prompt[0] = 1;
 * const examples = { tokens, labels, relevance, examples: 2000, dimension: 10 };
 * const { moments, effective, measured } = await images.estimateMixture(examples, prompt);
 * const head = { kind: 'least-squares' } as const;
 * console.log((await risk.knownPrompt({ ...moments, head, examples: 100 })).error);
 * console.log((await risk.knownPrompt({ ...effective, head, examples: 100 })).error);
 * console.log(images.measuredNoiseRisk(measured, 100 / 10));
 * ```
 */
export async function estimateMixture(
  examples: ContextualImages,
  prompt: Float64Array,
  options: JobOptions & { readonly threads?: number | undefined } = {},
): Promise<MixtureEstimate> {
  return estimateFrom(readExamples(examples), parseOptions(finiteVector, prompt, 'prompt'), options);
}

function readExamples(examples: unknown): ContextualImages {
  const { size, native: given } = readTokens(examples, 'examples');
  if (given.lengths !== undefined)
    throw new OptionTypeError(
      'examples.lengths',
      'left out: the mixture has as many tokens in every example',
      given.lengths,
    );
  const { tokens, labels, relevance } = given as typeof given & { tokens: Float64Array };
  requireLabels('examples.labels', labels, 'square', 1);
  if (relevance === undefined) throw new OptionTypeError('examples.relevance', 'given', relevance);
  return { tokens, labels, relevance, examples: given.examples, dimension: size.dimension };
}

async function estimateFrom(
  examples: ContextualImages,
  prompt: Float64Array,
  options: JobOptions & { readonly threads?: number | undefined },
): Promise<MixtureEstimate> {
  const { dimension: d, examples: n, relevance, labels } = examples;
  const T = relevance.length / n;
  if (n < Math.max(kLeastExamples, d + 4))
    throw new OptionRangeError('examples.examples', `an integer ≥ ${Math.max(kLeastExamples, d + 4)}`, n);
  if (prompt.length !== d) throw new OptionRangeError('prompt', `of length d = ${d}`, prompt);
  const classes = [1, -1].map((sign) => [...labels.keys()].filter((i) => labels[i] === sign));
  if (classes.some((rows) => rows.length === 0))
    throw new OptionRangeError('examples.labels', 'of both classes', labels);
  const relevantTokens = relevance.reduce((sum, mark) => sum + mark, 0) / n;
  if (relevance.some((mark) => mark > 1) || relevantTokens === 0 || relevantTokens === T)
    throw new OptionRangeError('examples.relevance', 'of ones and zeros, both of them in every example', relevance);
  for (let i = 0; i < n; ++i)
    if (relevance.subarray(i * T, (i + 1) * T).reduce((sum, mark) => sum + mark, 0) !== relevantTokens)
      throw new OptionRangeError('examples.relevance', 'with the same number of relevant tokens in every example', i);
  const size = { tokens: T, relevantTokens, dimension: d };
  const moments = await momentsPlugIn(examples, prompt, size, options);
  // Xq/T, without the softmax that would lose small ones.
  const scaled = await linearAttention.attention({ prompt, head: new Float64Array(d) }, examples, options);
  const scores = scoreMoments(
    scaled.map((score) => T * score),
    relevance,
  );
  const features = await pooledFeatures(examples, prompt, options);
  const featureMoments = await allFinished(classes.map((rows) => momentsOf(rowsAt(features, d, rows), d, options)));
  const { half, within, unbiased } = classMoments(
    featureMoments,
    classes.map((rows) => rows.length),
  );
  const factor = cholesky(within, d);
  const standardHalf = forwardSolve(factor, half);
  const squared = unbiased(dot(standardHalf, standardHalf), d);
  const relevantTrace = moments.relevant.reduce((sum, { part, share }) => sum + share * relativeTrace(factor, part), 0);
  const otherTrace = relativeTrace(factor, moments.others);
  const relevantNoise = beyondRounding(Math.sqrt(relevantTrace / otherTrace), 1);
  const pooled = pooledMoments(T, relevantTokens, scores, relevantNoise);
  // With σ = 1: τQ² = lead and τQ = deviation.
  const effective: PlugIn = {
    mixture: contextualMixture({
      ...size,
      contextNorm: Math.abs(scores.lead) / scores.deviation,
      signalNorm: Math.sqrt(noiseRatio(squared, pooled) * pooled.noise) / pooled.mass,
      relevantNoiseLevel: relevantNoise,
    }),
    inverseTemperature: (Math.sign(scores.lead) * scores.deviation ** 2) / Math.abs(scores.lead),
  };
  const weights = await promptAttention.attention({ prompt, head: new Float64Array(d) }, examples, options);
  const masses = relevantMass(weights, examples);
  const ofMasses = massMoments(masses);
  const scales = noiseScales(weights, relevance, T, relevantTrace / d, otherTrace / d);
  const measured: MeasuredNoise = {
    masses,
    scales,
    signalNorm: Math.sqrt(noiseRatio(squared, ofMasses)) / ofMasses.mass,
  };
  return {
    moments: moments.plugIn,
    effective,
    measured,
    relevantAttention: ofMasses.mass,
    separation: Math.sqrt(squared),
    relevantNoiseLevel: moments.relevantNoiseLevel,
    promptNoiseLevel: moments.promptNoiseLevel,
  };
}

/** s_i of every example, divided by their root mean square. */
function noiseScales(
  weights: Float64Array,
  relevance: Uint8Array,
  T: number,
  relevantVariance: number,
  irrelevantVariance: number,
): Float64Array {
  const squares = new Float64Array(relevance.length / T);
  for (const [row, weight] of weights.entries()) {
    const i = Math.floor(row / T);
    squares[i] = (squares[i] as number) + weight ** 2 * (relevance[row] ? relevantVariance : irrelevantVariance);
  }
  const total = average(squares);
  return squares.map((square) => Math.sqrt(square / total));
}
