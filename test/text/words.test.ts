import test from 'ava';
import fc from 'fast-check';
import { OptionRangeError, OptionTypeError, text } from '../../lib/index.js';

test('words: case, compatibility forms, apostrophes, numbers, scripts without blanks', (t) => {
  t.deepEqual(text.wordsOf("It's  2,5 ﬁne—CAFÉ… (v2)"), ["it's", '2,5', 'fine', 'café', 'v2']);
  t.deepEqual(text.wordsOf(' \n--\u0000 !'), []);
  t.true(text.wordsOf('我喜欢喝茶').length > 1);
});

test('words: limits of their length and number', (t) => {
  t.deepEqual(text.wordsOf(`a ${'b'.repeat(41)} ${'c'.repeat(40)}`), ['a', 'c'.repeat(40)]);
  t.deepEqual(text.wordsOf('a bb ccc d', { longestWord: 2, mostWords: 2 }), ['a', 'bb']);
  t.throws(() => text.wordsOf('a', { mostWords: 0 }), { instanceOf: OptionRangeError });
  t.throws(() => text.wordsOf(1 as never), { instanceOf: OptionTypeError });
});

test('words: a long text gives the words that its parts give; one without a blank ends', (t) => {
  const words = Array.from({ length: 60_000 }, (_, i) => `w${i}`);
  for (const blank of [' ', '\n']) t.deepEqual(text.wordsOf(words.join(blank)), words);
  t.deepEqual(text.wordsOf('x'.repeat(1e6)), []);
});

test('vocabulary: order, thresholds, counts of occurrences and texts', (t) => {
  const texts = ['b a b b', 'c a', 'constructor c __proto__ a'].map((words) => words.split(' '));
  const { words, counts, documents, index } = text.buildVocabulary(texts);
  t.deepEqual(words, ['a', 'c']);
  t.deepEqual([...counts], [3, 2]);
  t.deepEqual([...documents], [3, 2]);
  t.is(index.get('c'), 1);
  t.is(index.get('constructor'), undefined);
  const all = text.buildVocabulary(texts, { minimumDocuments: 1 });
  t.deepEqual(all.words, ['a', 'b', 'c', '__proto__', 'constructor']);
  t.deepEqual([...all.documents], [3, 1, 2, 1, 1]);
  t.deepEqual(text.buildVocabulary(texts, { minimumDocuments: 1, mostWords: 2 }).words, ['a', 'b']);
  t.deepEqual(text.buildVocabulary([]).words, []);
});

test('documents of a test set that are in the training set are found, whatever is between their words', (t) => {
  const document = (words: string, label: number) => ({ source: '', text: words, label });
  const train = [document('Buy it now', 1), document('buy it, NOW', 1), document('café', 0)];
  const other = [
    document('buy it', 1),
    document('Buy… it\nnow!', 0),
    document('cafe\u0301', 0),
    document('buyit now', 1),
  ];
  t.deepEqual(text.sharedDocuments(train, other), {
    pairs: [
      { train: 0, test: 1 },
      { train: 2, test: 2 },
    ],
    contradicting: 1,
  });
  t.deepEqual(text.distinctDocuments(train), [train[0], train[2]] as never);
  t.deepEqual(text.sharedDocuments([], other), { pairs: [], contradicting: 0 });
});

test('what are no words or documents is refused by name', (t) => {
  const refused = (call: () => unknown, message: RegExp) => t.throws(call, { instanceOf: OptionTypeError, message });
  refused(() => text.buildVocabulary(5 as never), /^texts must be/);
  refused(() => text.buildVocabulary(null as never), /^texts must be/);
  refused(() => text.buildVocabulary([['a'], ['b', 5]] as never), /^texts\[1\] must be an array of strings/);
  refused(() => text.sharedDocuments([], 'a' as never), /^test must be an array of documents/);
  refused(() => text.sharedDocuments([{ text: 5 }] as never, []), /^train\[0\]\.text must be a string/);
  refused(() => text.distinctDocuments([null] as never), /^documents\[0\] must be a document/);
});

test('words are those of the segmenter, in ASCII and around it', (t) => {
  const segmenter = new Intl.Segmenter('en', { granularity: 'word' });
  const characters = fc.constantFrom(...`aaZZ0099__..,,;;::''  "-@/!\n\t\r\v\0é我ก\u0301\u200d😀`);
  const string = fc.array(characters, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(string, (source) => {
      const segments = [...segmenter.segment(source.normalize('NFKC'))];
      const words = segments.flatMap(({ segment, isWordLike }) => (isWordLike ? [segment.toLowerCase()] : []));
      t.deepEqual(text.wordsOf(source), words, JSON.stringify(source));
    }),
    { seed: 1, numRuns: 20_000 },
  );
});
