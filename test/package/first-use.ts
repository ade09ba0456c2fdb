// A consumer's module, compiled against the packed declarations and run, from ESM.
import { readFileSync } from 'node:fs';
import { contextualMixture, engineInfo, risk, type Simulation, simulate, study } from 'prompt-attention';

const mixture = contextualMixture({
  tokens: 32,
  dimension: 200,
  relevantFraction: 0.25,
  contextNorm: 2,
  signalNorm: 0.6,
});
const experiment = {
  kind: 'known-prompt',
  mixture,
  examples: 400,
  inverseTemperature: 0.5,
  head: { kind: 'least-squares' },
} as const;
const simulation: Simulation = await simulate(experiment, { trials: 100, seed: 1 });
const errors: Float64Array = simulation.metrics.error ?? new Float64Array(0);
const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
const law = await risk.knownPrompt(experiment);
if (!(Math.abs(mean - law.error) < 0.005)) throw new Error(`simulated ${mean}, expected ${law.error}`);

// @ts-expect-error: there is no such kind.
const unknown: Promise<Simulation> = simulate({ ...experiment, kind: 'unknown' }, { trials: 1, seed: 1 });
await unknown.then(
  () => {
    throw new Error('an unknown kind was accepted');
  },
  () => undefined,
);
const definition: (options: study.StudyOptions) => unknown = study.define;

const mapped = readFileSync('/proc/self/maps', 'utf8');
const libraries = [...new Set(mapped.match(/\/\S*(openblas|gfortran|quadmath|prompt_attention|libhwy)\S*/g))];
console.log(JSON.stringify({ fingerprint: engineInfo().fingerprint, define: typeof definition, libraries }));
