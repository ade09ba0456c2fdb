// Does the time of a projected three-step trial depend on the dimension? Runs trials at d = 256 and d = 10⁶ in turn on one
// thread, n1 = n2 = n3 = 2000, T = 64, ζ = 0.25, 2,000 test draws, and prints one JSON line per dimension and one with the
// ratio of the fastest rounds. The mean error at each dimension is checked against risk.threeStep.
//
//   npx tsx benchmarks/three-step-dimension.ts [rounds = 9]
import { risk, simulate, type ThreeStepExperiment } from '../lib/index.js';

const kTrials = 50;
const rounds = Number(process.argv[2] ?? 9);
const dimensions = [256, 1_000_000] as const;

const experiment = (dimension: number): ThreeStepExperiment => ({
  kind: 'three-step',
  mixture: { tokens: 64, dimension, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
  examples: 2000,
  stepSizes: [1, 0.1, 1],
});

const fastest = new Map<number, number>();
const errors = new Map<number, number[]>(dimensions.map((dimension) => [dimension, []]));
for (let round = 0; round < rounds; ++round) {
  for (const dimension of dimensions) {
    const start = process.hrtime.bigint();
    const { metrics } = await simulate(experiment(dimension), {
      trials: kTrials,
      firstTrial: round * kTrials,
      seed: 1,
      testDraws: 2000,
      threads: 1,
    });
    const milliseconds = Number(process.hrtime.bigint() - start) / 1e6 / kTrials;
    fastest.set(dimension, Math.min(milliseconds, fastest.get(dimension) ?? Number.POSITIVE_INFINITY));
    errors.get(dimension)?.push(...metrics.error);
  }
}

for (const dimension of dimensions) {
  const values = errors.get(dimension) as number[];
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  const standardError = deviation / Math.sqrt(values.length);
  const law = await risk.threeStep(experiment(dimension));
  const z = (mean - law.error) / Math.hypot(standardError, law.standardError);
  console.log(
    JSON.stringify({
      benchmark: 'three-step-dimension',
      dimension,
      millisecondsPerTrial: fastest.get(dimension),
      error: mean,
      standardError,
      law: law.error,
      z,
    }),
  );
  if (!(Math.abs(z) < 5)) throw new Error(`wrong answer at dimension ${dimension}: z = ${z}`);
}
const [small, large] = dimensions.map((dimension) => fastest.get(dimension) as number) as [number, number];
console.log(JSON.stringify({ benchmark: 'three-step-dimension', ratio: large / small }));
