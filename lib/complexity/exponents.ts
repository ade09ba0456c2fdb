import type { FactorValue } from '../study/definition/factors.js';

/** An n that was found. */
interface FoundCell {
  readonly factors: Readonly<Record<string, FactorValue>>;
  readonly examples: number;
  readonly interval: readonly [number, number];
}

/** A power law of n in a factor. */
export interface FittedExponent {
  /** b of n ∝ factorᵇ. */
  readonly exponent: number;
  /** Its standard error, from the intervals of n, and from the scatter about the power law if that is larger. */
  readonly standardError: number;
}

const kLeastLevels = 3;

/** Exponents of n in every factor of at least three positive numbers, by weighted least squares in logarithms with the other factors held. */
export function fitExponents(
  over: Readonly<Record<string, readonly FactorValue[]>>,
  cells: readonly FoundCell[],
  quantile: number,
): Readonly<Record<string, FittedExponent>> {
  const found = cells.filter(({ examples, interval }) => examples > 1 && interval[1] > interval[0]);
  const isPositive = (level: FactorValue) => typeof level === 'number' && level > 0;
  const numeric = Object.entries(over).filter(
    ([, levels]) => new Set(levels).size >= kLeastLevels && levels.every(isPositive),
  );
  const fitted = numeric.map(([path]) => [path, exponentOf(path, found, quantile)] as const);
  return Object.fromEntries(fitted.filter((entry): entry is [string, FittedExponent] => entry[1] !== undefined));
}

function exponentOf(path: string, cells: readonly FoundCell[], quantile: number): FittedExponent | undefined {
  const groups = new Map<string, { x: number; y: number; weight: number }[]>();
  for (const { factors, examples, interval } of cells) {
    const { [path]: level, ...others } = factors;
    const key = JSON.stringify(others);
    const deviation = Math.log(interval[1] / interval[0]) / (2 * quantile);
    const group = groups.get(key) ?? [];
    group.push({ x: Math.log(level as number), y: Math.log(examples), weight: deviation ** -2 });
    groups.set(key, group);
  }
  let across = 0;
  let along = 0;
  let freedom = -1;
  const centred: { x: number; y: number; weight: number }[] = [];
  for (const group of groups.values()) {
    const total = group.reduce((sum, { weight }) => sum + weight, 0);
    const mean = (of: 'x' | 'y') => group.reduce((sum, point) => sum + point.weight * point[of], 0) / total;
    const [x0, y0] = [mean('x'), mean('y')];
    freedom += group.length - 1;
    for (const { x, y, weight } of group) {
      centred.push({ x: x - x0, y: y - y0, weight });
      across += weight * (x - x0) ** 2;
      along += weight * (x - x0) * (y - y0);
    }
  }
  if (!(across > 0) || freedom < 1) return undefined;
  const exponent = along / across;
  const chiSquare = centred.reduce((sum, { x, y, weight }) => sum + weight * (y - exponent * x) ** 2, 0);
  return { exponent, standardError: Math.sqrt(Math.max(1, chiSquare / freedom) / across) };
}
