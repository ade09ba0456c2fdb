import type { StoredProgress } from '../study/read.js';

/** A duration as short text: `45 s`, `12 min`, `3.5 h`. */
export function durationText(seconds: number): string {
  if (seconds < 99.5) return `${Math.ceil(seconds)} s`;
  if (seconds < 99.5 * 60) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** `3 of 24 cells finished, 1200 trials`, and while somebody is at work ` of about 5000, 250 trials/s, about 16 s left`. */
export function progressText(progress: StoredProgress): string {
  const { cells, finishedCells, completedTrials, expectedTrials, trialsPerSecond } = progress;
  const trials = expectedTrials === 0 ? 'the law alone' : `${completedTrials} trials`;
  const text = `${finishedCells} of ${cells} cells finished, ${trials}`;
  if (finishedCells === cells || trialsPerSecond === 0) return text;
  const left = durationText((expectedTrials - completedTrials) / trialsPerSecond);
  return `${text} of about ${expectedTrials}, ${trialsPerSecond.toPrecision(3)} trials/s, about ${left} left`;
}
