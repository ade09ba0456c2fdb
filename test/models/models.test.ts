import test from 'ava';
import { native } from '../../lib/base/native.js';
import * as library from '../../lib/index.js';
import {
  linearAttention,
  type ModelData,
  type ModelLoss,
  meanPooling,
  promptAttention,
  promptTunedLayer,
  sampleExamples,
  selfAttention,
  selfAttentionFullHead,
} from '../../lib/index.js';
import { rowsOf, softmax } from '../support/reference.js';
import {
  attentionMatrix,
  numericalGradient,
  type Parameters,
  referenceLoss,
  referenceScores,
  relativeDistance,
} from '../support/reference-models.js';
import { type AnyModel, classes, everyParameter, layer, pooled, pooledClasses } from './support.js';

const numbers = (count: number, seed: number) =>
  native.randomNumbers({
    kind: 'normal',
    purpose: 200,
    trial: 0,
    first: 0,
    count,
    seed: BigInt(seed),
    cellKey: new Uint32Array(4),
  });

const exported = Object.values(library as Readonly<Record<string, object>>).filter((value) => 'scores' in value);
const scalarModels = [...exported, layer, pooled] as unknown as readonly AnyModel[];
const models = [...scalarModels, classes, pooledClasses] as readonly AnyModel[];
const titleOf = (model: AnyModel) =>
  `${model.name}${model === pooled || model === pooledClasses ? ', pooled head,' : ''} with ${model.outputs} outputs`;

// Sizes with and without a remainder in the vector loops, and one of each that is 1.
const sizes = [
  { n: 7, T: 5, d: 4 },
  { n: 3, T: 17, d: 3 },
  { n: 4, T: 1, d: 2 },
  { n: 2, T: 8, d: 1 },
];

type LabelledData = ModelData & { readonly labels: Float64Array };

function makeData(n: number, T: number, d: number, outputs = 1): LabelledData {
  return {
    tokens: numbers(n * T * d, n + T),
    labels: Float64Array.from({ length: n }, (_, i) => (outputs > 1 ? i % outputs : i % 2 === 0 ? 1 : -1)),
    dimension: d,
  };
}

const examplesOf = (tokens: Float64Array, n: number, d: number) =>
  Array.from({ length: n }, (_, i) =>
    rowsOf(tokens.subarray((i * tokens.length) / n, ((i + 1) * tokens.length) / n), d),
  );

/** A fixed, not symmetric, model point. */
const pointOf = (model: AnyModel, T: number, d: number): Parameters => ({
  ...model.initial({ tokens: T, dimension: d }, { seed: 5, scale: 0.7 }),
});

for (const model of models)
  test(`${titleOf(model)}: scores and attention equal the reference`, async (t) => {
    for (const { n, T, d } of sizes) {
      const data = makeData(n, T, d, model.outputs);
      const parameters = pointOf(model, T, d);
      const scores = await model.scores(parameters, data);
      const expected = examplesOf(data.tokens, n, d).flatMap((X) =>
        referenceScores(model.name, parameters, X, model.outputs),
      );
      t.is(scores.length, n * model.outputs);
      t.true(relativeDistance(scores, expected) < 1e-13, `${n} ${T} ${d}`);
    }
  });

test('attention weights equal the reference', async (t) => {
  const [n, T, d] = [3, 9, 4];
  const data = makeData(n, T, d);
  const examples = examplesOf(data.tokens, n, d);
  const weightsOf = (model: AnyModel) => model.attention(pointOf(model, T, d), data);
  const q = pointOf(promptAttention, T, d).prompt as Float64Array;
  const scoresOf = (X: readonly Float64Array[]) => X.map((x) => x.reduce((sum, v, j) => sum + v * (q[j] as number), 0));
  t.true(
    relativeDistance(
      await weightsOf(promptAttention),
      examples.flatMap((X) => softmax(scoresOf(X))),
    ) < 1e-14,
  );
  t.true(
    relativeDistance(
      await weightsOf(linearAttention),
      examples.flatMap((X) => scoresOf(X).map((score) => score / T)),
    ) < 1e-14,
  );
  t.deepEqual([...(await weightsOf(meanPooling))], new Array(n * T).fill(1 / T));
  const { weights, prompts } = pointOf(layer, T, d);
  const P = rowsOf(prompts as Float64Array, d);
  const expected = examples.flatMap((X) => attentionMatrix([...P, ...X], weights as Float64Array, X).flat());
  t.true(relativeDistance(await weightsOf(layer), expected) < 1e-14);
  const self = pointOf(selfAttention, T, d).weights as Float64Array;
  t.true(
    relativeDistance(
      await weightsOf(selfAttention),
      examples.flatMap((X) => attentionMatrix(X, self, X).flat()),
    ) < 1e-14,
  );
});

const lossesOf = (model: AnyModel): ModelLoss[] => (model.outputs > 1 ? ['cross-entropy'] : ['square', 'logistic']);

for (const model of models)
  for (const loss of lossesOf(model))
    test(`${titleOf(model)}, ${loss}: gradient equals extrapolated differences`, async (t) => {
      for (const { n, T, d } of sizes) {
        const data = makeData(n, T, d, model.outputs);
        const examples = examplesOf(data.tokens, n, d);
        const parameters = pointOf(model, T, d);
        const lossAt = (point: Parameters) =>
          examples.reduce(
            (sum, X, i) =>
              sum +
              referenceLoss(loss, referenceScores(model.name, point, X, model.outputs), data.labels[i] as number) / n,
            0,
          );
        const result = await model.gradient(parameters, data, { loss });
        t.true(Math.abs(result.loss - lossAt(parameters)) < 1e-13 * (1 + result.loss));
        t.deepEqual(Object.keys(result.gradient), [...model.trained]);
        for (const name of model.trained) {
          const expected = numericalGradient(
            (value) => lossAt({ ...parameters, [name]: value }),
            parameters[name] as Float64Array,
          );
          const found = result.gradient[name] as Float64Array;
          t.deepEqual(found.length, expected.length);
          // With one token the attention is 1 whatever the prompt.
          if (T === 1 && name !== 'head' && model !== linearAttention)
            t.true(found.every((value) => Math.abs(value) < 1e-15));
          else
            t.true(
              relativeDistance(found, expected) < 1e-7,
              `${name} ${n} ${T} ${d}: ${relativeDistance(found, expected)}`,
            );
        }
      }
    });

for (const head of ['rows', 'pooled'] as const)
  test(`frozen parameters change neither the loss nor the other gradients, head: ${head}`, async (t) => {
    const [n, T, d] = [6, 5, 4];
    const data = makeData(n, T, d, 3);
    const layerOf = <Name extends (typeof everyParameter)[number]>(trained: readonly Name[]) =>
      promptTunedLayer({ prompts: 2, outputs: 3, head, trained });
    const everything = layerOf(everyParameter);
    const parameters = everything.initial({ tokens: T, dimension: d });
    const whole = await everything.gradient(parameters, data, { loss: 'cross-entropy' });
    for (const trained of [['prompts'], ['head'], ['weights'], ['prompts', 'head'], ['weights', 'head']] as const) {
      const part = await layerOf(trained).gradient(parameters, data, { loss: 'cross-entropy' });
      t.is(part.loss, whole.loss);
      t.deepEqual(Object.keys(part.gradient).sort(), [...trained].sort());
      for (const name of trained)
        t.true(relativeDistance((part.gradient as Parameters)[name] as Float64Array, whole.gradient[name]) < 1e-14);
    }
  });

test('a pooled head reads the mean of the prompts: equal rows under the prompts and zeros under X', async (t) => {
  const [n, T, d, m, K] = [8, 6, 5, 3, 4];
  const data = makeData(n, T, d, K);
  const { prompts, weights, head } = pooledClasses.initial({ tokens: T, dimension: d }, { seed: 3, scale: 1 }) as {
    readonly [Name in (typeof everyParameter)[number]]: Float64Array;
  };
  const rows = Float64Array.from({ length: K * (m + T) * d }, (_, j) => {
    const [c, s] = [Math.floor(j / ((m + T) * d)), Math.floor(j / d) % (m + T)];
    return s < m ? (head[c * d + (j % d)] as number) / m : 0;
  });
  const full = promptTunedLayer({ prompts: m, outputs: K, trained: everyParameter });
  const [pooledAttention, attention] = await Promise.all([
    pooledClasses.attention({ prompts, weights, head }, data),
    full.attention({ prompts, weights, head: rows }, data),
  ]);
  t.is(pooledAttention.length, n * m * T);
  const ofPrompts = Array.from({ length: n }, (_, i) => [
    ...attention.subarray(i * (m + T) * T, (i * (m + T) + m) * T),
  ]).flat();
  t.true(relativeDistance(pooledAttention, ofPrompts) < 1e-14);
  const loss = 'cross-entropy';
  const found = await pooledClasses.gradient({ prompts, weights, head }, data, { loss });
  const expected = await full.gradient({ prompts, weights, head: rows }, data, { loss });
  t.true(Math.abs(found.loss - expected.loss) < 1e-13);
  for (const name of ['prompts', 'weights'] as const)
    t.true(relativeDistance((found.gradient as Parameters)[name] as Float64Array, expected.gradient[name]) < 1e-12);
});

test('the tuned layer with one prompt and zero rows under X is prompt-attention', async (t) => {
  const [n, T, d] = [8, 6, 5];
  const data = makeData(n, T, d);
  const one = promptTunedLayer({ prompts: 1, trained: everyParameter });
  const { prompts, weights } = one.initial({ tokens: T, dimension: d }, { seed: 3, scale: 1 });
  const w = numbers(d, 9);
  const head = new Float64Array((T + 1) * d);
  head.set(w);
  const prompt = Float64Array.from({ length: d }, (_, j) =>
    prompts.reduce((sum, p, i) => sum + p * (weights[i * d + j] as number), 0),
  );
  const scores = await promptAttention.scores({ prompt, head: w }, data);
  t.true(relativeDistance(await one.scores({ prompts, weights, head }, data), scores) < 1e-14);
  // ∂/∂p = B ∂/∂q
  const tuned = await one.gradient({ prompts, weights, head }, data, { loss: 'logistic' });
  const plain = await promptAttention.gradient({ prompt, head: w }, data, { loss: 'logistic' });
  const expected = Float64Array.from({ length: d }, (_, i) =>
    plain.gradient.prompt.reduce((sum, g, j) => sum + g * (weights[i * d + j] as number), 0),
  );
  t.true(relativeDistance(tuned.gradient.prompts, expected) < 1e-13);
  t.true(relativeDistance(tuned.gradient.head.subarray(0, d), plain.gradient.head) < 1e-13);
});

test('no prompt is mean pooling; equal head rows are a pooled head', async (t) => {
  const [n, T, d] = [8, 6, 5];
  const data = makeData(n, T, d);
  const head = numbers(d, 9);
  const mean = await meanPooling.scores({ head }, data);
  t.true(relativeDistance(await promptAttention.scores({ prompt: new Float64Array(d), head }, data), mean) < 1e-14);
  t.true(relativeDistance(await selfAttention.scores({ weights: new Float64Array(d * d), head }, data), mean) < 1e-14);
  const { weights } = selfAttention.initial({ tokens: T, dimension: d }, { scale: 1 });
  const rows = Float64Array.from({ length: T * d }, (_, j) => (head[j % d] as number) / T);
  t.true(
    relativeDistance(
      await selfAttentionFullHead.scores({ weights, head: rows }, data),
      await selfAttention.scores({ weights, head }, data),
    ) < 1e-13,
  );
});

test('scores do not depend on the order of the tokens', async (t) => {
  const [n, T, d] = [5, 11, 4];
  const data = makeData(n, T, d);
  const order = Array.from({ length: T }, (_, s) => (4 * s + 3) % T);
  const tokens = Float64Array.from(
    examplesOf(data.tokens, n, d).flatMap((X) => order.flatMap((s) => [...(X[s] as Float64Array)])),
  );
  for (const model of [promptAttention, linearAttention, meanPooling, selfAttention] as readonly AnyModel[]) {
    const parameters = pointOf(model, T, d);
    const scores = await model.scores(parameters, data);
    t.true(relativeDistance(await model.scores(parameters, { ...data, tokens }), scores) < 1e-13, model.name);
  }
});

test('a constant added to every score leaves the attention unchanged', async (t) => {
  const [n, T, d] = [5, 11, 4];
  const data = makeData(n, T, d);
  // A last coordinate of one in every token, whose entry of q is the constant.
  const tokens = Float64Array.from(examplesOf(data.tokens, n, d).flatMap((X) => X.flatMap((x) => [...x, 1])));
  const prompt = numbers(d, 2);
  const head = new Float64Array(d + 1);
  const at = (constant: number) =>
    promptAttention.attention(
      { prompt: Float64Array.of(...prompt, constant), head },
      { ...data, tokens, dimension: d + 1 },
    );
  const base = await at(0);
  for (const constant of [-700, 3, 1000]) t.true(relativeDistance(await at(constant), base) < 1e-11);
});

test('scores of ±1e308 and infinite ones give weights that sum to 1, and no NaN', async (t) => {
  const data = {
    tokens: Float64Array.of(1, -1, 0.5, 1, -1, -1, -1, -1, 0, 0, 0),
    labels: Float64Array.of(1),
    dimension: 1,
  };
  for (const scale of [1e308, -1e308, Number.MAX_VALUE]) {
    const parameters = { prompt: Float64Array.of(scale), head: Float64Array.of(1) };
    const weights = await promptAttention.attention(parameters, data);
    t.true(Math.abs(weights.reduce((sum, weight) => sum + weight) - 1) < 1e-15);
    for (const loss of ['square', 'logistic'] as const) {
      const result = await promptAttention.gradient(parameters, data, { loss });
      t.true(Number.isFinite(result.loss));
      t.true(result.gradient.prompt.every(Number.isFinite));
      t.true(result.gradient.head.every(Number.isFinite));
    }
    const self = { weights: Float64Array.of(scale), head: Float64Array.of(1) };
    t.true((await selfAttention.attention(self, data)).every(Number.isFinite));
    t.true((await selfAttention.gradient(self, data, { loss: 'logistic' })).gradient.weights.every(Number.isFinite));
  }
  // Products that overflow.
  const huge = { tokens: Float64Array.of(1e200, -1e200, 1, 1e200), examples: 1, dimension: 1 };
  const weights = await promptAttention.attention({ prompt: Float64Array.of(1e200), head: Float64Array.of(1) }, huge);
  t.deepEqual([...weights], [0.5, 0, 0, 0.5]);
  // A huge score of a wrong sign: the logistic loss is linear there.
  const wrong = { tokens: Float64Array.of(1e308), labels: Float64Array.of(-1), dimension: 1 };
  const { loss, gradient, error } = await meanPooling.gradient({ head: Float64Array.of(1) }, wrong, {
    loss: 'logistic',
  });
  t.deepEqual([loss, gradient.head[0], error], [1e308, 1e308, 1]);
  const { loss: entropy } = await classes.gradient(
    { prompts: new Float64Array(2), weights: new Float64Array(1), head: Float64Array.of(1, 0, 0, 0, 0, 0, -1, 0, 0) },
    { ...wrong, labels: Float64Array.of(2) },
    { loss: 'cross-entropy' },
  );
  t.is(entropy, Number.POSITIVE_INFINITY);
});

test('errors count ties as chance', async (t) => {
  const data = makeData(6, 3, 2);
  t.is((await meanPooling.gradient({ head: new Float64Array(2) }, data, { loss: 'square' })).error, 0.5);
  const many = makeData(6, 3, 2, 3);
  const zero = { prompts: new Float64Array(4), weights: new Float64Array(4), head: new Float64Array(3 * 5 * 2) };
  const { error, loss } = await classes.gradient(zero, many, { loss: 'cross-entropy' });
  t.true(Math.abs(error - 2 / 3) < 1e-15);
  t.true(Math.abs(loss - Math.log(3)) < 1e-15);
});

test('sampled examples are taken as they are; results do not depend on the number of threads', async (t) => {
  const mixture = { tokens: 32, dimension: 24, relevantTokens: 8, contextNorm: 2, signalNorm: 1 };
  const examples = await sampleExamples(mixture, { examples: 700, seed: 1 });
  for (const model of scalarModels) {
    const parameters = pointOf(model, 32, 24);
    const [one, three] = await Promise.all(
      [1, 3].map(async (threads) => [
        await model.scores(parameters, examples, { threads }),
        await model.gradient(parameters, examples, { loss: 'square', threads }),
      ]),
    );
    t.deepEqual(three, one, model.name);
  }
});

test('an aborted signal rejects with its reason', async (t) => {
  const reason = new Error('enough');
  const parameters = { head: new Float64Array(4) };
  const signal = AbortSignal.abort(reason);
  t.is(await t.throwsAsync(meanPooling.scores(parameters, makeData(2, 3, 4), { signal })), reason);
});
