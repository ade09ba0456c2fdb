/**
 * Three-step trials on dense tokens beside PyTorch, and the memory they need. Run with `npx tsx benchmarks/three-step-dense.ts`.
 *
 * Checks: the mean test errors of engine and peer agree within five standard errors.
 */
import { availableParallelism } from 'node:os';
import { checkSameMean, meanAndError, meanSeconds, memory, peers, record } from './support/harness.js';
import { engineTrials, peerArguments } from './support/three-step.js';

const workload = 'three-step dense, n=2000 ×3, T=64, d=256';
const before = memory('VmRSS');
for (const threads of new Set([1, Math.min(2, availableParallelism())])) {
  const engine = await engineTrials('dense', 16 * threads, threads, 3);
  record({
    workload,
    value: 1e3 * engine.seconds,
    unit: `ms a trial, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
  });
  const answers = await peers('three_step_torch.py', [...peerArguments, 8], threads);
  if (answers === undefined) continue;
  checkSameMean(workload, engine.error, meanAndError(answers.flatMap((answer) => answer.errors as number[])));
  record({
    workload,
    value: meanSeconds(answers) / threads / engine.seconds,
    unit: `× ${answers[0]?.peer}, ${threads} ${threads === 1 ? 'thread' : 'threads and processes'}`,
    bar: { atLeast: 5 },
  });
}
record({ workload, value: (memory('VmHWM') - before) / 2 ** 20, unit: 'MiB above the start', bar: { atMost: 64 } });
