import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tableFromIPC } from '@uwdata/flechette';
import test from 'ava';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { StoreError } from '../../lib/base/errors.js';
import { checkArchiveSize } from '../../lib/formats/npz.js';
import { simulate } from '../../lib/simulation/simulate.js';
import { StudyCells } from '../../lib/study/cells.js';
import { columns, exportResults, open, run } from '../../lib/study/index.js';
import { openForReading, openForRun } from '../../lib/study/sqlite.js';
import { smallStudy, temporaryDirectory } from './support.js';

const study = {
  ...smallStudy,
  factors: { ...smallStudy.factors, head: [{ kind: 'averaging' }, { kind: 'least-squares' }] },
  trials: 30,
} as const;

/** The lines of a CSV file as fields; quotes inside quotes are doubled. */
function csv(file: string): string[][] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) =>
    [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
      ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
    ),
  );
}

test('columns in memory hold the rows, and the trials that simulate gives', async (t) => {
  const file = join(temporaryDirectory(t), 'x.sqlite');
  const { rows } = await run(study, { out: file });
  const all = await columns(file);
  t.deepEqual(
    all.meanError,
    Float64Array.from(rows, ({ meanError }) => meanError),
  );
  t.deepEqual(
    all.examples,
    Float64Array.from(rows, ({ factors }) => factors.examples as number),
  );
  t.deepEqual(
    all.head,
    rows.map(({ factors }) => JSON.stringify(factors.head)),
  );
  t.deepEqual(
    all.reliable,
    Float64Array.from(rows, ({ reliable }) => Number(reliable)),
  );
  const trials = await columns(file, { what: 'trials' });
  t.is(trials.error?.length, 8 * 30);
  const cell = StudyCells.of((await open(file)).spec).at(3);
  const { metrics } = await simulate(cell.experiment, { trials: 30, seed: study.seed, testDraws: cell.testDraws });
  t.deepEqual((trials.error as Float64Array).slice(90, 120), metrics.error);
  t.deepEqual((trials.index as Float64Array).slice(88, 92), Float64Array.of(2, 2, 3, 3));
  await t.throwsAsync(columns(file, { what: 'cells' } as never), { message: /^what must be one of/ });
  await t.throwsAsync(columns(join(file, 'none')), { instanceOf: StoreError });
});

test('CSV, JSON and Parquet hold the same rows, to the last digit', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'x.sqlite');
  const { rows, runs } = await run(study, { out: file });
  const out = (format: string) => join(directory, `x.${format}`);
  for (const format of ['csv', 'json', 'parquet'] as const) await exportResults(file, { format, out: out(format) });
  t.deepEqual(readdirSync(directory).sort(), ['x.csv', 'x.json', 'x.parquet', 'x.sqlite']);

  const [head = [], ...lines] = csv(out('csv'));
  t.is(lines.length, 8);
  const document = JSON.parse(readFileSync(out('json'), 'utf8'));
  t.is(document.study, 'small');
  t.is(document.runs[0].engine, runs[0]?.engine);
  t.deepEqual(document.spec.factors, study.factors);
  const buffer = await asyncBufferFromFile(out('parquet'));
  const parquet = await parquetReadObjects({ file: buffer });
  const metadata = await parquetMetadataAsync(buffer);
  t.is(JSON.parse(metadata.key_value_metadata?.[0]?.value ?? '{}').specHash, rows[0]?.specHash);
  for (const [i, row] of rows.entries()) {
    const fromCsv = Object.fromEntries(head.map((name, j) => [name, lines[i]?.[j] ?? '']));
    for (const one of [document.rows[i], parquet[i]]) {
      t.is(one.cell, row.cell);
      t.is(one.index, i);
      t.is(one.examples, row.factors.examples);
      t.is(one.head, JSON.stringify(row.factors.head));
      t.is(one.trials, 30);
      for (const name of ['meanError', 'standardError', 'theory', 'z', 'intervalLow'] as const)
        t.is(one[name], row[name]);
      t.is(one.headNorm, row.metrics.headNorm?.mean);
      t.is(one.relevantAttentionTheory, row.metricTheory.relevantAttention?.mean);
      t.is(one.headNormTheory, null);
    }
    t.is(fromCsv.head, JSON.stringify(row.factors.head));
    t.is(Number(fromCsv.meanError), row.meanError);
    t.is(fromCsv.headNormTheory, '');
  }
});

test('marks, effective numbers and what is missing are the same in every format', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'x.sqlite');
  const { agreement } = await run(smallStudy, { out: file });
  const { store, header } = await openForReading(file);
  await store.close();
  const writable = await openForRun(file, header.spec, StudyCells.of(header.spec));
  const unsolved = { mean: Number.NaN, standardError: Number.NaN, reliable: false };
  const exact = { mean: 0.2, standardError: 0, effectiveDraws: Number.POSITIVE_INFINITY, reliable: true };
  const theories = [unsolved, exact].map((error, cell) => ({ cell, theory: { error } }));
  await writable.store.writeResults(header.id, { batches: [], theories, finished: [] });
  await writable.store.close();
  const { rows } = await open(file);
  t.deepEqual(rows[0]?.marks, ['law']);
  t.is(rows[1]?.theoryEffectiveDraws, Number.POSITIVE_INFINITY);
  const out = (format: string) => join(directory, `x.${format}`);
  for (const format of ['csv', 'json', 'parquet'] as const) await exportResults(file, { format, out: out(format) });
  const [head = [], ...lines] = csv(out('csv'));
  const document = JSON.parse(readFileSync(out('json'), 'utf8'));
  const parquet = await parquetReadObjects({ file: await asyncBufferFromFile(out('parquet')) });
  const fromCsv = lines.map((line) => Object.fromEntries(head.map((name, i) => [name, line[i]])));
  for (const [first, second] of [document.rows, parquet]) {
    for (const name of ['theory', 'theoryStandardError', 'theoryEffectiveDraws', 'z']) t.is(first[name], null);
    t.deepEqual([first.reliable, first.marks, second.reliable, second.marks], [false, 'law', true, '']);
    t.is(first.effectiveTrials, rows[0]?.effectiveTrials);
  }
  t.is(document.rows[1].theoryEffectiveDraws, 'Infinity');
  t.is(parquet[1]?.theoryEffectiveDraws, Number.POSITIVE_INFINITY);
  t.deepEqual([fromCsv[0]?.theory, fromCsv[0]?.reliable, fromCsv[0]?.marks], ['', 'false', 'law']);
  t.is(fromCsv[1]?.theoryEffectiveDraws, 'Infinity');
  t.is(document.agreement.cells, (agreement?.cells ?? 0) - 1);
});

/** What a program in Python prints, as JSON; undefined, with a line, where a module that it imports is not installed. */
function python(program: string, module: string, file: string): unknown {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', program, file], { encoding: 'utf8' });
  if (status === 0) return JSON.parse(stdout);
  if (status !== null && !stderr.includes('ModuleNotFoundError')) throw new Error(stderr);
  console.warn(`Python has no ${module}: what it reads is not compared`);
  return undefined;
}

/** Columns as JSON, NaN as null. */
const kNumpy = `
import json, sys, numpy
archive = numpy.load(sys.argv[1])
plain = lambda v: None if isinstance(v, float) and numpy.isnan(v) else 'Infinity' if v == float('inf') else v
head = json.loads(str(archive['prompt-attention']))
types = {name: archive[name].dtype.str for name in archive.files}
columns = {name: [plain(v) for v in archive[name].tolist()] for name in archive.files if archive[name].ndim == 1}
print(json.dumps({'head': head, 'types': types, 'columns': columns}))
`;
const kArrow = `
import json, sys, pyarrow.feather
table = pyarrow.feather.read_table(sys.argv[1])
plain = lambda v: 'Infinity' if v == float('inf') else v
head = json.loads(table.schema.metadata[b'prompt-attention'])
types = {field.name: str(field.type) for field in table.schema}
columns = {name: [plain(v) for v in table[name].to_pylist()] for name in table.column_names}
print(json.dumps({'head': head, 'types': types, 'columns': columns}))
`;

interface FromPython {
  readonly head: { readonly specHash: string };
  readonly types: Readonly<Record<string, string>>;
  readonly columns: Readonly<Record<string, readonly unknown[]>>;
}

test('Arrow and NumPy hold what JSON holds', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'x.sqlite');
  await run({ ...study, theory: false }, { out: file });
  const out = (format: string) => join(directory, `x.${format}`);
  for (const what of ['rows', 'trials'] as const) {
    for (const format of ['json', 'arrow', 'npz'] as const)
      await exportResults(file, { format, out: out(format), what });
    const { rows, specHash } = JSON.parse(readFileSync(out('json'), 'utf8')) as {
      rows: Record<string, unknown>[];
      specHash: string;
    };
    const names = Object.keys(rows[0] ?? {});
    const expected = Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name])]));

    const table = tableFromIPC(readFileSync(out('arrow')));
    t.deepEqual(table.names, names);
    t.is(JSON.parse(table.schema.metadata?.get('prompt-attention') ?? '{}').specHash, specHash);
    const plain = (value: unknown) => (value === Number.POSITIVE_INFINITY ? 'Infinity' : value);
    for (const name of names) t.deepEqual(Array.from(table.getChild(name), plain), expected[name], name);

    const arrow = python(kArrow, 'pyarrow', out('arrow')) as FromPython | undefined;
    if (arrow !== undefined) {
      t.is(arrow.head.specHash, specHash);
      t.deepEqual(arrow.columns, expected as FromPython['columns']);
    }
    const numpy = python(kNumpy, 'numpy', out('npz')) as FromPython | undefined;
    if (numpy !== undefined) {
      t.is(numpy.head.specHash, specHash);
      t.deepEqual(Object.keys(numpy.columns), names);
      t.deepEqual(numpy.types.error ?? numpy.types.meanError, '<f8');
      t.is(numpy.types.index, '<i4');
      if (what === 'rows') t.is(numpy.types.reliable, '|b1');
      // Texts that are missing are empty.
      const isText = (name: string) => numpy.types[name]?.startsWith('<U') === true;
      for (const name of names)
        t.deepEqual(
          numpy.columns[name],
          isText(name) ? expected[name]?.map((text) => text ?? '') : expected[name],
          name,
        );
    }
  }
});

test('an archive that its format cannot hold is refused before it is written', (t) => {
  t.notThrows(() => checkArchiveSize(4e9));
  t.throws(() => checkArchiveSize(2 ** 32), {
    instanceOf: StoreError,
    message: /^4\.3 GB are too much for the format npz/,
  });
});

test('raw trials are those of simulate', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'x.sqlite');
  await run(smallStudy, { out: file });
  await exportResults(file, { format: 'parquet', out: join(directory, 'x.parquet'), what: 'trials' });
  const trials = await parquetReadObjects({ file: await asyncBufferFromFile(join(directory, 'x.parquet')) });
  const own = trials.filter(({ index }) => index === 3);
  const cell = { ...smallStudy.experiment, examples: 80, inverseTemperature: 0.5 };
  const { metrics } = await simulate(cell, { seed: 7, trials: own.length, testDraws: 100 });
  t.deepEqual(
    own.map(({ trial }) => trial),
    [...own.keys()],
  );
  t.deepEqual(
    own.map(({ error }) => error),
    [...metrics.error],
  );
  t.deepEqual(
    own.map(({ headNorm }) => headNorm),
    [...(metrics.headNorm as Float64Array)],
  );
});

test('an output that cannot be written is an error and leaves nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'x.sqlite');
  await run({ ...smallStudy, trials: 2 }, { out: file });
  for (const out of [directory, join(directory, 'no', 'x.csv')])
    await t.throwsAsync(exportResults(file, { format: 'csv', out }), { instanceOf: StoreError });
  t.deepEqual(readdirSync(directory), ['x.sqlite']);
});
