import test from 'ava';
import { metricEntry } from '../../lib/base/metrics.js';
import { defineExperiment } from '../../lib/index.js';
import { type Experiment, kindOf, kKinds, parseExperiment, resolveMethod } from '../../lib/simulation/kinds.js';
import { simulate } from '../../lib/simulation/simulate.js';

defineExperiment({ name: 'example', trial: ({ random }) => ({ error: random.uniforms(1)[0] as number }) });

const descent = {
  ...kKinds['gradient-descent'].example,
  initial: { scale: 0.1 },
} as const;
const others: Readonly<Record<string, Experiment>> = {
  'known prompt with an iterative solver': {
    ...kKinds['known-prompt'].example,
    examples: 40,
    head: { kind: 'logistic', ridge: 1 },
    solver: 'iterative',
  },
  ...Object.fromEntries(
    (['linear-attention', 'mean-pooling', 'self-attention'] as const).map((model) => [
      `descent of ${model}`,
      { ...descent, model },
    ]),
  ),
};
const examples = Object.entries(kKinds).map(([kind, { example }]) => [kind, example as Experiment] as const);

for (const [kind, example] of examples)
  test(`the example of a kind is one, with methods and a figure for every metric: ${kind}`, (t) => {
    t.is(example.kind, kind as Experiment['kind']);
    const resolved = parseExperiment(example);
    const { methodOptions, metrics } = kindOf(resolved);
    const [first, ...rest] = metrics(resolved, resolveMethod(resolved, undefined));
    t.is(first, 'error');
    t.deepEqual(
      rest.filter((name) => metricEntry(name) === undefined),
      [],
    );
    // An option that does not exist would leave nothing out of the key.
    const options = Object.keys((kindOf(resolved).schema as unknown as { shape: object }).shape);
    t.deepEqual(
      methodOptions.filter((name) => !options.includes(name)),
      [],
    );
  });

// Those on images and text need data; their own tests run them.
const withoutData = examples.filter(([kind]) => !/^(image|text)-/.test(kind));
for (const [name, experiment] of [...withoutData, ...Object.entries(others)])
  test(`the metrics declared are those of a trial, in their ranges, and a law speaks of declared metrics: ${name}`, async (t) => {
    const { metrics } = await simulate(experiment, { trials: 2, seed: 1, testDraws: 10 });
    const resolved = parseExperiment(experiment);
    const declared = kindOf(resolved).metrics(resolved, resolveMethod(resolved, undefined));
    t.deepEqual([...declared].sort(), Object.keys(metrics).sort());
    for (const [metric, values] of Object.entries(metrics)) {
      const [least, most] = metricEntry(metric)?.range ?? [Number.NaN, Number.NaN];
      t.true(
        values.every((value) => least <= value && value <= most),
        `${metric} ${values}`,
      );
    }
    const law = await kindOf(resolved).theory(resolved, { seed: 1, draws: 500, signal: undefined });
    for (const [metric, { mean }] of Object.entries(law ?? {})) {
      t.true(declared.includes(metric));
      t.true(Number.isFinite(mean));
    }
  });
