import { createRequire } from 'node:module';

/** What is used of the package cephes, whose own types its `exports` hide. */
interface Cephes {
  stdtr(degrees: number, value: number): number;
  stdtri(degrees: number, probability: number): number;
  ndtri(probability: number): number;
  erfc(value: number): number;
  chdtrc(degrees: number, value: number): number;
  incbi(a: number, b: number, probability: number): number;
}

let loaded: Cephes | undefined;

/** Loaded when first asked for; its CommonJS form is ready at once. Tools that look for the files of a program read this form of the call. */
function cephes(): Cephes {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    loaded = require('cephes') as Cephes;
  }
  return loaded;
}

/** A probability; 0 where it underflows, of which the library makes an error. */
function probability(compute: () => number): number {
  try {
    return compute();
  } catch (error) {
    if (/underflow/.test(String(error))) return 0;
    throw error;
  }
}

/** Beyond so many degrees of freedom Student's t is the normal distribution to every digit that is shown. */
const kMostDegrees = 1e6;

/** The `level` quantile of Student's t; NaN below one degree of freedom. */
export function studentQuantile(degrees: number, level: number): number {
  if (!(degrees >= 1)) return Number.NaN;
  return degrees > kMostDegrees ? cephes().ndtri(level) : cephes().stdtri(Math.floor(degrees), level);
}

/**
 * The standard normal value that is as improbable as a value of Student's t: what makes values of few and of many degrees of freedom
 * comparable.
 */
export function normalScore(value: number, degrees: number): number {
  if (degrees > kMostDegrees) return value;
  const tail = probability(() => cephes().stdtr(Math.max(1, Math.floor(degrees)), -Math.abs(value)));
  // A tail that underflows is out of every reach already.
  return tail > 0 ? Math.sign(value) * -cephes().ndtri(tail) : value;
}

/** Probability that a standard normal value is further from 0 than `value`. */
export function normalTails(value: number): number {
  return probability(() => cephes().erfc(Math.abs(value) / Math.SQRT2));
}

/** 1 − Φ(x): probability that a standard normal value exceeds `value`. */
export function normalTail(value: number): number {
  const beyond = normalTails(value) / 2;
  return value > 0 ? beyond : 1 - beyond;
}

/** Probability that a χ² value of `degrees` degrees of freedom, any number > 0, exceeds `value`. */
export function chiSquareTail(degrees: number, value: number): number {
  return value === Number.POSITIVE_INFINITY ? 0 : probability(() => cephes().chdtrc(degrees, value));
}

/** x such that Φ(−x) is `probability`, of (0, 1). */
export function normalTailQuantile(probability: number): number {
  return -cephes().ndtri(probability);
}

/**
 * The interval of a probability of which `successes` of `trials` trials were, by Clopper and Pearson: quantiles of beta distributions, that
 * cover at least as often as `confidence` says. NaN without trials.
 */
export function shareInterval(successes: number, trials: number, confidence: number): readonly [number, number] {
  if (trials === 0) return [Number.NaN, Number.NaN];
  const tail = (1 - confidence) / 2;
  return [
    successes === 0 ? 0 : cephes().incbi(successes, trials - successes + 1, tail),
    successes === trials ? 1 : cephes().incbi(successes + 1, trials - successes, 1 - tail),
  ];
}
