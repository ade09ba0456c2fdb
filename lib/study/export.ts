import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { filePath, oneOf, parseOptions } from '../base/options.js';
import { outputError, writeOutput } from '../base/output.js';
import { type Column, collected, column, type Fields, kFormats, type Table, type Value } from '../formats/table.js';
import { csvLines, jsonLines } from '../formats/text.js';
import { agreementOf } from './agreement.js';
import { metricNames, StudyCells } from './cells.js';
import type { FactorValue } from './definition/factors.js';
import { plain } from './definition/spec.js';
import { byCell, consecutive, readRanges, storedCells } from './read.js';
import type { StudyRow } from './rows.js';
import { type OpenStudy, openForReading } from './sqlite.js';
import { kTestErrorArrays } from './statistics.js';

/** What is exported, and how. */
export interface ExportOptions extends ColumnsOptions {
  /** Format of the file. */
  readonly format: 'csv' | 'json' | 'parquet' | 'arrow' | 'npz';
  /** The file to write; one that exists is replaced, links are followed, devices and pipes are written to. */
  readonly out: string;
}

/** Which columns are read. */
export interface ColumnsOptions {
  /** `'rows'`: one entry per cell; `'trials'`: one per trial, the raw metrics. Default `'rows'`. */
  readonly what?: 'rows' | 'trials' | undefined;
}

/** Columns by name, all of one length: numbers with NaN where there is none (true and false are 1 and 0), or texts with null. */
export type StudyColumns = Readonly<Record<string, Float64Array | readonly (string | null)[]>>;

const columnsSchema = z.strictObject({ what: oneOf(['rows', 'trials']).default('rows') });
const optionsSchema = columnsSchema.extend({ format: oneOf(kFormats), out: filePath });

/** A level as one value: what is not a number, a text or a truth value as JSON. */
function plainLevel(value: FactorValue | undefined): Value {
  if (value === undefined) return null;
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

/** The factor columns of a study, with the type that holds all their levels. */
function factorColumns(cells: StudyCells): readonly Column[] {
  const types = new Map<string, Set<string>>(cells.paths.map((path) => [path, new Set()]));
  for (const { factors } of cells)
    for (const [path, value] of Object.entries(factors)) types.get(path)?.add(typeof plainLevel(value));
  return [...types].map(([path, kinds]) => {
    if (kinds.size !== 1) return column(path, 'STRING');
    return column(path, kinds.has('number') ? 'DOUBLE' : kinds.has('boolean') ? 'BOOLEAN' : 'STRING');
  });
}

function factorValues(columns: readonly Column[], factors: StudyRow['factors']): Fields {
  return Object.fromEntries(
    columns.map(({ name, type }) => {
      const value = plainLevel(factors[name]);
      return [name, type === 'STRING' && value !== null ? String(value) : value];
    }),
  );
}

const kRowColumns: readonly Column[] = [
  column('trials', 'INT32'),
  column('failed', 'INT32'),
  ...['meanError', 'standardError', 'intervalLow', 'intervalHigh', 'quantile5', 'quantile50', 'quantile95'].map(
    (name) => column(name),
  ),
  ...['effectiveTrials', 'effectiveDraws', 'theory', 'theoryStandardError', 'theoryEffectiveDraws', 'z'].map((name) =>
    column(name),
  ),
  column('reliable', 'BOOLEAN'),
  // The marks of a row, separated by spaces.
  column('marks', 'STRING'),
];

function rowTable({ store, header }: OpenStudy): Table {
  const cells = StudyCells.of(header.spec);
  const factors = factorColumns(cells);
  const metrics = metricNames(cells).filter((name) => name !== 'error');
  const columns = [
    ...['study', 'specHash', 'cell'].map((name) => column(name, 'STRING')),
    column('index', 'INT32'),
    ...factors,
    ...kRowColumns,
    ...metrics.flatMap((name) =>
      ['', 'StandardError', 'Theory', 'TheoryStandardError'].map((part) => column(name + part)),
    ),
    // A metric with several values per trial: its means and standard errors as JSON arrays.
    column('paths', 'STRING'),
    column('wallSeconds'),
    column('engine', 'STRING'),
  ];
  async function* rows(): AsyncGenerator<Fields> {
    for await (const { row } of storedCells(store, header)) {
      const { metrics: own, metricTheory, paths, factors: levels, marks, ...rest } = row;
      const values = metrics.flatMap((name) => [
        [name, own[name]?.mean ?? null],
        [`${name}StandardError`, own[name]?.standardError ?? null],
        [`${name}Theory`, metricTheory[name]?.mean ?? null],
        [`${name}TheoryStandardError`, metricTheory[name]?.standardError ?? null],
      ]);
      const path = Object.keys(paths).length === 0 ? null : JSON.stringify(paths);
      yield {
        ...rest,
        ...factorValues(factors, levels),
        ...Object.fromEntries(values),
        marks: marks.join(' '),
        paths: path,
      };
    }
  }
  return { columns, rows: rows() };
}

function trialTable({ store, header }: OpenStudy): Table {
  const cells = StudyCells.of(header.spec);
  const factors = factorColumns(cells);
  const metrics = [...metricNames(cells), ...kTestErrorArrays];
  const columns = [
    column('index', 'INT32'),
    ...factors,
    column('trial'),
    column('status', 'INT32'),
    ...metrics.map((name) => column(name)),
  ];
  async function* rows(): AsyncGenerator<Fields> {
    for (const [from, to] of readRanges(await store.readTrialCounts(header))) {
      const batches = byCell(await store.readBatches(header.id, from, to), from, to);
      for (const [i, own] of batches.entries()) {
        if (own.length === 0) continue;
        const index = from + i;
        const levels = factorValues(factors, cells.at(index).factors);
        for (const batch of consecutive(store.where, own))
          for (const [trial, status] of batch.status.entries()) {
            const values = metrics.map((name) => {
              const all = batch.metrics[name];
              return [name, all?.length === batch.status.length ? (all[trial] as number) : null];
            });
            yield { index, ...levels, trial: batch.firstTrial + trial, status, ...Object.fromEntries(values) };
          }
      }
    }
  }
  return { columns, rows: rows() };
}

const writeLines = (file: string, lines: AsyncGenerator<string>) =>
  pipeline(Readable.from(lines), createWriteStream(file));

/** What writes each format; loaded when asked for. */
const kWriters: Readonly<Record<ExportOptions['format'], (file: string, head: object, table: Table) => Promise<void>>> =
  {
    csv: (file, _, table) => writeLines(file, csvLines(table)),
    json: (file, head, table) => writeLines(file, jsonLines(head, table)),
    parquet: async (...content) => (await import('../formats/parquet.js')).writeParquet(...content),
    arrow: async (...content) => (await import('../formats/arrow.js')).writeArrow(...content),
    npz: async (...content) => (await import('../formats/npz.js')).writeNpz(...content),
  };

/** Provenance as it goes into every format but CSV, and how rows and laws compare. */
async function headOf({ store, header }: OpenStudy): Promise<object> {
  const { spec, specHash, created, id } = header;
  const rows: StudyRow[] = [];
  for await (const { row } of storedCells(store, header)) rows.push(row);
  const agreement = agreementOf(spec, rows);
  return { study: spec.name, specHash, created, spec: plain(spec), agreement, runs: await store.readRuns(id) };
}

const tableOf = (view: OpenStudy, what: 'rows' | 'trials') => (what === 'rows' ? rowTable(view) : trialTable(view));

/**
 * The rows of a result file, or its raw trials, as columns in memory: those of {@link exportResults}, listed in docs/studies.md.
 *
 * @throws {@link StoreError} if the result file cannot be read; {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const { examples, error } = await study.columns('benefit-of-context.sqlite', { what: 'trials' });
 * console.log(examples?.length === error?.length);
 * ```
 */
export async function columns(file: string, options: ColumnsOptions = {}): Promise<StudyColumns> {
  const { what } = parseOptions(columnsSchema, options, '');
  const opened = await openForReading(file);
  try {
    const all = await opened.store.inOneView((store) => collected(tableOf({ ...opened, store }, what)));
    return Object.fromEntries(all.map(({ name, values }) => [name, values]));
  } finally {
    await opened.store.close();
  }
}

/**
 * Write the rows of a result file, or its raw trials, as CSV, JSON, Parquet, Arrow (Feather) or an archive of NumPy. All but CSV also hold the
 * study and its provenance: Parquet and Arrow as the metadata `prompt-attention`, NumPy's archive as the array of that name. The columns
 * are listed in docs/studies.md.
 *
 * @throws {@link StoreError} if the result file cannot be read or `out` cannot be written.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * await study.exportResults('benefit-of-context.sqlite', { format: 'csv', out: 'benefit-of-context.csv' });
 * ```
 */
export async function exportResults(file: string, options: ExportOptions): Promise<void> {
  const { format, out, what } = parseOptions(optionsSchema, options, '');
  const opened = await openForReading(file);
  try {
    await writeOutput(out, (file) =>
      opened.store.inOneView(async (store) => {
        const view = { ...opened, store };
        const table = tableOf(view, what);
        const head = await headOf(view);
        // Here, or the store would take it for an error of its own.
        await kWriters[format](file, head, table).catch((error) => Promise.reject(outputError(out, error)));
      }),
    );
  } finally {
    await opened.store.close();
  }
}
