// How far heads at their best ridge are from the best head there is, for one known prompt: prints a Markdown table, and draws it.
// Usage: node examples/limits.mjs [FIGURE.svg]; half a minute.
import { writeFileSync } from 'node:fs';
import { figure, risk } from 'prompt-attention';

const mixture = { tokens: 16, dimension: 300, relevantTokens: 4, contextNorm: 2, signalNorm: 0.6 };
const inverseTemperature = 0.7;
const short = (value) => (value === Infinity ? '∞' : String(Number(value.toPrecision(2))));

const drawn = [];
console.log('| n/d | limit | least squares (λ) | logistic (λ) | hinge (λ) | averaging | limit at the best τ (τ) |');
console.log('|--:|--:|--:|--:|--:|--:|--:|');
for (const sampleRatio of [0.1, 0.2, 0.5, 1, 2, 5, 20]) {
  const common = { mixture, inverseTemperature, sampleRatio };
  const add = (head, { error, standardError }, note) => {
    drawn.push({ 'n/d': sampleRatio, head, error, standardError });
    return note === undefined ? error.toFixed(4) : `${error.toFixed(4)} (${short(note)})`;
  };
  const cells = [add('limit', await risk.bestHead(common))];
  for (const kind of ['least-squares', 'logistic', 'hinge']) {
    const best = await risk.optimal({ ...common, head: { kind }, choose: ['ridge'] });
    cells.push(add(kind, best, best.ridge));
  }
  cells.push(add('averaging', await risk.knownPrompt({ ...common, head: { kind: 'averaging' } })));
  const prompt = await risk.bestPrompt({ mixture, sampleRatio });
  cells.push(add('limit, best τ', prompt, prompt.inverseTemperature));
  console.log(`| ${[sampleRatio, ...cells].join(' | ')} |`);
}
const [, , file] = process.argv;
if (file !== undefined) {
  const title = 'Test error of heads at their best ridge, and what none is below';
  const options = {
    x: 'n/d',
    y: 'error',
    series: 'head',
    interval: 'standardError',
    scale: { x: 'log', y: 'log' },
    title,
  };
  writeFileSync(file, await figure(drawn, options).svg());
}
