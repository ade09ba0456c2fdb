import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { DataError, OptionRangeError, OptionTypeError, StoreError, text } from '../../lib/index.js';

function fileOf(t: ExecutionContext, content?: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'file');
  if (content !== undefined) writeFileSync(file, content);
  return file;
}

const two = () =>
  text.wordVectors(['naïve 🌹', '__proto__\n"'], {
    shape: [2, 3],
    values: Float64Array.of(0.1, -1e-300, 3, -0, 5, 1e300),
  });

test('vectors are loaded as they were saved, to the last bit', async (t) => {
  const file = fileOf(t);
  const saved = two();
  await text.saveWordVectors(file, saved);
  const loaded = await text.loadWordVectors(file);
  t.deepEqual(loaded, saved);
  t.true(Object.is(loaded.vectors[3], -0));
  // Another array in place of it, and a part of a larger one.
  const vectors = Float64Array.of(7, 8, 9).subarray(1);
  await text.saveWordVectors(file, text.wordVectors(['a', 'b'], { shape: [2, 1], values: vectors }));
  t.deepEqual([...(await text.loadWordVectors(file)).vectors], [8, 9]);
});

test('a file that is not as it was saved is refused, whichever byte of it was changed, lost or added', async (t) => {
  const file = fileOf(t);
  await text.saveWordVectors(file, two());
  const bytes = readFileSync(file);
  const refused = async (content: Uint8Array) => {
    writeFileSync(file, content);
    const error = await t.throwsAsync(text.loadWordVectors(file), { instanceOf: DataError });
    t.true(error?.message.startsWith(`${file}: `));
  };
  for (let at = 0; at < bytes.length; ++at) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 0x10;
    await refused(changed);
    await refused(bytes.subarray(0, at));
  }
  await refused(Buffer.concat([bytes, Buffer.from([0])]));
  await t.throwsAsync(text.loadWordVectors('/nowhere'), { instanceOf: DataError, message: /ENOENT/ });
  await t.throwsAsync(text.loadWordVectors('/tmp'), { instanceOf: DataError });
});

test('words and numbers that do not fit together are refused by name', async (t) => {
  const values = Float64Array.of(1, 2);
  const range = (call: () => unknown, message: RegExp) => t.throws(call, { instanceOf: OptionRangeError, message });
  range(
    () => text.wordVectors(['a', 'b'], { shape: [2, 2], values }),
    /^vectors\.values must be of length 2×2 \(got 2\)/,
  );
  range(() => text.wordVectors(['a'], { shape: [2, 1], values }), /^vectors\.shape must be \[1, d\]/);
  range(() => text.wordVectors(['a'], { shape: [2], values }), /^vectors\.shape must be/);
  range(() => text.wordVectors(['a', 'a'], { shape: [2, 1], values }), /^words\[0\] must be a word that does not/);
  range(() => text.wordVectors([], { shape: [0, 1], values: values.subarray(2) }), /^words must be at least one word/);
  range(() => text.wordVectors(['a'], { shape: [1, 2], values: Float64Array.of(1, Number.NaN) }), /^vectors\.values/);
  t.throws(() => text.wordVectors('ab' as never, { shape: [2, 1], values }), { instanceOf: OptionTypeError });
  t.throws(() => text.wordVectors(['a'], 5 as never), { instanceOf: OptionTypeError });
  await t.throwsAsync(text.saveWordVectors('', two()), { instanceOf: OptionRangeError, message: /^file/ });
  await t.throwsAsync(text.saveWordVectors(fileOf(t), { ...two(), dimension: 2 }), { instanceOf: OptionRangeError });
  await t.throwsAsync(text.saveWordVectors('/nowhere/file', two()), { instanceOf: StoreError });
});

test('.npy: what is written is read, of any shape', async (t) => {
  const file = fileOf(t);
  for (const shape of [[], [0], [5], [2, 3], [1, 2, 3, 4], [3, 0, 7]]) {
    const length = shape.reduce((product, side) => product * side, 1);
    const values = Float64Array.from({ length }, (_, i) => Math.sin(i));
    await text.writeNpy(file, { shape, values });
    t.is(readFileSync(file).length, 128 + 8 * length);
    t.deepEqual(await text.readNpy(file), { shape, values });
  }
});

/** A file with this header, as NumPy would write one. */
function npy(header: string, numbers: Uint8Array, version = 1): Buffer {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  return Buffer.concat([
    Buffer.from(`\x93NUMPY${String.fromCharCode(version, 0)}`, 'latin1'),
    length,
    Buffer.from(header),
    numbers,
  ]);
}
const fields = (descr: string, shape: string, order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
const bytes = (...numbers: number[]) => new Uint8Array(Float64Array.from(numbers).buffer);

test('.npy: versions, single precision, keys in another order', async (t) => {
  const single = new Uint8Array(Float32Array.of(0.1, 2).buffer);
  const read = async (content: Buffer) => text.readNpy(fileOf(t, content));
  const expected = { shape: [2], values: Float64Array.of(1, 2) };
  for (const version of [1, 2, 3]) t.deepEqual(await read(npy(fields('<f8', '(2,)'), bytes(1, 2), version)), expected);
  t.deepEqual(await read(npy(`{"shape":(2,),"fortran_order":False,"descr":"<f8"}`, bytes(1, 2))), expected);
  t.deepEqual([...(await read(npy(fields('<f4', '(1, 2)'), single))).values], [Math.fround(0.1), 2]);
});

test('.npy: a file that holds something else is refused and says what', async (t) => {
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [Buffer.from(''), /ends within its first bytes/],
    [Buffer.from('PK\x03\x04 and so on'), /is no \.npy file/],
    [npy(fields('<f8', '(1,)'), bytes(1), 4), /is of version 4/],
    [npy(fields('<f8', '(1,)'), bytes(1)).subarray(0, 30), /ends within its header/],
    [npy(' '.repeat(2 ** 17), bytes(1), 2), /its header has 131072 bytes/],
    [npy('{}', bytes(1)), /has a header without descr/],
    [npy(fields('<i8', '(1,)'), bytes(1)), /numbers of type '<i8'; '<f8' and '<f4' are read/],
    [npy(fields('|O', '(1,)'), bytes(1)), /numbers of type '\|O'/],
    [npy(fields('<f8', '(1, 2)', 'True'), bytes(1, 2)), /ascontiguousarray/],
    [npy(fields('<f8', '(1 2)'), bytes(1, 2)), /has the shape \(1 2\)/],
    [npy(fields('<f8', `(${'1, '.repeat(40)})`), bytes(1)), /has the shape/],
    [npy(fields('<f8', '(100000000000, 100000000000)'), bytes(1)), /holds more than/],
    [npy(fields('<f8', '(3,)'), bytes(1, 2)), /has 16 bytes of numbers; its header says 24/],
    [npy(fields('<f8', '(1,)'), bytes(1, 2)), /has 16 bytes of numbers; its header says 8/],
    [npy(fields('<f8', '(2,)'), bytes(1, Number.NaN)), /number 1 is NaN, not a finite number/],
  ];
  for (const [content, message] of cases) {
    const file = fileOf(t, content);
    const error = await t.throwsAsync(text.readNpy(file), { instanceOf: DataError, message });
    t.true(error?.message.startsWith(file));
  }
});

test('files of any bytes are read or refused, never anything else', async (t) => {
  const file = fileOf(t);
  await text.saveWordVectors(file, two());
  const starts = [readFileSync(file), npy(fields('<f8', '(2, 1)'), bytes(1, 2))];
  const part = fc.record({
    start: fc.constantFrom(...starts),
    keep: fc.nat(160),
    rest: fc.uint8Array({ maxLength: 80 }),
  });
  await fc.assert(
    fc.asyncProperty(part, async ({ start, keep, rest }) => {
      writeFileSync(file, Buffer.concat([start.subarray(0, keep), rest]));
      for (const read of [text.readNpy, text.loadWordVectors])
        await read(file).catch((error) => t.true(error instanceof DataError, String(error)));
    }),
    { seed: 1, numRuns: 300 },
  );
});
