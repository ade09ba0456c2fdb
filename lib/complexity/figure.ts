import { OptionRangeError, OptionTypeError } from '../base/errors.js';
import { type Figure, figure } from '../report/figures/from-code.js';
import { optionLabel } from '../report/labels.js';
import type { SimulatedComplexity } from './index.js';

/**
 * A figure of {@link sampleComplexity}: n with its intervals against a factor on logarithmic axes, one series for every combination of the
 * others, and the law where there is one. Cells without an n are left out.
 *
 * @param result What was found.
 * @param along The factor of the horizontal axis. Default: the one with the most levels, of those that are positive numbers.
 * @throws {@link OptionTypeError} if it is no result; {@link OptionRangeError} if there is no such factor, or no cell with an n.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const mixture = { tokens: 40, dimension: 50, relevantFraction: 0.2, contextNorm: 2, signalNorm: 1 };
 * const result = await study.sampleComplexity(
 *   { kind: 'three-step', mixture, stepSizes: [1, 20, 1], debias: 'intercept' },
 *   { targetError: 0.2, precision: 0.2, over: { 'mixture.dimension': [25, 50, 100] } },
 * );
 * const svg = await study.complexityFigure(result).svg();
 * ```
 */
export function complexityFigure(result: SimulatedComplexity, along?: string): Figure {
  if (!Array.isArray(result?.cells)) throw new OptionTypeError('result', 'a result of study.sampleComplexity', result);
  const { cells, exponents, targetError } = result;
  const levels = new Map<string, Set<unknown>>();
  for (const { factors } of cells)
    for (const [path, level] of Object.entries(factors)) levels.set(path, (levels.get(path) ?? new Set()).add(level));
  const numeric = [...levels]
    .filter(([, values]) => [...values].every((value) => typeof value === 'number' && value > 0))
    .sort(([, a], [, b]) => b.size - a.size)
    .map(([path]) => path);
  const x = along ?? numeric[0];
  if (x === undefined || !numeric.includes(x))
    throw new OptionRangeError('along', 'a factor whose levels are positive numbers', along);
  const found = cells.filter(({ examples }) => Number.isFinite(examples));
  if (found.length === 0) throw new OptionRangeError('cells', 'one with a number of examples at least', cells.length);
  const { exponent, standardError } = exponents[x] ?? {};
  const { symbol } = optionLabel(x);
  const growth =
    exponent === undefined || standardError === undefined
      ? ''
      : `: ${symbol} to the power ${exponent.toFixed(2)} ± ${standardError.toFixed(2)}`;
  const records = found.map(({ factors, examples, interval: [low, high], law }) => ({
    ...factors,
    examples,
    low,
    high,
    ...(law === null ? {} : { law }),
  }));
  return figure(records, {
    x,
    y: 'examples',
    series: [...levels.keys()].filter((path) => path !== x),
    interval: ['low', 'high'],
    ...(found.some(({ law }) => law !== null) ? { theory: 'law' } : {}),
    scale: { x: 'log', y: 'log' },
    title: `Examples for an error of ${targetError}${growth}`,
  });
}
