import { type Model, promptTunedLayer } from '../../lib/index.js';

export type AnyModel = Model<string>;
export const everyParameter = ['prompts', 'weights', 'head'] as const;
export const layer = promptTunedLayer({ prompts: 2, trained: everyParameter });
export const classes = promptTunedLayer({ prompts: 2, outputs: 3, trained: everyParameter });
export const pooled = promptTunedLayer({ prompts: 2, head: 'pooled', trained: everyParameter });
export const pooledClasses = promptTunedLayer({ prompts: 3, outputs: 4, head: 'pooled', trained: everyParameter });
