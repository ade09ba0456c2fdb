import { createRequire } from 'node:module';
import type { TopLevelSpec } from 'vega-lite';
import { isMissingPackage, loadOptional } from '../../base/optional-packages.js';

/** What draws PNG files. */
export const kPngPackages = ['@resvg/resvg-js', 'dejavu-fonts-ttf'] as const;

/** A PNG has this many pixels per unit of its SVG. */
const kPixelRatio = 2;

/**
 * What draws figures.
 *
 * @throws {@link StoreError} if its packages are not installed: what to install.
 */
export function loadVega() {
  return loadOptional('figures', ['vega', 'vega-lite', 'vega-interpreter'], async () => {
    // Named one by one so that tools which look for the files of a program see them.
    const [vega, lite, interpreter] = [import('vega'), import('vega-lite'), import('vega-interpreter')];
    const [{ parse, View }, { compile }, { expressionInterpreter }] = await Promise.all([vega, lite, interpreter]);
    return { parse, View, compile, expressionInterpreter };
  });
}

/** A figure as an SVG document; expressions are interpreted, so that no code is generated: some hosts forbid that. */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const { parse, View, compile, expressionInterpreter } = await loadVega();
  const runtime = parse(compile(spec).spec, undefined, { ast: true });
  const view = new View(runtime, { renderer: 'none', expr: expressionInterpreter });
  try {
    // Tiles that touch are drawn without the light seams of smoothed edges.
    return (await view.toSVG()).replaceAll('class="mark-rect', 'shape-rendering="crispEdges" class="mark-rect');
  } finally {
    view.finalize();
  }
}

/** Turns SVG documents into PNG files. */
export type PngRenderer = (svg: string) => Uint8Array;

/**
 * A renderer with a font of its own, so that a figure looks the same on every machine, with or without fonts and display;
 * undefined if the packages are not installed.
 */
export async function loadPngRenderer(): Promise<PngRenderer | undefined> {
  try {
    const { Resvg } = await import('@resvg/resvg-js');
    const { resolve } = createRequire(import.meta.url);
    const fontFiles = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => resolve(`dejavu-fonts-ttf/ttf/${name}`));
    const family = 'DejaVu Sans';
    const font = { fontFiles, loadSystemFonts: false, defaultFontFamily: family, sansSerifFamily: family };
    return (svg) => new Resvg(svg, { font, fitTo: { mode: 'zoom', value: kPixelRatio } }).render().asPng();
  } catch (error) {
    if (!isMissingPackage(error)) throw error;
    return undefined;
  }
}
