// Two-sample evidence that lazily drawn noise has the law of noise that is drawn: for the cases of test/simulation/lazy-noise.test.ts the
// smallest Kolmogorov–Smirnov p-value over metrics and steps, and that of the energy distance of three metrics at the end.
//
//   npx tsx benchmarks/lazy-noise-law.ts
import { cases, compareMethods, experiment } from '../test/support/lazy-cases.js';

console.log(
  '| model, loss, rule | data | start | n | d | after steps | trials | tests | smallest p | p of the joint law |',
);
console.log('|---|---|---|--:|--:|---|--:|--:|--:|--:|');
for (const lawCase of cases) {
  const { change, dimension, records, trials } = lawCase;
  const {
    model,
    loss = 'square',
    optimizer = 'gradient-descent',
    data = 'reused',
    initial,
    examples,
  } = { ...experiment, ...change };
  const { single, joint } = await compareMethods(lawCase);
  const smallest = Math.min(...single.map(({ p }) => p));
  const cells = [
    `${model}, ${loss}, ${optimizer}`,
    data,
    initial === undefined ? 'zero' : 'random',
    examples,
    dimension,
    records.join(', '),
    trials,
    single.length,
    smallest.toFixed(4),
    joint?.toFixed(3) ?? '–',
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
