/**
 * A full-batch gradient step of prompt-attention, n = 4000, T = 64, d = 128, beside the same step in NumPy and PyTorch (float64, both with as
 * many threads of their own), and the memory that training needs above the tokens that it takes over. Run with
 * `npx tsx benchmarks/fit-step.ts [steps]`.
 *
 * Checks: loss and gradient norms agree with the peers' to 1e-9.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promptAttention, fit as train } from '../lib/index.js';
import { check, meanSeconds, memory, peers, record } from './support/harness.js';

const [n, T, d] = [4000, 64, 128];
const steps = Number(process.argv[2] ?? 30);
const bytes = 8 * n * T * d;
const workload = 'gradient step of prompt-attention, n=4000, T=64, d=128';

// Made in place, and before anything else, so that no garbage hides what training needs.
const tokens = new Float64Array(n * T * d);
const labels = new Float64Array(n);
let state = 1;
for (let j = 0; j < tokens.length; ++j) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  tokens[j] = state / 2 ** 31 - 1;
}
for (let i = 0; i < n; ++i) {
  labels[i] = i % 2 === 0 ? 1 : -1;
  for (let t = 0; t < T / 4; ++t) tokens[(i * T + t) * d] = (tokens[(i * T + t) * d] as number) + (labels[i] as number);
}
const data = { tokens, labels, dimension: d };
const initial = {
  prompt: Float64Array.from({ length: d }, (_, j) => (j + 1) / d ** 2),
  head: Float64Array.from({ length: d }, (_, j) => (d - j) / d ** 2),
};

/** The difference of a long and a short training leaves copying and recording out. */
async function secondsPerStep(threads: number): Promise<number> {
  const secondsOf = async (count: number) => {
    const begin = performance.now();
    await train(promptAttention, data, {
      loss: 'square',
      steps: count,
      learningRate: 1e-3,
      recordEvery: 1e6,
      initial,
      threads,
    });
    return (performance.now() - begin) / 1000;
  };
  await secondsOf(2);
  const short = await secondsOf(2);
  return ((await secondsOf(steps + 2)) - short) / steps;
}

const handedOver = { ...data, tokens: tokens.slice() };
const before = memory('VmRSS');
await train(promptAttention, handedOver, { loss: 'square', steps: 3, learningRate: 1e-3, initial, transfer: true });
const above = (memory('VmHWM') - before) / bytes;
record({ workload, value: 100 * above, unit: '% of the tokens’ memory above them', bar: { atMost: 20 } });

const { loss, gradient } = await promptAttention.gradient(initial, data, { loss: 'square' });
const folder = mkdtempSync(join(tmpdir(), 'fit-step-'));
try {
  writeFileSync(join(folder, 'tokens'), tokens);
  writeFileSync(join(folder, 'labels'), labels);
  const files = [join(folder, 'tokens'), join(folder, 'labels')];
  for (const threads of new Set([1, availableParallelism()])) {
    const engine = await secondsPerStep(threads);
    const plural = threads === 1 ? '1 thread' : `${threads} threads`;
    record({ workload, value: 1e3 * engine, unit: `ms, ${plural}` });
    for (const script of ['fit_step_numpy.py', 'fit_step_torch.py']) {
      const answers = await peers(script, [...files, n, T, d, steps, threads], 1, threads);
      if (answers === undefined) continue;
      for (const answer of answers) {
        const same = (a: number, b: unknown) => Math.abs(a - (b as number)) < 1e-9 * Math.abs(a);
        check(same(loss, answer.loss), `loss of ${answer.peer}: ${answer.loss}`);
        check(same(Math.hypot(...gradient.prompt), answer.promptGradient), `gradient of ${answer.peer} by the prompt`);
        check(same(Math.hypot(...gradient.head), answer.headGradient), `gradient of ${answer.peer} by the head`);
      }
      record({ workload, value: meanSeconds(answers) / engine, unit: `× ${answers[0]?.peer}, ${plural}` });
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
