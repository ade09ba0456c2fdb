import test from 'ava';
import { parse } from 'yaml';
import { figureSpec, studyFigure } from '../../lib/report/figures/figure.js';
import { heatmapSpec } from '../../lib/report/figures/heatmap.js';
import { narrowed } from '../../lib/report/figures/narrow.js';
import { rowsByPanel } from '../../lib/report/figures/panels.js';
import { renderSvg } from '../../lib/report/figures/render.js';
import { levelsText, levelText, metricLabel, optionLabel } from '../../lib/report/labels.js';
import { studyText } from '../../lib/report/study-text.js';
import { shortTable, studyTable } from '../../lib/report/table.js';
import type { FactorValue } from '../../lib/study/definition/factors.js';
import { define } from '../../lib/study/definition/spec.js';
import type { StudyRow } from '../../lib/study/rows.js';
import { smallStudy } from '../study/support.js';

function row(factors: Readonly<Record<string, FactorValue>>, change: Partial<StudyRow> = {}): StudyRow {
  return {
    study: 'some-study',
    specHash: 'a',
    cell: 'b',
    index: 0,
    factors,
    trials: 128,
    failed: 0,
    meanError: 0.123456,
    standardError: 0.000123,
    intervalLow: 0.1232,
    intervalHigh: 0.1237,
    effectiveTrials: 126.3,
    effectiveDraws: Number.NaN,
    reliable: true,
    marks: [],
    quantile5: 0.1,
    quantile50: 0.12,
    quantile95: 0.15,
    theory: 0.125,
    theoryStandardError: 0.0001,
    theoryEffectiveDraws: null,
    z: -1.25,
    metrics: {},
    paths: {},
    metricTheory: {},
    wallSeconds: 1.25,
    engine: 'e',
    ...change,
  };
}

const grid = [100, 200, 400, 800].flatMap((examples) =>
  [0, 0.5].map((inverseTemperature) =>
    row({ examples, inverseTemperature }, { meanError: 20 / examples, theory: 20 / examples }),
  ),
);

/** How often a mark of this class and role is drawn: vega-lite names the groups of marks by layer. */
function count(svg: string, pattern: RegExp): number {
  return [...svg.matchAll(pattern)].length;
}

test('the table has aligned columns and a line per row', (t) => {
  const lines = studyTable([
    row({ examples: 100, inverseTemperature: 0 }),
    row({ examples: 2000, inverseTemperature: 0.25 }, { theory: null, theoryStandardError: null, z: null, failed: 3 }),
  ]).split('\n');
  t.is(lines.length, 4);
  t.is(
    lines[0],
    '   n     τ  trials  failed  effective    error   ± s.e.      5 %     50 %     95 %   theory   ± s.e.      z  seconds',
  );
  t.is(
    lines[2],
    ' 100     0     128       0        126  0.12346  0.00012  0.10000  0.12000  0.15000  0.12500  0.00010  −1.25      1.3',
  );
  t.is(
    lines[3],
    '2000  0.25     128       3        126  0.12346  0.00012  0.10000  0.12000  0.15000        –        –      –      1.3',
  );
});

test('the table shows tiny errors and unknown values', (t) => {
  const tiny = studyTable([row({}, { meanError: 1.5e-7, standardError: 2e-9 })]);
  t.true(tiny.includes('1.50e-7'));
  const unknown = studyTable([row({}, { meanError: Number.NaN, standardError: Number.NaN, trials: 1, failed: 1 })]);
  t.regex(unknown, /\n +1 +1 +126 +– +– /);
  // Beside an ordinary error, and as a law beside one.
  const mixed = [row({}, { theory: 7.1e-8 }), row({}, { meanError: 2.04e-4, standardError: 1e-4 })];
  const lines = studyTable(mixed).split('\n');
  t.true(lines[2]?.includes('7.10e-8'));
  t.true(lines[3]?.includes('2.04e-4'));
});

test('rows that are not reliable are marked in table and figure, with a legend; their z is in brackets', async (t) => {
  const marked = row({ examples: 100 }, { reliable: false, marks: ['few-trials', 'law'], z: 1.08 });
  const table = shortTable([marked, row({ examples: 200 }, { z: Number.NEGATIVE_INFINITY })], {
    cells: 1,
    markedCells: 1,
    meanZ: -1.25,
    meanZProbability: 0.211,
    meanSquareZ: 1.5625,
    meanSquareZProbability: 1e-9,
    verdict: 'disagrees',
  });
  t.regex(table, /\(1\.08\).*few-trials, law\n/);
  t.regex(table, /−∞/);
  t.regex(table, /not reliable, few-trials: few trials carry the mean\nnot reliable, law: /);
  t.true(
    table.endsWith(
      'simulation and theory: disagrees (1 cells, without 1 that are not reliable; mean z −1.25, p = 0.21; mean z² 1.56, p < 0.0001)',
    ),
  );
  const svg = await studyFigure([marked, row({ examples: 200 })]);
  t.is(count(svg, /aria-roledescription="point"/g), 2);
  t.true(svg.includes('hollow points: not reliable'));
  t.false((await studyFigure([row({ examples: 200 })])).includes('hollow'));
});

test('the figure has one line, one set of intervals and one set of points per series', async (t) => {
  const svg = await studyFigure(grid);
  t.true(svg.startsWith('<svg'));
  t.is(count(svg, /aria-roledescription="line mark"/g), 2);
  t.is(count(svg, /aria-roledescription="rule mark"/g), 8);
  t.is(count(svg, /aria-roledescription="point"/g), 8);
  for (const text of [
    'Test error against training examples',
    'some-study · points: simulation with 95 % intervals;',
    'side by side where they coincide; lines: theory',
    'training examples n (logarithmic scale)',
    'test error',
    'prompt scale',
    'τ = 0',
    'τ = 0.5',
  ])
    t.true(svg.includes(`>${text}</t`), text);
  t.true(svg.includes('fill="white"'));
  t.true(svg.includes('lines: theory'));
});

test('without theory the points of a series are connected', async (t) => {
  const svg = await studyFigure(grid.map((one) => ({ ...one, theory: null })));
  t.is(count(svg, /aria-roledescription="line mark"/g), 2);
  t.is(count(svg, /aria-roledescription="point"/g), 8);
  t.false(svg.includes('theory'));
  t.true(svg.includes('points, connected'));
});

test('intervals are those of Student, as in tables, cut at 0 and 1', (t) => {
  const spec = figureSpec([
    row({ examples: 1 }, { meanError: 0.1, standardError: 0.01, trials: 9, failed: 1 }),
    row({ examples: 2 }, { meanError: 0.01, standardError: 0.01 }),
  ]) as unknown as { data: { values: { low: number; high: number }[] } };
  const [first, second] = spec.data.values;
  // The 97.5 % quantile at 7 degrees of freedom is 2.364624.
  t.true(Math.abs((first?.low ?? 0) - (0.1 - 0.02364624)) < 1e-8);
  t.true(Math.abs((first?.high ?? 0) - (0.1 + 0.02364624)) < 1e-8);
  t.is(second?.low, 0);
});

test('a figure needs no numeric factor, no factor at all, and no successful trial', async (t) => {
  const heads = [{ kind: 'averaging' }, { kind: 'least-squares', ridge: 0.1 }];
  const nominal = await studyFigure(heads.map((head) => row({ head })));
  t.true(nominal.includes('>least-squares ridge 0.1</text>'));
  t.is(count(await studyFigure([row({})]), /aria-roledescription="point"/g), 1);
  const failed = [row({ examples: 1 }), row({ examples: 2 }, { meanError: Number.NaN, standardError: Number.NaN })];
  t.is(count(await studyFigure(failed), /aria-roledescription="point"/g), 1);
  t.true((await studyFigure(failed.slice(1))).startsWith('<svg'));
});

test('errors of very different size are drawn on a logarithmic axis', async (t) => {
  const rows = [1, 10, 100].map((examples) => row({ examples }, { meanError: 0.4 / examples ** 2, theory: null }));
  t.true((await studyFigure(rows)).includes('>test error (logarithmic scale)</text>'));
  const zero = [...rows, row({ examples: 1000 }, { meanError: 0, theory: null })];
  t.true((await studyFigure(zero)).includes('>test error</text>'));
});

test('labels use the symbols of the model', (t) => {
  t.deepEqual(optionLabel('mixture.correlation'), { symbol: 'ρ', words: 'correlation of context and signal' });
  t.deepEqual(optionLabel('mixture.noise'), { symbol: 'mixture.noise', words: 'mixture.noise' });
  t.is(levelText(-0.5), '−0.5');
  t.is(levelText('least-squares'), 'least-squares');
  t.is(levelText([{ deltaQ: 0, deltaW: -2, probability: 0.5 }]), '[(0, −2, 0.5)]');
  t.is(
    levelsText({ inverseTemperature: 0.5, head: { kind: 'averaging' } }, ['inverseTemperature', 'head']),
    'τ = 0.5, averaging',
  );
});

test('numbers are short, names are words, and no column is of dashes only', (t) => {
  t.is(levelText(0.2575757575757576), '0.257576');
  t.is(levelText(-1e-11), '−1e−11');
  t.is(levelText(123456789), '123456789');
  t.is(metricLabel('solverIterations'), 'iterations of the solver');
  t.is(metricLabel('someOtherMetric'), 'some other metric');
  const lawless = { theory: null, theoryStandardError: null, z: null };
  const [head = '', , line = ''] = studyTable([row({ examples: 100 }, { ...lawless, wallSeconds: 0.0123 })]).split(
    '\n',
  );
  t.is(head.trim().split(/ {2,}/).join(), 'n,trials,failed,effective,error,± s.e.,5 %,50 %,95 %,seconds');
  t.regex(line, / 0\.012$/);
  t.true(studyTable([row({}, lawless), row({})]).includes('theory'));
  // A law that could not be computed is not one that does not exist.
  t.true(studyTable([row({}, { ...lawless, theory: Number.NaN })]).includes('theory'));
  t.regex(studyTable([row({ examples: 100 }, { trials: 0, meanError: Number.NaN })]), /^ *n +theory +± s\.e\. +z\n/);
});

test('as many series as there are colours share a panel, and their lines can be told apart where they coincide', (t) => {
  const rows = (count: number) =>
    [100, 200].flatMap((examples) =>
      Array.from({ length: count }, (_, i) => row({ examples, inverseTemperature: i / 10 }, { theory: 0.2 })),
    );
  const spec = (count: number) => JSON.parse(JSON.stringify(figureSpec(rows(count))));
  const { layer } = spec(7);
  const { color, strokeDash } = layer[0].encoding;
  t.is(new Set(color.scale.range).size, 7);
  t.is(new Set([strokeDash, ...strokeDash.condition].map(({ value }) => String(value))).size, 7);
  t.is(color.scale.domain.length, 7);
  // One more, and they are thinned out.
  t.true(spec(8).layer[0].encoding.color.scale.domain.length <= 7);
  t.true(layer[0].encoding.y.scale.domainMax > 0.2);
});

test('metrics are drawn for every panel', (t) => {
  const rows = [100, 200].flatMap((examples) =>
    [50, 60].flatMap((dimension) =>
      [0, 0.1, 0.2, 0.3, 0.4].map((inverseTemperature) =>
        row(
          { examples, 'mixture.dimension': dimension, inverseTemperature },
          { metrics: { headNorm: { mean: dimension, standardError: 1 } } },
        ),
      ),
    ),
  );
  const panels = rowsByPanel(rows);
  t.deepEqual(
    panels.map(({ text }) => text),
    ['d = 50', 'd = 60'],
  );
  t.is(panels.flatMap((panel) => panel.rows).length, rows.length);
});

/** What is behind a figure. */
interface Drawn {
  readonly data: { readonly values: readonly { x: number; place: number; series: string; value: number }[] };
  readonly layer: readonly {
    readonly encoding: Readonly<
      Record<string, { readonly field: string; readonly scale?: { type: string; range: string[] } }>
    >;
  }[];
}
const drawn = (rows: readonly StudyRow[]) => figureSpec(rows) as unknown as Drawn;

test('points that would hide each other stand side by side, others on their level', (t) => {
  const heads = ['averaging', 'hinge', 'logistic'].map((kind) => ({ kind }));
  const rows = [100, 200, 400].flatMap((examples) =>
    heads.map((head, i) =>
      row({ examples, head }, { meanError: examples === 400 ? 0.1 * (i + 1) : 0.2, theory: null }),
    ),
  );
  const { values } = drawn(rows).data;
  const at = (x: number) => values.filter((point) => point.x === x).map(({ place }) => place);
  t.deepEqual(at(400), [400, 400, 400]);
  for (const x of [100, 200]) {
    const [left = 0, middle = 0, right = 0] = at(x);
    t.true(left < middle && middle < right);
    t.is(middle, x);
    // On a logarithmic axis they are as far to the left as to the right.
    t.true(Math.abs(left * right - x * x) < 1e-6 * x * x);
    t.true(right < 1.05 * x);
  }
});

test('long training is drawn over its steps, in colours that are in an order, with a channel for each factor', (t) => {
  const rows = [0, 1, 8, 64].flatMap((steps) =>
    [100, 400, 1600].flatMap((examples) =>
      [0.1, 1].map((prompt) =>
        row({ stepSizes: [prompt], examples, steps }, { theory: null, meanError: 1 / (1 + steps) }),
      ),
    ),
  );
  const { layer } = drawn(rows);
  const [line, , points] = layer.map(({ encoding }) => encoding);
  t.is(line?.x?.field, 'x');
  t.is(line?.x?.scale?.type, 'symlog');
  t.deepEqual(line?.color?.scale?.range, ['#440154', '#277f8e', '#9fda3a']);
  t.is(points?.color?.field, 'color');
  t.is(points?.shape?.field, 'shape');
  t.is(points?.shape?.scale?.range.length, 2);
  t.is(line?.detail?.field, 'series');
});

test('on an axis of names the series of a name stand side by side', (t) => {
  const rows = ['averaging', 'hinge'].flatMap((kind) =>
    ['a', 'b'].map((model) => row({ head: { kind }, model }, { theory: null })),
  );
  const { layer } = drawn(rows);
  for (const { encoding } of layer) t.is(encoding.xOffset?.field, 'series');
});

/** A map of (x − 1)² + y with a round part of its contour. */
const map = (error: (x: number, y: number) => number) =>
  Array.from({ length: 21 }, (_, i) => i / 10).flatMap((x) =>
    Array.from({ length: 11 }, (_, j) => j / 10).map((y) =>
      row({ inverseTemperature: x, 'mixture.relevantFraction': y }, { meanError: error(x, y), theory: null }),
    ),
  );

test('a map has contours where the test error is what they say, which end at its edge', (t) => {
  const error = (x: number, y: number) => 0.02 + 0.15 * (x - 1) ** 2 + 0.2 * y;
  const spec = heatmapSpec(map(error), ['inverseTemperature', 'mixture.relevantFraction']) as unknown as {
    data: { values: { x?: number; y?: number; error?: number; line?: string; label?: string }[] };
    title: { subtitle: string[] };
  };
  const points = spec.data.values.filter(({ line }) => line !== undefined);
  t.deepEqual([...new Set(points.map((point) => point.error))], [0.05, 0.1, 0.2]);
  t.deepEqual(
    points.flatMap(({ label }) => (label ? [label] : [])),
    ['0.05', '0.1', '0.2'],
  );
  for (const { x = 0, y = 0, error: wanted = 0 } of points) {
    t.true(Math.abs(error(x, y) - wanted) < 0.01, `${x} ${y}`);
    t.true(x >= 0 && x <= 2 && y >= 0 && y <= 1);
  }
  // Nothing runs along the edge: at the bottom a line has one point at most at each of its ends.
  const ends = points.filter(({ y, error: wanted }) => (y ?? 1) < 1e-6 && wanted === 0.05);
  t.true(ends.length <= 2, String(ends.length));
  t.deepEqual(spec.title.subtitle, ['some-study · lines are test errors 0.05, 0.1, 0.2']);
});

test('a map has the contours that were asked for, as far as it reaches them', (t) => {
  const rows = map((x, y) => 0.02 + 0.1 * x + 0.1 * y);
  const spec = heatmapSpec(rows, ['inverseTemperature', 'mixture.relevantFraction'], [0.123, 0.9]);
  const { values } = spec.data as unknown as { values: { x: number; y: number; error: number; line?: string }[] };
  const points = values.filter(({ line }) => line !== undefined);
  t.true(points.length > 5 && points.every(({ error }) => error === 0.123));
  for (const { x, y } of points) t.true(Math.abs(0.02 + 0.1 * x + 0.1 * y - 0.123) < 1e-6);
});

test('the figure of a study is a map where curves would leave levels out', (t) => {
  const marks = (rows: readonly StudyRow[]) =>
    JSON.stringify(figureSpec(rows)).match(/lines are test errors|levels of .* are drawn/g);
  const rows = map((x, y) => 0.02 + 0.1 * x + 0.1 * y);
  t.deepEqual(marks(rows), ['lines are test errors']);
  // Five curves are all there.
  t.is(marks(rows.filter(({ factors }) => (factors['mixture.relevantFraction'] as number) < 0.45)), null);
});

test('three panels stand side by side, four in a square', (t) => {
  for (const [count, columns] of [
    [2, 2],
    [3, 3],
    [4, 2],
    [5, 2],
    [6, 3],
  ] as const) {
    // As many prompt scales as there are colours.
    const rows = Array.from({ length: 7 * count }, (_, i) =>
      [100, 200].map((examples) =>
        row({ 'mixture.contextNorm': Math.floor(i / 7), inverseTemperature: i % 7, examples }),
      ),
    ).flat();
    t.is((figureSpec(rows) as unknown as { columns: number }).columns, columns, String(count));
  }
});

test('a map with a hole, and one of one error, have no contours and are drawn', async (t) => {
  const rows = map((x, y) => 0.05 + 0.1 * x + 0.1 * y);
  for (const given of [rows.slice(1), map(() => 0.2)]) {
    const spec = heatmapSpec(given, ['inverseTemperature', 'mixture.relevantFraction']);
    t.false(JSON.stringify(spec).includes('"line":"'));
    t.true((await renderSvg(spec)).startsWith('<svg'));
  }
});

test('a figure for a narrow page has its panels below each other and its titles in lines', async (t) => {
  const rows = [50, 60, 70, 80].flatMap((dimension) =>
    grid.map((one) => row({ ...one.factors, 'mixture.dimension': dimension })),
  );
  for (const spec of [figureSpec(grid), figureSpec(rows)]) {
    const [, width] = /^<svg[^>]* width="([\d.]+)"/.exec(await renderSvg(narrowed(spec))) ?? [];
    t.true(Number(width) > 280 && Number(width) < 400, width);
  }
});

test('the levels of a range are written as the range that they are', (t) => {
  const factors = {
    inverseTemperature: { linspace: [0, 1.5, 12] },
    examples: { logspace: [10, 40, 30], integer: true },
    'mixture.contextNorm': [1, 2, 3.5, 4, 5, 6, 7, 8, 9],
  } as const;
  const spec = define({ ...smallStudy, factors });
  const text = studyText(spec);
  t.true(text.includes('inverseTemperature: { linspace: [ 0, 1.5, 12 ] }'), text);
  t.regex(text, /examples: \{ logspace: \[ 10, 40, \d+ \], integer: true \}/);
  t.true(text.includes('mixture.contextNorm: [ 1, 2, 3.5, 4, 5, 6, 7, 8, 9 ]'));
  t.deepEqual(define(parse(text)).factors, spec.factors);
});

test('a table has numbers of any size', (t) => {
  t.notThrows(() => studyTable([row({}, { meanError: 1e-200, standardError: 1e-201 })]));
});
