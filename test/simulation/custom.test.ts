import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  ConvergenceError,
  type CustomMetrics,
  type CustomTrial,
  defineExperiment,
  type ExperimentDefinition,
  simulate,
  study,
  summary,
  TrialStatus,
} from '../../lib/index.js';
import { normalTail } from '../support/reference.js';
import { meanAndError, oneSampleKolmogorovSmirnov } from '../support/statistics.js';

interface MeanOptions {
  readonly examples: number;
  readonly mean: number;
  readonly [name: string]: unknown;
}

let names = 0;
const kErrorAt = ({ examples, mean }: MeanOptions) => normalTail(mean * Math.sqrt(examples));

/** The sign of a mean, whose error is known; under a name of its own. */
function signOfMean(change: Partial<ExperimentDefinition<MeanOptions, 'estimate'>> = {}) {
  return defineExperiment<MeanOptions, 'estimate'>({
    name: `sign-of-mean-${++names}`,
    metrics: ['estimate'],
    options: ({ examples = 4, mean = 0.5, ...others }) => {
      if (!Number.isInteger(examples)) throw new RangeError('examples must be an integer');
      if (Object.keys(others).length > 0) throw new RangeError(`no such option: ${Object.keys(others)}`);
      return { examples: examples as number, mean: mean as number };
    },
    trial: ({ options: { examples, mean }, random }) => {
      const estimate = mean + random.normals(examples).reduce((sum, x) => sum + x, 0) / examples;
      return { error: estimate > 0 ? 0 : 1, estimate };
    },
    theory: (options) => ({ error: { mean: kErrorAt(options), standardError: 0 } }),
    ...change,
  });
}

function temporaryFile(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return join(folder, 'results.sqlite');
}

test('trials have the mean that theory knows, and random numbers of their own', async (t) => {
  const { experiment } = signOfMean();
  const simulation = await simulate(experiment({ examples: 3 }), { trials: 4000, seed: 1 });
  t.is(simulation.method, 'dense');
  t.is(simulation.reliable, true);
  const { mean, standardError } = meanAndError(simulation.metrics.error);
  t.true(Math.abs(mean - kErrorAt({ examples: 3, mean: 0.5 })) < 4 * standardError);
  const scaled = simulation.metrics.estimate?.map((x) => (x - 0.5) * Math.sqrt(3)) as Float64Array;
  t.true(oneSampleKolmogorovSmirnov(scaled, (x) => normalTail(-x)) > 1e-3);
  t.is(new Set(scaled).size, 4000);
  t.true(Math.abs(summary(simulation).metrics.error.mean - mean) < 1e-12);
});

test('a trial depends on seed, options, version and its index only', async (t) => {
  const seen: { trial: number; uniform: number; seed: number }[] = [];
  const { experiment } = signOfMean({
    trial: async ({ random, trial, options: { examples } }) => {
      // In whatever order they are asked for.
      const [uniform = 0] =
        trial % 2 === 0 ? random.uniforms(1) : ([random.normals(2), random.uniforms(1)].at(1) as Float64Array);
      await new Promise((resolve) => setTimeout(resolve, (trial * 7) % 5));
      seen.push({ trial, uniform, seed: random.seed });
      return { error: uniform, estimate: (random.normals(1)[0] as number) * examples };
    },
  });
  const at = (firstTrial: number, trials: number, threads: number, change = {}) =>
    simulate(experiment({ examples: 3, ...change }), { trials, firstTrial, threads, seed: 5 });
  const all = await at(0, 20, 4);
  const parts = [await at(0, 7, 1), await at(7, 13, 3)];
  t.deepEqual(
    [...all.metrics.error],
    parts.flatMap(({ metrics }) => [...metrics.error]),
  );
  t.deepEqual(
    [...(all.metrics.estimate ?? [])],
    parts.flatMap(({ metrics }) => [...(metrics.estimate ?? [])]),
  );
  const seeds = seen.map(({ seed }) => seed);
  t.is(new Set(seeds).size, 20);
  t.true(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0) && Math.max(...seeds) > 2 ** 50);
  t.notDeepEqual([...(await at(0, 20, 1, { mean: 0.1 })).metrics.error], [...all.metrics.error]);
});

test('normals and uniforms go on where they were', async (t) => {
  const drawn: Float64Array[] = [];
  const { experiment } = signOfMean({
    trial: ({ random }) => {
      drawn.push(random.normals(3), random.uniforms(2), random.normals(2), random.uniforms(1));
      return { error: 0, estimate: 0 };
    },
  });
  const again = signOfMean({
    trial: ({ random }) => {
      t.deepEqual(random.normals(0), new Float64Array(0));
      t.throws(() => random.normals(1.5), { message: /^count must be an integer ≥ 0/ });
      return { error: 0, estimate: 0 };
    },
  });
  await simulate(experiment(), { trials: 1, seed: 1 });
  await simulate(again.experiment(), { trials: 1, seed: 1 });
  const [first, uniforms, second, last] = drawn as [Float64Array, Float64Array, Float64Array, Float64Array];
  t.is(new Set([...first, ...second]).size, 5);
  t.is(new Set([...uniforms, ...last]).size, 3);
});

test('a study of it is resumed, has theory beside it, and stops at its standard error', async (t) => {
  let run = 0;
  const { experiment } = signOfMean({
    trial: ({ options: { examples, mean }, random }) => {
      ++run;
      const estimate = mean + random.normals(examples).reduce((sum, x) => sum + x, 0) / examples;
      return { error: estimate > 0 ? 0 : 1, estimate };
    },
  });
  const spec = (trials: number) => ({
    name: 'means',
    seed: 3,
    experiment: experiment({ mean: 0.4 }),
    factors: { 'options.examples': [1, 4, 9] },
    trials,
  });
  const out = temporaryFile(t);
  const half = await study.run(spec(200), { out });
  t.is(run, 600);
  const whole = await study.run(spec(400), { out });
  t.is(run, 1200);
  t.deepEqual(
    half.rows.map(({ trials }) => trials),
    [200, 200, 200],
  );
  for (const [i, examples] of [1, 4, 9].entries()) {
    const row = whole.rows[i];
    t.deepEqual(row?.factors, { 'options.examples': examples });
    t.is(row?.theory, kErrorAt({ examples, mean: 0.4 }));
    t.true(Math.abs(row?.z ?? 9) < 4);
  }
  const direct = await simulate(experiment({ mean: 0.4, examples: 4 }), { trials: 400, seed: 3 });
  t.true(Math.abs((whole.rows[1]?.meanError ?? 9) - meanAndError(direct.metrics.error).mean) < 1e-12);
  const target = await study.run(
    { ...spec(0), name: 'target', trials: { minimum: 50, maximum: 5000, metric: 'estimate', standardError: 0.05 } },
    { out: temporaryFile(t) },
  );
  t.true((target.rows[0]?.trials ?? 0) >= 256 && (target.rows[2]?.trials ?? 0) <= 100);
  t.deepEqual(
    (await study.open(out)).rows.map(({ meanError }) => meanError),
    whole.rows.map(({ meanError }) => meanError),
  );
});

test('trials that do not converge fail, other errors end the run', async (t) => {
  const { experiment } = signOfMean({
    trial: ({ trial }) => {
      if (trial === 2) throw new ConvergenceError('no', {});
      if (trial === 5) throw new Error('a mistake of mine');
      return { error: 0.25, estimate: trial };
    },
  });
  const { status, metrics, reliable } = await simulate(experiment(), { trials: 4, seed: 1 });
  t.deepEqual([...status], [TrialStatus.ok, TrialStatus.ok, TrialStatus.notConverged, TrialStatus.ok]);
  t.deepEqual([...metrics.error], [0.25, 0.25, Number.NaN, 0.25]);
  t.true(reliable);
  await t.throwsAsync(simulate(experiment(), { trials: 6, seed: 1 }), { message: 'a mistake of mine' });
});

test('what a trial returns is checked', async (t) => {
  const fails = async (found: unknown, message: RegExp) => {
    const { experiment } = signOfMean({ trial: () => found as CustomMetrics<'estimate'> });
    await t.throwsAsync(simulate(experiment(), { trials: 1, firstTrial: 7, seed: 1 }), { message });
  };
  await fails({ error: 0.5 }, /^estimate of trial 7 of 'sign-of-mean-\d+' must be a finite number/);
  await fails({ error: -1, estimate: 0 }, /^error of trial 7 .* must be a finite number ≥ 0/);
  await fails({ error: Number.NaN, estimate: 0 }, /^error of trial 7/);
  await fails({ error: 0, estimate: 0, more: 1 }, /^more of trial 7 .* must be one of its metrics, error, estimate/);
  await fails(undefined, /^metrics of trial 7/);
});

test('abort ends it, and tells the trial', async (t) => {
  const controller = new AbortController();
  const { experiment } = signOfMean({
    trial: ({ signal }: CustomTrial<MeanOptions>) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  const running = simulate(experiment(), { trials: 3, seed: 1, signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.throwsAsync(running, { message: 'enough' });
});

test('bad definitions and options are named', async (t) => {
  const { experiment } = signOfMean({ version: 3 });
  const { name } = experiment();
  const fails = async (change: object, message: RegExp) =>
    t.throwsAsync(simulate({ ...experiment(), ...change }, { trials: 1, seed: 1 }), { message });
  await fails(
    { name: 'unheard-of' },
    /^experiment\.name must be a name that defineExperiment was called with.*sign-of-mean/,
  );
  await fails({ version: 2 }, /^experiment\.version must be 3, the version that this process defines; got 2/);
  await fails(
    { options: { examples: 1.5 } },
    /^experiment\.options must be such that .* takes them \(examples must be an integer\)/,
  );
  await fails({ options: { exampels: 1 } }, /no such option: exampels/);
  await fails({ examples: 3 }, /^experiment\.examples must be left out/);
  await t.throwsAsync(simulate(experiment(), { trials: 1, seed: 1, method: 'projected' }), {
    message: /^method must be 'dense' for an experiment of your own/,
  });
  const refused = (change: object, message: RegExp) =>
    t.throws(() => signOfMean(change as Partial<ExperimentDefinition<MeanOptions, 'estimate'>>), { message });
  refused({ name }, /^name must be a name that is not defined yet in this process/);
  refused({ name: 'two words' }, /^name must be letters, digits/);
  refused({ metrics: ['estimate', 'estimate'] }, /^metrics must be an array of different names/);
  refused({ metrics: ['error'] }, /^metrics\[0\] must be a name other than 'error'/);
  refused({ version: 0 }, /^version must be/);
  refused({ trial: 1 }, /^trial must be a function/);
  refused({ theory: {} }, /^theory must be a function/);
  const odd = signOfMean({ options: () => ({ examples: 1, mean: Number.NaN }) });
  await t.throwsAsync(simulate(odd.experiment(), { trials: 1, seed: 1 }), { message: /plain JSON/ });
});
