/**
 * What a call costs beyond its work: a trivial `simulate`, and the memory after 100,000 of them. Run with
 * `npx tsx benchmarks/call-overhead.ts`.
 *
 * Checks: every call gives the error of the first.
 */
import { simulate } from '../lib/index.js';
import { check, memory, record } from './support/harness.js';

const mixture = { tokens: 2, dimension: 5, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const experiment = { kind: 'three-step', mixture, examples: 1, stepSizes: [1, 1, 1] } as const;
const options = { trials: 1, seed: 1, testDraws: 1, threads: 1 };
const expected = (await simulate(experiment, options)).metrics.error?.[0];

async function calls(count: number): Promise<void> {
  for (let call = 0; call < count; ++call)
    check((await simulate(experiment, options)).metrics.error?.[0] === expected, 'a call differs from the first');
}

await calls(20_000);
const before = memory('VmRSS');
const begin = performance.now();
await calls(100_000);
const microseconds = (1e3 * (performance.now() - begin)) / 100_000;
record({ workload: 'a trivial simulate call', value: microseconds, unit: 'µs', bar: { atMost: 100 } });
const growth = (memory('VmRSS') - before) / 2 ** 20;
record({ workload: '100,000 trivial simulate calls', value: growth, unit: 'MiB of growth', bar: { atMost: 16 } });
