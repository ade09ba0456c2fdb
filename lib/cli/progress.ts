import type { StudyProgress } from '../study/progress.js';

/** Shows how far a study is. */
export interface ProgressDisplay {
  update(progress: StudyProgress): void;
  stop(): void;
}

const kLineMilliseconds = 5000;

/** A duration as short text: `45 s`, `12 min`, `3.5 h`. */
export function durationText(seconds: number): string {
  if (seconds < 99.5) return `${Math.ceil(seconds)} s`;
  if (seconds < 99.5 * 60) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Trials per second of this run, and how long the rest will take at that rate. */
function pace(progress: StudyProgress, seconds: number): { readonly rate: string; readonly left: string } {
  const rate = (progress.completedTrials - progress.storedTrials) / seconds;
  if (!(rate > 0)) return { rate: '–', left: '–' };
  const left = (progress.expectedTrials - progress.completedTrials) / rate;
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
      const { rate, left } = pace(progress, (now - begin) / 1000);
      const { finishedCells, cells, completedTrials, expectedTrials } = progress;
      stream.write(
        `${finishedCells} of ${cells} cells finished, ${completedTrials} of about ${expectedTrials} trials, ` +
          `${rate} trials/s, about ${left} left\n`,
      );
    },
    stop() {},
  };
}

async function progressBar(stream: NodeJS.WriteStream): Promise<ProgressDisplay> {
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar(
    {
      stream,
      format:
        '{bar} {percentage} % | {finished}/{cells} cells | {value}/{total} trials | {rate} trials/s | {left} left',
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
        ...pace(progress, (performance.now() - begin) / 1000),
      };
      if (started) bar.setTotal(progress.expectedTrials);
      else bar.start(progress.expectedTrials, progress.completedTrials, payload);
      started = true;
      bar.update(progress.completedTrials, payload);
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

/** A bar on a terminal, else plain lines; on standard error, so that standard output holds results only. */
export async function progressDisplay(kind: 'bar' | 'lines' | 'none' | undefined): Promise<ProgressDisplay> {
  const stream = process.stderr;
  const resolved = kind ?? (stream.isTTY ? 'bar' : 'lines');
  if (resolved === 'none') return { update() {}, stop() {} };
  return resolved === 'bar' ? await progressBar(stream) : plainLines(stream);
}
