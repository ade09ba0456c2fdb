// How small an error do 2,000 test draws resolve? Trains three-step trajectories on sampled tokens at growing signal and prints
// the test error of each with its relative standard error, as a table. The first rows are checked to stay below 5 %.
//
//   npx tsx benchmarks/three-step-tail.ts
import { sampleExamples, testError, threeStep } from '../lib/index.js';

console.log('| η2 | W | ‖q1‖ | error | relative standard error |');
console.log('|---|---|---|---|---|');
for (const promptStep of [1, 4]) {
  for (const signalNorm of [1.2, 1.6, 2, 2.4, 2.8, 3.2]) {
    const mixture = { tokens: 64, dimension: 20, relevantTokens: 16, contextNorm: 2, signalNorm };
    const examples = await sampleExamples(mixture, { examples: 6000, seed: 1 });
    const { q1, w2 } = await threeStep(examples, { stepSizes: [0.1, promptStep, 1] });
    const { error, standardError } = await testError({ mixture, prompt: q1, head: w2, draws: 2000 });
    const relative = standardError / error;
    const norm = Math.hypot(...q1).toFixed(2);
    console.log(
      `| ${promptStep} | ${signalNorm} | ${norm} | ${error.toExponential(1)} | ${(100 * relative).toFixed(1)} % |`,
    );
    if (promptStep === 1 && !(relative < 0.05)) throw new Error(`not resolved: ${error} ± ${standardError}`);
  }
}
