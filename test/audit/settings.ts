// Random settings from the widest documented ranges.
import type { Setting } from './reference/mixture.js';
import type { Stream } from './reference/random.js';

const kTokens = [1, 2, 2, 3, 3, 4, 4, 5, 6, 8, 8, 12, 16, 16, 24, 32, 32, 64, 100, 300, 2000] as const;

function confusionOf(stream: Stream): Setting['confusion'] {
  const count = stream.uniform() < 0.5 ? 1 : 1 + stream.below(4);
  if (count === 1 && stream.uniform() < 0.8) return [{ deltaQ: 0, deltaW: 0, probability: 1 }];
  // Rare atoms and one of probability 0 belong to the range.
  const masses = Array.from({ length: count }, (_, j) =>
    j > 0 && stream.uniform() < 0.2 ? 0 : j > 0 && stream.uniform() < 0.3 ? 1e-4 : stream.between(0.1, 1),
  );
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  return masses.map((mass) => ({
    deltaQ: stream.between(-0.9, 0.9),
    deltaW: stream.between(-0.9, 0.9),
    probability: mass / total,
  }));
}

/** A mixture of the given number of tokens, or of a random one up to 2000. */
export function randomSetting(stream: Stream, tokens: number = stream.pick(kTokens)): Setting {
  const u = stream.uniform();
  const relevantTokens =
    u < 0.04 ? 0 : u < 0.08 ? tokens : Math.min(tokens - 1, Math.max(1, Math.floor(stream.logBetween(1, tokens + 1))));
  return {
    tokens,
    relevantTokens: Math.min(tokens, Math.max(0, relevantTokens)),
    contextNorm: stream.uniform() < 0.03 ? 0 : stream.logBetween(0.2, 7),
    signalNorm: stream.logBetween(0.1, 12),
    correlation: stream.pick([0, 0, 0, 1, -1, stream.between(-1, 1), stream.between(-1, 1)]),
    noiseLevel: stream.uniform() < 0.6 ? 1 : stream.logBetween(0.3, 3),
    positiveRate: stream.pick([0.5, 0.5, 0.5, 0.01, 0.99, stream.uniform()]),
    confusion: confusionOf(stream),
  };
}

/** τ with τQ² up to 50, now and then 0 or negative. */
export function randomScale(stream: Stream, { contextNorm }: Setting): number {
  const u = stream.uniform();
  if (u < 0.05) return 0;
  const size = stream.logBetween(0.05, 50) / Math.max(contextNorm ** 2, 1e-2);
  return (u < 0.15 ? -1 : 1) * Math.min(size, 50);
}

/** Decade of an error: 1 for [0.1, 1), 2 for [0.01, 0.1) …; 13 for what is below 1e-12. */
export const decadeOf = (error: number): number =>
  error > 0 ? Math.min(13, Math.max(1, Math.floor(-Math.log10(error)) + 1)) : 13;
