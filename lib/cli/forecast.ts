import { levelsText } from '../report/labels.js';
import { durationText } from '../report/progress-text.js';
import type { StudySpec } from '../study/definition/study-options.js';
import { type Bounds, forecast } from '../study/forecast.js';

/** Cells without a law that are listed. */
const kListed = 12;

function range({ least, most }: Bounds, text: (value: number) => string): string {
  const [from, to] = [text(least), text(most)];
  return from === to ? from : `${from} to ${to}`;
}

function bytesText(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 0), units.length - 1);
  return `${Number((bytes / 1000 ** power).toPrecision(2))} ${units[power]}`;
}

/** What a study will take, as a few lines. */
export async function forecastText(spec: StudySpec, options: Parameters<typeof forecast>[1]): Promise<string> {
  const { cells, trials, seconds, bytes, fileBytes, memory, measured, withoutLaw } = await forecast(spec, options);
  const names = withoutLaw.map(({ factors }) => levelsText(factors, Object.keys(factors)));
  const more = names.length > kListed ? [`  … and ${names.length - kListed} more`] : [];
  return [
    `study ${spec.name}: ${cells} cells`,
    `trials: ${range(trials, (value) => value.toLocaleString('en'))}`,
    `time:   about ${range(seconds, durationText)}, from ${measured.cells} cells measured in ${durationText(measured.seconds)}`,
    `memory: ${bytesText(memory)} for the cells measured`,
    `result: a file of about ${range(fileBytes, bytesText)}, ${range(bytes, bytesText)} of it raw results`,
    spec.theory === false
      ? 'law:    not asked for'
      : `law:    of ${cells - withoutLaw.length} of ${cells} cells${withoutLaw.length === 0 ? '' : '; none of'}`,
    ...names.slice(0, kListed).map((name) => `  ${name}`),
    ...more,
  ].join('\n');
}
