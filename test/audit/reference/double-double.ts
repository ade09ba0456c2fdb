/** Arithmetic of twice the precision (Dekker 1971) on [high, low] pairs, in plain TypeScript. */
export type Pair = readonly [number, number];

function sumOf(a: number, b: number): Pair {
  const sum = a + b;
  const part = sum - a;
  return [sum, a - (sum - part) + (b - part)];
}

function split(a: number): Pair {
  const big = 134217729 * a;
  const high = big - (big - a);
  return [high, a - high];
}

function productOf(a: number, b: number): Pair {
  const product = a * b;
  const [ah, al] = split(a);
  const [bh, bl] = split(b);
  return [product, ah * bh - product + ah * bl + al * bh + al * bl];
}

export function add([a, x]: Pair, [b, y]: Pair): Pair {
  const [sum, error] = sumOf(a, b);
  return sumOf(sum, error + x + y);
}

export const negative = ([a, x]: Pair): Pair => [-a, -x];

export const subtract = (a: Pair, b: Pair): Pair => add(a, negative(b));

export function multiply([a, x]: Pair, [b, y]: Pair): Pair {
  const [product, error] = productOf(a, b);
  return sumOf(product, error + a * y + x * b);
}

export function divide(a: Pair, b: Pair): Pair {
  const first = a[0] / b[0];
  const rest = subtract(a, multiply(b, [first, 0]));
  const second = rest[0] / b[0];
  const last = subtract(rest, multiply(b, [second, 0]));
  return add(sumOf(first, second), [last[0] / b[0], 0]);
}

export function root(a: Pair): Pair {
  if (!(a[0] > 0)) return [0, 0];
  const first = Math.sqrt(a[0]);
  const rest = subtract(a, productOf(first, first));
  return sumOf(first, rest[0] / (2 * first));
}
