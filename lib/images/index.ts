export { imageFigure } from '../report/real-data/images.js';
export {
  type ContextualImages,
  type ContextualImagesOptions,
  contextualImages,
  type OwnContextualImages,
} from './contextual-images.js';
export { type Embedding, fitEmbedding } from './embedding.js';
export type { EmbeddingOptions } from './embedding-options.js';
export { estimateMixture, type MixtureEstimate, type PlugIn, pooledFeatures } from './estimate.js';
export { type AttentionMapsOptions, attentionMaps } from './experiments/attention-maps.js';
export { type IdxArray, parseIdx, readIdx } from './idx.js';
export {
  type ImageSet,
  type ImageSetName,
  type LoadImagesOptions,
  loadImages,
  readImageSet,
} from './image-set.js';
export { type MeasuredNoise, measuredNoiseRisk } from './measured-noise.js';
export type {
  BagTask,
  ClassesFiller,
  DataSetFiller,
  EmbeddedTask,
  Filler,
  FullTiledTask,
  ImageTask,
  NoiseFiller,
  PartialTiledTask,
} from './task.js';
