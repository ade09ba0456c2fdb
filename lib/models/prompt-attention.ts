import { type Model, makeModel } from './model.js';

/**
 * Softmax prompt-attention: f = ⟨w, Xᵀφ(Xq)⟩, φ = softmax (Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023, section 2).
 * Parameters: `prompt` q and `head` w, length d each. Attention weights φ(Xq).
 *
 * @example
 * ```ts
 * import { promptAttention, sampleExamples } from 'prompt-attention';
 * const mixture = { tokens: 8, dimension: 3, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
 * const examples = await sampleExamples(mixture, { examples: 50, seed: 1 });
 * const parameters = { prompt: Float64Array.of(2, 0, 0), head: Float64Array.of(0, 1, 0) };
 * const scores = await promptAttention.scores(parameters, examples);
 * const { loss, gradient } = await promptAttention.gradient(parameters, examples, { loss: 'logistic' });
 * console.log(scores.length, loss, gradient.prompt);
 * ```
 */
export const promptAttention: Model<'prompt' | 'head'> = makeModel({
  name: 'prompt-attention',
  outputs: 1,
  trained: ['prompt', 'head'],
  shapes: ({ dimension }) => ({ prompt: [dimension], head: [dimension] }),
  toNative: (size) => ({ kind: 'prompt-attention', ...size }),
});
