import test from 'ava';
import {
  holdExamples,
  OptionRangeError,
  OptionTypeError,
  promptAttention,
  selfAttentionFullHead,
  text,
  fit as train,
} from '../../lib/index.js';

const vectors = text.wordVectors(['a', 'b', 'c'], { shape: [3, 2], values: Float64Array.of(1, 2, 3, 4, 5, 6) });
const split = (...texts: string[]) => texts.map((words) => (words === '' ? [] : words.split(' ')));

test('tokens are the vectors of words in their order; what is left out is counted and can be found', (t) => {
  const { data, texts, places, excluded } = text.embedTexts(split('x b a', 'x y', '', 'c c b a'), vectors, {
    labels: [1, -1, 1, -1],
    mostTokens: 3,
  });
  t.deepEqual([...data.tokens], [3, 4, 1, 2, 5, 6, 5, 6, 3, 4]);
  t.deepEqual([...data.lengths], [2, 3]);
  t.deepEqual([...(data.labels ?? [])], [1, -1]);
  t.deepEqual([data.examples, data.dimension, data.mostTokens], [2, 2, 3]);
  t.deepEqual([...texts], [0, 3]);
  t.deepEqual([...places], [1, 2, 0, 1, 2]);
  t.deepEqual(excluded, { texts: 2, unknownWords: 3, wordsBeyond: 1 });
  t.is(text.embedTexts(split('a'), vectors).data.labels, undefined);
  t.is(text.embedTexts(new Set(split('a')), vectors, { labels: Int8Array.of(5) }).data.labels?.[0], 5);
});

test('models and fit take embedded texts as they are', async (t) => {
  const { data } = text.embedTexts(split('a a b', 'c', 'b c a a'), vectors, { labels: [1, -1, 1], mostTokens: 6 });
  const parameters = { prompt: Float64Array.of(0.1, -0.2), head: Float64Array.of(1, -1) };
  t.is((await promptAttention.attention(parameters, data)).length, 8);
  const held = holdExamples(data);
  t.is(held.tokensPerExample, 6);
  t.deepEqual(await promptAttention.scores(parameters, held), await promptAttention.scores(parameters, data));
  held.release();
  const options = { loss: 'logistic', learningRate: 0.1, steps: 3, validation: data } as const;
  t.is((await train(selfAttentionFullHead, data, options)).parameters.head.length, 12);
});

test('a word that names a property of objects is a word', (t) => {
  const { excluded } = text.embedTexts(split('constructor __proto__ a'), vectors);
  t.is(excluded.unknownWords, 2);
});

test('texts, vectors and labels that do not fit are refused by name', (t) => {
  const texts = split('a', 'b');
  const refused = (
    type: typeof OptionRangeError | typeof OptionTypeError,
    message: RegExp,
    ...[given, from, options]: readonly unknown[]
  ) => t.throws(() => text.embedTexts(given as never, from as never, options as never), { instanceOf: type, message });
  refused(OptionTypeError, /^texts must be arrays of words/, 5, vectors);
  refused(OptionTypeError, /^texts\[1\] must be an array of strings/, [['a'], 'b'], vectors);
  refused(OptionRangeError, /^texts must be such that a word/, split('x'), vectors);
  refused(OptionRangeError, /^texts must be such that a word/, [], vectors);
  refused(OptionRangeError, /^labels must be of length 2, one for every text/, texts, vectors, { labels: [1] });
  refused(OptionRangeError, /^labels must be an array of numbers/, texts, vectors, { labels: 'ab' });
  refused(OptionTypeError, /^labels\[1\] must be a finite number/, texts, vectors, { labels: [1, 'x'] });
  refused(OptionRangeError, /^mostTokens must be an integer ≥ 1/, texts, vectors, { mostTokens: 0 });
  refused(OptionTypeError, /no such option/, texts, vectors, { tokens: 5 });
  refused(OptionTypeError, /^wordVectors must be/, texts, undefined);
  refused(OptionRangeError, /^wordVectors\.index must be a Map/, texts, { ...vectors, index: {} });
  refused(OptionRangeError, /^wordVectors\.vectors must be of length V×d = 3×3/, texts, { ...vectors, dimension: 3 });
  refused(OptionRangeError, /^wordVectors\.index must be/, texts, {
    ...vectors,
    index: new Map([
      ['a', 7],
      ['b', 1],
      ['c', 2],
    ]),
  });
});
