import { levelsText } from '../report/labels.js';
import { escapeHtml } from '../report/page.js';
import { progressText } from '../report/progress-text.js';
import { secondsText } from '../report/table.js';
import { type StudyCell, StudyCells } from '../study/cells.js';
import type { PairedDifference } from '../study/compare.js';
import { nextStretch } from '../study/definition/schedule.js';
import type { StoredProgress } from '../study/read.js';
import type { StudyResult, StudyRow } from '../study/rows.js';

/** Share of the time that looking may take: whoever runs the study on the same machine has the rest. */
const kShare = 0.02;
/** Cells of a map: more are too small to be seen. */
const kMostCells = 2500;
/** Cells that are listed. */
const kListed = 8;

/** Where a study is read from. */
export interface WatchedStudy {
  /** What it is called: a file, or the id of a study of a cluster. */
  readonly name: string;
  read(): Promise<StudyResult>;
  differences(): Promise<readonly PairedDifference[]>;
  progress(): Promise<StoredProgress>;
}

/** How far a cell is. */
type CellState = 'waiting' | 'running' | 'finished' | 'doubtful' | 'failed';

const kStateText: Readonly<Record<CellState, string>> = {
  waiting: 'waiting',
  running: 'under way',
  finished: 'finished',
  doubtful: 'finished, not reliable',
  failed: 'with failed trials',
};

function stateOf(row: StudyRow | undefined, { trials }: StudyResult['spec']): CellState {
  if (row === undefined) return 'waiting';
  const estimate =
    trials.metric === 'error' ? { mean: row.meanError, standardError: row.standardError } : row.metrics[trials.metric];
  const unknown = { mean: Number.NaN, standardError: Number.NaN };
  if (row.failed > 0) return 'failed';
  if (nextStretch(trials, row.trials, () => estimate ?? unknown) !== undefined) return 'running';
  return row.reliable ? 'finished' : 'doubtful';
}

function cellText({ factors }: Pick<StudyCell, 'factors'>, row: StudyRow | undefined): string {
  const name = levelsText(factors, Object.keys(factors)) || 'the only cell';
  if (row === undefined || row.trials === 0) return name;
  const error = Number.isNaN(row.standardError)
    ? ''
    : `, error ${row.meanError.toPrecision(3)} ± ${row.standardError.toPrecision(2)}`;
  return `${name}: ${row.trials} trials${error}`;
}

function list(title: string, rows: readonly StudyRow[], text: (row: StudyRow) => string): string {
  if (rows.length === 0) return '';
  const items = rows.slice(0, kListed).map((row) => `<li>${escapeHtml(text(row))}</li>`);
  return `<div><h3>${title}</h3><ul>${items.join('')}</ul></div>`;
}

/** How far a study is, as a part of its page: a bar, a map of the cells, and those that are slow or fail. */
export function nowHtml(result: StudyResult, progress: StoredProgress): string {
  const { spec, rows } = result;
  const cells = StudyCells.of(spec);
  const byIndex = new Map(rows.map((row) => [row.index, row]));
  const states = Array.from({ length: cells.length }, (_, index) => stateOf(byIndex.get(index), spec));
  const count = (state: CellState) => states.filter((each) => each === state).length;
  const legend = (Object.keys(kStateText) as CellState[])
    .filter((state) => count(state) > 0)
    .map((state) => `<li><i class="cell ${state}" aria-hidden="true"></i> ${count(state)} ${kStateText[state]}</li>`);
  const map = states
    .slice(0, kMostCells)
    .map((state, i) => `<i class="cell ${state}" title="${escapeHtml(cellText(cells.at(i), byIndex.get(i)))}"></i>`);
  const more =
    states.length > map.length ? `<p class="quiet">The first ${map.length} of ${states.length} cells.</p>` : '';
  const slow = rows.filter(({ wallSeconds }) => wallSeconds > 0).toSorted((a, b) => b.wallSeconds - a.wallSeconds);
  const failing = rows.filter(({ failed }) => failed > 0).toSorted((a, b) => b.failed / b.trials - a.failed / a.trials);
  const open = rows
    .filter((row) => states[row.index] === 'running')
    .toSorted((a, b) => b.standardError - a.standardError);
  const { text, value, most } = shownProgress(progress);
  return `<section id="now" aria-label="Progress">
<p role="status" class="progress-text">${escapeHtml(text)}</p>
<progress value="${value}" max="${most}" aria-label="Trials finished"></progress>
<div class="cells" role="img" aria-label="Cells of the study, in the order of its grid">${map.join('')}</div>
${more}<ul class="legend">${legend.join('')}</ul>
<div class="lists">
${list('Largest error bars under way', open, (row) => cellText(row, row))}
${list('Slowest cells', slow, (row) => `${cellText(row, undefined)}: ${secondsText(row.wallSeconds)} s`)}
${list('Cells with failed trials', failing, (row) => `${cellText(row, undefined)}: ${row.failed} of ${row.trials} failed`)}
</div>
</section>`;
}

/** How far a study is: the text and the bar of its page. */
export interface ShownProgress {
  readonly text: string;
  readonly value: number;
  readonly most: number;
}

/** What is shown of studies: everything as of some moment, and how far they are now. */
export interface Look {
  /** Changes when the content does. */
  readonly version: string;
  readonly html: string;
  readonly progress: readonly ShownProgress[];
}

/** Laws alone are counted by cells. */
function shownProgress(progress: StoredProgress): ShownProgress {
  const { completedTrials, expectedTrials, finishedCells, cells } = progress;
  const [value, most] = expectedTrials > 0 ? [completedTrials, expectedTrials] : [finishedCells, cells];
  return { text: progressText(progress), value, most: Math.max(most, 1) };
}

/**
 * Looks at studies when asked to. While somebody is at work on them, everything is read and drawn again for no more than a fiftieth of the
 * time: the page of a study whose results take a second to read is renewed every minute. How far they are is known at once.
 */
export class Watch {
  private seen: { readonly version: string; readonly html: string } | undefined;
  private looking: Promise<void> | undefined;
  private next = 0;

  constructor(
    private readonly studies: readonly WatchedStudy[],
    private readonly htmlOf: () => Promise<string>,
  ) {}

  private async look(version: string): Promise<void> {
    const begin = performance.now();
    this.seen = { version, html: await this.htmlOf() };
    const end = performance.now();
    this.next = end + (end - begin) / kShare;
  }

  /** What there is to be seen. */
  async see(): Promise<Look> {
    const now = await Promise.all(this.studies.map((study) => study.progress()));
    const version = now.map(({ completedTrials, finishedCells }) => `${completedTrials}/${finishedCells}`).join(' ');
    const isIdle = now.every(({ trialsPerSecond }) => trialsPerSecond === 0);
    const isDue =
      this.seen === undefined || (this.seen.version !== version && (isIdle || performance.now() > this.next));
    if (isDue)
      // Whoever asks meanwhile gets this look.
      this.looking ??= this.look(version).finally(() => {
        this.looking = undefined;
      });
    await this.looking;
    const seen = this.seen as NonNullable<typeof this.seen>;
    return { ...seen, progress: now.map(shownProgress) };
  }
}
