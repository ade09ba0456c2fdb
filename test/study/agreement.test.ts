import test from 'ava';
import { chiSquareTail, normalTails } from '../../lib/base/distributions.js';
import { agreementOf, finiteSizeGap } from '../../lib/study/agreement.js';
import { define } from '../../lib/study/definition/spec.js';
import type { StudyRow } from '../../lib/study/rows.js';
import { normals } from './support.js';

const spec = define({
  name: 'agreement',
  seed: 1,
  experiment: {
    kind: 'known-prompt',
    mixture: { tokens: 8, dimension: 100, relevantTokens: 2, contextNorm: 2, signalNorm: 1 },
    head: { kind: 'least-squares' },
    inverseTemperature: 0.5,
  },
  factors: { examples: { linspace: [200, 219, 20], integer: true } },
  trials: 64,
});

/** Rows whose theory is 0.1 and whose simulation is so many standard errors of 0.001 away. */
function rowsAt(z: ArrayLike<number>, change: Partial<StudyRow> = {}): readonly StudyRow[] {
  const base = { trials: 1e7, failed: 0, theory: 0.1, standardError: 1e-3, theoryStandardError: 0, reliable: true };
  return Array.from(z, (score, index) => {
    const both = Math.hypot(change.standardError ?? 1e-3, change.theoryStandardError ?? 0);
    return { ...base, index, z: score, meanError: 0.1 + score * both, ...change } as unknown as StudyRow;
  });
}

test('rows that agree are said to agree in 19 of 20 studies, and probabilities are those of mean and mean square', (t) => {
  let agree = 0;
  for (let study = 0; study < 500; ++study)
    agree += agreementOf(spec, rowsAt(normals(20, study)))?.verdict === 'agrees' ? 1 : 0;
  t.true(agree >= 455 && agree <= 495, `${agree} of 500`);
  const shifted = agreementOf(spec, rowsAt(new Float64Array(20).fill(0.5)));
  t.is(shifted?.meanZ, 0.5);
  t.is(shifted?.meanSquareZ, 0.25);
  t.true(Math.abs((shifted?.meanZProbability ?? 0) - normalTails(0.5 * Math.sqrt(20))) < 1e-12);
  t.true(Math.abs((shifted?.meanSquareZProbability ?? 0) - chiSquareTail(20, 5)) < 1e-12);
});

test('improbable differences are a finite-size gap only if they are small enough for n and d', (t) => {
  const shifted = new Float64Array(20).fill(1.5);
  t.is(agreementOf(spec, rowsAt(shifted))?.verdict, 'finite-size gap');
  // The same z, of differences a hundred times as large.
  t.is(agreementOf(spec, rowsAt(shifted, { standardError: 0.1 }))?.verdict, 'disagrees');
  t.is(agreementOf(spec, rowsAt([1, 0, Number.NEGATIVE_INFINITY]))?.verdict, 'disagrees');
  const at = (dimension: number, examples: number) =>
    finiteSizeGap({ kind: 'known-prompt', mixture: { dimension }, examples } as never, 0.1);
  t.true(Math.abs(at(100, 400) / at(200, 800) - 2) < 1e-12);
  t.is(finiteSizeGap({ kind: 'image-risk' } as never, 0.1), 0);
});

test('marked rows are counted, not compared; nothing to compare is null', (t) => {
  const [first, ...others] = rowsAt([40, 0.1, -0.2, 0.3]);
  const agreement = agreementOf(spec, [{ ...first, reliable: false } as StudyRow, ...others]);
  t.deepEqual([agreement?.cells, agreement?.markedCells, agreement?.verdict], [3, 1, 'agrees']);
  t.is(agreementOf(spec, rowsAt([1], { z: null })), null);
  t.is(agreementOf(spec, rowsAt([1], { reliable: false })), null);
});

test('laws of a study share their draws: one that is off by an error is not counted once per row', (t) => {
  const drawn = { standardError: 1e-5, theoryStandardError: 1e-3 };
  const agreement = agreementOf(spec, rowsAt(new Float64Array(20).fill(1.5), drawn));
  t.true(Math.abs((agreement?.meanZProbability ?? 0) - normalTails(1.5)) < 1e-3);
  t.is(agreement?.verdict, 'agrees');
});

test('z of few trials counts as the normal value that is as improbable', (t) => {
  const few = agreementOf(spec, rowsAt([2.364624252], { trials: 8 }));
  t.true(Math.abs((few?.meanZ ?? 0) - 1.959963985) < 1e-6);
});
