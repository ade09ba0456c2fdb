import test from 'ava';
import { StudyCells } from '../../lib/study/cells.js';
import { withOption } from '../../lib/study/definition/factors.js';
import { define } from '../../lib/study/definition/spec.js';
import { smallStudy } from './support.js';

test('the grid is complete and in order, the last factor varying fastest', (t) => {
  t.deepEqual(
    [...StudyCells.of(define(smallStudy))].map((cell) => cell.factors),
    [
      { examples: 40, inverseTemperature: 0 },
      { examples: 40, inverseTemperature: 0.5 },
      { examples: 80, inverseTemperature: 0 },
      { examples: 80, inverseTemperature: 0.5 },
    ],
  );
});

test('a cell has the complete experiment', (t) => {
  const [cell] = StudyCells.of(define(smallStudy));
  t.is(cell && 'examples' in cell.experiment && cell.experiment.examples, 40);
  t.is(cell && 'mixture' in cell.experiment && cell.experiment.mixture.relevantTokens, 2);
  t.deepEqual(cell && 'head' in cell.experiment && cell.experiment.head, { kind: 'least-squares', ridge: 0 });
  t.is(cell?.method, 'projected');
  t.is(cell?.testDraws, 100);
});

test('a key names the experiment, its method and its test draws, however they were written', (t) => {
  const key = (change: object) => StudyCells.of(define({ ...smallStudy, ...change })).at(0).key;
  const usual = key({});
  t.regex(usual, /^[0-9a-f]{64}$/);
  t.is(key({ seed: 8, name: 'other', trials: 5 }), usual);
  t.is(key({ method: 'projected' }), usual);
  t.not(key({ method: 'dense' }), usual);
  t.not(key({ testDraws: 101 }), usual);
  const { relevantFraction: _, ...mixture } = smallStudy.experiment.mixture;
  t.is(key({ experiment: { ...smallStudy.experiment, mixture: { ...mixture, relevantTokens: 2 } } }), usual);
});

test('factors reach inside the experiment and may be objects', (t) => {
  const cells = [
    ...StudyCells.of(
      define({
        ...smallStudy,
        factors: { ...smallStudy.factors, 'mixture.noise': ['gaussian', 'uniform'], head: [{ kind: 'averaging' }] },
      }),
    ),
  ];
  t.is(cells.length, 8);
  t.deepEqual(cells[1] && 'head' in cells[1].experiment && cells[1].experiment.head, { kind: 'averaging' });
  t.is(cells[1] && 'mixture' in cells[1].experiment && cells[1].experiment.mixture.noise, 'uniform');
  t.is(cells[1]?.method, 'dense');
});

test('withOption copies, makes what is missing, and leaves what is not an object', (t) => {
  const original = { a: { b: 1, c: 2 } };
  t.deepEqual(withOption(original, 'a.b', 5), { a: { b: 5, c: 2 } });
  t.deepEqual(original, { a: { b: 1, c: 2 } });
  t.deepEqual(withOption({}, 'a.b', 5), { a: { b: 5 } });
  t.deepEqual(withOption({ a: 'text' }, 'a.b', 5), { a: 'text' });
});
