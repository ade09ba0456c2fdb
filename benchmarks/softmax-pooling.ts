/**
 * Softmax pooling of given tokens, n·T = 256,000, d = 128: scores ⟨w, Xᵀ softmax(Xq)⟩ of examples that the addon holds, beside the memory
 * bandwidth, measured in turn in the same run. Run with `npx tsx benchmarks/softmax-pooling.ts`.
 *
 * Checks: the scores are those of plain loops, to 1e-12.
 */
import { availableParallelism } from 'node:os';
import { holdExamples, measureLimits, promptAttention } from '../lib/index.js';
import { check, record, seconds } from './support/harness.js';

const [n, T, d] = [4000, 64, 128];
const tokens = new Float64Array(n * T * d);
let state = 1;
for (let j = 0; j < tokens.length; ++j) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  tokens[j] = state / 2 ** 31 - 1;
}
const parameters = {
  prompt: Float64Array.from({ length: d }, (_, j) => Math.sin(j)),
  head: Float64Array.from({ length: d }, (_, j) => Math.cos(j)),
};
const held = holdExamples({ tokens, examples: n, dimension: d });

/** The score of one example, plainly. */
function plainScore(example: number): number {
  const products = (v: Float64Array) =>
    Array.from({ length: T }, (_, t) => {
      const from = (example * T + t) * d;
      return v.reduce((sum, value, j) => sum + value * (tokens[from + j] as number), 0);
    });
  const exponentials = products(parameters.prompt).map(Math.exp);
  const total = exponentials.reduce((sum, value) => sum + value);
  return products(parameters.head).reduce((sum, value, t) => sum + (value * (exponentials[t] as number)) / total, 0);
}
const scores = await promptAttention.scores(parameters, held);
for (const example of [0, 1, 2000, n - 1])
  check(Math.abs((scores[example] as number) - plainScore(example)) < 1e-12, `score of example ${example}`);

for (const threads of new Set([1, availableParallelism()])) {
  const workload = `softmax pooling of given tokens, n·T=256k, d=128, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  let [best, bandwidth] = [Number.POSITIVE_INFINITY, 0];
  // In turn, so that both see the same neighbours on the memory bus.
  for (let repetition = 0; repetition < 5; ++repetition) {
    best = Math.min(best, await seconds(() => promptAttention.scores(parameters, held, { threads }), 5));
    bandwidth = Math.max(bandwidth, 1e9 * (await measureLimits({ threads })).gigabytesPerSecond);
  }
  record({ workload, value: (8e-9 * tokens.length) / best, unit: 'GB/s' });
  record({
    workload,
    value: (8 * tokens.length) / best / bandwidth,
    unit: 'of the memory bandwidth',
    bar: { atLeast: 0.85 },
  });
}
