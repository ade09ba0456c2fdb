import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DataError, OptionRangeError, text } from '../../lib/index.js';

function fileOf(t: ExecutionContext, content: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'vectors'), content);
  return join(folder, 'vectors');
}

const none = { repeated: 0, encoding: 0 };

test('vectors with and without a first line of sizes, tabs, blanks and carriage returns at the end of lines', async (t) => {
  const body = 'the 1 -2.5 3e-1 \r\nof\t.5 +0 1.\n\ncafé 0 0 1E2';
  for (const content of [body, `3 3\n${body}`]) {
    const { words, dimension, vectors, index, excluded } = await text.readWordVectors(fileOf(t, content));
    t.deepEqual(words, ['the', 'of', 'café']);
    t.is(dimension, 3);
    t.deepEqual([...vectors], [1, -2.5, 0.3, 0.5, 0, 1, 0, 0, 100]);
    t.is(index.get('café'), 2);
    t.deepEqual(excluded, none);
  }
});

test('words with blanks in them, numbers as words', async (t) => {
  const { words, vectors } = await text.readWordVectors(fileOf(t, 'a 1 2\n. . . 3 4\n5 6 7\n'));
  t.deepEqual(words, ['a', '. . .', '5']);
  t.deepEqual([...vectors], [1, 2, 3, 4, 6, 7]);
});

test('only the words that are wanted, only the first ones', async (t) => {
  const file = fileOf(t, '3 1\na 1\nb 2\nc x\n');
  const wanted = await text.readWordVectors(file, { words: ['b', 'z'] });
  t.deepEqual([wanted.words, [...wanted.vectors]], [['b'], [2]]);
  t.deepEqual((await text.readWordVectors(file, { mostWords: 2 })).words, ['a', 'b']);
  await t.throwsAsync(text.readWordVectors(file, { words: ['z'] }), { message: /none of the words that are wanted/ });
  await t.throwsAsync(text.readWordVectors(file, { mostWords: 0 }), { instanceOf: OptionRangeError });
});

test('repeated words and words that are not UTF-8 are counted', async (t) => {
  const wrong = Buffer.from([0xff, ...Buffer.from(' 3\n')]);
  const content = Buffer.concat([Buffer.from('4 1\na 1\na 2\n'), wrong, Buffer.from('b 4\n')]);
  const { words, vectors, excluded } = await text.readWordVectors(fileOf(t, content));
  t.deepEqual(
    [words, [...vectors]],
    [
      ['a', 'b'],
      [1, 4],
    ],
  );
  t.deepEqual(excluded, { repeated: 1, encoding: 1 });
});

test('a file that does not hold vectors is refused with the line', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /holds no vector/],
    ['a\n', /:1: has 1 fields, not a word and its vector/],
    ['a 1 2\nb 1\n', /:2: has 2 fields/],
    ['a 1 2\nb 1 2 3\n', /:2: has more than 2 numbers/],
    ['a 1 2\nb 1 x\n', /:2: "x" is not a finite number/],
    ['a 1 nan\n', /:1: "nan"/],
    ['a 1 1e999\n', /:1: "1e999"/],
    ['a 1 0x10\n', /:1: "0x10"/],
    ['a 1  2\n', /:1: "" is not/],
    ['2 0\na\n', /:1: says that vectors have no entries/],
    ['3 1\na 1\nb 1\n', /says that it holds 3 words and holds 2/],
    [`a ${'1 '.repeat(2 ** 20)}\n`, /:1: has more than 1048576 bytes/],
  ];
  for (const [content, message] of cases) {
    const file = fileOf(t, content);
    const error = await t.throwsAsync(text.readWordVectors(file), { instanceOf: DataError, message });
    t.true(error?.message.startsWith(file));
  }
  await t.throwsAsync(text.readWordVectors('/nowhere'), { instanceOf: DataError, message: /ENOENT/ });
});
