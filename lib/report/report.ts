import type { Report, ReportOptions } from './index.js';

/**
 * Write a report about a study: one HTML page that needs nothing but itself (no network, no other file), and its figures as SVG
 * and PNG. It shows the test error with theory, phase diagrams, paired differences, attention mass, overlaps, z-scores, a
 * table that can be sorted, the study and its provenance; what a study has nothing of is left out. Needs no display.
 *
 * @param file A result file; the study may still be running.
 * @throws {@link StoreError} if the file cannot be read or the directory cannot be written.
 * @example
 * ```ts
 * import { study } from 'prompt-attention';
 * const { page } = await study.report('benefit-of-context.sqlite', { out: 'report' });
 * console.log(page); // report/index.html
 * ```
 */
export async function report(file: string, options: ReportOptions): Promise<Report> {
  // Loaded when asked for: whoever only runs studies does not pay for the figures.
  const { writeReport } = await import('./index.js');
  return writeReport(file, options);
}
