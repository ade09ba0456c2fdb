import { type Model, makeModel } from './model.js';

/**
 * Linear model on the mean token: f = (1/T)⟨w, Xᵀ1⟩, that is prompt-attention with q = 0
 * (Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023, section 2). Parameter: `head` w, length d. Attention weights 1/T.
 *
 * @example
 * ```ts
 * import { meanPooling } from 'prompt-attention';
 * const data = { tokens: Float64Array.of(1, 0, 0, 1), labels: Float64Array.of(1), dimension: 2 };
 * const { gradient } = await meanPooling.gradient({ head: Float64Array.of(0, 0) }, data, { loss: 'square' });
 * console.log(gradient.head.join(' ')); // -0.5 -0.5
 * ```
 */
export const meanPooling: Model<'head'> = makeModel({
  name: 'mean-pooling',
  outputs: 1,
  trained: ['head'],
  shapes: ({ dimension }) => ({ head: [dimension] }),
  toNative: (size) => ({ kind: 'mean-pooling', ...size }),
});
