import test from 'ava';
import fc from 'fast-check';
import { native } from '../../lib/base/native.js';
import { normalTail } from '../support/reference.js';
import { oneSampleKolmogorovSmirnov } from '../support/statistics.js';

const kKey = { seed: 20230606n, cellKey: Uint32Array.of(1, 2, 3, 4) };

function numbers(
  kind: 'normal' | 'single-normal' | 'uniform' | 'sign',
  first: number,
  count: number,
  stream: object = {},
): Float64Array {
  return native.randomNumbers({ ...kKey, kind, purpose: 3, trial: 7, first, count, ...stream });
}

const hex = (words: Uint32Array) => Array.from(words, (word) => word.toString(16).padStart(8, '0')).join(' ');

test('Philox4x32-10 gives the known answers of Random123', (t) => {
  const answers: [number[], number[], string][] = [
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ];
  for (const [counter, key, expected] of answers)
    t.is(hex(native.philox4x32(Uint32Array.from(counter), Uint32Array.from(key))), expected);
});

/** The pair of uniforms of one block, straight from the addressing rule: key from the seed and cell key, 52-bit mantissas. */
function uniformPair(block: number, purpose: number, trial: number): [number, number] {
  const seed = Uint32Array.of(Number(kKey.seed & 0xffffffffn), Number(kKey.seed >> 32n));
  const key = native.philox4x32(kKey.cellKey, seed).slice(0, 2);
  const counter = Uint32Array.of(block % 2 ** 32, purpose * 2 ** 24 + Math.floor(block / 2 ** 32), trial, 0);
  const [w0, w1, w2, w3] = Array.from(native.philox4x32(counter, key), BigInt) as [bigint, bigint, bigint, bigint];
  const toUniform = (low: bigint, high: bigint) => (Number(((high << 32n) | low) >> 12n) + 0.5) * 2 ** -52;
  return [toUniform(w0, w1), toUniform(w2, w3)];
}

test('uniforms and normals are those of the addressing rule, also beyond 2^32 blocks', (t) => {
  for (const block of [0, 1, 17, 2 ** 32 - 3, 2 ** 32 + 5, 2 ** 45]) {
    const uniforms = numbers('uniform', 2 * block, 2);
    const [u1, u2] = uniformPair(block, 3, 7);
    t.deepEqual([...uniforms], [u1, u2]);
    const radius = Math.sqrt(-2 * Math.log(u1));
    const angle = 2 * Math.PI * (u2 - 0.5);
    const [z1, z2] = numbers('normal', 2 * block, 2) as unknown as [number, number];
    t.true(Math.abs(z1 - radius * Math.cos(angle)) < 1e-14 * (1 + radius));
    t.true(Math.abs(z2 - radius * Math.sin(angle)) < 1e-14 * (1 + radius));
    t.deepEqual([...numbers('sign', 2 * block, 2)], [u1 < 0.5 ? -1 : 1, u2 < 0.5 ? -1 : 1]);
  }
});

test('single-precision normals are those of the addressing rule', (t) => {
  const seed = Uint32Array.of(Number(kKey.seed & 0xffffffffn), Number(kKey.seed >> 32n));
  const key = native.philox4x32(kKey.cellKey, seed).slice(0, 2);
  for (const block of [0, 1, 17, 2 ** 32 - 3, 2 ** 45]) {
    const counter = Uint32Array.of(block % 2 ** 32, 3 * 2 ** 24 + Math.floor(block / 2 ** 32), 7, 0);
    const words = native.philox4x32(counter, key);
    const normals = numbers('single-normal', 4 * block, 4);
    for (const pair of [0, 1]) {
      const radius = Math.sqrt(-2 * Math.log((Math.floor((words[pair] as number) / 2) + 0.5) * 2 ** -31));
      const angle = (2 * Math.PI * ((words[2 + pair] as number) | 0)) / 2 ** 32;
      t.true(Math.abs((normals[pair] as number) - radius * Math.cos(angle)) < 4e-7 * radius);
      t.true(Math.abs((normals[2 + pair] as number) - radius * Math.sin(angle)) < 4e-7 * radius);
    }
  }
});

test('a number depends on its position only, not on how the stream is split', (t) => {
  const whole = {
    normal: numbers('normal', 0, 500),
    'single-normal': numbers('single-normal', 0, 500),
    uniform: numbers('uniform', 0, 500),
  };
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.constantFrom('normal', 'single-normal', 'uniform'),
        fc.nat(400),
        fc.nat(100),
        (kind, first, count) => {
          const part = numbers(kind, first, count);
          return part.every((value, i) => value === whole[kind][first + i]) && part.length === count;
        },
      ),
      { seed: 1, numRuns: 300 },
    ),
  );
});

test('streams of different seed, cell key, purpose or trial differ', (t) => {
  const reference = numbers('uniform', 0, 4).join();
  for (const change of [
    { seed: 20230607n },
    { seed: (1n << 63n) + 20230606n },
    { cellKey: Uint32Array.of(1, 2, 3, 5) },
    { purpose: 4 },
    { trial: 8 },
    { trial: 7 + 2 ** 32 },
  ])
    t.not(numbers('uniform', 0, 4, change).join(), reference);
});

test('uniforms are uniform', (t) => {
  t.true(oneSampleKolmogorovSmirnov(numbers('uniform', 1, 200_000), (x) => x) > 0.001);
});

for (const kind of ['normal', 'single-normal'] as const)
  test(`numbers of kind ${kind} are normal`, (t) => {
    const count = 200_000;
    t.true(oneSampleKolmogorovSmirnov(numbers(kind, 1, count), (x) => 1 - normalTail(x)) > 0.001);
    const z = numbers(kind, 0, count);
    // Moments of products of neighbours and of powers, each with its exact variance.
    const moments: [string, (i: number) => number, number, number][] = [
      ['mean', (i) => z[i] as number, 0, 1],
      ['variance', (i) => (z[i] as number) ** 2, 1, 2],
      ['third', (i) => (z[i] as number) ** 3, 0, 15],
      ['fourth', (i) => (z[i] as number) ** 4, 3, 96],
      ['lag 1', (i) => (z[i] as number) * (z[(i + 1) % count] as number), 0, 1],
      ['lag 2', (i) => (z[i] as number) * (z[(i + 2) % count] as number), 0, 1],
      ['squares, lag 1', (i) => ((z[i] as number) ** 2 - 1) * ((z[(i + 1) % count] as number) ** 2 - 1), 0, 4],
    ];
    for (const [name, value, mean, variance] of moments) {
      let sum = 0;
      for (let i = 0; i < count; ++i) sum += value(i);
      const score = (sum / count - mean) / Math.sqrt(variance / count);
      t.true(Math.abs(score) < 4, `${name}: z = ${score}`);
    }
  });

test('single-precision normals have the tails of the normal law up to six standard deviations', (t) => {
  const thresholds = [3, 4, 4.5, 5, 5.5];
  const counts = thresholds.map(() => 0);
  let largest = 0;
  const total = 2 ** 28;
  const part = 2 ** 24;
  for (let first = 0; first < total; first += part)
    for (const value of numbers('single-normal', first, part)) {
      const size = Math.abs(value);
      if (size < 3) continue;
      largest = Math.max(largest, size);
      for (const [i, threshold] of thresholds.entries()) if (size > threshold) counts[i] = (counts[i] as number) + 1;
    }
  for (const [i, threshold] of thresholds.entries()) {
    const expected = 2 * normalTail(threshold) * total;
    const z = ((counts[i] as number) - expected) / Math.sqrt(expected);
    t.true(Math.abs(z) < 4, `${threshold}: ${counts[i]} of ${expected}, z = ${z}`);
  }
  // No value can be above √(64 ln 2) = 6.66; the largest of as many as these is above 5.7 with probability 0.96.
  t.true(largest > 5.7 && largest < 6.7, `${largest}`);
});
