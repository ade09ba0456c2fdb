import test from 'ava';
import { native } from '../../lib/base/native.js';
import {
  holdExamples,
  images,
  linearAttention,
  type ModelData,
  type ModelLoss,
  meanPooling,
  OptionRangeError,
  OptionTypeError,
  promptAttention,
  promptTunedLayer,
  sampleExamples,
  selfAttention,
  selfAttentionFullHead,
  fit as train,
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
import { type AnyModel, classes, layer, pooled, pooledClasses } from './support.js';

/** Numbers without a pattern, of the size of normals. */
const numbers = (count: number, seed: number) =>
  Float64Array.from({ length: count }, (_, i) => 1.5 * Math.sin(seed + i * i + 1));

const models = [
  promptAttention,
  linearAttention,
  meanPooling,
  selfAttention,
  selfAttentionFullHead,
  layer,
  classes,
  pooled,
  pooledClasses,
] as readonly AnyModel[];
const fullHeads: readonly unknown[] = [selfAttentionFullHead, layer, classes];
const titleOf = (model: AnyModel, i: number) => `${i}: ${model.name} with ${model.outputs} outputs`;

const lengths = Uint32Array.of(3, 1, 7, 2, 9, 4);
const d = 3;
/** More than any length. */
const T = 10;

type Labelled = ModelData & { readonly labels: Float64Array; readonly lengths: Uint32Array };

function makeData(outputs: number, mostTokens: number | null = T, of: Uint32Array = lengths): Labelled {
  return {
    tokens: numbers(d * of.reduce((sum, length) => sum + length, 0), 1),
    labels: Float64Array.from(of, (_, i) => (outputs > 1 ? i % outputs : i % 3 === 0 ? 1 : -1)),
    dimension: d,
    lengths: of,
    mostTokens: mostTokens ?? undefined,
  };
}

/** The tokens of every example. */
function examplesOf({ tokens, lengths: of }: Labelled): Float64Array[][] {
  let row = 0;
  return Array.from(of, (length) => {
    const rows = rowsOf(tokens.subarray(row * d, (row + length) * d), d);
    row += length;
    return rows;
  });
}

const pointOf = (model: AnyModel): Parameters => ({
  ...model.initial({ tokens: T, dimension: d }, { seed: 5, scale: 0.7 }),
});

/** Of a full head the rows that an example of so many tokens reads. */
function parametersFor(model: AnyModel, parameters: Parameters, length: number): Parameters {
  if (!fullHeads.includes(model)) return parameters;
  const { head, prompts } = parameters as { head: Float64Array; prompts?: Float64Array };
  const stride = head.length / model.outputs;
  const read = (prompts?.length ?? 0) + length * d;
  return { ...parameters, head: head.filter((_, at) => at % stride < read) };
}

const scoresOf = (model: AnyModel, parameters: Parameters, X: Float64Array[]) =>
  referenceScores(model.name, parametersFor(model, parameters, X.length), X, model.outputs);

for (const [i, model] of models.entries())
  test(`${titleOf(model, i)}: scores equal the reference`, async (t) => {
    const data = makeData(model.outputs);
    const parameters = pointOf(model);
    const expected = examplesOf(data).flatMap((X) => scoresOf(model, parameters, X));
    const scores = await model.scores(parameters, data);
    t.is(scores.length, lengths.length * model.outputs);
    t.true(relativeDistance(scores, expected) < 1e-13);
  });

test('attention equals the reference: as many weights as an example has tokens, behind each other', async (t) => {
  const data = makeData(1);
  const examples = examplesOf(data);
  const check = async (model: AnyModel, expected: (X: Float64Array[]) => readonly number[]) => {
    const weights = await model.attention(pointOf(model), data);
    const wanted = examples.flatMap((X) => expected(X));
    t.is(weights.length, wanted.length, model.name);
    t.true(relativeDistance(weights, wanted) < 1e-13, model.name);
  };
  const q = pointOf(promptAttention).prompt as Float64Array;
  const products = (X: Float64Array[]) => X.map((x) => x.reduce((sum, v, j) => sum + v * (q[j] as number), 0));
  await check(promptAttention, (X) => softmax(products(X)));
  await check(linearAttention, (X) => products(X).map((score) => score / X.length));
  await check(meanPooling, (X) => X.map(() => 1 / X.length));
  for (const model of [selfAttention, selfAttentionFullHead, layer, pooled] as readonly AnyModel[]) {
    const { weights, prompts } = pointOf(model);
    const P = prompts === undefined ? [] : rowsOf(prompts, d);
    await check(model, (X) => attentionMatrix(model === pooled ? P : [...P, ...X], weights as Float64Array, X).flat());
  }
});

test('scores are those of padded examples whose other tokens have so low a score that their weight is 0', async (t) => {
  const data = makeData(1);
  const one = promptTunedLayer({ prompts: 1, head: 'pooled' });
  const identity = Float64Array.from({ length: d * d }, (_, at) => Number(at % (d + 1) === 0));
  const { prompt, head } = promptAttention.initial({ tokens: T, dimension: d }, { scale: 1 });
  const low = prompt.map((x) => -1e6 * x);
  const tokens = Float64Array.from(
    examplesOf(data).flatMap((X) => [...X, ...new Array<Float64Array>(T - X.length).fill(low)].flatMap((x) => [...x])),
  );
  const padded = { tokens, labels: data.labels, dimension: d };
  const equal = async (model: AnyModel, parameters: Parameters) => {
    const expected = await model.scores(parameters, padded);
    t.true(relativeDistance(await model.scores(parameters, data), expected) < 1e-14, model.name);
  };
  await equal(promptAttention as unknown as AnyModel, { prompt, head });
  await equal(one as unknown as AnyModel, { prompts: prompt, weights: identity, head });
});

const lossesOf = (model: AnyModel): readonly ModelLoss[] =>
  model.outputs > 1 ? ['cross-entropy'] : ['square', 'logistic'];

for (const [i, model] of models.entries())
  test(`${titleOf(model, i)}: loss and gradient equal the reference and its differences`, async (t) => {
    const data = makeData(model.outputs);
    const parameters = pointOf(model);
    const examples = examplesOf(data);
    for (const loss of lossesOf(model)) {
      const value = (at: Parameters) =>
        examples.reduce((sum, X, i) => sum + referenceLoss(loss, scoresOf(model, at, X), data.labels[i] as number), 0) /
        examples.length;
      const found = await model.gradient(parameters, data, { loss });
      t.true(Math.abs(found.loss / value(parameters) - 1) < 1e-13);
      for (const name of model.trained) {
        const expected = numericalGradient(
          (at) => value({ ...parameters, [name]: at }),
          parameters[name] as Float64Array,
        );
        t.true(relativeDistance(found.gradient[name] as Float64Array, expected) < 1e-8, `${loss} ${name}`);
      }
    }
  });

for (const [i, model] of models.entries())
  test(`${titleOf(model, i)}: examples of one length give what they give without lengths, to the last bit`, async (t) => {
    const same = makeData(model.outputs, null, new Uint32Array(70).fill(4));
    const { lengths: _, mostTokens: __, ...dense } = same;
    const parameters = model.initial({ tokens: 4, dimension: d }, { seed: 1 });
    const [loss] = lossesOf(model) as [ModelLoss];
    t.deepEqual(await model.scores(parameters, same), await model.scores(parameters, dense));
    t.deepEqual(await model.attention(parameters, same), await model.attention(parameters, dense));
    t.deepEqual(await model.gradient(parameters, same, { loss }), await model.gradient(parameters, dense, { loss }));
    for (const batchSize of [7, 70]) {
      const options = { loss, steps: 6, learningRate: 0.1, batchSize, optimizer: 'adam' } as const;
      t.deepEqual(
        await train(model, same, { ...options, validation: same }),
        await train(model, dense, { ...options, validation: dense }),
      );
    }
  });

test('an example is what it is alone, whatever is beside it, over blocks and threads', async (t) => {
  // Enough tokens for several parts, and an example larger than a block.
  const many = Uint32Array.from({ length: 300 }, (_, i) => (i === 150 ? 20_000 : 1 + ((i * i) % 400)));
  const data = makeData(1, null, many);
  for (const model of [promptAttention, linearAttention, meanPooling, pooled] as readonly AnyModel[]) {
    const parameters = model.initial({ tokens: 20_000, dimension: d }, { seed: 2 });
    const scores = await model.scores(parameters, data, { threads: 2 });
    t.deepEqual(await model.scores(parameters, data, { threads: 1 }), scores);
    let row = 0;
    for (const [i, length] of many.entries()) {
      const alone = { tokens: data.tokens.slice(row * d, (row + length) * d), examples: 1, dimension: d };
      row += length;
      if (i % 50 !== 0) continue;
      const [score] = await model.scores(parameters, alone);
      t.true(Math.abs((score as number) - (scores[i] as number)) < 1e-12 * (1 + Math.abs(score as number)));
    }
    const one = await model.gradient(parameters, data, { loss: 'logistic', threads: 1 });
    t.deepEqual(await model.gradient(parameters, data, { loss: 'logistic', threads: 3 }), one);
  }
});

test('fit: full batches follow the gradient, mini-batches gather the right rows, T is the larger of both', async (t) => {
  const data = makeData(1, null);
  const options = { loss: 'square', learningRate: 0.2, steps: 1, initial: { scale: 0.5 } } as const;
  const initial = promptAttention.initial({ tokens: 9, dimension: d }, { scale: 0.5 });
  const { gradient } = await promptAttention.gradient(initial, data, { loss: 'square' });
  const { parameters } = await train(promptAttention, data, options);
  t.true(
    relativeDistance(
      parameters.prompt,
      initial.prompt.map((x, j) => x - 0.2 * (gradient.prompt[j] as number)),
    ) < 1e-14,
  );
  // A batch of all but one example: the gradient of those alone, in whichever order.
  const batched = await train(promptAttention, data, { ...options, batchSize: lengths.length - 1 });
  const distances = await Promise.all(
    Array.from(lengths, async (_, left) => {
      const kept = examplesOf(data).filter((_, i) => i !== left);
      const rest: ModelData = {
        tokens: Float64Array.from(kept.flatMap((X) => X.flatMap((x) => [...x]))),
        labels: data.labels.filter((_, i) => i !== left),
        lengths: lengths.filter((_, i) => i !== left),
        dimension: d,
      };
      const step = (await promptAttention.gradient(initial, rest, { loss: 'square' })).gradient.head;
      return relativeDistance(
        batched.parameters.head,
        initial.head.map((x, j) => x - 0.2 * (step[j] as number)),
      );
    }),
  );
  t.true(Math.min(...distances) < 1e-13);
  const longer = makeData(1, 12);
  const full = await train(selfAttentionFullHead, data, { ...options, validation: longer });
  t.is(full.parameters.head.length, 12 * d);
});

test('fit: relevant attention of ragged examples', async (t) => {
  const data = makeData(1);
  const relevance = Uint8Array.from({ length: data.tokens.length / d }, (_, row) => Number(row % 3 === 0));
  const initial = pointOf(promptAttention);
  const weights = await promptAttention.attention(initial as never, data);
  const expected = weights.reduce((sum, w, row) => sum + w * (relevance[row] as number), 0) / lengths.length;
  for (const batchSize of [2, 100]) {
    const { history } = await train(
      promptAttention,
      { ...data, relevance },
      { loss: 'square', learningRate: 0, steps: 1, initial: initial as never, batchSize },
    );
    t.true(Math.abs((history.relevantAttention?.[0] as number) - expected) < 1e-14);
  }
});

test('held and transferred examples keep their lengths', async (t) => {
  const data = makeData(1);
  const held = holdExamples(data);
  t.is(held.tokensPerExample, T);
  const parameters = pointOf(selfAttentionFullHead) as never;
  t.deepEqual(
    await selfAttentionFullHead.scores(parameters, held),
    await selfAttentionFullHead.scores(parameters, data),
  );
  const options = { loss: 'logistic', steps: 4, learningRate: 0.1, batchSize: 2 } as const;
  const expected = await train(selfAttention, data, options);
  t.deepEqual(await train(selfAttention, held, options), expected);
  held.release();
  t.deepEqual(await train(selfAttention, data, { ...options, transfer: true }), expected);
  t.is(data.tokens.length, 0);
});

test('lengths that do not fit are refused by name', async (t) => {
  const data = makeData(1);
  const parameters = { head: numbers(d, 1) };
  const refused = async (changes: object, message: RegExp, type: typeof RangeError | typeof TypeError = RangeError) => {
    const error = await t.throwsAsync(meanPooling.scores(parameters, { ...data, ...changes }), { message });
    t.true(error instanceof type);
  };
  const changed = (at: number, value: number) => lengths.map((length, i) => (i === at ? value : length));
  await refused({ lengths: changed(2, 0) }, /^data\.lengths\[2\] must be an integer in \[1, 10\]; got 0/);
  await refused({ lengths: changed(2, 11) }, /^data\.lengths\[2\] must be an integer in \[1, 10\]; got 11/);
  await refused({ lengths: changed(2, 8) }, /^data\.tokens must be of length \(Σ lengths\)×d = 27×3 \(got length 78\)/);
  await refused({ lengths: changed(2, 2 ** 32 - 1), mostTokens: undefined }, /^data\.lengths\[2\] must be/);
  await refused({ lengths: lengths.slice(1) }, /^data\.lengths must be of length n = 6 \(got length 5\)/);
  await refused({ lengths: [...lengths] }, /^data\.lengths must be a Uint32Array/);
  await refused({ mostTokens: 8 }, /^data\.lengths\[4\] must be an integer in \[1, 8\]; got 9/);
  await refused({ mostTokens: 0 }, /^data\.mostTokens must be an integer ≥ 1/);
  await refused({ lengths: undefined }, /^data\.mostTokens must be left out unless lengths are given/, TypeError);
  await refused({ relevance: new Uint8Array(60) }, /^data\.relevance must be of length Σ lengths = 26/);
  const options = { loss: 'square', steps: 1, learningRate: 1 } as const;
  const dense = { tokens: numbers(2 * 8 * d, 1), labels: Float64Array.of(1, -1), dimension: d };
  for (const [training, validation, message] of [
    [dense, data, /^validation\.lengths must be at most 8, T of the training examples; got 10/],
    [data, dense, /^validation\.tokens must be of shape n×10×3/],
    [
      data,
      { ...data, dimension: 1, lengths: lengths.map((length) => 3 * length), mostTokens: 27 },
      /^validation\.tokens/,
    ],
  ] as const)
    await t.throwsAsync(train(meanPooling, training, { ...options, validation }), {
      instanceOf: OptionRangeError,
      message,
    });
  const mixture = { tokens: 2, dimension: d, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
  const { tokens, labels, relevance } = await sampleExamples(mixture, { examples: 100, seed: 1 });
  await t.throwsAsync(
    images.estimateMixture(
      { tokens, labels, relevance, examples: 100, dimension: d, lengths: new Uint32Array(100).fill(2) },
      numbers(d, 1),
    ),
    { instanceOf: OptionTypeError, message: /^examples\.lengths must be left out/ },
  );
});

test('the addon itself checks lengths', (t) => {
  const model = { kind: 'mean-pooling', tokens: 3, dimension: 1 } as const;
  const request = { model, parameters: Float64Array.of(1), threads: 1 };
  for (const [of, tokens] of [
    [[1, 0], 1],
    [[1, 4], 5],
    [[1, 2 ** 32 - 1], 5],
    [[1], 1],
    [[1, 2], 4],
    [[1, 2], 6],
  ] as const) {
    const examples = { examples: 2, lengths: Uint32Array.from(of), tokens: new Float64Array(tokens) };
    t.throws(() => native.modelScores({ ...request, examples }), {
      instanceOf: RangeError,
      message: /^(lengths|tokens)/,
    });
  }
});
