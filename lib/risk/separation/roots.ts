/** Real roots by bisection between points where the function is known to be monotone. */

const kBisections = 200;

/** The root of `f` in [low, high] if its signs at the ends differ; to the last bit or `kBisections` halvings. */
export function bisect(f: (x: number) => number, low: number, high: number): number | undefined {
  const sign = Math.sign(f(low));
  if (sign * Math.sign(f(high)) >= 0) return undefined;
  let [a, b] = [low, high];
  for (let i = 0; i < kBisections; ++i) {
    const middle = a + (b - a) / 2;
    if (middle === a || middle === b) break;
    if (Math.sign(f(middle)) === sign) a = middle;
    else b = middle;
  }
  return a + (b - a) / 2;
}

/** The roots of `f` in [low, high], increasing, where `turns` holds all points at which it changes direction. */
export function rootsBetween(
  f: (x: number) => number,
  low: number,
  high: number,
  turns: readonly number[],
): readonly number[] {
  const ends = [low, ...turns, high];
  return ends.slice(1).flatMap((end, i) => bisect(f, ends[i] as number, end) ?? []);
}

/** The roots of odd multiplicity of Σ coefficients[k] x^k in [low, high], increasing. */
export function polynomialRoots(coefficients: readonly number[], low: number, high: number): readonly number[] {
  if (coefficients.length < 2) return [];
  const derivative = coefficients.slice(1).map((c, k) => c * (k + 1));
  const value = (x: number) => coefficients.reduceRight((sum, c) => sum * x + c, 0);
  return rootsBetween(value, low, high, polynomialRoots(derivative, low, high));
}
