/**
 * Processor time of a known-prompt trial with the solver that the package chooses, over that of the better forced one:
 *
 *     nice node --import=tsx test/audit/head-times.ts --settings 100 --seed 1
 */
import { parseArgs } from 'node:util';
import { type HeadOptions, type KnownPromptExperiment, simulate } from '../../lib/index.js';

const { values: options } = parseArgs({
  options: { settings: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const kLeastMilliseconds = 20;
const kMostTrials = 128;

let state = Number(options.seed) * 7919 + 1;
const uniform = () => {
  state = (state * 16807) % 2147483647;
  return state / 2147483647;
};
for (let i = 0; i < 20; ++i) uniform();
const logBetween = (low: number, high: number) => Math.round(low * (high / low) ** uniform());

/** Milliseconds of processor time a trial: of as many trials as take a while. */
async function measure(experiment: KnownPromptExperiment) {
  for (let trials = 2; ; trials *= 4) {
    const before = process.cpuUsage();
    const { status } = await simulate(experiment, { trials, seed: 1, testDraws: 100, threads: 1 });
    const { user, system } = process.cpuUsage(before);
    const milliseconds = (user + system) / 1000;
    if (milliseconds > kLeastMilliseconds || trials >= kMostTrials)
      return { milliseconds: milliseconds / trials, isRight: status.every((code) => code === 0) };
  }
}

// Threads and code are there before anything is timed.
await measure({
  kind: 'known-prompt',
  mixture: { tokens: 8, dimension: 50, relevantTokens: 2, contextNorm: 1, signalNorm: 1 },
  examples: 50,
  inverseTemperature: 1,
  head: { kind: 'least-squares' },
});
const ratios: number[] = [];
for (let i = 0; i < Number(options.settings); ++i) {
  const tokens = logBetween(4, 200);
  const contextNorm = 1 + 2 * uniform();
  const ridge = uniform() < 0.5 ? 0 : 10 ** (-6 + 6 * uniform());
  const isLogistic = uniform() < 0.25 && ridge > 0;
  const experiment = {
    kind: 'known-prompt',
    mixture: {
      tokens,
      dimension: logBetween(50, 1000),
      relevantTokens: Math.ceil(tokens / 4),
      contextNorm,
      signalNorm: 0.3 + uniform(),
    },
    examples: logBetween(50, 1000),
    inverseTemperature: (12 * uniform() ** 2) / contextNorm ** 2,
    head: (isLogistic ? { kind: 'logistic', ridge } : { kind: 'least-squares', ridge }) as HeadOptions,
  } as const;
  const auto = await measure(experiment);
  const direct = await measure({ ...experiment, solver: 'direct' });
  const iterative = await measure({ ...experiment, solver: 'iterative' });
  const best = Math.min(
    ...[direct, iterative].filter(({ isRight }) => isRight).map(({ milliseconds }) => milliseconds),
  );
  if (!auto.isRight) console.log('failed', JSON.stringify(experiment));
  ratios.push(auto.milliseconds / best);
  if (auto.milliseconds > 1.5 * best)
    console.log((auto.milliseconds / best).toFixed(2), auto, direct, iterative, JSON.stringify(experiment));
}
ratios.sort((a, b) => a - b);
console.log({
  settings: ratios.length,
  median: ratios[ratios.length >> 1],
  percentile95: ratios[Math.floor(0.95 * ratios.length)],
  within: ratios.filter((ratio) => ratio <= 1.5).length / ratios.length,
});
