import { renameSync, rmSync, statSync } from 'node:fs';
import { z } from 'zod';
import { StoreError } from '../base/errors.js';
import { parseOptions, resultFilePath } from '../base/options.js';
import { followLinks } from '../base/output.js';
import { type Batch, sliceBatch } from './batches.js';
import { StudyCells } from './cells.js';
import { specDifferences } from './definition/diff.js';
import { byCell, consecutive, open, readRanges } from './read.js';
import type { StudyResult } from './rows.js';
import { isUnwritable, type OpenStudy, openForReading, openForRun, pendingLog } from './sqlite.js';
import type { CellTheory } from './theory.js';

/** How result files are merged. */
export interface MergeOptions {
  /** The merged result file; must not exist. A link is followed. */
  readonly out: string;
  /** Accept files computed by different engines, whose results agree up to rounding only. Default false. */
  readonly mixedEngines?: boolean | undefined;
  /** Accept files that together lack cells of the study, or trials of them. Default false. */
  readonly partial?: boolean | undefined;
}

const filesSchema = z
  .array(z.string({ error: 'the path of a file' }), { error: 'an array of paths of result files' })
  .min(1, { error: 'an array of at least one path' });
const optionsSchema = z.strictObject({
  out: resultFilePath,
  mixedEngines: z.boolean({ error: 'true or false' }).default(false),
  partial: z.boolean({ error: 'true or false' }).default(false),
});

function requireSameStudy(sources: readonly OpenStudy[]): void {
  const [first, ...others] = sources as [OpenStudy, ...OpenStudy[]];
  for (const { store, header } of others) {
    const differences = specDifferences(first.header.spec, header.spec);
    if (differences !== '')
      throw new StoreError(`${store.where}: is not the study of ${first.store.where}: there ${differences}`);
  }
}

export async function requireOneEngine(sources: readonly OpenStudy[]): Promise<void> {
  const engines = new Map<string, string>();
  for (const { store, header } of sources)
    for (const { engine } of await store.readRuns(header.id)) engines.set(engine, store.where);
  if (engines.size < 2) return;
  const list = [...engines].map(([engine, file]) => `${engine} (${file})`).join(', ');
  throw new StoreError(
    `the files were computed by different engines, which agree up to rounding only: ${list}; mixedEngines (--mixed-engines) ` +
      'merges them all the same',
  );
}

/** Integers in ascending order as text, as Slurm's --array takes them: `1-3,7`. */
function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** Throws unless every cell of the study is finished in some of the files, and says which shards or cells are not. */
async function requireWhole(sources: readonly OpenStudy[]): Promise<void> {
  const [{ header }] = sources as [OpenStudy, ...OpenStudy[]];
  const finished = new Set<number>();
  const counts = new Set<string>();
  for (const { store } of sources) {
    for (const cell of await store.readFinished(header.id)) finished.add(cell);
    for (const { shard } of await store.readRuns(header.id)) counts.add(shard?.split('/')[1] ?? '');
  }
  const missing = Array.from({ length: header.cells }, (_, cell) => cell).filter((cell) => !finished.has(cell));
  if (missing.length === 0) return;
  const count = counts.size === 1 ? Number([...counts][0]) : 0;
  const shards = [...new Set(missing.map((cell) => (cell % count) + 1))].sort((a, b) => a - b);
  const what = count > 0 ? `shards ${rangesText(shards)} of ${count} are` : `cells ${rangesText(missing)} are`;
  throw new StoreError(
    `only ${finished.size} of ${header.cells} cells are finished in these files: ${what} missing or not finished; run them, or ` +
      'merge what there is by partial (--partial)',
  );
}

function sameBytes(a: Float64Array | Uint8Array, b: Float64Array | Uint8Array): boolean {
  const bytes = (array: Float64Array | Uint8Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return bytes(a).equals(bytes(b));
}

function sameResults(a: Batch, b: Batch): boolean {
  const names = Object.keys(a.metrics);
  return (
    names.length === Object.keys(b.metrics).length &&
    sameBytes(a.status, b.status) &&
    names.every((name) => {
      const other = b.metrics[name];
      return other !== undefined && sameBytes(a.metrics[name] as Float64Array, other);
    })
  );
}

/** Throws unless the trials that both lists hold are the same, byte for byte. Both begin at trial 0 and have no gaps. */
function requireSameTrials(a: readonly Batch[], b: readonly Batch[], where: string): void {
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [left, right] = [a[i] as Batch, b[j] as Batch];
    const ends = [left.firstTrial + left.status.length, right.firstTrial + right.status.length] as const;
    const from = Math.max(left.firstTrial, right.firstTrial);
    const to = Math.min(...ends);
    if (!sameResults(sliceBatch(left, from, to), sliceBatch(right, from, to)))
      throw new StoreError(
        `${where} disagree about trials ${from} to ${to - 1} of cell ${left.cell}, which must be the same byte for byte: one of ` +
          'them is damaged, or was computed by another engine',
      );
    if (ends[0] === to) ++i;
    if (ends[1] === to) ++j;
  }
}

function mergedTheory(theories: readonly { readonly where: string; readonly theory: CellTheory }[], cell: number) {
  const [first, ...others] = theories;
  for (const { where, theory } of others)
    if (JSON.stringify(theory) !== JSON.stringify(first?.theory))
      throw new StoreError(`${first?.where} and ${where} disagree about the law of cell ${cell}`);
  return first === undefined ? [] : [{ cell, theory: first.theory }];
}

/**
 * Join the result files of a study, for example those of its shards, into one. Trials that several files hold must be the same
 * byte for byte.
 *
 * @param files Result files of the same study, with the same rule for trials.
 * @throws {@link StoreError} if a file cannot be read, if the files hold different studies (the error lists what differs), results
 * of different engines, trials that disagree, or not all of the study, or if `out` exists; nothing is left behind then.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const spec = study.define({
 *   name: 'shared', seed: 1, trials: 32,
 *   experiment: {
 *     kind: 'known-prompt',
 *     mixture: { tokens: 8, dimension: 40, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
 *     head: { kind: 'averaging' },
 *     inverseTemperature: 0.5,
 *   },
 *   factors: { examples: [40, 80, 160] },
 * });
 * for (const index of [1, 2]) await study.run(spec, { out: `shared-${index}.sqlite`, shard: { index, count: 2 } });
 * const { finishedCells } = await study.merge(['shared-1.sqlite', 'shared-2.sqlite'], { out: 'shared.sqlite' });
 * console.log(finishedCells); // 3
 * ```
 */
export async function merge(files: readonly string[], options: MergeOptions): Promise<StudyResult> {
  const paths = parseOptions(filesSchema, files, 'files');
  const { out, mixedEngines, partial } = parseOptions(optionsSchema, options, '');
  if (statSync(followLinks(out), { throwIfNoEntry: false }) !== undefined)
    throw new StoreError(`${out}: exists already; choose another file (out, or --out), or delete this one`);
  const sources: OpenStudy[] = [];
  try {
    for (const path of paths) sources.push(await openForReading(path));
    requireSameStudy(sources);
    if (!mixedEngines) await requireOneEngine(sources);
    if (!partial) await requireWhole(sources);
    await writeMerged(sources, out);
  } finally {
    for (const { store } of sources) await store.close();
  }
  return open(out);
}

/** Write everything that some stores hold about one study into a new file. */
export async function writeMerged(sources: readonly OpenStudy[], out: string): Promise<void> {
  // Written under another name first, so that `out` is complete or not there.
  const place = followLinks(out);
  const unfinished = `${place}.unfinished`;
  rmSync(unfinished, { force: true });
  try {
    const { spec, id } = (sources[0] as OpenStudy).header;
    const target = await openForRun(unfinished, spec, StudyCells.of(spec));
    try {
      for (const { store } of sources) for (const run of await store.readRuns(id)) await target.store.addRun(id, run);
      await copyResults(sources, target);
    } finally {
      await target.store.close();
    }
    if (pendingLog(unfinished) !== undefined)
      throw new StoreError(`${unfinished}: is being read by another program, so that it cannot become ${out}`);
    // SQLite would take what another file of this name left for a part of this one.
    for (const rest of ['-wal', '-shm']) rmSync(place + rest, { force: true });
    renameSync(unfinished, place);
  } catch (error) {
    if (!isUnwritable(error, unfinished)) throw error;
    throw new StoreError(
      `${out}: cannot be written (is the disk full, or a quota reached?); nothing of it is kept, and what it is made from is as it was`,
      { cause: error },
    );
  } finally {
    rmSync(unfinished, { force: true });
  }
}

async function copyResults(sources: readonly OpenStudy[], { store, header }: OpenStudy): Promise<void> {
  const counts = new Float64Array(header.cells);
  for (const source of sources)
    for (const [cell, trials] of (await source.store.readTrialCounts(source.header)).entries())
      counts[cell] = (counts[cell] as number) + trials;
  for (const [from, to] of readRanges(counts)) {
    const batches: (readonly Batch[])[][] = Array.from({ length: to - from }, () => []);
    const theories: { where: string; theory: CellTheory }[][] = Array.from({ length: to - from }, () => []);
    const finished = new Set<number>();
    for (const { store: source } of sources) {
      for (const cell of await source.readFinished(header.id)) if (cell >= from && cell < to) finished.add(cell);
      const own = byCell(await source.readBatches(header.id, from, to), from, to);
      for (const [i, list] of own.entries()) batches[i]?.push(consecutive(source.where, list));
      for (const [cell, theory] of await source.readTheories(header.id, from, to))
        theories[cell - from]?.push({ where: source.where, theory });
    }
    const where = sources.map((source) => source.store.where).join(' and ');
    await store.writeResults(header.id, {
      batches: batches.flatMap((lists) => {
        const longest = lists.reduce((a, b) => (trialsOf(b) > trialsOf(a) ? b : a), []);
        for (const list of lists) if (list !== longest) requireSameTrials(longest, list, where);
        return longest;
      }),
      theories: theories.flatMap((list, i) => mergedTheory(list, from + i)),
      finished: [...finished],
    });
  }
}

function trialsOf(batches: readonly Batch[]): number {
  const last = batches.at(-1);
  return last === undefined ? 0 : last.firstTrial + last.status.length;
}
