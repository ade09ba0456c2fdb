/** Mean and its standard error. */
export function meanAndError(values: ArrayLike<number>): { mean: number; standardError: number } {
  const numbers = Array.from(values);
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const squares = numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares / (numbers.length - 1) / numbers.length) };
}

/** Kolmogorov's tail probability P(K > x). */
export function kolmogorovTail(x: number): number {
  if (x < 0.2) return 1;
  let sum = 0;
  for (let j = 1; j <= 100; ++j) sum += (j % 2 === 1 ? 2 : -2) * Math.exp(-2 * j * j * x * x);
  return Math.min(1, Math.max(0, sum));
}

/** p-value of the two-sample Kolmogorov–Smirnov test (asymptotic, with Stephens' small-sample factor). */
export function twoSampleKolmogorovSmirnov(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const x = Float64Array.from(a).sort();
  const y = Float64Array.from(b).sort();
  let distance = 0;
  for (let i = 0, j = 0; i < x.length && j < y.length; ) {
    const at = Math.min(x[i] as number, y[j] as number);
    while (i < x.length && (x[i] as number) <= at) ++i;
    while (j < y.length && (y[j] as number) <= at) ++j;
    distance = Math.max(distance, Math.abs(i / x.length - j / y.length));
  }
  const root = Math.sqrt((x.length * y.length) / (x.length + y.length));
  return kolmogorovTail((root + 0.12 + 0.11 / root) * distance);
}

/** p-value of the one-sample Kolmogorov–Smirnov test against a distribution function. */
export function oneSampleKolmogorovSmirnov(values: ArrayLike<number>, distribution: (x: number) => number): number {
  const x = Float64Array.from(values).sort();
  const distance = x.reduce(
    (largest, value, i) =>
      Math.max(
        largest,
        Math.abs(distribution(value) - i / x.length),
        Math.abs(distribution(value) - (i + 1) / x.length),
      ),
    0,
  );
  const root = Math.sqrt(x.length);
  return kolmogorovTail((root + 0.12 + 0.11 / root) * distance);
}
