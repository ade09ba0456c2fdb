import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { native } from '../../lib/base/native.js';
import { gradientDescentSchema } from '../../lib/experiments/gradient-descent.js';
import {
  type GradientDescentExperiment,
  linearAttention,
  type Model,
  meanPooling,
  promptAttention,
  sampleExamples,
  selfAttention,
  simulate,
  study,
  TrialStatus,
  testError,
  fit as train,
} from '../../lib/index.js';
import { toNativeMixture } from '../../lib/mixture/mixture.js';
import { cellKey } from '../../lib/simulation/kinds.js';
import { meanAndError } from '../support/statistics.js';

const experiment: GradientDescentExperiment = {
  kind: 'gradient-descent',
  mixture: {
    tokens: 8,
    dimension: 6,
    relevantTokens: 3,
    contextNorm: 2,
    signalNorm: 1,
    correlation: 0.3,
    noiseLevel: 0.8,
    confusion: [
      { deltaQ: 0, deltaW: 0, probability: 0.6 },
      { deltaQ: 0.5, deltaW: 1, probability: 0.4 },
    ],
    relevance: 'random',
  },
  examples: 50,
  model: 'prompt-attention',
  steps: 15,
  stepSizes: { head: 0.3, prompt: 0.2 },
  loss: 'logistic',
  initial: { scale: 0.2 },
};
const models = {
  'prompt-attention': promptAttention,
  'linear-attention': linearAttention,
  'mean-pooling': meanPooling,
  'self-attention': selfAttention,
} as unknown as Record<GradientDescentExperiment['model'], Model<string>>;
const names = Object.keys(models) as GradientDescentExperiment['model'][];

/** The parameters of one trial, by `fit` on the examples and from the start that the trial itself draws. */
async function trained(options: GradientDescentExperiment, seed: number, trial: number) {
  const resolved = gradientDescentSchema.parse(options);
  const key = { seed: BigInt(seed), cellKey: cellKey(resolved) };
  const { tokens: T, dimension: d } = resolved.mixture;
  const sample = await native.sampleExamples({
    ...key,
    mixture: toNativeMixture(resolved.mixture),
    trial,
    firstExample: 0,
    examples: resolved.examples,
  }).promise;
  const model = models[resolved.model];
  const shapes = Object.entries(model.parameterShapes({ tokens: T, dimension: d }));
  const scale = resolved.initial === 'zero' ? 0 : resolved.initial.scale;
  const lengths = shapes.map(([, shape]) => shape.reduce((a, b) => a * b));
  const drawn = native.randomNumbers({ ...key, kind: 'normal', purpose: 12, trial, first: 0, count: d + d * d });
  const initial = Object.fromEntries(
    shapes.map(([name], i) => {
      const first = name === 'head' ? 0 : d;
      const deviation = name === 'weights' ? scale / Math.sqrt(d) : scale;
      return [name, drawn.slice(first, first + (lengths[i] as number)).map((z) => deviation * z)];
    }),
  );
  const rates = Object.fromEntries(
    model.trained.map((name) => [name, name === 'head' ? resolved.stepSizes.head : resolved.stepSizes.prompt]),
  );
  const result = await train(
    model,
    { ...sample, dimension: d },
    { loss: resolved.loss, optimizer: resolved.optimizer, steps: resolved.steps, learningRate: rates, initial },
  );
  return { ...result, model, mixture: resolved.mixture };
}

for (const model of names)
  for (const optimizer of ['gradient-descent', 'adam'] as const)
    test(`${model}, ${optimizer}: a trial is fit on the trial's own examples`, async (t) => {
      const options = { ...experiment, model, optimizer, stepSizes: { head: 0.1, prompt: 0.05 } };
      const { metrics } = await simulate(options, { trials: 3, seed: 7, method: 'dense', testDraws: 200 });
      for (const trial of [0, 2]) {
        const { parameters, history } = await trained(options, 7, trial);
        const near = (name: string, expected: number) =>
          t.true(Math.abs((metrics[name]?.[trial] as number) - expected) < 1e-10 * (1 + Math.abs(expected)), name);
        near('trainingLoss', history.loss.at(-1) as number);
        near('trainingError', history.error.at(-1) as number);
        const head = parameters.head as Float64Array;
        near('headNorm', Math.hypot(...head));
        near('headContextOverlap', 2 * (head[0] as number));
        near('headSignalOverlap', 0.3 * (head[0] as number) + Math.sqrt(1 - 0.09) * (head[1] as number));
        if (parameters.prompt) {
          const [first, second] = parameters.prompt as unknown as [number, number];
          near('promptNorm', Math.hypot(...parameters.prompt));
          near('contextOverlap', 2 * first);
          near('signalOverlap', 0.3 * first + Math.sqrt(1 - 0.09) * second);
        }
        if (parameters.weights) near('weightNorm', Math.hypot(...parameters.weights));
      }
    });

test('metrics are those that the model has', async (t) => {
  const common = ['error', 'headNorm', 'headContextOverlap', 'headSignalOverlap', 'trainingError', 'trainingLoss'];
  const prompt = ['contextOverlap', 'promptNorm', 'signalOverlap'];
  const expected = {
    'prompt-attention': [...common, ...prompt, 'relevantAttention'],
    'linear-attention': [...common, ...prompt],
    'mean-pooling': [...common, 'relevantAttention'],
    'self-attention': [...common, 'relevantAttention', 'weightNorm'],
  };
  for (const model of names) {
    const { metrics, method, status } = await simulate({ ...experiment, model }, { trials: 2, seed: 1, testDraws: 50 });
    t.deepEqual(Object.keys(metrics).sort(), expected[model].sort());
    t.is(method, model === 'self-attention' ? 'dense' : 'projected');
    t.deepEqual([...status], [0, 0]);
  }
});

for (const noise of ['gaussian', 'uniform'] as const)
  for (const model of names)
    test(`${model}, ${noise} noise: test error and relevant attention are those of fresh examples`, async (t) => {
      const options = { ...experiment, model, mixture: { ...experiment.mixture, noise } };
      const { metrics } = await simulate(options, { trials: 1, seed: 3, method: 'dense', testDraws: 20_000 });
      const { parameters, model: kernel, mixture } = await trained(options, 3, 0);
      const fresh = await sampleExamples(mixture, { examples: 20_000, seed: 99 });
      const scores = await kernel.scores(parameters, fresh);
      const wrong = meanAndError(scores.map((f, i) => (f * (fresh.labels[i] as number) > 0 ? 0 : 1)));
      const z = ((metrics.error[0] as number) - wrong.mean) / (wrong.standardError * Math.SQRT2);
      t.true(Math.abs(z) < 4, `z = ${z}`);
      if (model === 'linear-attention') return;
      const weights = await kernel.attention(parameters, fresh);
      const queries = weights.length / fresh.relevance.length;
      const masses = Float64Array.from({ length: 20_000 }, (_, i) => {
        let mass = 0;
        for (let s = 0; s < queries; ++s)
          for (let token = 0; token < 8; ++token)
            mass += (weights[(i * queries + s) * 8 + token] as number) * (fresh.relevance[i * 8 + token] as number);
        return mass / queries;
      });
      const attention = meanAndError(masses);
      const difference = (metrics.relevantAttention?.[0] as number) - attention.mean;
      t.true(Math.abs(difference) < 4 * Math.SQRT2 * attention.standardError + 1e-12, `${difference}`);
      if (model === 'prompt-attention' && noise === 'gaussian') {
        const { prompt, head } = parameters as { prompt: Float64Array; head: Float64Array };
        const exact = await testError({ mixture, prompt, head });
        t.true(Math.abs((metrics.error[0] as number) - exact.error) < 0.003);
      }
    });

test('a prompt that stays at zero is mean pooling, on the same numbers', async (t) => {
  const still = { ...experiment, initial: 'zero', stepSizes: { head: 0.3, prompt: 0 } } as const;
  const prompt = await simulate(still, { trials: 4, seed: 1, method: 'dense' });
  const mean = await simulate({ ...still, model: 'mean-pooling' }, { trials: 4, seed: 1, method: 'dense' });
  for (const name of ['error', 'trainingLoss', 'headNorm'])
    for (let trial = 0; trial < 4; ++trial)
      t.true(Math.abs((prompt.metrics[name]?.[trial] as number) - (mean.metrics[name]?.[trial] as number)) < 1e-12);
});

test('model, loss and optimiser share the numbers; steps of zero keep the start', async (t) => {
  const none = { ...experiment, steps: 0 };
  const options = { trials: 3, seed: 1, method: 'dense' } as const;
  const base = await simulate(none, options);
  const other = await simulate({ ...none, loss: 'square', optimizer: 'adam' }, options);
  t.deepEqual(other.metrics.headNorm, base.metrics.headNorm);
  t.deepEqual(other.metrics.trainingError, base.metrics.trainingError);
  const mean = await simulate({ ...none, model: 'mean-pooling' }, options);
  t.deepEqual(mean.metrics.headNorm, base.metrics.headNorm);
  const longer = await simulate({ ...experiment, steps: 1 }, options);
  t.notDeepEqual(longer.metrics.headNorm, base.metrics.headNorm);
});

test('trials do not depend on threads or on how they are split', async (t) => {
  for (const model of names) {
    const options = { ...experiment, model };
    const whole = await simulate(options, { trials: 6, seed: 1, testDraws: 100, threads: 1 });
    const parts = await Promise.all([
      simulate(options, { trials: 2, seed: 1, testDraws: 100, threads: 3 }),
      simulate(options, { trials: 4, seed: 1, testDraws: 100, threads: 2, firstTrial: 2 }),
    ]);
    for (const [name, values] of Object.entries(whole.metrics))
      t.deepEqual(
        parts.flatMap(({ metrics }) => [...(metrics[name] as Float64Array)]),
        [...values],
      );
  }
});

test('steps that are too large are a status of the trial', async (t) => {
  const wild = {
    ...experiment,
    model: 'linear-attention',
    loss: 'square',
    steps: 400,
    stepSizes: { head: 60, prompt: 60 },
  };
  const { status, metrics } = await simulate(wild as GradientDescentExperiment, { trials: 3, seed: 1 });
  t.deepEqual([...status], new Array(3).fill(TrialStatus.diverged));
  for (const values of Object.values(metrics)) t.true(values.every(Number.isNaN));
});

test('an aborted simulation rejects with the reason in the middle of a trial', async (t) => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const run = simulate({ ...experiment, steps: 1e9 }, { trials: 2, seed: 1, signal: controller.signal });
  setTimeout(() => controller.abort(reason), 50);
  t.is(await t.throwsAsync(run), reason);
});

test('refuses bad experiments, naming the path', async (t) => {
  const cases: [object, RegExp][] = [
    [{ model: 'linear-attention', initial: 'zero' }, /^experiment\.initial must be an object \{ scale \}/],
    [{ model: 'prompt-tuned-layer' }, /^experiment\.model must be one of/],
    [{ steps: -1 }, /^experiment\.steps must be/],
    [{ stepSizes: { head: 1 } }, /^experiment\.stepSizes\.prompt must be/],
    [{ stepSizes: 0.1 }, /^experiment\.stepSizes must be an object/],
    [{ loss: 'cross-entropy' }, /^experiment\.loss must be one of 'square', 'logistic'/],
    [{ initial: 'one' }, /^experiment\.initial must be 'zero' or/],
    [{ optimizer: 'newton' }, /^experiment\.optimizer\S* must be/],
    ...[
      { relevantTokens: experiment.mixture.tokens },
      { relevantTokens: 0, noiseLevel: 0 },
      { tokens: 1, relevantTokens: 0 },
    ].map((change): [object, RegExp] => [
      { optimizer: 'normalized-gradient-descent', mixture: { ...experiment.mixture, ...change } },
      /^experiment\.optimizer must be another one where all tokens of an example are alike/,
    ]),
    [{ inverseTemperature: 1 }, /^experiment\.inverseTemperature must be left out/],
  ];
  for (const [change, message] of cases) {
    const options = { ...experiment, ...change } as GradientDescentExperiment;
    const error = await t.throwsAsync(simulate(options, { trials: 1, seed: 1 }), undefined, message.source);
    t.regex(error.message, message);
  }
  for (const [change, why] of [
    [{ optimizer: 'adam' }, 'the optimizer adam'],
    [{ model: 'self-attention' }, 'self-attention'],
    [{ mixture: { ...experiment.mixture, noise: 'uniform' } }, "'dense' if the noise is uniform"],
  ] as const)
    await t.throwsAsync(simulate({ ...experiment, ...change }, { trials: 1, seed: 1, method: 'projected' }), {
      instanceOf: RangeError,
      message: new RegExp(`^method must be 'dense' .*${why}|^method must be ${why}`),
    });
});

const separation = fileURLToPath(new URL('../../examples/separation.yaml', import.meta.url));

test('examples/separation.yaml is a valid study of four models, and runs', async (t) => {
  const spec = study.define(separation);
  t.is(spec.factors.model?.length, 4);
  const folder = mkdtempSync(join(tmpdir(), 'separation-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const confusion = spec.factors['mixture.confusion']?.[4] as never;
  const small = { ...spec, trials: 2, testDraws: 100, factors: { ...spec.factors, 'mixture.confusion': [confusion] } };
  const { rows } = await study.run(small, { out: join(folder, 'separation.sqlite') });
  t.is(rows.length, 4);
  // Δ = 2 in both coordinates: prompt-attention learns the task, self-attention and mean pooling are at chance.
  const errorOf = (model: string) => rows.find(({ factors }) => factors.model === model)?.meanError as number;
  t.true(errorOf('prompt-attention') < 0.05);
  t.true(errorOf('self-attention') > 0.4);
  t.true(errorOf('mean-pooling') > 0.4);
});
