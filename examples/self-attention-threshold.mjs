// From which Δ on is every self-attention model at chance on the confusion {(0, 0), (Δ, Δ)}? Bisection on its ceiling;
// prints a Markdown table. Usage: node examples/self-attention-threshold.mjs
import { risk } from 'prompt-attention';

const tokens = 20;
const isAtChance = (relevantTokens, delta) => {
  const confusion = [
    { deltaQ: 0, deltaW: 0, probability: 0.5 },
    { deltaQ: delta, deltaW: delta, probability: 0.5 },
  ];
  const mixture = { tokens, dimension: 2, relevantTokens, contextNorm: 1, signalNorm: 1, confusion };
  return risk.separation({ mixture }).selfAttention.accuracy === 0.5;
};

console.log('| ζ | max(ζ/(1−ζ), (1−ζ)/ζ) | at chance from Δ = |');
console.log('|--:|--:|--:|');
for (const relevantTokens of [1, 2, 4, 5, 6, 8, 10, 12, 16]) {
  const odds = relevantTokens / (tokens - relevantTokens);
  let [low, high] = [0, 1];
  while (!isAtChance(relevantTokens, high)) high *= 2;
  while (high - low > 1e-6) {
    const middle = (low + high) / 2;
    if (isAtChance(relevantTokens, middle)) high = middle;
    else low = middle;
  }
  console.log(`| ${relevantTokens / tokens} | ${Math.max(odds, 1 / odds).toFixed(3)} | ${high.toFixed(3)} |`);
}
