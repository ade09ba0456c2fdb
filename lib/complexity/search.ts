import type { SampledPoint, Sampler } from './sampler.js';

/** What is looked for, and when to stop. */
export interface SearchOptions {
  readonly target: number;
  /** Quantile of the normal law of the interval's ends. */
  readonly quantile: number;
  /** Width of the interval over n. */
  readonly precision: number;
  readonly start: number;
  readonly largest: number;
  /** Trials in all. */
  readonly mostTrials: number;
}

/** Where the error crosses the target, in ln n. */
export interface CrossingEstimate {
  readonly log: number;
  readonly standardError: number;
}

/** The crossing, or on which side of it the end of the range is, or that no trial at the largest n ran through. */
export type SearchOutcome =
  | { readonly kind: 'found' | 'undecided'; readonly crossing: CrossingEstimate }
  | { readonly kind: 'above' | 'below' | 'failed' };

/** Trials that tell the side of a point first. */
const kFirstTrials = 32;
/** Standard errors that tell a side. */
const kSides = 3;
/** Of ln n on either side of the crossing, where the last trials are: at first, and at least. */
const kWidest = 0.35;
const kNarrowest = 0.03;
/** How many standard errors of the crossing its neighbours are away. */
const kReach = 5;

type Side = 'above' | 'below' | 'failed' | 'undecided';

/** Which side of the target a point is on, if the trials that may be spent on it tell. */
async function sideOf(sampler: Sampler, examples: number, target: number, most: number): Promise<Side> {
  for (let trials = kFirstTrials; ; trials *= 2) {
    const { error, standardError, trials: spent } = await sampler.add(examples, trials);
    if (Number.isNaN(error)) return 'failed';
    const gap = error - target;
    if (Math.abs(gap) > kSides * standardError) return gap > 0 ? 'above' : 'below';
    if (spent >= most) return 'undecided';
  }
}

/**
 * Root of the line through (ln n, error/target − 1), with what its points' noise and a bend of order one leave open. Points count by their
 * trials, with one variance for all: errors of trials are skewed, so that a mean that is too low has a standard error that is too small, and
 * weights of its own would draw the line down.
 */
function rootOf(
  points: readonly SampledPoint[],
  target: number,
): (CrossingEstimate & { readonly steep: boolean }) | undefined {
  const used = points.filter(({ standardError }) => standardError > 0);
  const counts = used.map(({ trials, failed }) => trials - failed);
  const freedom = counts.reduce((sum, count) => sum + count - 1, 0);
  const variance = used.reduce((sum, { standardError }, i) => {
    const count = counts[i] as number;
    return sum + ((count - 1) / freedom) * count * (standardError / target) ** 2;
  }, 0);
  const weights = counts.map((count) => count / variance);
  const xs = used.map(({ examples }) => Math.log(examples));
  const ys = used.map(({ error }) => error / target - 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value, i) => sum + (weights[i] as number) * value, 0) / total;
  const x0 = mean(xs);
  const y0 = mean(ys);
  const spread = xs.reduce((sum, x, i) => sum + (weights[i] as number) * (x - x0) ** 2, 0);
  if (!(spread > 0)) return undefined;
  const slope = xs.reduce((sum, x, i) => sum + (weights[i] as number) * (x - x0) * (ys[i] as number), 0) / spread;
  const log = x0 - y0 / slope;
  const noise = Math.sqrt(1 / total + (log - x0) ** 2 / spread) / Math.abs(slope);
  const bend = spread / total / 2;
  return { log, standardError: Math.hypot(noise, bend), steep: -slope * Math.sqrt(spread) > kSides };
}

/**
 * The crossing by sequential simulation: doubling or halving from the start until both sides are told, then trials on either side of the
 * crossing of the line through what is known, in batches that grow by half, ever closer to it, until the interval is narrow enough.
 */
export async function searchCrossing(sampler: Sampler, options: SearchOptions): Promise<SearchOutcome> {
  const { target, quantile, precision, largest, mostTrials } = options;
  const most = Math.max(kFirstTrials, mostTrials / 8);
  let n = Math.min(Math.max(1, Math.round(options.start)), largest);
  let above: number | undefined;
  let below: number | undefined;
  while (above === undefined || below === undefined) {
    const side = await sideOf(sampler, n, target, most);
    if (side === 'undecided') {
      above ??= Math.max(1, Math.floor(n / 1.2));
      below ??= Math.min(largest, Math.ceil(n * 1.2));
    } else if (side === 'below') {
      below = n;
      if (n === 1) return { kind: side };
      n = Math.max(Math.floor(n / 2), 1);
    } else {
      // What fails on few examples may not on more.
      above = n;
      if (n === largest) return { kind: side };
      n = Math.min(2 * n, largest);
    }
  }
  let center = 0.5 * (Math.log(above) + Math.log(below));
  let reach = Math.min(kWidest, Math.max(0.5 * Math.log(below / above), kNarrowest));
  let best: CrossingEstimate = { log: center, standardError: reach };
  for (let trials = kFirstTrials; sampler.trials < mostTrials; trials = Math.ceil(1.5 * trials)) {
    const left = Math.max(1, Math.floor(Math.exp(center - reach)));
    const right = Math.min(largest, Math.max(left + 1, Math.ceil(Math.exp(center + reach))));
    for (const examples of new Set([left, right])) await sampler.add(examples, trials);
    const window = 1.5 * Math.max(reach, Math.log(right / left) / 2);
    const near = sampler.all().filter(({ examples }) => Math.abs(Math.log(examples) - center) <= window);
    const root = rootOf(near, target);
    if (root?.steep !== true) continue;
    best = root;
    // No further at a time than what was looked at.
    center = Math.min(Math.max(root.log, center - 2 * reach), center + 2 * reach);
    const width = 2 * quantile * root.standardError;
    // Between two whole n nothing is left to tell.
    if (
      width <= Math.max(precision, Math.exp(-root.log)) &&
      Math.abs(root.log - 0.5 * Math.log(left * right)) < 2 * reach
    )
      return { kind: 'found', crossing: root };
    reach = Math.min(kWidest, Math.max(kReach * root.standardError, kNarrowest));
  }
  return { kind: 'undecided', crossing: best };
}
