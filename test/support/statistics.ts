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

/** A generator of uniform numbers in [0, 1) that is not the package's (mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * p-value of the two-sample energy-distance test (Székely and Rizzo 2004) for the joint law of several numbers, by permutation.
 * Each coordinate is divided by its standard deviation in the pooled sample.
 *
 * @param a One array per coordinate; `b` likewise, as many points. Time is quadratic in their number: 500 take about a second.
 */
export function energyDistanceTest(
  a: readonly ArrayLike<number>[],
  b: readonly ArrayLike<number>[],
  { permutations = 1999, seed = 1 } = {},
): number {
  const n = (a[0] as ArrayLike<number>).length;
  const size = 2 * n;
  const coordinates = a.map((values, j) => {
    const pooled = Float64Array.from([...Array.from(values), ...Array.from(b[j] as ArrayLike<number>)]);
    const deviation = meanAndError(pooled).standardError * Math.sqrt(size);
    return pooled.map((value) => value / (deviation || 1));
  });
  const distances = new Float64Array(size * size);
  for (let i = 0; i < size; ++i)
    for (let j = 0; j < i; ++j) {
      let square = 0;
      for (const x of coordinates) square += ((x[i] as number) - (x[j] as number)) ** 2;
      distances[i * size + j] = Math.sqrt(square);
    }
  // With signs ±1 for the two samples of equal size the energy distance is −Σ s_i s_j D_ij / n².
  const energy = (signs: Float64Array) => {
    let sum = 0;
    for (let i = 0; i < size; ++i) {
      let row = 0;
      for (let j = 0; j < i; ++j) row += (signs[j] as number) * (distances[i * size + j] as number);
      sum -= (signs[i] as number) * row;
    }
    return sum;
  };
  const signs = Float64Array.from({ length: size }, (_, i) => (i < n ? 1 : -1));
  const observed = energy(signs);
  const random = uniforms(seed);
  let larger = 1;
  for (let permutation = 0; permutation < permutations; ++permutation) {
    for (let i = size - 1; i > 0; --i) {
      const j = Math.floor(random() * (i + 1));
      const swapped = signs[i] as number;
      signs[i] = signs[j] as number;
      signs[j] = swapped;
    }
    if (energy(signs) >= observed) ++larger;
  }
  return larger / (permutations + 1);
}
