import { join } from 'node:path';
import test from 'ava';
import {
  type Figure,
  type FigureOptions,
  type FigureSource,
  figure,
  risk,
  simulate,
  study,
  summary,
} from '../../lib/index.js';
import { figureSpec } from '../../lib/report/figures/figure.js';
import { smallStudy, temporaryDirectory } from '../study/support.js';

interface Value {
  readonly x: number | string;
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly theory: number | null;
  readonly series: string;
  readonly panel: string;
  readonly marked: boolean;
}

interface Spec {
  readonly title: { readonly text: string; readonly subtitle: readonly string[] };
  readonly data: { readonly values: readonly Value[] };
  readonly facet?: object;
  readonly layer: readonly { readonly mark: { readonly type: string } }[];
}

const specOf = ({ spec }: Figure) => spec as unknown as Spec;
const valuesOf = (drawn: Figure) => specOf(drawn).data.values;

const mixture = { tokens: 8, dimension: 20, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 } as const;
const head = { kind: 'least-squares' } as const;
const experiment = { kind: 'known-prompt', mixture, examples: 60, inverseTemperature: 0.5, head } as const;

test('rows are drawn as in a report; of several studies each has a series', async (t) => {
  const directory = temporaryDirectory(t);
  const result = await study.run({ ...smallStudy, trials: 20 }, { out: join(directory, 'a.sqlite') });
  const again = await study.run(
    { ...smallStudy, name: 'again', seed: 8, trials: 20 },
    { out: join(directory, 'b.sqlite') },
  );
  const plain = JSON.parse(JSON.stringify(figureSpec(result.rows)));
  for (const source of [result, result.rows]) t.deepEqual(JSON.parse(JSON.stringify(figure(source).spec)), plain);
  const both = figure([result, again], { x: 'examples' });
  t.deepEqual(
    [...new Set(valuesOf(both).map(({ series }) => series))],
    ['small, τ = 0', 'small, τ = 0.5', 'again, τ = 0', 'again, τ = 0.5'],
  );
  t.is(specOf(both).title.text, 'Test error against training examples');
  t.regex(specOf(both).title.subtitle.join(' '), /^small, again · points/);
  const bare = figure(result, {
    theory: false,
    interval: false,
    y: 'headNorm',
    x: 'examples',
    facet: 'inverseTemperature',
  });
  for (const { theory, value, low, high, panel } of valuesOf(bare)) {
    t.is(theory, null);
    t.deepEqual([low, high], [value, value]);
    t.regex(panel, /^τ = /);
  }
  t.truthy(specOf(bare).facet);
});

test('trials of a simulation are points, its path has means with intervals', async (t) => {
  const simulation = await simulate(experiment, { trials: 8, seed: 1, firstTrial: 3 });
  const status = simulation.status.slice();
  status[2] = 1;
  const values = valuesOf(figure({ ...simulation, status }));
  t.deepEqual(
    values.map(({ x }) => x),
    [3, 4, 6, 7, 8, 9, 10],
  );
  t.is(values[2]?.value, simulation.metrics.error[3]);
  const scatter = valuesOf(figure(simulation, { x: 'headNorm' }));
  t.is(scatter[0]?.x, simulation.metrics.headNorm?.[0]);
  const training = await simulate(
    {
      kind: 'gradient-descent',
      mixture,
      examples: 30,
      model: 'prompt-attention',
      steps: 4,
      stepSizes: { head: 0.1, prompt: 0.1 },
      recordEvery: 2,
    },
    { trials: 6, seed: 1 },
  );
  const path = valuesOf(figure(training, { y: 'trainingLoss' }));
  const { mean, intervalLow } = summary(training).path?.metrics.trainingLoss ?? { mean: [], intervalLow: [] };
  t.deepEqual(
    path.map(({ x }) => x),
    [0, 2, 4],
  );
  t.deepEqual(
    path.map(({ value }) => value),
    [...mean],
  );
  t.is(path[1]?.low, intervalLow[1]);
});

test('a curve of a law is a line, and points with intervals where its standard errors are named', async (t) => {
  const sampleRatios = [2, 4, 8];
  const curve = await risk.knownPromptCurve({
    mixture,
    inverseTemperature: 0.5,
    head,
    sampleRatios,
    draws: 256,
    seed: 1,
  });
  const source = { sampleRatio: sampleRatios, error: curve.error, standardError: curve.standardError };
  const line = figure(source, { x: 'sampleRatio', title: 'A law' });
  t.deepEqual(
    valuesOf(line).map(({ theory, value }) => [theory, value]),
    [...curve.error].map((error) => [error, null]),
  );
  t.deepEqual(
    specOf(line).layer.map(({ mark }) => mark.type),
    ['line'],
  );
  t.is(specOf(line).title.text, 'A law');
  const [point] = valuesOf(figure(source, { x: 'sampleRatio', interval: 'standardError' }));
  t.is(point?.high, (curve.error[0] ?? 0) + 1.96 * (curve.standardError[0] ?? 0));
});

const records = [1, 2, 3].flatMap((x) =>
  ['a', 'b'].map((name) => ({
    x,
    name,
    fast: name === 'a',
    y: x / 10,
    low: x / 10 - 0.05,
    high: x / 10 + 0.1,
    law: x / 11,
  })),
);

test('plain records have the fields that are named', async (t) => {
  const drawn = figure(records, { x: 'x', y: 'y', series: 'name', interval: ['low', 'high'], theory: 'law' });
  const [first] = valuesOf(drawn);
  t.deepEqual(
    [first?.x, first?.value, first?.low, first?.high, first?.theory, first?.series],
    [1, 0.1, 0.05, 0.2, 1 / 11, 'a'],
  );
  const svg = await drawn.svg();
  t.regex(svg, /^<svg/);
  t.true(svg.includes('>Y against x</text>'));
  t.is(
    Buffer.from(await drawn.png())
      .subarray(1, 4)
      .toString(),
    'PNG',
  );
  const two = figure(records, {
    x: 'x',
    y: 'y',
    series: ['name', 'fast'],
    facet: 'name',
    scale: { y: 'log', x: 'linear' },
  });
  t.is(valuesOf(two)[1]?.series, 'b, false');
  t.is(valuesOf(two)[1]?.panel, 'b');
  t.true(JSON.stringify(two.spec).includes('"type":"log"'));
  // A record without a value is left out, one of a bad mean is hollow.
  const odd = figure([{ x: 1, y: Number.NaN }, { x: 2 }, { x: 3, y: 1, reliable: false }], { x: 'x', y: 'y' });
  t.deepEqual(
    valuesOf(odd).map(({ x, marked }) => [x, marked]),
    [[3, true]],
  );
});

test('what cannot be drawn is named', (t) => {
  const cases: readonly (readonly [FigureSource, FigureOptions, RegExp])[] = [
    [records, { y: 'y' }, /^x must be the name of a field; got undefined/],
    [records, { x: 'x' }, /^y must be one of 'x', 'name', 'fast', 'y', 'low', 'high', 'law'; got "error"/],
    [records, { x: 'z', y: 'y' }, /^x must be one of 'x', 'name', /],
    [records, { x: 'x', y: 'y', series: 'z' }, /^series must be one of/],
    [records, { x: 'x', y: 'y', interval: 'z' }, /^interval must be one of/],
    [records, { x: 'x', y: 'y', scale: { x: 'log10' as 'log' } }, /^scale.x must be one of 'linear', 'log', 'symlog'/],
    [
      [{ x: 0, y: 1 }],
      { x: 'x', y: 'y', scale: { x: 'log' } },
      /^scale.x must be 'linear' or 'symlog' where values are 0 or negative/,
    ],
    [[], { x: 'x', y: 'y' }, /^y must be one of|^source must be something with values/],
    [{}, { x: 'x', y: 'y' }, /^source must be a simulation, rows, records or arrays of one length/],
    [{ x: [1, 2], y: [1] }, { x: 'x', y: 'y' }, /^source.y must be an array of length 2/],
    [null as never, {}, /^source must be a simulation/],
    [
      Array.from({ length: 9 }, (_, i) => ({ x: 1, y: 1, i })),
      { x: 'x', y: 'y', series: 'i' },
      /^series must be fields that tell at most 7 apart; facet takes more; got 9/,
    ],
    [records, { x: 'x', y: 'y', colour: 'name' } as FigureOptions, /^colour must be left out/],
  ];
  for (const [source, options, message] of cases)
    t.regex(t.throws(() => figure(source, options))?.message ?? '', message);
});
