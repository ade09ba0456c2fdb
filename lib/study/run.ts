import { z } from 'zod';
import { engineInfo } from '../engine.js';
import { StoreError } from '../errors.js';
import { abortSignal, parseOptions, threadCount } from '../options.js';
import { simulate } from '../simulate.js';
import { type StudyCell, studyCells } from './cells.js';
import { ProgressEstimate, type StudyProgress } from './progress.js';
import { type Batch, rowWarnings, type StudyResult, type StudyRow, studyRow } from './rows.js';
import { nextBatch, type TrialRange } from './schedule.js';
import { define, type StudyOptions, type StudySpec, specHash, specJson } from './spec.js';
import { errorStandardError, joinTrials } from './statistics.js';
import { StudyStore } from './store.js';
import { cellTheory } from './theory.js';

/** How a study is run; nothing in it changes a result. */
export interface StudyRunOptions {
  /** The result file. Made if it does not exist; continued if it holds the same study. Its directory must exist. */
  readonly out: string;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
  /** Aborting rejects with the signal's reason; every finished batch stays in the file. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most ten times a second within a batch, and after each batch. */
  readonly onProgress?: ((progress: StudyProgress) => void) | undefined;
}

const optionsSchema = z.strictObject({
  out: z.string({ error: 'the path of a file' }).min(1, { error: 'the path of a file' }),
  threads: threadCount,
  signal: abortSignal,
  onProgress: z
    .custom<NonNullable<StudyRunOptions['onProgress']>>((value) => typeof value === 'function', { error: 'a function' })
    .optional(),
});

/** Number of trials in consecutive batches. */
function trialsIn(batches: readonly Batch[]): number {
  const last = batches.at(-1);
  return last === undefined ? 0 : last.firstTrial + last.status.length;
}

function standardErrorOf(batches: readonly Batch[]): number {
  return errorStandardError(joinTrials(batches));
}

/**
 * Run a study, or what is left of it, into a result file.
 *
 * Batches are stored one by one as they finish; a run that was killed or aborted is continued by running the same study
 * into the same file, and ends with the same rows as if it had not been interrupted (except for `wallSeconds`).
 *
 * @param study A study, or the path of a study file.
 * @throws {@link StudyError} if the study is not valid; {@link OptionTypeError} or {@link OptionRangeError} for a bad
 * option; {@link StoreError} if the file cannot be written or holds another study; the signal's reason if aborted.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const { rows } = await study.run(
 *   {
 *     name: 'quick',
 *     seed: 1,
 *     experiment: {
 *       kind: 'known-prompt',
 *       mixture: { tokens: 8, dimension: 40, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
 *       head: { kind: 'averaging' },
 *     },
 *     factors: { examples: [40, 80], inverseTemperature: [0, 0.5] },
 *     trials: 64,
 *   },
 *   { out: 'quick.sqlite' },
 * );
 * for (const row of rows) console.log(row.factors, row.meanError, row.theory);
 * ```
 */
export async function run(study: StudyOptions | StudySpec | string, options: StudyRunOptions): Promise<StudyResult> {
  const spec = define(study);
  const { out, threads, signal, onProgress } = parseOptions(optionsSchema, options, '');
  signal?.throwIfAborted();
  const cells = studyCells(spec);
  const hash = specHash(spec);
  const engine = engineInfo();
  const header = {
    name: spec.name,
    spec: specJson(spec),
    specHash: hash,
    packageVersion: engine.version,
    nodeVersion: engine.node,
    engine: engine.fingerprint,
  };
  const store = await StudyStore.openForRun(out, header, cells);
  try {
    const counts = await store.countTrials();
    const estimate = new ProgressEstimate(
      spec.trials,
      cells.map((cell) => counts.get(cell.key) ?? 0),
    );
    const rows: StudyRow[] = [];
    for (const [index, cell] of cells.entries()) {
      const report = () => onProgress?.(estimate.snapshot(index, cell.factors));
      const theory = spec.theory ? await storedTheory(store, spec, cell, signal) : null;
      const batches = [...(await store.readBatches(cell.key))];
      const look = () => {
        const standardError = standardErrorOf(batches);
        estimate.look(index, trialsIn(batches), standardError);
        return standardError;
      };
      for (;;) {
        const range = nextBatch(spec.trials, trialsIn(batches), look);
        if (range === undefined) break;
        const onBatchProgress = (progress: { readonly completed: number }) => {
          estimate.advance(index, range.firstTrial + progress.completed);
          report();
        };
        const batch = await runBatch(spec, cell, range, { threads, signal, onProgress: onBatchProgress });
        await store.writeBatch(cell.key, batch);
        batches.push(batch);
      }
      rows.push(studyRow(spec, hash, cell, batches, theory));
      estimate.finish(index);
      report();
    }
    return studyResult(out, spec, hash, cells.length, cells.length, rows);
  } finally {
    await store.close();
  }
}

async function runBatch(
  spec: StudySpec,
  cell: StudyCell,
  range: TrialRange,
  options: Pick<Parameters<typeof simulate>[1], 'threads' | 'signal' | 'onProgress'>,
): Promise<Batch> {
  const { method, testDraws } = cell;
  const begin = performance.now();
  const { metrics, status, engine } = await simulate(cell.experiment, {
    ...range,
    ...options,
    seed: spec.seed,
    method,
    testDraws,
  });
  const wallSeconds = (performance.now() - begin) / 1000;
  return { firstTrial: range.firstTrial, metrics, status, wallSeconds, engine: engine.fingerprint };
}

async function storedTheory(store: StudyStore, spec: StudySpec, cell: StudyCell, signal: AbortSignal | undefined) {
  const stored = await store.readTheory(cell.key);
  if (stored !== null) return stored;
  const theory = (await cellTheory(cell, spec.seed, signal))?.error ?? null;
  if (theory !== null) await store.writeTheory(cell.key, theory);
  return theory;
}

function studyResult(
  file: string,
  spec: StudySpec,
  hash: string,
  cells: number,
  finishedCells: number,
  rows: readonly StudyRow[],
): StudyResult {
  return Object.freeze({ file, spec, specHash: hash, cells, finishedCells, rows, warnings: rowWarnings(rows) });
}

/**
 * Read the rows of a result file, also while the study is running: the rows are those of one moment.
 *
 * @param file A result file written by {@link run}.
 * @throws {@link StoreError} if there is no such file or it is not a result file.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const { rows, finishedCells, cells } = await study.open('benefit-of-context.sqlite');
 * console.log(`${finishedCells} of ${cells} cells`, rows.map((row) => row.z));
 * ```
 */
export async function open(file: string): Promise<StudyResult> {
  const store = StudyStore.openForReading(file);
  try {
    return await store.inOneView(async () => {
      const header = await store.readHeader();
      const spec = define(JSON.parse(header.spec) as StudyOptions);
      const hash = specHash(spec);
      if (hash !== header.specHash)
        throw new StoreError(`${file}: written by version ${header.packageVersion}, which this version cannot read`);
      const cells = studyCells(spec);
      const rows: StudyRow[] = [];
      let finishedCells = 0;
      for (const cell of cells) {
        const batches = await store.readBatches(cell.key);
        if (batches.length === 0) continue;
        const next = nextBatch(spec.trials, trialsIn(batches), () => standardErrorOf(batches));
        if (next === undefined) finishedCells += 1;
        rows.push(studyRow(spec, hash, cell, batches, await store.readTheory(cell.key)));
      }
      return studyResult(file, spec, hash, cells.length, finishedCells, rows);
    });
  } finally {
    await store.close();
  }
}
