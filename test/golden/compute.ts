// Prints the goldens as this build computes them with instructions that every x86-64-v2 machine has. Started by
// `computeGoldens` with an environment that forces the kernels of OpenBLAS and the C library.

import { native } from '../../lib/base/native.js';
import { type Experiment, engineInfo, type SimulationOptions, simulate } from '../../lib/index.js';
import { cellKey, parseExperiment } from '../../lib/simulation/kinds.js';
import { arrays, hasImages, imageTrials, laws, trials } from './cases.js';
import { kTarget } from './environment.js';

native.forceSimdTarget({ target: kTarget });

const isArray = (value: object): value is Float64Array => ArrayBuffer.isView(value);

/** Plain JSON of a result, with words for what JSON has no number for; a long array is its length, sum and some numbers. */
function plain(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value !== 'object') return value;
  if (isArray(value)) return numbersOf([...value]);
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]));
}

const kShown = 24;
function numbersOf(numbers: readonly number[]): unknown {
  if (numbers.length <= kShown) return numbers.map(plain);
  const sum = numbers.reduce((total, value) => total + value, 0);
  return { length: numbers.length, sum: plain(sum), first: numbers.slice(0, kShown).map(plain) };
}

async function resultsOf(calls: Readonly<Record<string, () => unknown>>) {
  const results: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(calls)) results[name] = plain(await call());
  return results;
}

/** Without the engine, which is this machine's. */
async function trialsOf(experiment: Experiment, options: SimulationOptions) {
  const { engine: _, ...results } = await simulate(experiment, options);
  return results;
}

const settings = { trials: 2, seed: 11, testDraws: 50, threads: 1 };
const experiments = [
  ...Object.entries(trials).map(([name, { experiment }]) => [name, experiment] as const),
  ...Object.entries(imageTrials),
];
const goldens = {
  'cell keys': Object.fromEntries(
    experiments.map(([name, experiment]) => [name, [...cellKey(parseExperiment(experiment))]]),
  ),
  trials: await resultsOf(
    Object.fromEntries(
      Object.entries(trials).flatMap(([name, { experiment, methods }]) =>
        methods.map((method) => [`${name}, ${method}`, () => trialsOf(experiment, { ...settings, method })]),
      ),
    ),
  ),
  'image trials': hasImages
    ? await resultsOf(
        Object.fromEntries(
          Object.entries(imageTrials).map(([name, experiment]) => [
            name,
            () => trialsOf(experiment, { ...settings, trials: 1 }),
          ]),
        ),
      )
    : undefined,
  laws: await resultsOf(laws),
  arrays: await resultsOf(arrays),
};
const { simdTarget, blasConfig, blasCore } = engineInfo();
const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
console.log(
  JSON.stringify({
    engine: { simdTarget, blasConfig, blasCore, glibc: header.glibcVersionRuntime ?? 'none' },
    goldens,
  }),
);
