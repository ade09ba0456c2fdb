import test from 'ava';
import { native } from '../../lib/base/native.js';
import {
  holdExamples,
  type ModelData,
  OptionRangeError,
  OptionTypeError,
  promptAttention,
  sampleExamples,
  selfAttention,
  fit as train,
} from '../../lib/index.js';

const mixture = { tokens: 6, dimension: 4, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
const parameters = { prompt: Float64Array.of(1, -0.5, 0, 0.2), head: Float64Array.of(0.3, 1, 0, -1) };
const given = (): Promise<ModelData> => sampleExamples(mixture, { examples: 70, seed: 1 });

test('held examples give what the same examples give', async (t) => {
  const data = await given();
  const held = holdExamples(data);
  t.deepEqual([held.examples, held.tokensPerExample, held.dimension], [70, 6, 4]);
  t.deepEqual(await promptAttention.scores(parameters, held), await promptAttention.scores(parameters, data));
  t.deepEqual(await promptAttention.attention(parameters, held), await promptAttention.attention(parameters, data));
  t.deepEqual(
    await promptAttention.gradient(parameters, held, { loss: 'logistic' }),
    await promptAttention.gradient(parameters, data, { loss: 'logistic' }),
  );
  const options = { loss: 'square', steps: 5, learningRate: 0.1, batchSize: 16, seed: 3 } as const;
  for (const model of [promptAttention, selfAttention] as const)
    t.deepEqual(
      await train(model as typeof promptAttention, held, { ...options, validation: held }),
      await train(model as typeof promptAttention, data, { ...options, validation: data }),
    );
});

test("held examples do not change with the caller's arrays, and live through the calls under way", async (t) => {
  const data = await given();
  const expected = await promptAttention.gradient(parameters, data, { loss: 'square' });
  const held = holdExamples(data);
  data.tokens.fill(Number.NaN);
  data.labels?.fill(7);
  const running = promptAttention.gradient(parameters, held, { loss: 'square' });
  held.release();
  held.release();
  t.deepEqual(await running, expected);
});

test('bad uses of held examples are refused by name', async (t) => {
  const data = await given();
  const { labels, ...unlabelled } = data;
  const held = holdExamples({ ...unlabelled, examples: 70 });
  await t.throwsAsync(promptAttention.gradient(parameters, held, { loss: 'square' }), {
    instanceOf: OptionTypeError,
    message: /^data\.labels must be given/,
  });
  held.release();
  await t.throwsAsync(promptAttention.scores(parameters, held), {
    instanceOf: OptionTypeError,
    message: /^data must be examples that have not been released/,
  });
  const labelled = holdExamples(data);
  await t.throwsAsync(train(promptAttention, labelled, { loss: 'square', steps: 1, learningRate: 1, transfer: true }), {
    instanceOf: OptionRangeError,
    message: /^transfer must be false for held examples/,
  });
  t.throws(() => holdExamples({ ...data, tokens: Float64Array.of(Number.NaN) }), { instanceOf: OptionRangeError });
  t.is(labels?.length, 70);
});

test('the addon itself checks the names of held tokens', async (t) => {
  const model = { kind: 'prompt-attention', tokens: 3, dimension: 1 } as const;
  const held = native.holdTokens({ tokens: Float64Array.of(1, 2, 3) });
  const request = { model, parameters: Float64Array.of(1, 1), threads: 1 };
  t.is((await native.modelScores({ ...request, examples: { examples: 1, held } }).promise).length, 1);
  for (const examples of [
    { examples: 2, held },
    { examples: 1, held: held + 1 },
    { examples: 1, held: -1 },
  ])
    t.throws(() => native.modelScores({ ...request, examples }), { message: /^held must be/ });
  native.dropTokens({ held });
  native.dropTokens({ held });
  t.throws(() => native.modelScores({ ...request, examples: { examples: 1, held } }), { message: /^held must be/ });
});

test('memory of examples that are dropped is given back', async (t) => {
  const tokens = new Float64Array(2 ** 21).fill(0.5);
  const before = process.memoryUsage.rss();
  // 64 times 16 MiB: forgotten ones are freed by the garbage collector, which is told their size.
  for (let round = 0; round < 64; ++round) {
    holdExamples({ tokens, examples: 2 ** 15, dimension: 8 });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const growth = (process.memoryUsage.rss() - before) / 2 ** 20;
  t.true(growth < 512, `${growth} MiB`);
});
