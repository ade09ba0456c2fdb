import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { StoreError } from '../base/errors.js';
import { installCommand } from '../base/optional-packages.js';
import { numberIn, parseOptions } from '../base/options.js';
import { writeOutput } from '../base/output.js';
import { compare, type PairedDifference } from '../study/compare.js';
import { open } from '../study/read.js';
import type { StudyResult } from '../study/rows.js';
import { reportFigures } from './figures/figures.js';
import { narrowed } from './figures/narrow.js';
import { kPngPackages, loadPngRenderer, renderSvg } from './figures/render.js';
import { type PageFigure, reportPage } from './page.js';

/** Where a report is written. */
export interface ReportOptions {
  /** Directory; made if it does not exist. */
  readonly out: string;
  /** Test errors that have a line in phase diagrams: numbers in (0, 1). Default: round ones that the diagram reaches. */
  readonly contours?: readonly number[] | undefined;
}

/** What was written. */
export interface Report {
  /** The page, `index.html` in the directory. */
  readonly page: string;
  /** The SVG files of its figures; each has a PNG file beside it. */
  readonly figures: readonly string[];
  /** What a reader of the report should know; usually empty. */
  readonly warnings: readonly string[];
}

const optionsSchema = z.strictObject({
  out: z
    .string({ error: 'the path of a directory' })
    .refine((path) => path !== '' && path !== '-', { error: 'the path of a directory' }),
  contours: z
    .array(
      numberIn('a number in (0, 1)', (error) => error > 0 && error < 1),
      { error: 'an array of numbers in (0, 1)' },
    )
    .min(1, { error: 'an array of numbers in (0, 1)' })
    .optional(),
});

/** The figures of a report, drawn for wide and for narrow pages. */
export async function drawnFigures(
  result: StudyResult,
  differences: readonly PairedDifference[],
  contours?: readonly number[],
): Promise<readonly PageFigure[]> {
  const figures: PageFigure[] = [];
  for (const figure of reportFigures(result, differences, contours)) {
    const svg = await renderSvg(figure.spec);
    figures.push({ figure, svg, narrow: await renderSvg(narrowed(figure.spec)) });
  }
  return figures;
}

/** What `study.report` does. */
export async function writeReport(file: string, options: ReportOptions): Promise<Report> {
  const { out, contours } = parseOptions(optionsSchema, options, '');
  const result = await open(file);
  const differences = await compare(file);
  const png = await loadPngRenderer();
  const figures = await drawnFigures(result, differences, contours);
  const write = async (name: string, content: string | Uint8Array) => {
    const path = join(out, name);
    await writeOutput(path, async (place) => writeFileSync(place, content));
    return path;
  };
  try {
    mkdirSync(out, { recursive: true });
    const files: string[] = [];
    for (const { figure, svg } of figures) {
      if (png !== undefined) await write(`${figure.name}.png`, png(svg));
      files.push(await write(`${figure.name}.svg`, svg));
    }
    const page = await write('index.html', reportPage({ result, differences, figures }));
    const noPng = `no PNG files; for them: ${installCommand(kPngPackages)}`;
    return { page, figures: files, warnings: [...result.warnings, ...(png === undefined ? [noPng] : [])] };
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(`${out}: cannot be written (${(cause as NodeJS.ErrnoException).code ?? cause})`, { cause });
  }
}
