// What lazy noise costs. Without options: seconds and peak memory of 50 joint full-batch steps on 1,000 examples of 20 tokens
// and of least squares with 3·d examples, at several dimensions, one thread, fastest of three. With --solvers: milliseconds of
// both solvers of a known prompt's least squares head, and which one is chosen. With --self-attention: seconds of 50 steps of
// self-attention on 200 examples of 10 tokens, at several dimensions, beside the dense method where that is possible.
//
//   npx tsx benchmarks/lazy-noise.ts [--solvers | --self-attention]
import { type Experiment, simulate } from '../lib/index.js';
import { record } from './support/harness.js';

const kRepetitions = 3;

/** Fewest seconds of a trial, and what it found. */
async function fastest(experiment: Experiment, trials: number) {
  let seconds = Number.POSITIVE_INFINITY;
  let found = await simulate(experiment, { trials: 1, seed: 1, threads: 1 });
  for (let repetition = 0; repetition < kRepetitions; ++repetition) {
    const begin = performance.now();
    found = await simulate(experiment, { trials, seed: 1, threads: 1 });
    seconds = Math.min(seconds, (performance.now() - begin) / 1000 / trials);
  }
  if (found.status.some((code) => code !== 0)) throw new Error(`a trial failed: ${found.status}`);
  return { seconds, found, mebibytes: process.resourceUsage().maxRSS / 1024 };
}

const share = { tokens: 32, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };

async function costs() {
  const line = (
    job: string,
    d: number,
    most: { readonly seconds: number; readonly mebibytes?: number },
    { seconds, found, mebibytes }: Awaited<ReturnType<typeof fastest>>,
  ) => {
    const workload = `${job}, d = ${d}`;
    record({ workload, value: seconds, unit: 's', bar: { atMost: most.seconds } });
    console.log(`  test error ${found.metrics.error[0]?.toFixed(4)}`);
    if (most.mebibytes !== undefined)
      record({ workload, value: mebibytes, unit: 'MiB at most so far', bar: { atMost: most.mebibytes } });
  };
  for (const data of ['reused', 'fresh'] as const)
    for (const d of [1e3, 1e4, 1e5, 1e6]) {
      // The noise of a token has the same length at every d, so that training goes the same way.
      const mixture = {
        tokens: 20,
        relevantTokens: 5,
        contextNorm: 2,
        signalNorm: 1,
        dimension: d,
        noiseLevel: (1000 / d) ** 0.5,
      };
      const stepSizes = { head: 0.1, prompt: 0.2 };
      const experiment = {
        kind: 'gradient-descent',
        mixture,
        examples: 1000,
        model: 'prompt-attention',
        data,
        steps: 50,
        stepSizes,
      } as const;
      line(`50 joint steps on lazy noise, ${data} examples`, d, { seconds: 1 }, await fastest(experiment, 4));
    }
  for (const d of [1e3, 1e4, 1e5]) {
    const mixture = { ...share, dimension: d };
    const head = { kind: 'least-squares' } as const;
    line(
      'least squares on lazy noise, n = 3d',
      d,
      { seconds: 60, mebibytes: 2048 },
      await fastest(
        { kind: 'known-prompt', mixture, examples: 3 * d, inverseTemperature: 0.5, head, solver: 'iterative' },
        1,
      ),
    );
  }
}

async function solvers() {
  console.log(
    '| n | d | τ | λ | direct, ms | iterative, ms | iterations | chosen |\n|--:|--:|--:|--:|--:|--:|--:|---|',
  );
  for (const [examples, dimension, inverseTemperature, ridge] of [
    [100, 50, 0.5, 0],
    [300, 200, 0.5, 0.1],
    [400, 200, 0.5, 0],
    [400, 200, 1, 0],
    [600, 500, 0.5, 0],
    [500, 1000, 0.5, 0],
    [2000, 200, 0.5, 0],
    [2000, 1000, 0.5, 0],
    [2000, 1000, 1, 0],
    [2000, 1800, 0.5, 0],
  ] as const) {
    const experiment = {
      kind: 'known-prompt',
      mixture: { ...share, dimension },
      examples,
      inverseTemperature,
      head: { kind: 'least-squares', ridge },
    } as const;
    const { solver } = await simulate(experiment, { trials: 1, seed: 1 });
    const direct = await fastest({ ...experiment, solver: 'direct' }, 4);
    const iterative = await fastest({ ...experiment, solver: 'iterative' }, 4);
    const cells = [
      examples,
      dimension,
      inverseTemperature,
      ridge,
      (1000 * direct.seconds).toFixed(2),
      (1000 * iterative.seconds).toFixed(2),
      iterative.found.metrics.solverIterations?.[0],
      solver,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

async function selfAttention() {
  for (const dimension of [500, 1e4, 1e6]) {
    const experiment = {
      kind: 'gradient-descent',
      mixture: {
        tokens: 10,
        dimension,
        relevantTokens: 2,
        contextNorm: 1,
        signalNorm: 1,
        noiseLevel: (100 / dimension) ** 0.5,
      },
      examples: 200,
      model: 'self-attention',
      steps: 50,
      stepSizes: { head: 0.2, prompt: 0.2 },
    } as const;
    const { seconds, found } = await fastest(experiment, 1);
    record({ workload: `50 steps of self-attention, d = ${dimension}`, value: seconds, unit: 's', bar: { atMost: 5 } });
    console.log(`  training loss ${found.metrics.trainingLoss?.[0]?.toFixed(4)}`);
    if (dimension > 1e3) continue;
    const begin = performance.now();
    const dense = await simulate(experiment, { trials: 1, seed: 1, threads: 1, method: 'dense' });
    console.log(
      `  dense ${((performance.now() - begin) / 1000).toFixed(2)} s, training loss ${dense.metrics.trainingLoss?.[0]?.toFixed(4)}`,
    );
  }
}

const parts: Readonly<Record<string, () => Promise<void>>> = {
  '--solvers': solvers,
  '--self-attention': selfAttention,
};
await (parts[process.argv[2] ?? ''] ?? costs)();
