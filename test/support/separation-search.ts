/**
 * Brute-force search for good parameters of the four models on noiseless examples, written token by token in R²; shares no
 * code with the package. Dense random parameters at many scales, heads on a grid, then hill climbing of the best.
 */
import type { ContextualMixtureOptions } from '../../lib/index.js';
import { dot, softmax } from './reference.js';

export type ModelName = 'promptAttention' | 'linearAttention' | 'selfAttention' | 'meanPooling';

interface LabelledTokens {
  readonly label: number;
  readonly probability: number;
  /** The T rows of X. */
  readonly X: readonly (readonly number[])[];
}

/** One example per label and confusion atom, its tokens in R². */
export function noiselessTokens(mixture: ContextualMixtureOptions): LabelledTokens[] {
  const { tokens, relevantTokens = 0, contextNorm, signalNorm, correlation = 0, positiveRate = 0.5 } = mixture;
  const q = [contextNorm, 0];
  const w = [signalNorm * correlation, signalNorm * Math.sqrt(1 - correlation ** 2)];
  const combine = (a: number, b: number) => q.map((x, j) => a * x + b * (w[j] as number));
  return (mixture.confusion ?? [{ deltaQ: 0, deltaW: 0, probability: 1 }]).flatMap(({ deltaQ, deltaW, probability }) =>
    [1, -1].map((label) => ({
      label,
      probability: probability * (label > 0 ? positiveRate : 1 - positiveRate),
      X: Array.from({ length: tokens }, (_, t) =>
        t < relevantTokens ? combine(1, label) : combine(-deltaQ, -deltaW * label),
      ),
    })),
  );
}

type Feature = (X: LabelledTokens['X'], parameters: readonly number[]) => number[];

function weightedSum(X: LabelledTokens['X'], weights: readonly number[]): number[] {
  return [0, 1].map((j) => X.reduce((sum, x, t) => sum + (weights[t] as number) * (x[j] as number), 0));
}

/** Number of parameters besides the head, and the feature that the head multiplies. */
const models: Record<ModelName, { readonly size: number; readonly feature: Feature }> = {
  promptAttention: {
    size: 2,
    feature: (X, q) => weightedSum(X, softmax(X.map((x) => dot(x, q)))),
  },
  linearAttention: {
    size: 2,
    feature: (X, q) =>
      weightedSum(
        X,
        X.map((x) => dot(x, q) / X.length),
      ),
  },
  meanPooling: {
    size: 0,
    feature: (X) =>
      weightedSum(
        X,
        X.map(() => 1 / X.length),
      ),
  },
  selfAttention: {
    size: 4,
    feature: (X, [b11 = 0, b12 = 0, b21 = 0, b22 = 0]) => {
      const mass = X.map(() => 0);
      for (const [x1 = 0, x2 = 0] of X) {
        const query = [x1 * b11 + x2 * b21, x1 * b12 + x2 * b22];
        for (const [t, weight] of softmax(X.map((x) => dot(x, query))).entries())
          mass[t] = (mass[t] as number) + weight / X.length;
      }
      return weightedSum(X, mass);
    },
  },
};

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

interface Trial {
  readonly parameters: readonly number[];
  readonly angle: number;
  readonly accuracy: number;
  /** Smoothed accuracy, to climb on. */
  readonly soft: number;
}

export interface SearchEffort {
  /** Random parameters. */
  readonly starts: number;
  /** How many of the best of them climb. */
  readonly climbs: number;
  /** Steps of each climb. */
  readonly steps: number;
  /** Size of the parameters, instead of all sizes. */
  readonly scale?: number;
}

const kHeads = 120;

/**
 * The best accuracy found for `model`. An example whose feature is 0 whatever the parameters is a tie and counts one half. Any
 * other score within rounding of 0 counts as wrong: neighbouring parameters decide it, and attention that underflows would
 * turn scores that only tend to 0 into ties.
 */
export function searchedAccuracy(
  mixture: ContextualMixtureOptions,
  model: ModelName,
  { starts, climbs, steps, scale: fixedScale }: SearchEffort,
): number {
  const examples = noiselessTokens(mixture);
  const { size, feature } = models[model];
  const uniform = generator(20230606);
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const sizes = examples.map(({ X }) => Math.max(...X.map((x) => Math.hypot(...x))) || 1);
  const typical = sizes.reduce((sum, value) => sum + value, 0) / sizes.length;
  const probes = [0.3, 0.7, 1.3].map((scale) => Array.from({ length: size }, () => (scale / typical) * normal()));
  const isTie = examples.map(({ X }, i) =>
    probes.every((probe) => Math.hypot(...feature(X, probe)) < 1e-12 * (sizes[i] as number)),
  );

  /** Accuracies at the given head angles, and a smoothed one of sharpness `sharpness`. */
  const best = (parameters: readonly number[], angles: readonly number[], sharpness: number): Trial => {
    const features = examples.map(({ X }) => feature(X, parameters));
    let found: Trial = { parameters, angle: 0, accuracy: -1, soft: -1 };
    for (const angle of angles) {
      const head = [Math.cos(angle), Math.sin(angle)];
      let accuracy = 0;
      let soft = 0;
      for (const [i, { label, probability }] of examples.entries()) {
        const score = (label * dot(head, features[i] as number[])) / (sizes[i] as number);
        accuracy += probability * (isTie[i] ? 0.5 : score > 1e-10 ? 1 : 0);
        soft += probability / (1 + Math.exp(-sharpness * score));
      }
      if (accuracy > found.accuracy + 1e-12 || (accuracy > found.accuracy - 1e-12 && soft > found.soft))
        found = { parameters, angle, accuracy, soft };
    }
    return found;
  };

  const grid = Array.from({ length: kHeads }, (_, i) => ((i + 0.37) * 2 * Math.PI) / kHeads);
  let pool: Trial[] = [];
  for (let start = 0; start < (size === 0 ? 1 : starts); ++start) {
    // Logits ⟨x, q⟩ or ⟨x, B x'⟩ from 0.03 to 100 in one of the examples.
    const reach = sizes[Math.floor(uniform() * sizes.length)] as number;
    const scale = fixedScale ?? 10 ** (3.5 * uniform() - 1.5) / reach ** (size / 2);
    const parameters = Array.from({ length: size }, () => scale * normal());
    pool.push(best(parameters, grid, 10));
    if ((pool.at(-1)?.accuracy as number) > 1 - 1e-12) return 1;
    if (pool.length >= 20 * climbs)
      pool = pool.sort((a, b) => b.accuracy - a.accuracy || b.soft - a.soft).slice(0, climbs);
  }
  pool = pool.sort((a, b) => b.accuracy - a.accuracy || b.soft - a.soft).slice(0, climbs);
  let accuracy = 0;
  for (let trial of pool) {
    for (let step = 0; step < steps; ++step) {
      accuracy = Math.max(accuracy, trial.accuracy);
      if (accuracy > 1 - 1e-12) return 1;
      const move = 10 ** (-3 * uniform());
      const norm = Math.hypot(...trial.parameters);
      const parameters = trial.parameters.map((value) => value + move * norm * normal());
      const sharpness = 10 ** (1 + (3 * step) / steps);
      const here = best(trial.parameters, [trial.angle], sharpness);
      const there = best(parameters, [trial.angle, trial.angle + move * normal()], sharpness);
      if (there.accuracy > here.accuracy - 1e-12 && there.soft >= here.soft) trial = there;
      else if (there.soft > here.soft && uniform() < 0.2) trial = there;
    }
    accuracy = Math.max(accuracy, trial.accuracy);
  }
  return accuracy;
}
