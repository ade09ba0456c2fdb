import { durationText } from '../report/progress-text.js';
import type { StudyProgress } from '../study/progress.js';

/** How progress can be shown. */
export const kProgressKinds = ['bar', 'lines', 'none', 'json'] as const;

/** One of {@link kProgressKinds}. */
export type ProgressKind = (typeof kProgressKinds)[number];

/** Shows how far a study is. */
export interface ProgressDisplay {
  update(progress: StudyProgress): void;
  stop(): void;
}

const kLineMilliseconds = 5000;
const kJsonMilliseconds = 1000;

/** Trials per second of this run, and how many seconds the rest will take at that rate; null while nothing is known. */
function pace({ completedTrials, storedTrials, expectedTrials }: StudyProgress, seconds: number) {
  const rate = (completedTrials - storedTrials) / seconds;
  return rate > 0 ? { rate, left: (expectedTrials - completedTrials) / rate } : { rate: null, left: null };
}

/** The same as short text. */
function paceText(progress: StudyProgress, seconds: number): { readonly rate: string; readonly left: string } {
  const { rate, left } = pace(progress, seconds);
  if (rate === null) return { rate: '–', left: '–' };
  return { rate: rate < 10 ? rate.toFixed(1) : String(Math.round(rate)), left: durationText(left) };
}

/** One line of plain text now and then. */
function plainLines(stream: NodeJS.WriteStream): ProgressDisplay {
  const begin = performance.now();
  let last = begin;
  return {
    update(progress) {
      const now = performance.now();
      if (now - last < kLineMilliseconds) return;
      last = now;
      const { rate, left } = paceText(progress, (now - begin) / 1000);
      const { finishedCells, cells, completedTrials, expectedTrials } = progress;
      // A study of laws alone has no trials.
      const trials =
        expectedTrials === 0
          ? ''
          : `, ${completedTrials} of about ${expectedTrials} trials, ${rate} trials/s, about ${left} left`;
      stream.write(`${finishedCells} of ${cells} cells finished${trials}\n`);
    },
    stop() {},
  };
}

/** One JSON object per line and second, and one for the end: the members of `StudyProgress`, `trialsPerSecond`, `secondsLeft`. */
function jsonLines(stream: NodeJS.WriteStream): ProgressDisplay {
  const begin = performance.now();
  let written = Number.NEGATIVE_INFINITY;
  let latest: StudyProgress | undefined;
  const write = () => {
    if (latest === undefined) return;
    const { rate, left } = pace(latest, (performance.now() - begin) / 1000);
    stream.write(`${JSON.stringify({ ...latest, trialsPerSecond: rate, secondsLeft: left })}\n`);
    written = performance.now();
    latest = undefined;
  };
  return {
    update(progress) {
      latest = progress;
      if (performance.now() - written >= kJsonMilliseconds) write();
    },
    stop: write,
  };
}

async function progressBar(stream: NodeJS.WriteStream): Promise<ProgressDisplay> {
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar(
    {
      stream,
      format: '{bar} {percentage} % | {finished}/{cells} cells | {trials} trials | {rate} trials/s | {left} left',
      barsize: 24,
      fps: 5,
      hideCursor: true,
      clearOnComplete: true,
      // An interrupted run still has to say so itself.
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  const begin = performance.now();
  let started = false;
  return {
    update(progress) {
      const payload = {
        finished: progress.finishedCells,
        cells: progress.cells,
        trials: `${progress.completedTrials}/${progress.expectedTrials}`,
        ...paceText(progress, (performance.now() - begin) / 1000),
      };
      // Laws alone are counted by cells.
      const alone = progress.expectedTrials === 0;
      const total = alone ? progress.cells : progress.expectedTrials;
      const value = alone ? progress.finishedCells : progress.completedTrials;
      if (started) bar.setTotal(total);
      else bar.start(total, value, payload);
      started = true;
      bar.update(value, payload);
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

/** A bar on a terminal, else plain lines; on standard error, so that standard output holds results only. */
export async function progressDisplay(kind: ProgressKind | undefined): Promise<ProgressDisplay> {
  const stream = process.stderr;
  const resolved = kind ?? (stream.isTTY ? 'bar' : 'lines');
  if (resolved === 'none') return { update() {}, stop() {} };
  if (resolved === 'json') return jsonLines(stream);
  return resolved === 'bar' ? await progressBar(stream) : plainLines(stream);
}
