import { z } from 'zod';
import { integerFrom, oneOf, parseOptions } from '../base/options.js';
import { type Model, makeModel } from './model.js';

/** A parameter of {@link promptTunedLayer}. */
export type PromptTunedLayerParameter = 'prompts' | 'weights' | 'head';

/** Options of {@link promptTunedLayer}. */
export interface PromptTunedLayerOptions<Trained extends PromptTunedLayerParameter = PromptTunedLayerParameter> {
  /** m_p, number of prompts: an integer ≥ 1. */
  readonly prompts: number;
  /** K, scores per example: an integer ≥ 1. One score is for labels ±1, K ≥ 2 for the classes 0 … K−1. Default 1. */
  readonly outputs?: number | undefined;
  /**
   * What reads the outputs. `'rows'`: a vector for every query, tokens included. `'pooled'`: one vector per score for the mean of
   * the prompts' outputs; its shape depends neither on T nor on m_p, and an example costs O(m_p T d). Default `'rows'`.
   */
  readonly head?: 'rows' | 'pooled' | undefined;
  /** The parameters that are trained; the others are frozen. Default `['prompts']`, that is prompt-tuning. */
  readonly trained?: readonly Trained[] | undefined;
}

const optionsSchema = z.strictObject({
  prompts: integerFrom(1, 2 ** 31 - 1),
  outputs: integerFrom(1, 2 ** 31 - 1).default(1),
  head: oneOf(['rows', 'pooled']).default('rows'),
  trained: z
    .array(oneOf(['prompts', 'weights', 'head']), { error: 'an array of names of parameters' })
    .min(1, { error: 'an array with at least one name' })
    .refine((names) => new Set(names).size === names.length, { error: 'without repeated names' })
    .default(['prompts']),
});

/**
 * An attention layer with m_p tuned prompts: f_c = ⟨U_c, φ([P;X]BXᵀ)X⟩ for c = 1 … K, φ the softmax of every row
 * (Oymak, Rawat, Soltanolkotabi, Thrampoulidis 2023, section 2). Parameters: `prompts` P, m_p×d; `weights` B, d×d;
 * `head` U, (m_p+T)×d, or K×(m_p+T)×d for K ≥ 2, the rows of the prompts first. Attention weights (m_p+T)×T per example.
 *
 * With one prompt p and zeros in the rows of U under X it is {@link promptAttention} with q = Bᵀp and w the prompt's row.
 *
 * With the option `head: 'pooled'` the prompts alone are read: f_c = (1/m_p) ⟨w_c, Xᵀφ(PBXᵀ)ᵀ1⟩, `head` is w, K×d (length d for
 * K = 1), and the attention weights are m_p×T per example.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { promptTunedLayer } from 'prompt-attention';
 * const layer = promptTunedLayer({ prompts: 2, outputs: 3, trained: ['prompts', 'head'] });
 * const size = { tokens: 2, dimension: 2 };
 * const data = { tokens: Float64Array.of(1, 0, 0, 1), labels: Float64Array.of(2), dimension: 2 };
 * const { gradient } = await layer.gradient(layer.initial(size, { seed: 1 }), data, { loss: 'cross-entropy' });
 * console.log(gradient.prompts.length, gradient.head.length); // 4 24
 * ```
 */
export function promptTunedLayer<Trained extends PromptTunedLayerParameter = 'prompts'>(
  options: PromptTunedLayerOptions<Trained>,
): Model<PromptTunedLayerParameter, Trained> {
  const { prompts, outputs, head, trained } = parseOptions(optionsSchema, options, '');
  return makeModel<PromptTunedLayerParameter, Trained>({
    name: 'prompt-tuned-layer',
    outputs,
    trained: trained as readonly PromptTunedLayerParameter[] as readonly Trained[],
    shapes: ({ tokens, dimension }) => ({
      prompts: [prompts, dimension],
      weights: [dimension, dimension],
      head: [...(outputs > 1 ? [outputs] : []), ...(head === 'rows' ? [prompts + tokens] : []), dimension],
    }),
    toNative: (size) => ({
      kind: 'matrix-attention',
      ...size,
      prompts,
      outputs,
      pooledHead: head === 'pooled',
      trainsAttention: trained.includes('prompts') || trained.includes('weights'),
      trainsWeights: trained.includes('weights'),
    }),
  });
}
