/** Mixtures of the tests of laws: the core one, and one with everything. */
export const core = { tokens: 16, relevantTokens: 4, contextNorm: 1.2, signalNorm: 0.9 };
export const twoAtoms = [
  { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
];
export const rich = { ...core, correlation: 0.4, noiseLevel: 0.8, positiveRate: 0.35, confusion: twoAtoms };
export const iterated = ['logistic', 'hinge'] as const;
