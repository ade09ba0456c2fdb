/** Plain reference implementations of the models, their losses and numerical gradients. */
import type { ModelName } from '../../lib/index.js';
import { dot, softmax } from './reference.js';

type Rows = readonly Float64Array[];

/** z B for a row z and a row-major square matrix B. */
function rowTimes(z: ArrayLike<number>, B: Float64Array): Float64Array {
  const d = z.length;
  return Float64Array.from({ length: d }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < d; ++i) sum += (z[i] as number) * (B[i * d + j] as number);
    return sum;
  });
}

/** One row φ(z B Xᵀ) per row z of Z. */
export function attentionMatrix(Z: Rows, B: Float64Array, X: Rows): number[][] {
  return Z.map((z) => {
    const projected = rowTimes(z, B);
    return softmax(X.map((x) => dot(projected, x)));
  });
}

/** Σ_t weights_t x_t */
export function combine(weights: readonly number[], X: Rows): Float64Array {
  const d = (X[0] as Float64Array).length;
  return Float64Array.from({ length: d }, (_, j) =>
    X.reduce((sum, x, t) => sum + (weights[t] as number) * (x[j] as number), 0),
  );
}

/** Parameters of a model by name. */
export type Parameters = Record<string, Float64Array>;

/** Scores of one example X by name of the model; `prompts` and `outputs` are of the tuned layer. */
export function referenceScores(name: ModelName, parameters: Parameters, X: Rows, outputs = 1): number[] {
  const of = (key: string) => parameters[key] as Float64Array;
  const d = (X[0] as Float64Array).length;
  const T = X.length;
  switch (name) {
    case 'prompt-attention':
      return [dot(of('head'), combine(softmax(X.map((x) => dot(x, of('prompt')))), X))];
    case 'linear-attention':
      return [
        dot(
          of('head'),
          combine(
            X.map((x) => dot(x, of('prompt')) / T),
            X,
          ),
        ),
      ];
    case 'mean-pooling':
      return [
        dot(
          of('head'),
          combine(
            X.map(() => 1 / T),
            X,
          ),
        ),
      ];
    case 'self-attention':
      return [attentionMatrix(X, of('weights'), X).reduce((sum, row) => sum + dot(of('head'), combine(row, X)) / T, 0)];
    case 'self-attention-full-head':
    case 'prompt-tuned-layer': {
      const prompts = parameters.prompts ?? new Float64Array(0);
      const P = Array.from({ length: prompts.length / d }, (_, s) => prompts.subarray(s * d, (s + 1) * d));
      // A pooled head has one vector per score, for the mean over the prompts.
      const pooled = P.length > 0 && of('head').length === outputs * d;
      const rows = attentionMatrix(pooled ? P : [...P, ...X], of('weights'), X).map((row) => combine(row, X));
      const output = pooled
        ? [
            combine(
              rows.map(() => 1 / rows.length),
              rows,
            ),
          ]
        : rows;
      const size = output.length * d;
      return Array.from({ length: outputs }, (_, c) =>
        output.reduce(
          (sum, row, s) => sum + dot(of('head').subarray(c * size + s * d, c * size + (s + 1) * d), row),
          0,
        ),
      );
    }
  }
}

/** Loss of scores f and label y. */
export function referenceLoss(loss: string, f: readonly number[], y: number): number {
  if (loss === 'square') return (y - (f[0] as number)) ** 2 / 2;
  if (loss === 'logistic') return Math.log1p(Math.exp(-y * (f[0] as number)));
  const largest = Math.max(...f);
  return largest + Math.log(f.reduce((sum, value) => sum + Math.exp(value - largest), 0)) - (f[y] as number);
}

/** Derivative of `value` by every entry of `at`: central differences, extrapolated twice (error O(h⁶)). */
export function numericalGradient(value: (at: Float64Array) => number, at: Float64Array, h = 0.02): Float64Array {
  const difference = (j: number, step: number) => {
    const change = (by: number) => value(at.map((x, i) => (i === j ? x + by : x)));
    return (change(step) - change(-step)) / (2 * step);
  };
  return at.map((_, j) => {
    const [a, b, c] = [difference(j, h), difference(j, h / 2), difference(j, h / 4)];
    const [ab, bc] = [(4 * b - a) / 3, (4 * c - b) / 3];
    return (16 * bc - ab) / 15;
  });
}

/** ‖a − b‖ / ‖b‖ */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const difference = Float64Array.from(a, (value, j) => value - (b[j] as number));
  return Math.sqrt(dot(difference, difference) / dot(b, b));
}
