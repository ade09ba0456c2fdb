/**
 * Time of a full-batch gradient step of prompt-attention, n = 4000, T = 64, d = 128, beside the same step in NumPy and
 * PyTorch, and the memory that training needs above the tokens. Run with `npx tsx benchmarks/fit-step.ts [steps]`; prints JSON lines. The
 * environment variable PYTHON names the interpreter; a peer that it cannot import is skipped.
 *
 * Checks: loss and gradient norms agree with the peers' to 1e-9; memory is below a fifth of the tokens. Memory is the growth of the
 * peak resident size during a training that takes the tokens over, as a share of the tokens.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engineInfo, promptAttention, fit as train } from '../lib/index.js';

const [n, T, d] = [4000, 64, 128];
const steps = Number(process.argv[2] ?? 30);
const bytes = 8 * n * T * d;

/** Bytes resident now, and at most so far (Linux). */
function memory(field: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return 1024 * Number(line?.[1] ?? Number.NaN);
}

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

/** Milliseconds per step: the difference of a long and a short training leaves copying and recording out. */
async function millisecondsPerStep(threads: number): Promise<number> {
  const millisecondsOf = async (count: number) => {
    const begin = performance.now();
    await train(promptAttention, data, {
      loss: 'square',
      steps: count,
      learningRate: 1e-3,
      recordEvery: 1e6,
      initial,
      threads,
    });
    return performance.now() - begin;
  };
  await millisecondsOf(2);
  const short = await millisecondsOf(2);
  return ((await millisecondsOf(steps + 2)) - short) / steps;
}

const handedOver = { ...data, tokens: tokens.slice() };
const before = memory('VmRSS');
await train(promptAttention, handedOver, { loss: 'square', steps: 3, learningRate: 1e-3, initial, transfer: true });
const above = (memory('VmHWM') - before) / bytes;
if (!(above < 0.2)) throw new Error(`training needs ${above} of the size of the tokens`);
console.log(JSON.stringify({ memory: 'peak above the tokens', shareOfTokens: above }));

const { loss, gradient } = await promptAttention.gradient(initial, data, { loss: 'square' });
const times: Record<string, number> = {};
for (const threads of new Set([1, availableParallelism()])) {
  times[threads] = await millisecondsPerStep(threads);
  console.log(JSON.stringify({ threads, milliseconds: times[threads], engine: engineInfo().fingerprint }));
}

const folder = mkdtempSync(join(tmpdir(), 'fit-step-'));
try {
  writeFileSync(join(folder, 'tokens'), tokens);
  writeFileSync(join(folder, 'labels'), labels);
  const files = [join(folder, 'tokens'), join(folder, 'labels')];
  const sizes = [n, T, d, steps].map(String);
  const python = process.env.PYTHON ?? 'python3';
  for (const [name, file] of [
    ['NumPy', 'fit_step_numpy.py'],
    ['PyTorch', 'fit_step_torch.py'],
  ] as const)
    for (const threads of new Set([1, availableParallelism()])) {
      const script = fileURLToPath(new URL(file, import.meta.url));
      const { status, stdout } = spawnSync(python, [script, ...files, ...sizes, String(threads)], {
        encoding: 'utf8',
        env: { ...process.env, OPENBLAS_NUM_THREADS: String(threads) },
      });
      if (status !== 0) {
        console.log(JSON.stringify({ skipped: `${name}: ${python} cannot import it` }));
        break;
      }
      const peer = JSON.parse(stdout) as Record<string, number>;
      const agrees = (a: number, b: number | undefined) => Math.abs(a - (b as number)) < 1e-9 * Math.abs(a);
      if (
        !agrees(loss, peer.loss) ||
        !agrees(Math.hypot(...gradient.prompt), peer.promptGradient) ||
        !agrees(Math.hypot(...gradient.head), peer.headGradient)
      )
        throw new Error(`${name} found something else: ${stdout}`);
      const ratio = (peer.milliseconds as number) / (times[threads] as number);
      console.log(JSON.stringify({ ...peer, threads, ratio, agrees: true }));
    }
} finally {
  rmSync(folder, { recursive: true });
}
