/**
 * Dimension-free three-step trials beside PyTorch on dense tokens and the same algorithm in vectorised NumPy, and the share of the time
 * that goes to normals and exponentials at their own measured rates. Run with `npx tsx benchmarks/three-step-projected.ts`.
 *
 * Checks: the mean test errors of engine and peers agree within five standard errors.
 */
import { availableParallelism } from 'node:os';
import { measureLimits } from '../lib/index.js';
import { checkSameMean, meanAndError, meanSeconds, peers, record } from './support/harness.js';
import { engineTrials, peerArguments } from './support/three-step.js';

const workload = 'three-step projected, n=2000 ×3, T=64, ζ=¼, 2,000 test draws';
const { nanosecondsPerNormal, nanosecondsPerExponential } = await measureLimits({ threads: 1 });
const single = await engineTrials('projected', 2000, 1);
record({ workload, value: 1e3 * single.seconds, unit: 'ms a trial' });
// 48 irrelevant tokens: normals for S2, S3 and the test draws, exponentials for the last two.
const limit = 1e-9 * 48 * (6000 * nanosecondsPerNormal + 4000 * nanosecondsPerExponential);
record({
  workload,
  value: limit / single.seconds,
  unit: 'of the time in normals and exponentials',
  bar: { atLeast: 0.7 },
});
for (const processes of new Set([1, Math.min(2, availableParallelism())])) {
  const engine = processes === 1 ? single : await engineTrials('projected', 4000, processes);
  for (const [script, trials, bar] of [
    ['three_step_numpy.py', 300, { atLeast: 8 }],
    ['three_step_torch.py', 8, { atLeast: 800 }],
  ] as const) {
    const answers = await peers(script, [...peerArguments, trials], processes);
    if (answers === undefined) continue;
    checkSameMean(workload, engine.error, meanAndError(answers.flatMap((answer) => answer.errors as number[])));
    record({
      workload,
      value: meanSeconds(answers) / processes / engine.seconds,
      unit: `× ${answers[0]?.peer}, ${processes} ${processes === 1 ? 'thread' : 'threads and processes'}`,
      bar,
    });
  }
}
