import test from 'ava';
import {
  type FitOptions,
  linearAttention,
  type Model,
  type ModelData,
  type ModelParameters,
  meanPooling,
  promptAttention,
  promptTunedLayer,
  sampleExamples,
  selfAttention,
  fit as train,
} from '../../lib/index.js';
import { rowsOf } from '../support/reference.js';
import { referenceLoss, referenceScores, relativeDistance } from '../support/reference-models.js';

const mixture = { tokens: 8, dimension: 6, relevantTokens: 2, contextNorm: 2, signalNorm: 1, noiseLevel: 0.5 };
const size = { tokens: 8, dimension: 6 };
const examplesFor = (examples: number, seed: number) => sampleExamples(mixture, { examples, seed });

/** The same training in plain TypeScript, on the gradients that models.test.ts checks; `moves` has one rule per optimiser. */
async function plainTraining(
  data: ModelData,
  initial: ModelParameters<'prompt' | 'head'>,
  steps: number,
  move: (gradient: Float64Array, state: { u: Float64Array; v: Float64Array }, step: number) => Float64Array,
) {
  const names = ['prompt', 'head'] as const;
  let parameters = initial;
  const states = names.map((name) => ({ u: initial[name].map(() => 0), v: initial[name].map(() => 0) }));
  for (let step = 0; step < steps; ++step) {
    const { gradient } = await promptAttention.gradient(parameters, data, { loss: 'logistic' });
    const moved = names.map((name, i) => {
      const change = move(gradient[name], states[i] as (typeof states)[number], step);
      return [name, parameters[name].map((x, j) => x - (change[j] as number))];
    });
    parameters = Object.fromEntries(moved);
  }
  return parameters;
}

const rules: [FitOptions['optimizer'], Parameters<typeof plainTraining>[3]][] = [
  ['gradient-descent', (g) => g.map((x) => 0.3 * x)],
  ['normalized-gradient-descent', (g) => g.map((x) => (0.3 * x) / Math.hypot(...g))],
  [
    { kind: 'momentum', momentum: 0.8 },
    (g, state) => {
      state.u = state.u.map((u, j) => 0.8 * u + (g[j] as number));
      return state.u.map((u) => 0.3 * u);
    },
  ],
  [
    'adam',
    (g, state, step) => {
      state.u = state.u.map((u, j) => 0.9 * u + 0.1 * (g[j] as number));
      state.v = state.v.map((v, j) => 0.999 * v + 0.001 * (g[j] as number) ** 2);
      return state.u.map((u, j) => {
        const mean = u / (1 - 0.9 ** (step + 1));
        const root = Math.sqrt((state.v[j] as number) / (1 - 0.999 ** (step + 1)));
        return (0.3 * mean) / (root + 1e-8);
      });
    },
  ],
];
for (const [optimizer, move] of rules)
  test(`${JSON.stringify(optimizer)} takes the steps of its formula`, async (t) => {
    const data = await examplesFor(40, 1);
    const initial = promptAttention.initial(size, { seed: 4, scale: 0.3 });
    const expected = await plainTraining(data, initial, 12, move);
    const { parameters, stopped, steps } = await train(promptAttention, data, {
      loss: 'logistic',
      optimizer,
      steps: 12,
      learningRate: 0.3,
      initial,
    });
    t.is(stopped, 'steps');
    t.is(steps, 12);
    t.true(relativeDistance(parameters.prompt, expected.prompt) < 1e-10);
    t.true(relativeDistance(parameters.head, expected.head) < 1e-10);
  });

test('schedules multiply the learning rate', async (t) => {
  // One token 1 in one dimension, y = 1: with the square loss the residual 1 − w shrinks by 1 − η each step.
  const data = { tokens: Float64Array.of(1), labels: Float64Array.of(1), dimension: 1 };
  const ratesOf = async (schedule: FitOptions['schedule'], steps: number) => {
    const { history } = await train(meanPooling, data, {
      loss: 'square',
      steps,
      learningRate: 0.5,
      schedule,
      initial: { head: Float64Array.of(0) },
    });
    const residuals = Array.from(history.loss, (loss) => Math.sqrt(2 * loss));
    return residuals.slice(1).map((residual, s) => (1 - residual / (residuals[s] as number)) / 0.5);
  };
  const near = (found: readonly number[], expected: readonly number[]) => {
    t.is(found.length, expected.length);
    for (const [s, rate] of expected.entries()) t.true(Math.abs((found[s] as number) - rate) < 1e-12, `${found}`);
  };
  near(await ratesOf('constant', 3), [1, 1, 1]);
  near(await ratesOf({ kind: 'constant', warmUp: 4 }, 6), [0.25, 0.5, 0.75, 1, 1, 1]);
  const cosine = (x: number) => (1 + Math.cos(Math.PI * x)) / 2;
  near(
    await ratesOf('cosine', 4),
    [0, 1, 2, 3].map((s) => cosine(s / 4)),
  );
  near(await ratesOf({ kind: 'cosine', final: 0.2, warmUp: 2 }, 6), [
    0.5,
    1,
    ...[0, 1, 2, 3].map((s) => 0.2 + 0.8 * cosine(s / 4)),
  ]);
  near(await ratesOf({ kind: 'step', every: 2, factor: 0.5 }, 5), [1, 1, 0.5, 0.5, 0.25]);
});

test('the history holds loss, error, norms and relevant attention of the parameters at each record', async (t) => {
  const data = await examplesFor(60, 2);
  const validation = await examplesFor(30, 3);
  const options = { loss: 'square', learningRate: 0.2, initial: { scale: 0.3 }, recordEvery: 4, validation } as const;
  const { parameters, history } = await train(promptAttention, data, { ...options, steps: 10 });
  t.deepEqual([...history.step], [0, 4, 8, 10]);
  for (const [record, step] of history.step.entries()) {
    const at = step === 0 ? { parameters: promptAttention.initial(size, { scale: 0.3 }) } : undefined;
    const point = (at ?? (await train(promptAttention, data, { ...options, steps: step }))).parameters;
    const check = async (examples: typeof data, loss: Float64Array | undefined, error: Float64Array | undefined) => {
      const found = await promptAttention.gradient(point, examples, { loss: 'square' });
      t.true(Math.abs(found.loss - (loss?.[record] as number)) < 1e-13);
      t.is(error?.[record], found.error);
    };
    await check(data, history.loss, history.error);
    await check(validation, history.validationLoss, history.validationError);
    for (const name of ['prompt', 'head'] as const)
      t.true(Math.abs((history.norms[name][record] as number) - Math.hypot(...point[name])) < 1e-13);
    const weights = await promptAttention.attention(point, data);
    const mass = weights.reduce((sum, weight, j) => sum + weight * (data.relevance[j] as number), 0) / 60;
    t.true(Math.abs((history.relevantAttention?.[record] as number) - mass) < 1e-13);
  }
  t.true((history.loss.at(-1) as number) < (history.loss[0] as number));
  const { relevance: _, ...bare } = data;
  const plain = await train(promptAttention, bare, { loss: 'square', learningRate: 0.2, steps: 2 });
  t.deepEqual(Object.keys(plain.history), ['step', 'loss', 'error', 'norms']);
  t.is(parameters.prompt.length, 6);
});

test('relevant attention of self-attention averages all queries, of the tuned layer the prompts', async (t) => {
  const data = await examplesFor(5, 2);
  const layer = promptTunedLayer({ prompts: 2 });
  for (const [model, rows, M] of [
    [selfAttention as Model<string>, 8, 8],
    [layer as Model<string>, 2, 10],
  ] as const) {
    const initial = model.initial(size, { scale: 1 });
    const { history } = await train(model, data, { loss: 'square', steps: 1, learningRate: 0, initial });
    const weights = await model.attention(initial, data);
    let mass = 0;
    for (let i = 0; i < 5; ++i)
      for (let s = 0; s < rows; ++s)
        for (let token = 0; token < 8; ++token)
          mass += ((weights[(i * M + s) * 8 + token] as number) * (data.relevance[i * 8 + token] as number)) / rows / 5;
    t.true(Math.abs((history.relevantAttention?.[0] as number) - mass) < 1e-13);
  }
});

test('the result does not depend on the number of threads, with batches or without', async (t) => {
  const large = { tokens: 32, dimension: 24, relevantTokens: 8, contextNorm: 2, signalNorm: 1 };
  const data = await sampleExamples(large, { examples: 700, seed: 1 });
  for (const model of [promptAttention, selfAttention] as readonly Model<string>[])
    for (const batchSize of [undefined, 300]) {
      const [one, three] = await Promise.all(
        [1, 3].map((threads) =>
          train(model, data, {
            loss: 'logistic',
            optimizer: 'adam',
            steps: 6,
            learningRate: 0.05,
            batchSize,
            threads,
            seed: 5,
          }),
        ),
      );
      t.deepEqual(three, one);
    }
});

test('batches take every example once per pass, in an order that the seed fixes', async (t) => {
  // Example i has one token e_i, so the steps of the first pass move exactly the coordinates of their batch.
  const n = 23;
  const tokens = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) tokens[i * n + i] = 1;
  const data = { tokens, labels: new Float64Array(n).fill(1), dimension: n };
  const movedAfter = async (steps: number, seed: number) => {
    const { parameters } = await train(meanPooling, data, {
      loss: 'square',
      steps,
      batchSize: 5,
      learningRate: 1,
      seed,
      initial: { head: new Float64Array(n) },
    });
    return [...parameters.head].map((value, i) => (value === 0 ? -1 : i)).filter((i) => i >= 0);
  };
  for (const seed of [1, 2]) {
    const counts = [];
    for (let steps = 1; steps <= 5; ++steps) counts.push((await movedAfter(steps, seed)).length);
    t.deepEqual(counts, [5, 10, 15, 20, 23]);
  }
  t.deepEqual(await movedAfter(1, 1), await movedAfter(1, 1));
  t.notDeepEqual(await movedAfter(1, 1), await movedAfter(1, 2));
  // Batches differ from pass to pass: the second passes of many seeds do not begin with the first batch again.
  const whole = await train(meanPooling, data, { loss: 'square', steps: 3, batchSize: n, learningRate: 1, seed: 1 });
  const full = await train(meanPooling, data, { loss: 'square', steps: 3, learningRate: 1, seed: 1 });
  t.deepEqual(whole, full);
});

test('the first place of the order is uniform over the examples', async (t) => {
  const n = 4;
  const tokens = Float64Array.from({ length: n * n }, (_, j) => (j % (n + 1) === 0 ? 1 : 0));
  const data = { tokens, labels: new Float64Array(n).fill(1), dimension: n };
  const counts = new Array<number>(n).fill(0);
  const runs = 800;
  for (let seed = 0; seed < runs; ++seed) {
    const initial = { head: new Float64Array(n) };
    const { parameters } = await train(meanPooling, data, {
      loss: 'square',
      steps: 1,
      batchSize: 1,
      learningRate: 1,
      seed,
      initial,
    });
    const first = parameters.head.findIndex((value) => value !== 0);
    counts[first] = (counts[first] as number) + 1;
  }
  for (const count of counts) t.true(Math.abs(count - runs / n) / Math.sqrt((runs / n) * (1 - 1 / n)) < 4, `${counts}`);
});

test('frozen parameters and rates of zero stay; the others move', async (t) => {
  const data = await examplesFor(20, 1);
  const layer = promptTunedLayer({ prompts: 2, trained: ['prompts', 'head'] });
  const initial = layer.initial(size, { seed: 1 });
  const moved = await train(layer, data, {
    loss: 'logistic',
    steps: 3,
    learningRate: { prompts: 0.1, head: 0.2 },
    initial,
  });
  t.deepEqual(moved.parameters.weights, initial.weights);
  t.notDeepEqual(moved.parameters.prompts, initial.prompts);
  t.notDeepEqual(moved.parameters.head, initial.head);
  const known = await train(promptAttention, data, {
    loss: 'square',
    steps: 3,
    learningRate: { prompt: 0, head: 0.2 },
  });
  t.deepEqual(known.parameters.prompt, promptAttention.initial(size).prompt);
});

test('classes are trained by the cross-entropy', async (t) => {
  const { tokens } = await examplesFor(60, 1);
  const labels = Float64Array.from({ length: 60 }, (_, i) => i % 3);
  for (let i = 0; i < 60; ++i) for (let s = 0; s < 8; ++s) tokens[(i * 8 + s) * 6 + 2 + (i % 3)] = 1.5;
  const layer = promptTunedLayer({ prompts: 1, outputs: 3, trained: ['prompts', 'head'] });
  const { history, parameters } = await train(
    layer,
    { tokens, labels, dimension: 6 },
    { loss: 'cross-entropy', optimizer: 'adam', steps: 60, learningRate: 0.05 },
  );
  t.is(history.error.at(-1), 0);
  const losses = Array.from({ length: 60 }, (_, i) =>
    referenceLoss(
      'cross-entropy',
      referenceScores(layer.name, { ...parameters }, rowsOf(tokens.subarray(i * 48, (i + 1) * 48), 6), 3),
      labels[i] as number,
    ),
  );
  t.true(Math.abs(losses.reduce((sum, loss) => sum + loss / 60, 0) - (history.loss.at(-1) as number)) < 1e-12);
});

test('patience stops at the best validation loss', async (t) => {
  // Training and validation disagree, so the validation loss falls and then rises.
  const data = { tokens: Float64Array.of(1), labels: Float64Array.of(1), dimension: 1 };
  const validation = { tokens: Float64Array.of(2), labels: Float64Array.of(1), dimension: 1 };
  const { parameters, stopped, steps, history } = await train(meanPooling, data, {
    loss: 'square',
    steps: 100,
    learningRate: 0.1,
    initial: { head: Float64Array.of(0) },
    validation,
    patience: 3,
  });
  t.is(stopped, 'patience');
  // w after s steps is 1 − 0.9^s; the validation loss (1 − 2w)²/2 is least at s = 7 of the integers.
  t.true(Math.abs((parameters.head[0] as number) - (1 - 0.9 ** 7)) < 1e-12);
  t.is(steps, 10);
  t.is(history.step.at(-1), 10);
});

test('a training that diverges says so', async (t) => {
  const data = await examplesFor(20, 1);
  const { stopped, steps } = await train(linearAttention, data, { loss: 'square', steps: 500, learningRate: 50 });
  t.is(stopped, 'diverged');
  t.true(steps < 500);
  const batches = await train(linearAttention, data, { loss: 'square', steps: 500, learningRate: 50, batchSize: 7 });
  t.is(batches.stopped, 'diverged');
});

test('tokens that are taken over are detached, train the same, and are freed in the end', async (t) => {
  const data = await examplesFor(200, 1);
  const options = { loss: 'square', steps: 20, learningRate: 0.1, initial: { scale: 0.5 } } as const;
  const copied = await train(promptAttention, data, options);
  t.is(data.tokens.length, 200 * 8 * 6);
  await t.throwsAsync(train(promptAttention, data, { ...options, transfer: true, patience: 2 }), {
    message: /^validation must be given/,
  });
  t.is(data.tokens.length, 200 * 8 * 6, 'a refused call detaches nothing');
  const run = train(promptAttention, data, { ...options, transfer: true });
  t.is(data.tokens.length, 0);
  t.deepEqual((await run).parameters, copied.parameters);
  const again = await t.throwsAsync(train(promptAttention, data, { ...options, transfer: true }));
  t.regex(again.message, /^examples\.tokens must be neither empty nor detached/);
  // A hundred times the data: were the memory kept, half a gigabyte would be resident.
  const before = process.memoryUsage.rss();
  for (let round = 0; round < 100; ++round) {
    const tokens = new Float64Array(10_000 * 8 * 6).fill(round);
    const labels = new Float64Array(10_000).fill(1);
    await train(promptAttention, { tokens, labels, dimension: 6 }, { ...options, steps: 1, transfer: true });
    if (round % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
  }
  t.true(process.memoryUsage.rss() - before < 200e6);
});

test('an aborted training rejects with the reason; progress ends at the last step', async (t) => {
  const data = await examplesFor(200, 1);
  const controller = new AbortController();
  const reason = new Error('enough');
  const run = train(promptAttention, data, {
    loss: 'square',
    steps: 1e8,
    learningRate: 0.1,
    signal: controller.signal,
  });
  setTimeout(() => controller.abort(reason), 50);
  t.is(await t.throwsAsync(run), reason);
  const seen: number[] = [];
  await train(promptAttention, data, {
    loss: 'square',
    steps: 3000,
    learningRate: 0.1,
    onStep: ({ step, steps }) => {
      t.is(steps, 3000);
      seen.push(step);
    },
  });
  t.is(seen.at(-1), 3000);
  t.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
});

test('the copy of the examples is freed when the training ends', async (t) => {
  const bytes = 2 ** 24;
  const data = { tokens: new Float64Array(bytes / 8), labels: new Float64Array(64).fill(1), dimension: 64 };
  const before = process.memoryUsage().rss;
  for (let run = 0; run < 20; ++run) await train(meanPooling, data, { loss: 'square', steps: 1, learningRate: 0.1 });
  t.true(process.memoryUsage().rss - before < 8 * bytes);
});
