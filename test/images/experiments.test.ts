import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { contextualImages } from '../../lib/images/contextual-images.js';
import { imageRiskSchema, riskLaw } from '../../lib/images/experiments/risk.js';
import { type Experiment, images, promptTunedLayer, simulate, study, TrialStatus } from '../../lib/index.js';
import { shared } from '../../lib/real-data/shared.js';
import { imageFigure } from '../../lib/report/real-data/images.js';
import { command } from '../cli/support.js';
import { meanAndError } from '../support/statistics.js';
import { realDataTest, syntheticSet } from './support.js';

const realTest = realDataTest(test);

const bags = { kind: 'bag', tokens: 10, relevantTokens: 1, context: [5, 7], others: [0, 1, 2, 3, 4, 6, 8] } as const;
const quick = { steps: 100, learningRates: [0.05] };
const bagExperiment = {
  kind: 'image-bag',
  task: bags,
  model: 'prompt-attention',
  examples: 400,
  training: quick,
  testExamples: 500,
} as const;
const transferExperiment = {
  kind: 'image-transfer',
  task: {
    kind: 'partial-tiled',
    tiles: 2,
    patch: 14,
    relevantTiles: 2,
    filler: { kind: 'data-set', name: 'mnist' },
    classes: [1, 5, 8],
  },
  embedding: { kind: 'random-features', dimension: 32, images: 500 },
  pretraining: { examples: 1000, steps: 300, learningRates: [0.01] },
  method: 'prompts',
  prompts: 2,
  examples: 200,
  training: { steps: 100, learningRates: [0.1] },
  testExamples: 300,
} as const;
const riskExperiment = {
  kind: 'image-risk',
  task: { ...bags, relevantTokens: 2 },
  prompt: { ...quick, examples: 400 },
  examples: 200,
  estimationExamples: 1000,
  testExamples: 1000,
} as const;

realTest('trials depend on seed and index only: not on threads, batches or other trials', async (t) => {
  for (const experiment of [bagExperiment, transferExperiment, riskExperiment] as readonly Experiment[]) {
    const whole = await simulate(experiment, { trials: 3, seed: 5, threads: 2 });
    const rest = await simulate(experiment, { trials: 2, firstTrial: 1, seed: 5, threads: 1 });
    for (const [name, values] of Object.entries(whole.metrics)) {
      const perTrial = values.length / 3;
      t.deepEqual(rest.metrics[name], values.slice(perTrial), `${experiment.kind} ${name}`);
    }
    t.deepEqual([...whole.status], [0, 0, 0]);
    t.is(whole.method, 'dense');
  }
});

realTest('one relevant garment in ten: prompt-attention finds it and beats mean pooling', async (t) => {
  const run = async (model: 'prompt-attention' | 'mean-pooling') => {
    const { metrics } = await simulate({ ...bagExperiment, model }, { trials: 4, seed: 1 });
    return metrics;
  };
  const [prompt, pooled] = [await run('prompt-attention'), await run('mean-pooling')];
  // The same bags, trial by trial.
  const gain = meanAndError(pooled.error.map((error, trial) => error - (prompt.error[trial] as number)));
  t.true(gain.mean > 4 * gain.standardError && gain.mean > 0.05, `${gain.mean} ± ${gain.standardError}`);
  t.true(pooled.relevantAttention?.every((mass) => Math.abs(mass - 0.1) < 1e-12));
  t.true(prompt.relevantAttention?.every((mass) => mass > 0.4));
});

realTest('tuned prompts move the attention to the garment; only what a method names is trained', async (t) => {
  const counts = { prompts: 64, 'prompts-and-head': 160, everything: 1184, head: 96, scratch: 1184 };
  for (const [method, count] of Object.entries(counts)) {
    const experiment = { ...transferExperiment, method: method as 'prompts' };
    const { metrics, path } = await simulate(experiment, { trials: 2, seed: 1 });
    t.deepEqual([...(metrics.trainedParameters ?? [])], [count, count]);
    t.is(path?.metrics.relevantAttention?.length, 2 * 21);
    t.is(path?.steps.length, 21);
    const gain = (metrics.relevantAttention?.[0] ?? 0) - (metrics.relevantAttentionBefore?.[0] ?? 0);
    if (method === 'head') t.is(gain, 0);
    if (method === 'prompts') {
      t.true(gain > 0.02, `${gain}`);
      const attention = path?.metrics.relevantAttention as Float64Array;
      t.true((attention[20] as number) > (attention[0] as number) + 0.02);
      t.true((metrics.error[0] as number) < (metrics.errorBefore?.[0] as number));
    }
  }
});

realTest('the law with measured noise predicts the error of heads with the learned prompt', async (t) => {
  // The estimates carry an error of their own, and real features are not Gaussian: a factor of 1.5 is what is claimed here.
  for (const examples of [100, 1000]) {
    const experiment = { ...riskExperiment, examples, estimationExamples: 4000 };
    const { metrics } = await simulate(experiment, { trials: 8, seed: 1 });
    const { mean } = meanAndError(metrics.error);
    const law = await riskLaw(imageRiskSchema.parse(experiment), { seed: 1, threads: 2 });
    const ratio = (law.error?.mean as number) / mean;
    t.true(ratio > 1 / 1.5 && ratio < 1.5, `${examples}: law ${law.error?.mean}, measured ${mean}`);
  }
});

test('a pooled layer sees no difference between one image and a canvas tiled with it', async (t) => {
  const layer = promptTunedLayer({ prompts: 2, outputs: 4, head: 'pooled' });
  const set = syntheticSet();
  const embedding = await images.fitEmbedding(set, 2, { kind: 'random-features', dimension: 6, images: 50 });
  const canvases = (tiles: number) =>
    contextualImages({ kind: 'full-tiled', tiles, patch: 2 }, { images: set, embedding, examples: 30, seed: 1 });
  const [one, nine] = [await canvases(1), await canvases(3)];
  const parameters = layer.initial({ tokens: 4, dimension: 6 }, { seed: 1, scale: 1 });
  // Other tiles are other choices of the same images: compare through the images that both show.
  const scoresOf = async (data: typeof one) => {
    const scores = await layer.scores(parameters, data);
    const T = data.relevance.length / 30;
    return new Map(
      Array.from({ length: 30 }, (_, i) => [
        [...data.tokens.subarray(i * T * 6, i * T * 6 + 6)].join(),
        [...scores.subarray(4 * i, 4 * i + 4)],
      ]),
    );
  };
  const [single, tiled] = [await scoresOf(one), await scoresOf(nine)];
  const common = [...single.keys()].filter((key) => tiled.has(key));
  t.true(common.length > 5);
  for (const key of common)
    for (const [c, score] of (single.get(key) as number[]).entries())
      t.true(Math.abs(score - (tiled.get(key)?.[c] as number)) < 1e-12);
});

realTest('the command line checks the data, runs the small study, draws its figure and attention maps', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const check = await command(['images', 'check'], folder);
  t.is(check.code, 0, check.stderr);
  t.regex(check.stdout, /^fashion-mnist: 60000 training and 10000 test images of 28×28 pixels: T-shirt/);
  t.regex(check.stdout, /mnist: 7996 training and 2004 test images/);
  const small = fileURLToPath(new URL('../../examples/images-small.yaml', import.meta.url));
  const run = await command(['run', small, '--out', 'small.sqlite', '--progress', 'none'], folder);
  t.is(run.code, 0, run.stderr);
  const figure = await command(['images', 'figure', 'small.sqlite', '--out', 'figure.svg'], folder);
  t.is(figure.code, 0, figure.stderr);
  const svg = readFileSync(join(folder, 'figure.svg'), 'utf8');
  for (const text of ['ζ = 0.2', 'prompt-attention', 'mean-pooling', 'test accuracy', 'attention on relevant tokens'])
    t.true(svg.includes(text), text);
  const experiment = JSON.stringify(transferExperiment);
  const maps = await command(
    ['images', 'maps', experiment, '--out', 'maps.svg', '--correct', '2', '--wrong', '1'],
    folder,
  );
  t.is(maps.code, 0, maps.stderr);
  const drawn = readFileSync(join(folder, 'maps.svg'), 'utf8');
  t.is(drawn.match(/<image /g)?.length, 3);
  t.is(drawn.match(/\(correct\)/g)?.length, 2);
  t.is(drawn.match(/\(wrong\)/g)?.length, 1);
  const wrong = await command(['images', 'maps', '{ kind: image-bag }', '--out', 'maps.svg'], folder);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /^prompt-attention: experiment\.kind must be/);
});

realTest(
  'figures of the other kinds: a panel per task, the law beside what is measured; other studies are refused',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const result = await study.run(
      {
        name: 'risk',
        seed: 1,
        experiment: riskExperiment,
        factors: { examples: [50, 200], plugIn: ['measured', 'moments'] },
        trials: 2,
      },
      { out: join(folder, 'risk.sqlite') },
    );
    t.deepEqual(
      result.rows.map(({ meanError }) => meanError),
      result.rows.map((_, i) => result.rows[2 * Math.floor(i / 2)]?.meanError),
    );
    const svg = await imageFigure(result);
    for (const text of ['measured', 'law, moments plug-in', 'test error']) t.true(svg.includes(text), text);
    const other = await study.run(
      {
        name: 'other',
        seed: 1,
        experiment: {
          kind: 'known-prompt',
          mixture: { tokens: 2, dimension: 4, relevantTokens: 1, contextNorm: 1, signalNorm: 1 },
          examples: 10,
          inverseTemperature: 1,
          head: { kind: 'averaging' },
        },
        trials: 2,
      },
      { out: join(folder, 'other.sqlite') },
    );
    await t.throwsAsync(imageFigure(other), {
      message: /^other: a study of known-prompt, not of experiments on images/,
    });
  },
);

realTest('a head that does not exist is a failed trial, and the rest of the study has its results', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const { rows } = await study.run(
    {
      name: 'separable',
      seed: 1,
      experiment: { ...riskExperiment, head: { kind: 'logistic', ridge: 0 } },
      factors: { examples: [20, 600] },
      trials: 2,
      theory: false,
    },
    { out: join(folder, 'separable.sqlite') },
  );
  t.deepEqual(
    rows.map(({ trials, failed }) => [trials, failed]),
    [
      [2, 2],
      [2, 0],
    ],
  );
  t.is(rows[0]?.meanError, Number.NaN);
  const few = { ...riskExperiment, examples: 20, head: { kind: 'logistic', ridge: 0 } } as const;
  t.deepEqual([...(await simulate(few, { trials: 1, seed: 1 })).status], [TrialStatus.separable]);
});

realTest('a learning rate that diverges is left out; where all do, the trial has failed', async (t) => {
  const run = (learningRates: readonly number[]) =>
    simulate({ ...bagExperiment, examples: 100, training: { ...quick, learningRates } }, { trials: 1, seed: 2 });
  t.deepEqual([...(await run([1e308])).status], [TrialStatus.diverged]);
  t.deepEqual((await run([1e308, 0.05])).metrics, (await run([0.05])).metrics);
});

test('aborting one of two calls that share work ends that call alone; work that nobody waits for is given up', async (t) => {
  let begun = 0;
  let finish: (value: number) => void = () => {};
  let work: AbortSignal | undefined;
  const make = (signal: AbortSignal) => {
    begun += 1;
    work = signal;
    return new Promise<number>((resolve, reject) => {
      finish = resolve;
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };
  const [one, other, third] = [new AbortController(), new AbortController(), new AbortController()];
  const first = shared('test of sharing', one.signal, make);
  const second = shared('test of sharing', other.signal, make);
  one.abort(new Error('one'));
  await t.throwsAsync(first, { message: 'one' });
  t.is(work?.aborted, false);
  finish(7);
  t.is(await second, 7);
  t.is(begun, 1);
  const last = shared('another test of sharing', third.signal, make);
  third.abort(new Error('third'));
  await t.throwsAsync(last, { message: 'third' });
  t.is(work?.aborted, true);
  const again = shared('another test of sharing', undefined, make);
  t.is(begun, 3);
  finish(8);
  t.is(await again, 8);
  await t.throwsAsync(shared('another test of sharing', third.signal, make), { message: 'third' });
});

test('bad experiments are refused before anything is loaded', async (t) => {
  const cases: [object, RegExp][] = [
    [{ ...bagExperiment, task: { ...bags, context: [5, 7, 9] } }, /task\.context must be an array of two classes/],
    [{ ...bagExperiment, examples: 4 }, /examples must be an integer ≥ 5/],
    [
      { ...bagExperiment, training: { learningRates: [] } },
      /training\.learningRates must be an array with at least one/,
    ],
    [{ ...transferExperiment, task: bags }, /task must be a task.*'partial-tiled' or 'embedded'|task\.kind must be/],
    [{ ...transferExperiment, method: 'nothing' }, /method must be one of/],
    [
      { ...riskExperiment, head: { kind: 'averaging' }, plugIn: 'measured' },
      /plugIn must be 'moments' unless the head is least squares without ridge/,
    ],
  ];
  for (const [experiment, message] of cases)
    await t.throwsAsync(simulate(experiment as Experiment, { trials: 1, seed: 1 }), { message });
  await t.throwsAsync(simulate(bagExperiment, { trials: 1, seed: 1, method: 'projected' }), {
    message: /^method must be 'dense' for an experiment on images/,
  });
});
