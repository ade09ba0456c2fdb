import test from 'ava';
import {
  type FitOptions,
  OptionRangeError,
  OptionTypeError,
  promptAttention,
  sampleExamples,
  fit as train,
} from '../../lib/index.js';

const mixture = { tokens: 8, dimension: 6, relevantTokens: 2, contextNorm: 2, signalNorm: 1, noiseLevel: 0.5 };

test('fit refuses bad options, naming them', async (t) => {
  const data = await sampleExamples(mixture, { examples: 6, seed: 1 });
  const validation = await sampleExamples({ ...mixture, tokens: 4 }, { examples: 3, seed: 1 });
  const good = { loss: 'square', steps: 2, learningRate: 0.1 };
  const cases: [object, RegExp][] = [
    [{ loss: 'cross-entropy' }, /^loss must be 'square' or 'logistic'/],
    [{ steps: 0 }, /^steps must be an integer ≥ 1/],
    [{ learningRate: -1 }, /^learningRate must be/],
    [{ learningRate: Number.NaN }, /^learningRate must be/],
    [{ learningRate: undefined }, /^learningRate must be/],
    [{ learningRate: { prompt: 1 } }, /^learningRate\.head must be/],
    [{ learningRate: { prompt: 1, head: 1, weights: 1 } }, /^learningRate\.weights must be left out/],
    [{ optimizer: 'sgd' }, /^optimizer\S* must be/],
    [{ optimizer: { kind: 'momentum', momentum: 1 } }, /^optimizer\.momentum must be a number in \[0, 1\)/],
    [{ optimizer: { kind: 'momentum', nesterov: true } }, /^optimizer\.nesterov must be left out/],
    [{ schedule: { kind: 'step' } }, /^schedule\.every must be/],
    [{ schedule: 'linear' }, /^schedule\S* must be/],
    [{ batchSize: 0 }, /^batchSize must be/],
    [{ recordEvery: 0 }, /^recordEvery must be/],
    [{ seed: -1 }, /^seed must be/],
    [{ initial: { scale: 0 } }, /^initial\.scale must be/],
    [{ initial: { prompt: new Float64Array(6) } }, /^initial\.head must be/],
    [{ initial: 3 }, /^initial must be an object/],
    [{ patience: 3 }, /^validation must be given if patience is/],
    [{ patience: 0, validation: data }, /^patience must be/],
    [{ validation }, /^validation\.tokens must be of shape/],
    [{ validation: { ...data, labels: new Float64Array(6) } }, /^validation\.labels\[0\] must be −1 or 1; got 0/],
    [{ threads: 0 }, /^threads must be/],
    [{ onStep: 3 }, /^onStep must be a function/],
    [{ epochs: 3 }, /^epochs must be left out/],
  ];
  for (const [change, message] of cases) {
    const error = await t.throwsAsync(
      train(promptAttention, data, { ...good, ...change } as FitOptions<'prompt' | 'head'>),
      undefined,
      message.source,
    );
    t.true(error instanceof OptionTypeError || error instanceof OptionRangeError, `${error}`);
    t.regex(error.message, message);
  }
  const options = good as FitOptions<'prompt' | 'head'>;
  await t.throwsAsync(train({ ...promptAttention }, data, options), {
    message: /^model must be a model of this package/,
  });
  await t.throwsAsync(train(promptAttention, { ...data, tokens: new Float64Array(0) }, options), {
    message: /^examples\.tokens must be neither empty nor detached/,
  });
});
