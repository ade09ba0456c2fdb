import { type Model, makeModel } from './model.js';
import type { ModelSize } from './size.js';

const toNative = (size: ModelSize, pooledHead: boolean) =>
  ({
    kind: 'matrix-attention',
    ...size,
    prompts: 0,
    outputs: 1,
    pooledHead,
    trainsAttention: true,
    trainsWeights: true,
  }) as const;

/**
 * Softmax self-attention with a pooled head: f = (1/T)⟨w, Xᵀφ(XBXᵀ)ᵀ1⟩, φ the softmax of every row
 * (Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023, section 2). Parameters: `weights` B, d×d, and `head` w, length d.
 * Attention weights φ(XBXᵀ), T×T per example.
 *
 * @example
 * ```ts
 * import { selfAttention } from 'prompt-attention';
 * const data = { tokens: Float64Array.of(1, 0, 0, 1), examples: 1, dimension: 2 };
 * const attention = await selfAttention.attention({ weights: Float64Array.of(0, 0, 0, 0), head: Float64Array.of(1, 1) }, data);
 * console.log(attention.join(' ')); // 0.5 0.5 0.5 0.5
 * ```
 */
export const selfAttention: Model<'weights' | 'head'> = makeModel({
  name: 'self-attention',
  outputs: 1,
  trained: ['weights', 'head'],
  shapes: ({ dimension }) => ({ weights: [dimension, dimension], head: [dimension] }),
  toNative: (size) => toNative(size, true),
});

/**
 * Softmax self-attention with a head row for every token: f = ⟨U, φ(XBXᵀ)X⟩
 * (Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023, section 2). Parameters: `weights` B, d×d, and `head` U, T×d.
 * With every row of U equal to w/T it is {@link selfAttention}.
 *
 * @example
 * ```ts
 * import { selfAttentionFullHead } from 'prompt-attention';
 * console.log(selfAttentionFullHead.parameterShapes({ tokens: 8, dimension: 3 })); // { weights: [ 3, 3 ], head: [ 8, 3 ] }
 * ```
 */
export const selfAttentionFullHead: Model<'weights' | 'head'> = makeModel({
  name: 'self-attention-full-head',
  outputs: 1,
  trained: ['weights', 'head'],
  shapes: ({ tokens, dimension }) => ({ weights: [dimension, dimension], head: [tokens, dimension] }),
  toNative: (size) => toNative(size, false),
});
