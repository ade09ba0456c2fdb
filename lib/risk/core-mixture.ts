import { OptionRangeError } from '../base/errors.js';
import type { ContextualMixture } from '../mixture/mixture.js';

/** Whether irrelevant tokens are noise alone. */
export function hasCoreConfusion({ confusion }: ContextualMixture): boolean {
  return confusion.every(({ deltaQ, deltaW, probability }) => probability === 0 || (deltaQ === 0 && deltaW === 0));
}

/** Throws unless the confusion is (0, 0), ρ = 0 and π = 1/2; `use` is what needs it. */
export function requireCoreMixture(mixture: ContextualMixture, use: string): void {
  const { confusion, correlation, positiveRate } = mixture;
  if (!hasCoreConfusion(mixture))
    throw new OptionRangeError('mixture.confusion', `the single atom (0, 0) for ${use}`, confusion);
  if (correlation !== 0) throw new OptionRangeError('mixture.correlation', `0 for ${use}`, correlation);
  if (positiveRate !== 0.5) throw new OptionRangeError('mixture.positiveRate', `1/2 for ${use}`, positiveRate);
}
