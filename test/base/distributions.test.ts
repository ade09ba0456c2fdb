import test from 'ava';
import { chiSquareTail, normalScore, normalTail, normalTails, studentQuantile } from '../../lib/base/distributions.js';
import * as reference from '../support/reference.js';

test('distributions are those of tables', (t) => {
  const close = (value: number, known: number) =>
    t.true(Math.abs(value / known - 1) < 1e-6, `${value}, known ${known}`);
  close(studentQuantile(7, 0.975), 2.364624252);
  close(normalTails(1.959963985), 0.05);
  close(normalTails(-8), 1.244192115e-15);
  t.is(normalTails(Number.POSITIVE_INFINITY), 0);
  close(chiSquareTail(24, 40), 0.0213868216);
  close(chiSquareTail(1.5, 3), 0.1475995544);
  t.is(chiSquareTail(24, 1e9), 0);
  // P(|t| > 2.364624252) with 7 degrees is 0.05.
  close(normalScore(-2.364624252, 7), -1.959963985);
  t.is(normalScore(3, 1e9), 3);
});

test('the normal tail is that of the reference, to full relative accuracy', (t) => {
  // The rounding of x² makes that of e^{−x²/2}; the reference subtracts from ½ below 3.
  for (let x = -8; x < 37; x += 0.37)
    t.true(Math.abs(normalTail(x) / reference.normalTail(x) - 1) < 1e-15 * (100 + x * x), String(x));
  t.is(normalTail(0), 0.5);
  t.is(normalTail(60), 0);
});
