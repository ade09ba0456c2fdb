/** The three-step workload: n = 2000 examples in each of three samples, T = 64 tokens, a quarter of them relevant, d = 256. */
import { type Simulation, simulate, type ThreeStepExperiment } from '../../lib/index.js';
import { meanAndError, seconds } from './harness.js';

const mixture = { tokens: 64, dimension: 256, relevantTokens: 16, contextNorm: 2, signalNorm: 0.6 };
const testDraws = 2000;
export const experiment: ThreeStepExperiment = { kind: 'three-step', mixture, examples: 2000, stepSizes: [1, 1, 1] };

/** Arguments of the Python peers but the number of trials. */
export const peerArguments = [2000, 64, 16, 256, mixture.contextNorm, mixture.signalNorm, testDraws];

/** Seconds a trial takes and the test errors found. */
export async function engineTrials(
  method: 'projected' | 'dense',
  trials: number,
  threads: number,
  repetitions?: number,
) {
  let simulation: Simulation | undefined;
  const time = await seconds(async () => {
    simulation = await simulate(experiment, { trials, seed: 1, method, testDraws, threads });
  }, repetitions);
  return { seconds: time / trials, error: meanAndError((simulation as Simulation).metrics.error as Float64Array) };
}
