// Does risk.knownPrompt hold at d = 100,000 without any allowance for finite sizes? z of the mean error of simulated trials
// against the law for twelve parameter sets and every head that the iterative solver fits, or one kind of head. About half an
// hour on two cores.
//
//   npx tsx benchmarks/large-dimension-law.ts [dimension] [trials] [kind of head]
import { risk, simulate } from '../lib/index.js';
import { knownPromptSettings } from '../test/support/parameter-sets.js';
import { meanAndError } from '../test/support/statistics.js';

const dimension = Number(process.argv[2] ?? 100_000);
const trials = Number(process.argv[3] ?? 16);
const kind = process.argv[4];

console.log(`d = ${dimension}, ${trials} trials per cell, 20,000 test draws\n`);
console.log('| set | n/d | head | simulation | law | z | iterations | largest residual | seconds per trial |');
console.log('|--:|--:|---|--:|--:|--:|--:|--:|--:|');
let largest = 0;
for (const [set, { mixture, inverseTemperature, sampleRatio, ridge }] of knownPromptSettings.entries()) {
  for (const head of [
    { kind: 'averaging' },
    { kind: 'least-squares' },
    { kind: 'least-squares', ridge },
    { kind: 'logistic', ridge },
  ] as const) {
    if (kind !== undefined && head.kind !== kind) continue;
    const examples = Math.round(sampleRatio * dimension);
    const experiment = {
      kind: 'known-prompt',
      mixture: { ...mixture, dimension },
      examples,
      inverseTemperature,
      head,
    } as const;
    const begin = performance.now();
    const { metrics } = await simulate({ ...experiment, solver: 'iterative' }, { trials, seed: 51, testDraws: 20_000 });
    const seconds = (performance.now() - begin) / 1000 / trials;
    const { mean, standardError } = meanAndError(metrics.error);
    const law = await risk.knownPrompt({ ...experiment, draws: 1_000_000 });
    const z = (mean - law.error) / Math.hypot(standardError, law.standardError);
    largest = Math.max(largest, Math.abs(z));
    const name = 'ridge' in head ? `${head.kind}, λ = ${head.ridge}` : head.kind;
    const solver = metrics.solverIterations
      ? [Math.max(...metrics.solverIterations), Math.max(...(metrics.solverResidual as Float64Array)).toExponential(1)]
      : ['–', '–'];
    const errors = [
      `${mean.toFixed(6)} ± ${standardError.toFixed(6)}`,
      `${law.error.toFixed(6)} ± ${law.standardError.toFixed(6)}`,
    ];
    console.log(
      `| ${[set + 1, sampleRatio, name, ...errors, z.toFixed(2), ...solver, seconds.toFixed(2)].join(' | ')} |`,
    );
  }
}
console.log(`\nlargest |z|: ${largest.toFixed(2)}`);
