/**
 * A gradient of prompt-attention and of a pooled prompt-tuned layer on examples of different length, n = 1000, T = 256, d = 100, T_i from
 * a skewed distribution of mean T/4, beside the same examples padded to T and beside as many tokens without lengths (n = 250, T = 256).
 * Run with `npx tsx benchmarks/ragged-examples.ts`.
 *
 * Checks: loss and gradient are those of the padded examples, whose other tokens have so low a score that their weight is 0.
 */
import { type Model, promptAttention, promptTunedLayer } from '../lib/index.js';
import { check, record, seconds } from './support/harness.js';

const [n, T, d] = [1000, 256, 100];
let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const lengths = Uint32Array.from({ length: n }, () => Math.max(1, Math.round(T * uniform() ** 3)));
lengths[0] = T;
const rows = lengths.reduce((sum, length) => sum + length, 0);
const tokens = Float64Array.from({ length: rows * d }, () => 2 * uniform() - 1);
const labels = Float64Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 1 : -1));
const vector = (scale: number) => Float64Array.from({ length: d }, () => scale * (uniform() - 0.5));
const prompt = vector(0.5);
const head = vector(0.5);
const identity = Float64Array.from({ length: d * d }, (_, at) => Number(at % (d + 1) === 0));

const padded = new Float64Array(n * T * d);
let row = 0;
for (const [i, length] of lengths.entries()) {
  padded.set(tokens.subarray(row * d, (row + length) * d), i * T * d);
  for (let t = length; t < T; ++t)
    padded.set(
      prompt.map((x) => -1e6 * x),
      (i * T + t) * d,
    );
  row += length;
}
const ragged = { tokens, lengths, labels, dimension: d };
const even = Math.floor(rows / T);
const dense = { tokens: tokens.slice(0, even * T * d), labels: labels.slice(0, even), dimension: d };

const layer = promptTunedLayer({ prompts: 1, head: 'pooled', trained: ['prompts', 'head'] });
const cases: readonly (readonly [Model<string>, Record<string, Float64Array>])[] = [
  [promptAttention as Model<string>, { prompt, head }],
  [layer as Model<string>, { prompts: prompt, weights: identity, head }],
];
for (const [model, parameters] of cases) {
  const gradientOf = (data: typeof dense) => model.gradient(parameters, data, { loss: 'logistic', threads: 1 });
  const [own, other] = [await gradientOf(ragged), await gradientOf({ tokens: padded, labels, dimension: d })];
  check(Math.abs(own.loss / other.loss - 1) < 1e-12, `${model.name}: loss`);
  for (const name of model.trained) {
    const [a, b] = [own.gradient[name] as Float64Array, other.gradient[name] as Float64Array];
    check(Math.hypot(...a.map((x, j) => x - (b[j] as number))) < 1e-12 * Math.hypot(...b), `${model.name}: ${name}`);
  }
  const workload = `gradient of ${model.name} on ${n} examples of 1 to ${T} tokens, ${rows} together, d=${d}`;
  const time = await seconds(() => gradientOf(ragged));
  record({ workload, value: 1e3 * time, unit: 'ms, 1 thread' });
  const paddedTime = await seconds(() => gradientOf({ tokens: padded, labels, dimension: d }));
  record({ workload, value: paddedTime / time, unit: '× padded to T', bar: { atLeast: 2 } });
  record({
    workload,
    value: time / (await seconds(() => gradientOf(dense))),
    unit: '× as many tokens without lengths',
  });
}
