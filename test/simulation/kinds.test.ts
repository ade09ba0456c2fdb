import test from 'ava';
import { type Experiment, parseExperiment, resolveMethod } from '../../lib/experiments/experiment.js';
import { kindOf } from '../../lib/simulation/kinds.js';
import { simulate } from '../../lib/simulation/simulate.js';

const mixture = { tokens: 4, dimension: 6, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const descent = {
  kind: 'gradient-descent',
  mixture,
  examples: 10,
  steps: 1,
  stepSizes: { head: 1, prompt: 1 },
} as const;
const experiments: Readonly<Record<string, Experiment>> = {
  'known prompt': {
    kind: 'known-prompt',
    mixture,
    examples: 10,
    inverseTemperature: 1,
    head: { kind: 'averaging' },
  },
  'known prompt with an iterative solver': {
    kind: 'known-prompt',
    mixture,
    examples: 40,
    inverseTemperature: 1,
    head: { kind: 'logistic', ridge: 1 },
    solver: 'iterative',
  },
  'three steps': { kind: 'three-step', mixture, examples: 10, stepSizes: [1, 1, 1] },
  ...Object.fromEntries(
    (['prompt-attention', 'linear-attention', 'mean-pooling', 'self-attention'] as const).map((model) => [
      `descent of ${model}`,
      { ...descent, model, initial: { scale: 0.1 } },
    ]),
  ),
};

for (const [name, experiment] of Object.entries(experiments)) {
  test(`the metrics declared are those of a trial, and a law speaks of declared metrics: ${name}`, async (t) => {
    const { metrics } = await simulate(experiment, { trials: 2, seed: 1, testDraws: 10 });
    const resolved = parseExperiment(experiment);
    const declared = kindOf(resolved).metrics(resolved, resolveMethod(resolved, undefined));
    t.is(declared[0], 'error');
    t.deepEqual([...declared].sort(), Object.keys(metrics).sort());
    const law = await kindOf(resolved).theory(resolved, { seed: 1, draws: 500, signal: undefined });
    for (const [metric, { mean }] of Object.entries(law ?? {})) {
      t.true(declared.includes(metric));
      t.true(Number.isFinite(mean));
    }
  });
}
