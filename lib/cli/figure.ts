import { writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { OptionRangeError, StoreError } from '../base/errors.js';
import { installCommand } from '../base/optional-packages.js';
import { followLinks, isStream, writeOutput } from '../base/output.js';
import { kPngPackages, loadPngRenderer, loadVega, type PngRenderer } from '../report/figures/render.js';
import { toFileOrOutput } from './output.js';

/** What draws the figure that is written there; undefined for SVG. */
async function drawerOf(out: string): Promise<PngRenderer | undefined> {
  if (extname(out).toLowerCase() !== '.png') return undefined;
  const draw = await loadPngRenderer();
  if (draw !== undefined) return draw;
  throw new StoreError(
    `${out}: PNG files need packages that are not installed, unlike SVG: ${installCommand(kPngPackages)}`,
  );
}

/**
 * Find out beforehand whether a figure can be drawn in the format that its name says: SVG, also where it goes to standard output (`-`),
 * a pipe or a device, or PNG.
 *
 * @param option Its option, for the error.
 */
export async function checkFigureName(out: string, option: string): Promise<void> {
  if (out !== '-' && !/\.(svg|png)$/i.test(out) && !isStream(followLinks(out)))
    throw new OptionRangeError(option, 'the path of a file that ends with .svg or .png', out);
  await loadVega();
  await drawerOf(out);
}

/** Write an SVG document under a name that {@link checkFigureName} accepts: as it is, or drawn as PNG. */
export async function writeFigure(out: string, svg: string): Promise<void> {
  const draw = await drawerOf(out);
  const content = draw === undefined ? svg : draw(svg);
  await toFileOrOutput(out, (path) => writeOutput(path, async (file) => writeFileSync(file, content)));
}
