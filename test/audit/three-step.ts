// risk.threeStep against simulation at random settings: T 1 … 200, n1, n2, n3 200 … 20,000, d 5 … 1000, every head and debias,
// ρ, π, up to four confusion atoms. Prints a row per setting, then the largest |z| of every field among the settings whose law is
// reliable, the mean square of z of the error, and how many are marked. Simulated trials are dense where that is cheap.
//
//   npx tsx test/audit/three-step.ts [settings = 200] [first = 0] [draws = 20000] [simulated scores per setting = 1e8]
import { pathToFileURL } from 'node:url';
import { risk, simulate, type ThreeStepExperiment } from '../../lib/index.js';

/** Uniform numbers of a 32-bit counter hash (murmur3's finaliser): settings do not depend on the package's own generator. */
function uniformsOf(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** The setting with the given number. */
export function settingOf(index: number, most = 20_000): ThreeStepExperiment {
  const uniform = uniformsOf(index);
  const between = (low: number, high: number) => low * (high / low) ** uniform();
  const pick = <Value>(values: readonly Value[]) => values[Math.floor(uniform() * values.length)] as Value;
  const tokens = Math.round(between(1, 200));
  const atoms = pick([0, 0, 1, 2, 4]);
  const shares = Array.from({ length: atoms }, () => 0.05 + uniform());
  const total = shares.reduce((sum, share) => sum + share, 0);
  const n = Math.round(between(200, most));
  const own = () => Math.round(between(200, most));
  return {
    kind: 'three-step',
    mixture: {
      tokens,
      dimension: Math.round(between(5, 1000)),
      relevantTokens: Math.round(tokens * pick([0.05, 0.1, 0.25, 0.5, 0.8])),
      contextNorm: between(0.3, 5),
      signalNorm: between(0.1, 3),
      correlation: pick([0, 0, 0.3, -0.6, 0.95]),
      positiveRate: pick([0.5, 0.5, 0.4, 0.1, 0.9]),
      noiseLevel: pick([1, 1, 1, 0.5, 2]),
      ...(atoms > 0 && {
        confusion: shares.map((share) => ({
          deltaQ: 2 * uniform() - 1,
          deltaW: 2 * uniform() - 1,
          probability: share / total,
        })),
      }),
    },
    examples: pick([true, true, false]) ? n : [own(), own(), own()],
    stepSizes: [between(0.1, 2), between(0.3, 30), between(0.1, 2)],
    head: pick(['fresh', 'restarted', 'continued']),
    debias: pick(['none', 'intercept']),
  };
}

const kFields = ['error', 'contextOverlap', 'signalOverlap', 'promptNorm', 'relevantAttention'] as const;

export interface Comparison {
  readonly z: Readonly<Record<(typeof kFields)[number], number>>;
  readonly reliable: boolean;
  readonly row: string;
}

/** Simulates a setting for about `work` scores and compares. */
export async function compare(experiment: ThreeStepExperiment, seed: number, work: number, draws?: number) {
  const { mixture } = experiment;
  const { examples } = experiment;
  const [n1, n2, n3] = typeof examples === 'number' ? [examples, examples, examples] : examples;
  const tokens = mixture.tokens - (mixture.relevantTokens ?? 0);
  const length = (n2 + n3) * (tokens + 16) + 1000 * (tokens + 16);
  const trials = Math.max(100, Math.min(4000, Math.floor(work / length)));
  const denseWork = trials * (n1 + n2 + n3) * mixture.tokens * mixture.dimension;
  const method = denseWork < 5 * work ? 'dense' : 'projected';
  const start = performance.now();
  const law = await risk.threeStep({ ...experiment, draws, seed: seed + 1_000_000 });
  const seconds = (performance.now() - start) / 1000;
  const { metrics } = await simulate(experiment, { trials, seed, method, testDraws: 1000, threads: 1 });
  const z: Record<string, number> = {};
  let text = '';
  for (const field of kFields) {
    const values = metrics[field] as Float64Array;
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = largest > 0 ? largest : 1;
    const mean = values.reduce((sum, value) => sum + value / scale, 0) / trials;
    const squares = values.reduce((sum, value) => sum + (value / scale - mean) ** 2, 0);
    const standardError = scale * Math.sqrt(squares / (trials - 1) / trials);
    const own = law[field === 'error' ? 'standardError' : (`${field}StandardError` as const)];
    const gap = scale * mean - law[field];
    // Values that do not vary agree up to rounding.
    const rounding =
      field === 'error' ? 1e-12 * law.error : 1e-9 * Math.max(Math.abs(law[field]), mixture.contextNorm * 1e-3);
    z[field] = Math.abs(gap) <= rounding ? 0 : gap / Math.hypot(standardError, own, 1e-300);
    if (field === 'error')
      text = `${(scale * mean).toExponential(3)} ± ${standardError.toExponential(1)} | ${law.error.toExponential(3)} ± ${own.toExponential(1)}`;
  }
  const row = `| T = ${mixture.tokens}, k = ${mixture.relevantTokens}, d = ${mixture.dimension}, n = ${n1}, ${n2}, ${n3}, ${experiment.head}, ${experiment.debias} | ${method}, ${trials} | ${text} | ${(z.error as number).toFixed(2)} | ${Math.max(...kFields.slice(1).map((field) => Math.abs(z[field] as number))).toFixed(2)} | ${law.effectiveDraws.toFixed(0)} | ${law.reliable ? 'yes' : 'no'} | ${seconds.toFixed(2)} |`;
  return { z, reliable: law.reliable, row } as Comparison;
}

async function main(settings: number, first: number, draws: number, work: number) {
  console.log('| setting | trials | simulation | law | z | others | effective | reliable | seconds |');
  console.log('|---|---|---|---|---|---|---|---|---|');
  const seen: Comparison[] = [];
  for (let index = first; index < first + settings; ++index) {
    const comparison = await compare(settingOf(index), index, work, draws);
    console.log(`| ${index}: ${comparison.row.slice(2)}`);
    seen.push(comparison);
  }
  const good = seen.filter(({ reliable }) => reliable);
  const worst = (field: (typeof kFields)[number]) => Math.max(...good.map(({ z }) => Math.abs(z[field]))).toFixed(2);
  const square = good.reduce((sum, { z }) => sum + z.error ** 2, 0) / good.length;
  console.log(`\nlargest |z|: ${kFields.map((field) => `${field} ${worst(field)}`).join(', ')}`);
  console.log(
    `mean square of z of the error ${square.toFixed(2)} over ${good.length}; marked ${seen.length - good.length}`,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [settings = 200, first = 0, draws = 20_000, work = 1e8] = process.argv.slice(2).map(Number);
  await main(settings, first, draws, work);
}
