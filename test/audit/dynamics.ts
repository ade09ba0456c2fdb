// The parts of the audit about training: laws of three steps and of many, against simulation.
import { type Experiment, risk, simulate } from '../../lib/index.js';
import type { Case, Run } from './calibration.js';
import { type Extent, nameOf, repeat, runOf } from './parts.js';
import { Stream } from './reference/random.js';
import { randomSetting } from './settings.js';

/** Calls of a law beside the mean of simulated trials; undefined where a trial fails. */
async function againstSimulation(
  part: string,
  experiment: Experiment,
  extent: Extent,
  { trials, law }: { readonly trials: number; readonly law: (seed: number) => Promise<Run> },
): Promise<Case | undefined> {
  const { metrics } = await simulate(experiment, { trials, seed: 5, testDraws: 300, threads: extent.threads });
  const errors = metrics.error.filter(Number.isFinite);
  if (errors.length < trials) return undefined;
  const mean = errors.reduce((sum, x) => sum + x, 0) / trials;
  const squares = errors.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  const { runs, failures } = await repeat(Math.min(extent.seeds, 4), extent.threads, law);
  const truthError = Math.sqrt(squares / (trials - 1) / trials);
  return { part: nameOf(part, extent), setting: experiment, truth: mean, truthError, runs, failures };
}

/** The law of three steps against trials. */
export async function* threeStepLaws(extent: Extent): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed + 2);
  for (let found = 0; found < extent.settings; ) {
    const setting = randomSetting(stream, stream.pick([1, 2, 4, 8, 8, 16, 32]));
    if (setting.contextNorm === 0 || setting.signalNorm > 4 || setting.contextNorm > 5) continue;
    const dimension = stream.pick([5, 20, 100, 400]);
    const examples = Math.round(stream.logBetween(200, 20_000));
    const experiment = {
      kind: 'three-step' as const,
      mixture: { ...setting, dimension },
      examples,
      stepSizes: [1, stream.pick([1, 5, 20]), 1] as const,
      head: stream.pick(['fresh', 'restarted', 'continued'] as const),
      debias: stream.pick(['none', 'intercept'] as const),
    };
    const entry = await againstSimulation('risk.threeStep', experiment, extent, {
      trials: examples > 4000 ? 120 : 300,
      law: async (seed) =>
        runOf(await risk.threeStep({ ...experiment, seed, ...(extent.draws && { draws: extent.draws }) })),
    });
    if (entry === undefined) continue;
    found++;
    yield entry;
  }
}

/** Paths of 2 to 16 steps, with step sizes from small ones to those that diverge. */
function randomDescent<Data extends 'fresh' | 'reused'>(stream: Stream, data: Data) {
  const tokens = 2 + stream.below(14);
  return {
    kind: 'gradient-descent' as const,
    mixture: {
      tokens,
      relevantTokens: 1 + stream.below(tokens - 1),
      dimension: Math.round(stream.logBetween(30, 300)),
      contextNorm: stream.between(0.5, 2.5),
      signalNorm: stream.between(0.3, 2),
      noiseLevel: stream.between(0.3, 1.5),
    },
    examples: Math.round(stream.logBetween(300, 6000)),
    data,
    model: stream.pick(['prompt-attention', 'prompt-attention', 'prompt-attention', 'mean-pooling'] as const),
    loss: stream.pick(['square', 'logistic'] as const),
    optimizer: stream.pick([
      'gradient-descent',
      'gradient-descent',
      'momentum',
      'normalized-gradient-descent',
    ] as const),
    steps: stream.pick([2, 3, 6, 10, 16]),
    stepSizes: { head: stream.logBetween(0.05, 2), prompt: stream.logBetween(0.3, 9) },
  };
}

/** Fresh examples. */
export async function* descentLaws(extent: Extent): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed + 5);
  for (let found = 0; found < extent.settings; ) {
    const experiment = randomDescent(stream, 'fresh');
    const entry = await againstSimulation('risk.gradientDescent', experiment, extent, {
      trials: 300,
      law: async (seed) => {
        return lastOf(
          await risk.gradientDescent({
            ...experiment,
            seed,
            recordEvery: experiment.steps,
            ...(extent.draws && { draws: extent.draws }),
          }),
        );
      },
    });
    if (entry === undefined) continue;
    found++;
    yield entry;
  }
}

/** Reused examples, extrapolated from sizes of at most a fifth of n. */
export async function* reusedDescentLaws(extent: Extent): AsyncGenerator<Case> {
  const stream = new Stream(extent.seed + 6);
  for (let found = 0; found < extent.settings; ) {
    const experiment = randomDescent(stream, 'reused');
    const { examples, mixture, steps } = experiment;
    const draws = Math.ceil(Math.max(12 * examples, 1930 * Math.max(1, examples / mixture.dimension)));
    if (draws >= 32 * examples || examples > 3000) continue;
    const entry = await againstSimulation('risk.gradientDescent, reused', experiment, extent, {
      trials: 200,
      law: async (seed) => lastOf(await risk.gradientDescent({ ...experiment, seed, recordEvery: steps, draws })),
    });
    if (entry === undefined) continue;
    found++;
    yield entry;
  }
}

/** The end of a path. */
function lastOf(path: Awaited<ReturnType<typeof risk.gradientDescent>>): Run {
  const last = path.steps.length - 1;
  return {
    value: path.error[last] as number,
    standardError: path.standardError[last] as number,
    reliable: path.reliable[last] === true,
  };
}
