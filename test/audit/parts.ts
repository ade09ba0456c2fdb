// The parts of the audit: each yields settings with what the package says of them and what is right.
import {
  ConvergenceError,
  fitHead,
  type HeadOptions,
  OptionRangeError,
  risk,
  simulate,
  testError,
  trialFeatures,
} from '../../lib/index.js';
import { type Case, medianError, type Run } from './calibration.js';
import {
  averaging,
  averagingOf,
  fixedPoint,
  type Nodes,
  nodesOf,
  plainLeastSquares,
  riskOf,
} from './reference/fixed-point.js';
import { exactHinge, exactLeastSquares, exactLogistic } from './reference/heads.js';
import { attend, parametersOf, type Setting, termsOf } from './reference/mixture.js';
import { Stream } from './reference/random.js';
import { type Reference, tailReference } from './reference/tail.js';
import { decadeOf, randomScale, randomSetting } from './settings.js';

/** How much is run. */
export interface Extent {
  readonly settings: number;
  readonly seeds: number;
  readonly threads: number;
  readonly seed: number;
  /** Draws of the package; undefined for its defaults. */
  readonly draws: number | undefined;
}

/** A result of the package as a run; fields that a version does not have count as good. */
export function runOf(result: { error: number; standardError: number; reliable?: unknown }): Run {
  return { value: result.error, standardError: result.standardError, reliable: result.reliable !== false };
}

/** `count` calls, a few at a time; documented refusals are counted, other errors end the audit. */
export async function repeat(count: number, parallel: number, call: (seed: number) => Promise<Run>) {
  const runs: Run[] = [];
  const failures: string[] = [];
  for (let first = 0; first < count; first += parallel) {
    const seeds = Array.from({ length: Math.min(parallel, count - first) }, (_, i) => first + i);
    for (const outcome of await Promise.allSettled(seeds.map(call))) {
      if (outcome.status === 'fulfilled') runs.push(outcome.value);
      else if (outcome.reason instanceof ConvergenceError || outcome.reason instanceof OptionRangeError)
        failures.push(outcome.reason.message);
      else throw outcome.reason;
    }
  }
  return { runs, failures };
}

export const nameOf = (part: string, { draws }: Extent) => (draws === undefined ? part : `${part}, ${draws} draws`);

/** Test errors of random prompts and heads, as many settings in each decade from 1e-1 to 1e-12. */
export const testErrors = (extent: Extent): AsyncGenerator<Case> => testErrorsOf(extent, 'testError', () => 0);

/** Test errors with noise on relevant tokens, whose rare scores the package does not resolve. */
export const noisyTestErrors = (extent: Extent): AsyncGenerator<Case> =>
  testErrorsOf({ ...extent, seed: extent.seed + 7 }, 'testError, noisy relevant tokens', (stream) =>
    stream.logBetween(0.05, 2),
  );

/** A reference from as many batches as it takes to know it to an error, but no more than 16. */
function sharpened(first: Reference, error: number, batchOf: (batch: number) => Reference): Reference {
  const batches = [first];
  const mean = () => batches.reduce((sum, { value }) => sum + value, 0) / batches.length;
  const errorOf = () => Math.hypot(...batches.map(({ standardError }) => standardError)) / batches.length;
  while (batches.length < 16 && errorOf() > error) batches.push(batchOf(batches.length));
  return { ...first, value: mean(), standardError: errorOf() };
}

async function* testErrorsOf(
  extent: Extent,
  part: string,
  relevantNoise: (stream: Stream) => number,
): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed);
  const quota = new Array<number>(14).fill(Math.ceil(extent.settings / 12));
  quota[13] = Math.ceil(extent.settings / 24);
  let found = 0;
  for (let tried = 0; found < extent.settings && tried < 200 * extent.settings; tried++) {
    const plain = randomSetting(stream);
    const relevantNoiseLevel = relevantNoise(stream);
    const setting = relevantNoiseLevel > 0 ? { ...plain, relevantNoiseLevel } : plain;
    const tau = randomScale(stream, setting);
    const { contextNorm, signalNorm, correlation } = setting;
    const prompt = Float64Array.of(tau * contextNorm, stream.uniform() < 0.3 ? 0.3 * stream.normal() : 0, 0, 0, 0);
    const lean = stream.pick([0, 0, 0.2, -0.2, 1]) * stream.uniform();
    const head = Float64Array.of(
      signalNorm * correlation + lean,
      signalNorm * Math.sqrt(1 - correlation ** 2),
      stream.pick([0, 0.3, 2]) * stream.normal(),
      0,
      0,
    );
    const intercept = stream.uniform() < 0.2 ? 0.1 * stream.normal() : 0;
    const parameters = parametersOf(prompt, head, intercept);
    const m = Math.max(1, setting.tokens - setting.relevantTokens);
    const rough = tailReference(setting, parameters, Math.min(1000, Math.ceil(2e4 / m)), tried);
    const decade = decadeOf(rough.value);
    if (rough.value >= 0.499 && stream.uniform() < 0.9) continue;
    if ((quota[decade] as number) <= 0 || rough.effectiveDraws < 10) continue;
    const referenceOf = (seed: number) =>
      tailReference(setting, parameters, Math.min(200_000, Math.ceil(2e6 / m)), seed);
    const first = referenceOf(tried + 1e6);
    if (first.effectiveDraws < 300) continue;
    quota[decade] = (quota[decade] as number) - 1;
    found++;
    const mixture = { ...setting, dimension: 5 };
    const { runs, failures } = await repeat(extent.seeds, extent.threads, async (seed) =>
      runOf(
        await testError({
          mixture,
          prompt,
          head,
          intercept,
          seed,
          ...(extent.draws && { draws: extent.draws }),
        }),
      ),
    );
    const reference = sharpened(first, medianError(runs) / 4, (batch) => referenceOf(tried + 1e6 * (batch + 1)));
    yield {
      part: nameOf(part, extent),
      setting: { mixture, prompt: [...prompt], head: [...head], intercept },
      truth: reference.value,
      truthError: reference.standardError,
      runs,
      failures,
    };
  }
}

type SolvedHead = Exclude<HeadOptions, { kind: 'weighted-averaging' }>;

/**
 * The right risk of a head: by quadrature for T = 2, else by batches of weighted draws. Infinite standard error where it is decided by
 * scores that no sample holds: the limit is then that of no n.
 */
function lawReference(setting: Setting, tau: number, head: SolvedHead, alpha: number, seed: number) {
  const solve = (nodes: Nodes) => {
    if (head.kind === 'averaging') return averaging(nodes, alpha);
    if (head.kind === 'least-squares' && !head.ridge) return plainLeastSquares(nodes, alpha);
    return fixedPoint(nodes, head.kind === 'least-squares' ? 'square' : head.kind, alpha, head.ridge ?? 0);
  };
  if (setting.tokens - setting.relevantTokens <= 1) {
    const coarse = solve(nodesOf(setting, tau));
    const near = solve(nodesOf(setting, tau, { reach: 4.3 }));
    // Where a clean example's margin changes its sign the error is a step of the score.
    const fine = nodesOf(setting, tau, { refined: 16 });
    const state = head.kind === 'averaging' ? averaging(fine, alpha) : coarse;
    const value = riskOf(fine, state.w1, state.w2, state.r);
    const isReached = Math.abs(near.error - coarse.error) <= 0.01 * coarse.error + 1e-5;
    const standardError = isReached ? Math.abs(value - coarse.error) / 4 + 1e-7 * value : Number.POSITIVE_INFINITY;
    return { value, standardError, residual: coarse.residual };
  }
  const batches = 6;
  const values = Array.from({ length: batches }, (_, batch) =>
    solve(nodesOf(setting, tau, { draws: 4000, seed: seed * 16 + batch })),
  );
  const mean = values.reduce((sum, { error }) => sum + error, 0) / batches;
  const variance = values.reduce((sum, { error }) => sum + (error - mean) ** 2, 0) / (batches - 1) / batches;
  return {
    value: mean,
    standardError: 1.2 * Math.sqrt(variance),
    residual: Math.max(...values.map(({ residual }) => residual)),
  };
}

/** Laws of a known prompt with the four heads. */
export async function* knownPromptLaws(extent: Extent): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed + 1);
  for (let found = 0, tried = 0; found < extent.settings && tried < 20 * extent.settings; tried++) {
    const kind = stream.pick(['averaging', 'least-squares', 'least-squares', 'hinge', 'logistic'] as const);
    const short = kind === 'logistic' || stream.uniform() < 0.6;
    const drawn = randomSetting(stream, short ? 2 : stream.pick([3, 4, 8, 16]));
    const setting = short ? { ...drawn, relevantTokens: 1 } : drawn;
    if (setting.relevantTokens === setting.tokens || setting.contextNorm === 0) continue;
    const tau = randomScale(stream, setting);
    if (tau === 0) continue;
    const alpha = stream.logBetween(1e-2, 1e3);
    const ridge = kind === 'least-squares' && stream.uniform() < 0.4 ? 0 : stream.logBetween(1e-8, 1e4);
    const head: SolvedHead = kind === 'averaging' ? { kind } : { kind, ridge };
    const reference = lawReference(setting, tau, head, alpha, tried);
    const good = reference.residual < 1e-7 && reference.standardError < 0.005 * reference.value;
    if (!good || !(reference.value > 1e-14)) continue;
    found++;
    const mixture = { ...setting, dimension: 5 };
    const { runs, failures } = await repeat(extent.seeds, extent.threads, async (seed) =>
      runOf(
        await risk.knownPrompt({
          mixture,
          inverseTemperature: tau,
          head,
          sampleRatio: alpha,
          seed,
          threads: 1,
          ...(extent.draws && { draws: extent.draws }),
        }),
      ),
    );
    yield {
      part: nameOf(`risk.knownPrompt, ${kind}`, extent),
      setting: { mixture, inverseTemperature: tau, head, sampleRatio: alpha },
      truth: reference.value,
      truthError: reference.standardError,
      runs,
      failures,
    };
  }
}

/** n/d at which averaging reaches a target, against bisection on the explicit formula (T = 2, quadrature), averaged over labels. */
export async function* sampleComplexities(extent: Extent): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed + 3);
  const dimension = 1000;
  for (let found = 0; found < extent.settings; ) {
    const setting = { ...randomSetting(stream, 2), relevantTokens: 1, positiveRate: 0.5 };
    const tau = randomScale(stream, setting);
    if (tau === 0 || setting.contextNorm === 0) continue;
    const nodes = nodesOf(setting, tau);
    const errorAt = (alpha: number) => averagingOf(nodes, alpha, Math.round(alpha * dimension), setting.positiveRate);
    const [low, high] = [errorAt(300), errorAt(5)];
    if (!(high > 1.2 * low) || high > 0.45 || low < 1e-8) continue;
    const target = Math.exp(0.5 * (Math.log(low) + Math.log(high)));
    let [a, b] = [Math.log(5), Math.log(300)];
    for (let round = 0; round < 24; round++) {
      const middle = 0.5 * (a + b);
      if (errorAt(Math.exp(middle)) > target) a = middle;
      else b = middle;
    }
    found++;
    const mixture = { ...setting, dimension };
    const { runs, failures } = await repeat(extent.seeds, extent.threads, async (seed) => {
      const answer = await risk.sampleComplexity({
        experiment: { kind: 'known-prompt', mixture, inverseTemperature: tau, head: { kind: 'averaging' } },
        targetError: target,
        seed,
        ...(extent.draws && { draws: extent.draws }),
      });
      const reliable = (answer as { reliable?: unknown }).reliable !== false;
      if ('sampleRatio' in answer) return { value: answer.sampleRatio, standardError: answer.standardError, reliable };
      return { value: Number.POSITIVE_INFINITY, standardError: 0, reliable };
    });
    yield {
      part: nameOf('sampleComplexity', extent),
      setting: { mixture, inverseTemperature: tau, target },
      truth: Math.exp(0.5 * (a + b)),
      // The answer is a whole n; the quadrature has steps where clean examples change sides.
      truthError: 0.3 / dimension + 5e-4 * Math.exp(a),
      runs,
      failures,
    };
  }
}

/** Features of a known prompt, from the audit's own sampler. */
function sampleFeatures(stream: Stream, setting: Setting, tau: number, n: number, d: number) {
  const labels = new Float64Array(n);
  const features = new Float64Array(n * d);
  const terms = termsOf(setting);
  const g = new Float64Array(setting.tokens - setting.relevantTokens);
  for (let i = 0; i < n; i++) {
    const term = stream.weighted(terms, ({ probability }) => probability);
    if (term === undefined) continue;
    for (let t = 0; t < g.length; t++) g[t] = stream.normal();
    const Q = tau * setting.contextNorm;
    const pooled = attend(
      setting.relevantTokens,
      Q * term.relevant[0],
      Q * term.irrelevant[0],
      setting.noiseLevel * Math.abs(Q),
      g,
    );
    labels[i] = term.y;
    for (let j = 0; j < d; j++) {
      const mean =
        j < 2 ? pooled.relevant * (term.relevant[j] ?? 0) + pooled.irrelevant * (term.irrelevant[j] ?? 0) : 0;
      const noise = j === 0 ? Math.sign(tau) * pooled.shift : pooled.scale * stream.normal();
      features[i * d + j] = mean + setting.noiseLevel * noise;
    }
  }
  return { features, labels };
}

/** Heads on given features: the value is ‖w − ŵ‖/‖ŵ‖ over 1e-6, right where it is at most 1. */
export async function* headsOnFeatures(extent: Extent): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed + 4);
  for (let found = 0; found < extent.settings; ) {
    const setting = randomSetting(stream, stream.pick([2, 4, 8, 16]));
    if (setting.relevantTokens === setting.tokens) continue;
    const tau = randomScale(stream, setting);
    const n = 6 + stream.below(20);
    const d = Math.max(2, Math.round(n * stream.logBetween(0.2, 1.8)));
    const { features, labels } = sampleFeatures(stream, setting, tau, n, d);
    const kind = stream.pick(['least-squares', 'least-squares', 'logistic', 'hinge'] as const);
    const ridge = kind === 'least-squares' && stream.uniform() < 0.6 ? 0 : stream.logBetween(1e-12, 1e6);
    const exact = { 'least-squares': exactLeastSquares, logistic: exactLogistic, hinge: exactHinge }[kind];
    const right = exact(features, labels, ridge);
    if (right === null || !right.every(Number.isFinite)) continue;
    found++;
    const { head, status } = await fitHead(features, labels, { kind, ridge });
    const miss = Math.hypot(...head.map((x, j) => x - (right[j] as number))) / Math.hypot(...right);
    const good = status === 'ok';
    yield {
      part: `fitHead, ${kind}`,
      setting: { setting, tau, n, d, ridge, status, miss, stream: found },
      truth: 0,
      truthError: 1e-6 / 1.96,
      runs: good
        ? [{ value: Number.isNaN(miss) ? Number.POSITIVE_INFINITY : miss, standardError: 0, reliable: true }]
        : [],
      failures: good ? [] : [status],
    };
  }
}

/** Known-prompt trials with the direct solver: ‖w‖ of each against the reference on the trial's own features. */
export async function* trialHeads(extent: Extent): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed + 5);
  for (let found = 0; found < extent.settings; ) {
    const setting = randomSetting(stream, stream.pick([2, 4, 8, 16]));
    if (setting.relevantTokens === setting.tokens) continue;
    const examples = 6 + stream.below(18);
    const dimension = Math.max(2, Math.round(examples * stream.logBetween(0.2, 1.8)));
    const kind = stream.pick(['least-squares', 'least-squares', 'logistic', 'hinge'] as const);
    const ridge = kind === 'least-squares' && stream.uniform() < 0.6 ? 0 : stream.logBetween(1e-12, 1e6);
    const experiment = {
      kind: 'known-prompt' as const,
      mixture: { ...setting, dimension },
      examples,
      inverseTemperature: randomScale(stream, setting),
      head: { kind, ridge },
      solver: 'direct' as const,
    };
    const { features, labels } = await trialFeatures(experiment, { seed: 1 });
    const exact = { 'least-squares': exactLeastSquares, logistic: exactLogistic, hinge: exactHinge }[kind];
    const right = exact(features, labels, ridge);
    if (right === null || !right.every(Number.isFinite)) continue;
    found++;
    const { metrics, status } = await simulate(experiment, { trials: 1, seed: 1, testDraws: 10, threads: 1 });
    const good = status[0] === 0;
    const norm = Math.hypot(...right);
    const value = Math.abs((metrics.headNorm?.[0] as number) - norm) / norm;
    yield {
      part: `trials, ${kind}`,
      setting: { experiment, status: status[0], value },
      truth: 0,
      truthError: 1e-6 / 1.96,
      runs: good ? [{ value, standardError: 0, reliable: true }] : [],
      failures: good ? [] : [`status ${status[0]}`],
    };
  }
}
