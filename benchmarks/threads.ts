/**
 * Two threads against one, on every simulate workload. Run with `npx tsx benchmarks/threads.ts`.
 *
 * Checks: the metrics are the same, bit for bit.
 */
import { type Experiment, type SimulationMethod, simulate } from '../lib/index.js';
import { check, record } from './support/harness.js';

const mixture = { tokens: 64, dimension: 256, relevantTokens: 16, contextNorm: 2, signalNorm: 0.6 };
const knownPrompt = { kind: 'known-prompt', mixture, examples: 1000, inverseTemperature: 0.5 } as const;
const descent = {
  kind: 'gradient-descent',
  mixture: { ...mixture, tokens: 16, relevantTokens: 4, dimension: 32 },
  examples: 200,
  steps: 20,
  stepSizes: { head: 1, prompt: 1 },
} as const;
const workloads: readonly (readonly [string, Experiment, SimulationMethod, number])[] = [
  ['three-step projected', { kind: 'three-step', mixture, examples: 2000, stepSizes: [1, 1, 1] }, 'projected', 4000],
  ['three-step dense', { kind: 'three-step', mixture, examples: 500, stepSizes: [1, 1, 1] }, 'dense', 64],
  ['known-prompt averaging, projected', { ...knownPrompt, head: { kind: 'averaging' } }, 'projected', 8000],
  ['known-prompt least squares, projected', { ...knownPrompt, head: { kind: 'least-squares' } }, 'projected', 400],
  ['known-prompt least squares, dense', { ...knownPrompt, head: { kind: 'least-squares' } }, 'dense', 80],
  ['gradient-descent, dense', { ...descent, model: 'prompt-attention' }, 'dense', 200],
];

for (const [name, experiment, method, trials] of workloads) {
  const metricsOf = new Map<number, string>();
  const best = new Map<number, number>();
  // Turn by turn, so that a change of the machine's speed meets both.
  for (let repetition = 0; repetition < 12; ++repetition)
    for (const threads of [1, 2]) {
      const begin = performance.now();
      const { metrics } = await simulate(experiment, { trials, seed: 1, method, testDraws: 2000, threads });
      best.set(threads, Math.min(best.get(threads) ?? Number.POSITIVE_INFINITY, performance.now() - begin));
      metricsOf.set(threads, JSON.stringify(Object.values(metrics).map((values) => [...values])));
    }
  check(metricsOf.get(1) === metricsOf.get(2), `${name}: the threads change the metrics`);
  const ratio = (best.get(1) as number) / (best.get(2) as number);
  record({ workload: `2 threads against 1: ${name}`, value: ratio, unit: '×', bar: { atLeast: 1.9 } });
}
