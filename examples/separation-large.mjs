// The separation where tokens have ten thousand coordinates: the four models trained by gradient descent, beside the best accuracy
// of any parameters. Prints a Markdown table. Usage: node examples/separation-large.mjs; about five minutes on two cores.
import { risk, simulate, summary } from 'prompt-attention';

const models = ['prompt-attention', 'linear-attention', 'self-attention', 'mean-pooling'];
const ceilings = ['promptAttention', 'linearAttention', 'selfAttention', 'meanPooling'];

console.log('| confusion | σ²d/Q² | model | trained accuracy | ceiling without noise |');
console.log('|---|--:|---|--:|--:|');
// Norms of q* and w*, and the noise beside them.
for (const [norm, noiseLevel] of [
  [1, 0.02],
  [1, 0.1],
  [8, 3],
])
  for (const [deltaQ, deltaW] of [
    [1.25, 1.25],
    [2, 2],
    [2, -2],
  ]) {
    const mixture = {
      tokens: 10,
      dimension: 1e4,
      relevantFraction: 0.6,
      contextNorm: norm,
      signalNorm: norm,
      noiseLevel,
      confusion: [
        { deltaQ: 0, deltaW: 0, probability: 0.5 },
        { deltaQ, deltaW, probability: 0.5 },
      ],
    };
    const best = risk.separation({ mixture });
    for (const [i, model] of models.entries()) {
      const simulation = await simulate(
        {
          kind: 'gradient-descent',
          mixture,
          examples: 200,
          model,
          steps: 200,
          stepSizes: { head: 1 / norm ** 2, prompt: 1 / norm ** 2 },
          loss: 'logistic',
          optimizer: { kind: 'momentum' },
          // Linear attention does not leave 0.
          initial: model === 'linear-attention' ? { scale: 1e-3 } : 'zero',
        },
        { trials: 16, seed: 20230606, testDraws: 400 },
      );
      const { mean, standardError } = summary(simulation).metrics.error;
      const accuracy = `${(1 - mean).toFixed(3)} ± ${standardError.toFixed(3)}`;
      const cells = [
        `(${deltaQ}, ${deltaW})`,
        Math.round((noiseLevel / norm) ** 2 * 1e4),
        model,
        accuracy,
        best[ceilings[i]].accuracy,
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
