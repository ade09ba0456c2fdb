import { textClassificationKind } from './classification.js';
import { textDilutionKind } from './dilution.js';

export type { TextExperiment } from './schemas.js';

/** The kinds of experiments on text. */
export const textKinds = {
  'text-classification': textClassificationKind,
  'text-dilution': textDilutionKind,
} as const;
