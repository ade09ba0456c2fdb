export type { ModelData } from './data.js';
export { type HeldExamples, holdExamples } from './held.js';
export { linearAttention } from './linear-attention.js';
export type { ModelLoss } from './loss.js';
export { meanPooling } from './mean-pooling.js';
export type {
  InitialOptions,
  Model,
  ModelCallOptions,
  ModelGradient,
  ModelGradientOptions,
  ModelName,
  ModelParameters,
} from './model.js';
export { promptAttention } from './prompt-attention.js';
export {
  type PromptTunedLayerOptions,
  type PromptTunedLayerParameter,
  promptTunedLayer,
} from './prompt-tuned-layer.js';
export { selfAttention, selfAttentionFullHead } from './self-attention.js';
export type { ModelSize } from './size.js';
