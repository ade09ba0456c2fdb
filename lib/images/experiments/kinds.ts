import { type ImageBagExperiment, imageBagKind, type ResolvedImageBag } from './bag.js';
import { type ImageRiskExperiment, imageRiskKind, type ResolvedImageRisk } from './risk.js';
import { type ImageTransferExperiment, imageTransferKind, type ResolvedImageTransfer } from './transfer.js';

/** An experiment on images. */
export type ImageExperiment = ImageBagExperiment | ImageTransferExperiment | ImageRiskExperiment;

/** An experiment on images with every default filled in. */
export type ResolvedImageExperiment = ResolvedImageBag | ResolvedImageTransfer | ResolvedImageRisk;

/** The kinds of experiments on images. */
export const imageKinds = {
  'image-bag': imageBagKind,
  'image-transfer': imageTransferKind,
  'image-risk': imageRiskKind,
} as const;
