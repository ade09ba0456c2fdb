// The normal distribution by its power series and its continued fraction.

const kRootTwoPi = Math.sqrt(2 * Math.PI);

export const density = (x: number): number => Math.exp(-0.5 * x * x) / kRootTwoPi;

/** P(N(0, 1) > x), with its relative accuracy kept in the upper tail. */
export function upperTail(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x < 0) return 1 - upperTail(-x);
  if (x < 2.5) {
    // Φ(x) − ½ = φ(x) (x + x³/3 + x⁵/15 + …): all terms positive.
    let term = x;
    let sum = x;
    for (let k = 3; term > 1e-17 * sum; k += 2) {
      term *= (x * x) / k;
      sum += term;
    }
    return 0.5 - density(x) * sum;
  }
  if (x > 38.5) return 0;
  let fraction = x;
  for (let k = Math.ceil(12 + 400 / (x * x)); k >= 1; k--) fraction = x + k / fraction;
  return density(x) / fraction;
}
