import type { ContextualMixtureOptions } from '../../lib/index.js';

/** A known prompt's setting: the mixture without its dimension, the prompt's scale, examples per dimension, a ridge. */
export interface KnownPromptSetting {
  readonly mixture: Omit<ContextualMixtureOptions, 'dimension'>;
  readonly inverseTemperature: number;
  readonly sampleRatio: number;
  readonly ridge: number;
}

const base = { tokens: 16, relevantTokens: 4, contextNorm: 1.2, signalNorm: 0.8 };
const atoms = [
  { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
];

/** Twelve settings that vary everything a law depends on. */
export const knownPromptSettings: readonly KnownPromptSetting[] = [
  { mixture: base, inverseTemperature: 0.5, sampleRatio: 2, ridge: 0.1 },
  { mixture: base, inverseTemperature: 0, sampleRatio: 0.5, ridge: 0.05 },
  { mixture: { ...base, correlation: 0.5 }, inverseTemperature: 0.5, sampleRatio: 3, ridge: 0.02 },
  { mixture: { ...base, correlation: -0.6 }, inverseTemperature: 0.8, sampleRatio: 0.6, ridge: 0.2 },
  { mixture: { ...base, positiveRate: 0.35 }, inverseTemperature: 0.4, sampleRatio: 1.6, ridge: 0.1 },
  { mixture: { ...base, confusion: atoms }, inverseTemperature: 0.5, sampleRatio: 2.5, ridge: 0.05 },
  {
    mixture: { ...base, confusion: atoms, positiveRate: 0.6, correlation: 0.3 },
    inverseTemperature: 0.7,
    sampleRatio: 0.4,
    ridge: 0.1,
  },
  { mixture: { ...base, noiseLevel: 0.6 }, inverseTemperature: 1, sampleRatio: 1.5, ridge: 0.01 },
  { mixture: { ...base, noiseLevel: 1.5, signalNorm: 1.5 }, inverseTemperature: 0.2, sampleRatio: 3, ridge: 0.3 },
  {
    mixture: { tokens: 32, relevantTokens: 8, contextNorm: 2, signalNorm: 0.6 },
    inverseTemperature: 0.5,
    sampleRatio: 2,
    ridge: 0.05,
  },
  {
    mixture: { tokens: 5, relevantTokens: 1, contextNorm: 0.5, signalNorm: 1.2 },
    inverseTemperature: -0.5,
    sampleRatio: 0.7,
    ridge: 0.1,
  },
  {
    mixture: { tokens: 64, relevantTokens: 16, contextNorm: 1.5, signalNorm: 0.5, confusion: atoms },
    inverseTemperature: 0.3,
    sampleRatio: 3,
    ridge: 0.05,
  },
];
