// Compares what two processors answered (answers.mjs).
import assert from 'node:assert/strict';

/** Random123's for Philox4x32-10. */
const kKnownAnswers = [
  '6627e8d5 e169c58d bc57ac4c 9b00dbd8',
  '408f276d 41c83b0e a20bc7c6 6d5451fd',
  'd16cfe09 94fdcceb 5001e420 24126ea1',
];

const hex = (words) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Largest |a − b| / max(1, |a|) of two results of one form; what is no number must be equal. */
function difference(a, b, path) {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) / Math.max(1, Math.abs(a));
  if (a === null || typeof a !== 'object') {
    assert.equal(b, a, path);
    return 0;
  }
  assert.deepEqual(Object.keys(b), Object.keys(a), path);
  return Math.max(0, ...Object.keys(a).map((name) => difference(a[name], b[name], `${path}.${name}`)));
}

function atMost(bound, a, b, title) {
  const largest = difference(a, b, title);
  assert.ok(largest <= bound, `${title} differ by ${largest}`);
  return `${title}: differ by at most ${largest.toExponential(1)}`;
}

/** Standard error of the mean. */
function standardError(values) {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)) / (values.length - 1));
}

/** Throws where the answers of the other processor are not those of this one up to rounding; returns what was seen. */
export function compareAnswers(own, other) {
  for (const { blocks } of [own, other]) assert.deepEqual(blocks.map(hex), kKnownAnswers);
  // Bits alone decide these.
  for (const kind of ['uniform', 'sign']) assert.deepEqual(other.numbers[kind], own.numbers[kind], kind);
  // Whatever the number of threads: bit for bit the same on one processor.
  for (const { trials, repeated } of [own, other]) assert.deepEqual(repeated, trials);
  let furthest = 0;
  for (const [name, errors] of Object.entries(own.trials)) {
    const others = other.trials[name];
    const z = (mean(others) - mean(errors)) / Math.hypot(standardError(errors), standardError(others));
    assert.ok(Math.abs(z) < 3, `${name}: z = ${z}`);
    furthest = Math.max(furthest, Math.abs(z));
  }
  const law = (rows) => rows.map(({ theory }) => theory);
  for (const [i, row] of own.rows.entries()) {
    const there = other.rows[i];
    const z = (there.meanError - row.meanError) / Math.hypot(row.standardError, there.standardError);
    assert.ok(Math.abs(z) < 3, `row ${i} of the study: z = ${z}`);
  }
  return [
    `${own.engine.fingerprint} beside ${other.engine.fingerprint}`,
    'Philox: the known answers; uniforms and signs: equal',
    atMost(1e-13, own.numbers.normal, other.numbers.normal, 'normals'),
    atMost(4e-6, own.numbers['single-normal'], other.numbers['single-normal'], 'normals in single precision'),
    atMost(1e-9, own.fitted, other.fitted, 'heads'),
    atMost(1e-9, own.laws, other.laws, 'laws'),
    atMost(1e-9, law(own.rows), law(other.rows), 'laws of the study'),
    `trials: bit-identical on one and on three threads; means of ${Object.keys(own.trials).length} experiments within ${furthest.toFixed(3)} standard errors`,
  ];
}
