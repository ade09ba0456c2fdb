import { type Model, makeModel } from './model.js';

/**
 * Linear prompt-attention: f = (1/T)⟨w, XᵀXq⟩ (Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023, section 2).
 * Parameters: `prompt` q and `head` w, length d each. Attention weights Xq/T: of any sign, and they need not sum to 1.
 * Both gradients vanish at q = w = 0.
 *
 * @example
 * ```ts
 * import { linearAttention } from 'prompt-attention';
 * const data = { tokens: Float64Array.of(1, 0, 0, 1), examples: 1, dimension: 2 };
 * const scores = await linearAttention.scores({ prompt: Float64Array.of(1, 2), head: Float64Array.of(3, 4) }, data);
 * // (1·3 + 2·4)/2
 * console.log(scores[0]); // 5.5
 * ```
 */
export const linearAttention: Model<'prompt' | 'head'> = makeModel({
  name: 'linear-attention',
  outputs: 1,
  trained: ['prompt', 'head'],
  shapes: ({ dimension }) => ({ prompt: [dimension], head: [dimension] }),
  toNative: (size) => ({ kind: 'linear-attention', ...size }),
});
