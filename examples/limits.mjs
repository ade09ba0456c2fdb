// How far heads at their best ridge are from the best head there is, for one known prompt: `node examples/limits.mjs`, half a minute.
import { risk } from 'prompt-attention';

const mixture = { tokens: 16, dimension: 300, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6 };
const inverseTemperature = 0.7;
const text = (value) => value.toPrecision(3);

console.log('n/d   limit      least squares      logistic           hinge              averaging  best τ: limit (τ)');
for (const sampleRatio of [0.1, 0.5, 1, 2, 5, 20]) {
  const common = { mixture, inverseTemperature, sampleRatio };
  const cells = [(await risk.bestHead(common)).error.toPrecision(3).padEnd(10)];
  for (const kind of ['least-squares', 'logistic', 'hinge']) {
    const best = await risk.optimal({ ...common, head: { kind }, choose: ['ridge'] });
    cells.push(`${text(best.error)} (λ ${best.ridge === Infinity ? '∞' : text(best.ridge)})`.padEnd(18));
  }
  cells.push(text((await risk.knownPrompt({ ...common, head: { kind: 'averaging' } })).error).padEnd(10));
  const prompt = await risk.bestPrompt({ mixture, sampleRatio });
  cells.push(`${text(prompt.error)} (${text(prompt.inverseTemperature)})`);
  console.log(String(sampleRatio).padEnd(5), ...cells);
}
