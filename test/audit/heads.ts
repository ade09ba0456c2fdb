/**
 * Heads of random known-prompt trials over the widest ranges, against references in double-double arithmetic:
 *
 *     node --import=tsx test/audit/heads.ts --trials 5000 --seed 1
 *
 * Prints a line per disagreement and counts at the end; exits with 1 if there is any.
 */
import { parseArgs } from 'node:util';
import { fitHead, type HeadOptions, type KnownPromptExperiment, simulate, trialFeatures } from '../../lib/index.js';
import { largestSlack, leastSquares, newtonStep } from './reference/head-conditions.js';

const { values: options } = parseArgs({
  options: {
    trials: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    largest: { type: 'string', default: '60' },
    head: { type: 'string' },
  },
});
let state = Number(options.seed) * 7919 + 1;
/** Uniform on (0, 1): a multiplicative congruence. */
const uniform = () => {
  state = (state * 16807) % 2147483647;
  return state / 2147483647;
};
for (let i = 0; i < 20; ++i) uniform();
const between = (low: number, high: number) => low + (high - low) * uniform();
const logBetween = (low: number, high: number) => Math.exp(between(Math.log(low), Math.log(high)));
const pick = <Item>(items: readonly Item[]) => items[Math.floor(uniform() * items.length)] as Item;

function randomExperiment(): KnownPromptExperiment {
  const tokens = Math.round(logBetween(1, 2000));
  const contextNorm = between(0.3, 4);
  const ridge = uniform() < 0.4 ? 0 : logBetween(1e-12, 1e6);
  const kinds = options.head === undefined ? (['least-squares', 'logistic', 'hinge'] as const) : [options.head];
  const kind = pick(kinds) as 'least-squares' | 'logistic' | 'hinge';
  const largest = Number(options.largest);
  return {
    kind: 'known-prompt',
    mixture: {
      tokens,
      dimension: Math.round(logBetween(3, largest)),
      relevantTokens: Math.floor(between(0, tokens + 1)),
      contextNorm,
      signalNorm: logBetween(0.1, 10),
      correlation: pick([0, 0, between(-1, 1), 1, -1]),
      positiveRate: pick([0.5, 0.5, between(0.01, 0.99)]),
      confusion: pick([
        [{ deltaQ: 0, deltaW: 0, probability: 1 }],
        [
          { deltaQ: 0.5, deltaW: -0.3, probability: 0.4 },
          { deltaQ: -0.2, deltaW: 0.5, probability: 0.6 },
        ],
      ]),
    },
    examples: Math.round(logBetween(1, largest)),
    inverseTemperature: (pick([between(0, 5), between(0, 50), 0]) / contextNorm ** 2) * pick([1, 1, 1, -1]),
    head: (kind === 'hinge' ? { kind, ridge: ridge || 1e-3 } : { kind, ridge }) as HeadOptions,
  };
}

const counts: Record<string, number> = {};
const count = (what: string) => {
  counts[what] = (counts[what] ?? 0) + 1;
};
let wrong = 0;
const complain = (what: string, experiment: KnownPromptExperiment, trial: number, detail: unknown) => {
  ++wrong;
  count(`WRONG ${what}`);
  console.log(what, JSON.stringify(experiment), trial, detail);
};

const distance = (w: Float64Array, reference: Float64Array) =>
  Math.hypot(...w.map((x, j) => x - (reference[j] as number))) / Math.max(Math.hypot(...reference), 1e-300);

for (let trial = 0; trial < Number(options.trials); ++trial) {
  const experiment = randomExperiment();
  const head = experiment.head as { kind: string; ridge: number };
  const { features, labels } = await trialFeatures(experiment, { seed: 1, trial });
  const started = performance.now();
  const { head: w, status } = await fitHead(features, labels, experiment.head);
  const seconds = (performance.now() - started) / 1e3;
  if (seconds > 2) complain('slow', experiment, trial, seconds);
  const simulated = await simulate(
    { ...experiment, solver: 'direct' },
    { trials: 1, firstTrial: trial, seed: 1, testDraws: 1, threads: 1 },
  );
  if ((simulated.status[0] === 0) !== (status === 'ok')) complain('status of trial', experiment, trial, status);
  else if (status === 'ok' && !(Math.abs((simulated.metrics.headNorm?.[0] as number) / Math.hypot(...w) - 1) < 1e-9))
    if (Math.hypot(...w) > 0)
      complain('head of trial', experiment, trial, [simulated.metrics.headNorm?.[0], Math.hypot(...w)]);
  const n = labels.length;
  if (head.kind === 'least-squares') {
    const reference = leastSquares(features, labels, n * head.ridge);
    if (reference === null) count(`least-squares: no reference, ${status}`);
    else if (status !== 'ok') complain('least squares failed', experiment, trial, status);
    else if (distance(w, reference) > 1e-6) complain('least squares', experiment, trial, distance(w, reference));
    else count('least-squares: right');
  } else if (head.kind === 'logistic') {
    if (status === 'ok') {
      // The next step of Newton's method is the distance from the minimiser, to first order.
      const step = newtonStep(features, labels, head.ridge, w);
      if (step === null) count('logistic: no reference');
      else if (step > 1e-6 * Math.hypot(...w)) complain('logistic', experiment, trial, step / Math.hypot(...w));
      else count('logistic: right');
    } else if (status === 'separable' && head.ridge === 0) count('logistic: separable');
    else complain('logistic failed', experiment, trial, status);
  } else if (status === 'ok') {
    const slack = largestSlack(features, labels, head.ridge, w);
    if (slack === null) count('hinge: no reference');
    else if (slack > 1e-6) complain('hinge', experiment, trial, slack);
    else count('hinge: right');
  } else complain('hinge failed', experiment, trial, status);
}
console.log(counts);
process.exitCode = wrong > 0 ? 1 : 0;
