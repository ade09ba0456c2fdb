// A consumer's module, compiled against the packed declarations and run, from ESM.
import { readFileSync } from 'node:fs';
import {
  contextualMixture,
  engineInfo,
  promptAttention,
  risk,
  type Simulation,
  sampleExamples,
  simulate,
  study,
} from 'prompt-attention';

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
const signal = AbortSignal.timeout(600_000);
const simulation: Simulation = await simulate(experiment, { trials: 100, seed: 1, signal });
const errors: Float64Array = simulation.metrics.error ?? new Float64Array(0);
const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
const law = await risk.knownPrompt(experiment);
if (!(Math.abs(mean - law.error) < 0.005)) throw new Error(`simulated ${mean}, expected ${law.error}`);

// Results are arrays over buffers of their own, which may be sent; arguments may come from anywhere.
const body = await new Response(simulation.metrics.error).arrayBuffer();
if (body.byteLength !== 800) throw new Error(`the errors of 100 trials have ${body.byteLength} bytes`);
const { tokens, labels, relevance } = await sampleExamples(mixture, { examples: 2, seed: 1 });
if (new Blob([labels, relevance, simulation.status]).size !== 16 + 64 + 100)
  throw new Error('results are longer than they are');
const parameters = promptAttention.initial({ tokens: 32, dimension: 200 });
const given: Float64Array = tokens;
await promptAttention.scores(parameters, { tokens: given, examples: 2, dimension: 200 });
structuredClone(tokens, { transfer: [tokens.buffer] });
if (tokens.length !== 0) throw new Error('the tokens were not sent');

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
