/**
 * Self-attention where it has one parameter: relevant and irrelevant tokens are multiples r and μ of one vector x, and only
 * κ = xᵀBx matters.
 *
 * Row r attends to relevant tokens with mass p1 = S(L + r(r−μ)κ), row μ with p2 = S(L + μ(r−μ)κ), where S(x) = 1/(1+e^{−x}) and
 * L = log(ζ/(1−ζ)). The pooled output is x times
 *
 *     c(κ) = A r + (1−A) μ,   A = ζ p1 + (1−ζ) p2.
 *
 * If r and μ have the same sign, or one is 0, A is monotone. Otherwise A' = 0 says that two cosh of slopes r(r−μ)/2 and
 * μ(r−μ)/2 in κ are proportional: a sum of four exponentials e^{±ακ/2}, e^{±γκ/2} whose coefficients, in order of their exponents,
 * change sign twice, so it has at most two zeros (Laguerre's rule of signs). The logarithm of the ratio of the two cosh
 * takes no value more than twice, hence has one turning point, found by bisecting its derivative; the zeros of A' lie
 * on either side of it, and the at most three zeros of c between those. All sign changes of all c(κ) are thus bracketed.
 */
import { kRounding } from './noiseless-examples.js';
import { bisect, rootsBetween } from './roots.js';

/** One example, as multiples of x; `weight` counts where c > 0 or, with `label` −1, where c < 0. */
export interface LineExample {
  readonly label: 1 | -1;
  readonly weight: number;
  readonly relevant: number;
  readonly irrelevant: number;
}

/** Where c changes sign, increasing, and its sign in each interval between: one more than roots. */
interface SignPattern {
  readonly roots: readonly number[];
  readonly signs: readonly number[];
}

/** log cosh x without overflow. */
function logCosh(x: number): number {
  return Math.abs(x) + Math.log1p(Math.exp(-2 * Math.abs(x))) - Math.LN2;
}

function signPattern({ relevant, irrelevant }: LineExample, relevantFraction: number): SignPattern {
  const logOdds = Math.log(relevantFraction / (1 - relevantFraction));
  const gap = relevant - irrelevant;
  const alpha = relevant * gap;
  const gamma = irrelevant * gap;
  const pooled = (kappa: number) => {
    const p1 = 1 / (1 + Math.exp(-logOdds - alpha * kappa));
    const p2 = 1 / (1 + Math.exp(-logOdds - gamma * kappa));
    const attention = relevantFraction * p1 + (1 - relevantFraction) * p2;
    const sum = attention * relevant + (1 - attention) * irrelevant;
    return Math.abs(sum) <= kRounding * (Math.abs(relevant) + Math.abs(irrelevant)) ? 0 : sum;
  };
  const slopes = [alpha, gamma].map(Math.abs).filter((slope) => slope > 0);
  if (slopes.length === 0) return { roots: [], signs: [Math.sign(pooled(0))] };
  const slowest = Math.min(...slopes);
  const far = (Math.abs(logOdds) + 80) / slowest;
  const turns: number[] = [];
  if (alpha * gamma < 0) {
    const ratio = (kappa: number) =>
      Math.log((relevantFraction * Math.abs(alpha)) / ((1 - relevantFraction) * Math.abs(gamma))) / 2 +
      logCosh((logOdds + gamma * kappa) / 2) -
      logCosh((logOdds + alpha * kappa) / 2);
    const ratioSlope = (kappa: number) =>
      gamma * Math.tanh((logOdds + gamma * kappa) / 2) - alpha * Math.tanh((logOdds + alpha * kappa) / 2);
    const middle = bisect(ratioSlope, -far, far);
    turns.push(...rootsBetween(ratio, -far, far, middle === undefined ? [] : [middle]));
  }
  const roots = rootsBetween(pooled, -far, far, turns);
  const marks = [0, ...roots, ...turns];
  const step = 1 / Math.max(...slopes);
  const ends = [Math.min(...marks) - step, ...roots, Math.max(...marks) + step];
  const signs = ends.slice(1).map((end, i) => {
    // Where c is far from 0: at the outer ends, at a turn, or midway.
    const begin = ends[i] as number;
    const inside = turns.filter((kappa) => kappa > begin && kappa < end);
    const outer = [...(i === 0 ? [begin] : []), ...(i === roots.length ? [end] : [])];
    const values = [...outer, ...inside, (begin + end) / 2].map(pooled);
    return Math.sign(values.reduce((x, y) => (Math.abs(y) > Math.abs(x) ? y : x)));
  });
  return { roots, signs };
}

/** Best accuracy over κ and the sign of the head, 0 < ζ < 1. */
export function lineAccuracy(examples: readonly LineExample[], relevantFraction: number): number {
  const patterns = examples.map((example) => ({ example, ...signPattern(example, relevantFraction) }));
  const cuts = [...new Set(patterns.flatMap(({ roots }) => roots))].sort((a, b) => a - b);
  const first = cuts[0] ?? 0;
  const last = cuts[cuts.length - 1] ?? 0;
  const points = [first - 1, ...cuts.slice(1).map((cut, i) => (cut + (cuts[i] as number)) / 2), last + 1];
  let best = 0;
  for (const kappa of points) {
    let right = 0;
    let wrong = 0;
    for (const { example, roots, signs } of patterns) {
      const sign = example.label * (signs[roots.filter((root) => root < kappa).length] as number);
      if (sign >= 0) right += example.weight / (sign === 0 ? 2 : 1);
      if (sign <= 0) wrong += example.weight / (sign === 0 ? 2 : 1);
    }
    best = Math.max(best, right, wrong);
  }
  return best;
}
