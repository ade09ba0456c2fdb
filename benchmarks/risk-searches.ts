/**
 * Time of `risk.optimal` with its defaults (prompt scale and ridge together) and of `risk.sampleComplexity`, for every head on README's
 * mixture, and of `risk.optimalSteps` with its defaults. Run with `npx tsx benchmarks/risk-searches.ts`.
 *
 * Checks: no point of a coarse grid of prompt scales and ridges has a lower error than the optimum beyond its noise; the law's error at
 * the answer is at most the target, and above it one example before; twice the step sizes, or half of them, have no lower error.
 */
import { risk } from '../lib/index.js';
import { check, record, seconds } from './support/harness.js';

const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
const kinds = [
  ['averaging', 1],
  ['least-squares', 1],
  ['logistic', 3],
  ['hinge', 3],
] as const;

for (const [kind, bar] of kinds) {
  const options = { mixture, sampleRatio: 2, head: { kind } } as const;
  const best = await risk.optimal(options);
  for (const inverseTemperature of [0, 0.3, 0.4, 0.5, 0.7, 2])
    for (const ridge of [0.01, 0.1, 1, 10]) {
      const head = kind === 'averaging' ? { kind } : { kind, ridge };
      const { error } = await risk.knownPrompt({ ...options, head, inverseTemperature });
      check(
        error > best.error - 2 * best.standardError,
        `${kind}: ${error} at τ = ${inverseTemperature}, λ = ${ridge}`,
      );
    }
  record({
    workload: `risk.optimal, ${kind}, ${best.evaluatedPoints} points of the law`,
    value: await seconds(() => risk.optimal(options), 3),
    unit: 's',
    bar: { atMost: bar },
  });

  const head = kind === 'averaging' ? { kind } : { kind, ridge: 0.1 };
  const experiment = { kind: 'known-prompt', mixture, inverseTemperature: 0.5, head } as const;
  const question = { experiment, targetError: 0.0105 };
  const answer = await risk.sampleComplexity(question);
  check('examples' in answer, `${kind}: ${JSON.stringify(answer)}`);
  const errorAt = async (examples: number) => (await risk.knownPrompt({ ...experiment, examples })).error;
  check(
    (await errorAt(answer.examples)) <= 0.0105 && (await errorAt(answer.examples - 1)) > 0.0105,
    `${kind}: not first`,
  );
  record({
    workload: `risk.sampleComplexity, ${kind}`,
    value: await seconds(() => risk.sampleComplexity(question), 3),
    unit: 's',
  });
}

for (const examples of [1000, 10_000]) {
  const question = { mixture, examples };
  const start = performance.now();
  const { steps, examplesPerStep, stepSizes, error, standardError } = await risk.optimalSteps(question);
  const taken = (performance.now() - start) / 1000;
  for (const factor of [0.5, 2]) {
    const sizes = { head: factor * stepSizes.head, prompt: factor * stepSizes.prompt };
    const path = { data: 'fresh', model: 'prompt-attention', steps, stepSizes: sizes, recordEvery: steps } as const;
    const other = await risk.gradientDescent({ mixture, examples: examplesPerStep, ...path });
    const noise = Math.hypot(standardError, other.standardError[1] as number);
    check((other.error[1] as number) > error - 4 * noise, `${other.error[1]} at ${factor} times the step sizes`);
  }
  record({ workload: `risk.optimalSteps, ${examples} examples`, value: taken, unit: 's' });
}
