import test from 'ava';
import type { KnownPromptExperiment } from '../lib/experiment.js';
import { simulate, TrialStatus } from '../lib/index.js';
import { twoSampleKolmogorovSmirnov } from './support/statistics.js';

const mixture = {
  tokens: 8,
  dimension: 40,
  relevantTokens: 2,
  contextNorm: 1.2,
  signalNorm: 0.9,
  correlation: 0.4,
  noiseLevel: 0.8,
  positiveRate: 0.35,
  confusion: [
    { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
    { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
  ],
};
const experiment: KnownPromptExperiment = {
  kind: 'known-prompt',
  mixture,
  examples: 48,
  inverseTemperature: 0.7,
  head: { kind: 'least-squares' },
};

for (const [examples, inverseTemperature, ridge] of [
  [20, 0.7, 0],
  [48, 0.7, 0],
  [120, 0.7, 0],
  [20, 0, 0.1],
  [48, -0.5, 0.05],
  [120, 1.5, 0.01],
] as const)
  test(`the iterative and the direct solver have the same law: n/d = ${examples / 40}, λ = ${ridge}`, async (t) => {
    const options: KnownPromptExperiment = {
      ...experiment,
      examples,
      inverseTemperature,
      head: { kind: 'least-squares', ridge },
    };
    const run = (solver: 'iterative' | 'direct', seed: number) =>
      simulate({ ...options, solver }, { trials: 4000, seed, testDraws: 50 });
    const iterative = await run('iterative', 41);
    const direct = await run('direct', 42);
    t.is(iterative.solver, 'iterative');
    t.is(direct.solver, 'direct');
    t.true([...iterative.status, ...direct.status].every((code) => code === TrialStatus.ok));
    t.true(iterative.metrics.solverResidual?.every((residual) => residual <= 1e-10));
    t.true(iterative.metrics.solverIterations?.every((iterations) => iterations <= 48));
    for (const name of Object.keys(direct.metrics)) {
      if (name === 'relevantAttention' && inverseTemperature === 0) continue;
      const p = twoSampleKolmogorovSmirnov(
        iterative.metrics[name] as Float64Array,
        direct.metrics[name] as Float64Array,
      );
      t.true(p > 0.001, `${name}: p = ${p}`);
    }
  });
