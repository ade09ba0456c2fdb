/**
 * Known-prompt least squares trials, projected, beside PyTorch on dense tokens; the share of the time in BLAS, and BLAS's speed beside
 * that of a large dgemm. Run with `npx tsx benchmarks/known-prompt.ts`.
 *
 * Checks: the mean test errors of engine and peer agree within five standard errors.
 */
import { availableParallelism } from 'node:os';
import { native } from '../lib/base/native.js';
import { type Simulation, simulate } from '../lib/index.js';
import { checkSameMean, meanAndError, meanSeconds, peers, record, seconds } from './support/harness.js';

const [n, d] = [4000, 1000];
const workload = `known-prompt least squares, projected, n=${n}, d=${d}, T=32`;
const mixture = { tokens: 32, dimension: d, relevantTokens: 8, contextNorm: 2, signalNorm: 0.6 };
const experiment = {
  kind: 'known-prompt',
  mixture,
  examples: n,
  inverseTemperature: 0.5,
  head: { kind: 'least-squares' },
} as const;

async function engineTrials(trials: number, threads: number) {
  let simulation: Simulation | undefined;
  const time = await seconds(async () => {
    simulation = await simulate(experiment, { trials, seed: 1, testDraws: 2000, threads });
  }, 3);
  return { seconds: time / trials, error: meanAndError((simulation as Simulation).metrics.error as Float64Array) };
}

/** Operations per second of the fastest pass. */
async function rate(kind: 'products' | 'least-squares'): Promise<number> {
  const request = { kind, rows: n, columns: d, milliseconds: 1000, threads: 1 };
  return (await native.measureLimit(request).promise).fastest[0] as number;
}

const single = await engineTrials(8, 1);
record({ workload, value: 1e3 * single.seconds, unit: 'ms a trial' });
const products = await rate('products');
const leastSquares = await rate('least-squares');
const operations = n * d * d + d ** 3 / 3;
record({
  workload,
  value: operations / leastSquares / single.seconds,
  unit: 'of the time in BLAS',
  bar: { atLeast: 0.75 },
});
record({ workload, value: leastSquares / products, unit: 'of dgemm’s rate in BLAS', bar: { atLeast: 0.8 } });
for (const threads of new Set([1, Math.min(2, availableParallelism())])) {
  const engine = threads === 1 ? single : await engineTrials(8 * threads, threads);
  const args = [n, 32, 8, d, mixture.contextNorm, mixture.signalNorm, experiment.inverseTemperature, 2000, 4];
  const answers = await peers('known_prompt_torch.py', args, threads);
  if (answers === undefined) continue;
  checkSameMean(workload, engine.error, meanAndError(answers.flatMap((answer) => answer.errors as number[])));
  record({
    workload,
    value: meanSeconds(answers) / threads / engine.seconds,
    unit: `× ${answers[0]?.peer}, ${threads} ${threads === 1 ? 'thread' : 'threads and processes'}`,
    bar: { atLeast: 5 },
  });
}
