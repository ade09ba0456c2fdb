import { encodePng } from './png.js';

/** One way of looking at a canvas. */
export interface AttentionPanel {
  /** Written above. */
  readonly title: string;
  /** Attention on every patch, length T; none for the bare canvas. */
  readonly attention?: Float64Array | undefined;
}

/** One canvas, looked at in several ways. */
export interface AttentionMap {
  /** Written beside it, a line each. */
  readonly caption: readonly string[];
  /** Grey values of the patches, T×h×w, in [0, 1]. */
  readonly patches: Float64Array;
  /** Mask of relevant patches, length T. */
  readonly relevance: Uint8Array;
  /** From left to right. */
  readonly panels: readonly AttentionPanel[];
}

/** Sizes of what is drawn. */
export interface AttentionMapLayout {
  /** Rows of a patch in pixels. */
  readonly patchHeight: number;
  /** Columns of a patch in pixels. */
  readonly patchWidth: number;
  /** Patches side by side. */
  readonly columns: number;
}

/** Side of a canvas on the page, of whatever shape fits in it. */
const kSide = 150;
const kGap = 12;
const kCaption = 170;
const kTitle = 26;
const kRelevant = '#009E73';
const kAttention = '#D55E00';
/** Opacity of the patch that gets most attention. */
const kStrongest = 0.85;

const escapeText = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const short = (value: number) => String(Math.round(100 * value) / 100);

/** The canvas that some patches make, as PNG in base64. */
function canvasImage(
  { patches }: AttentionMap,
  { patchHeight: h, patchWidth: w, columns }: AttentionMapLayout,
): string {
  const bytes = Uint8Array.from(patches, (shade) => Math.round(255 * shade));
  const T = patches.length / (h * w);
  const width = columns * w;
  const height = (T / columns) * h;
  const pixels = new Uint8Array(bytes.length);
  for (let t = 0; t < T; ++t)
    for (let row = 0; row < h; ++row)
      pixels.set(
        bytes.subarray((t * h + row) * w, (t * h + row + 1) * w),
        (Math.floor(t / columns) * h + row) * width + (t % columns) * w,
      );
  return encodePng(pixels, width, height).toString('base64');
}

/** Outlines of relevant patches: every side that a relevant patch does not share with another. */
function outline(relevance: Uint8Array, columns: number, dx: number, dy: number): string {
  const isRelevant = (row: number, column: number) =>
    row >= 0 && column >= 0 && column < columns && relevance[row * columns + column] === 1;
  const segments: string[] = [];
  for (const [t, mark] of relevance.entries()) {
    if (mark === 0) continue;
    const [row, column] = [Math.floor(t / columns), t % columns];
    const [x, y] = [column * dx, row * dy];
    if (!isRelevant(row - 1, column)) segments.push(`M${short(x)} ${short(y)}h${short(dx)}`);
    if (!isRelevant(row + 1, column)) segments.push(`M${short(x)} ${short(y + dy)}h${short(dx)}`);
    if (!isRelevant(row, column - 1)) segments.push(`M${short(x)} ${short(y)}v${short(dy)}`);
    if (!isRelevant(row, column + 1)) segments.push(`M${short(x + dx)} ${short(y)}v${short(dy)}`);
  }
  return `<path d="${segments.join('')}" fill="none" stroke="${kRelevant}" stroke-width="2"/>`;
}

/**
 * Attention maps as an SVG document: one row per canvas, the bare canvas first. The stronger the orange of a patch, the more
 * attention it gets, relative to the patch of the canvas that gets most; green lines enclose relevant patches.
 *
 * @param title Written above everything.
 * @param maps At least one; all with the same titles of panels.
 */
export function attentionMapsSvg(title: string, maps: readonly AttentionMap[], layout: AttentionMapLayout): string {
  const { patchHeight, patchWidth, columns } = layout;
  const T = (maps[0] as AttentionMap).relevance.length;
  const [across, down] = [columns * patchWidth, (T / columns) * patchHeight];
  const scale = kSide / Math.max(across, down);
  const [width, height] = [across * scale, down * scale];
  const [dx, dy] = [patchWidth * scale, patchHeight * scale];
  const panels = maps[0]?.panels ?? [];
  const left = (panel: number) => kGap + panel * (width + kGap);
  const top = (row: number) => kTitle + kTitle + row * (height + kGap);
  const titles = panels.map(
    (panel, i) => `<text x="${short(left(i))}" y="${2 * kTitle - 8}" fill="#555">${escapeText(panel.title)}</text>`,
  );
  const rows = maps.map((map, row) => {
    const image = canvasImage(map, layout);
    const drawn = map.panels.map((panel, i) => {
      const largest = panel.attention?.reduce((a, b) => Math.max(a, b)) ?? 0;
      const overlay = [...(panel.attention ?? [])].map((weight, t) => {
        const opacity = largest > 0 ? (kStrongest * weight) / largest : 0;
        if (opacity < 0.005) return '';
        const at = `x="${short((t % columns) * dx)}" y="${short(Math.floor(t / columns) * dy)}"`;
        return `<rect ${at} width="${short(dx)}" height="${short(dy)}" fill-opacity="${short(opacity)}"/>`;
      });
      return (
        `<g transform="translate(${short(left(i))} ${short(top(row))})">` +
        `<use href="#canvas${row}"/><g fill="${kAttention}">${overlay.join('')}</g>` +
        `${outline(map.relevance, columns, dx, dy)}</g>`
      );
    });
    const lines = map.caption.map(
      (line, i) =>
        `<text x="${short(left(panels.length) + 4)}" y="${short(top(row) + 20 + 18 * i)}">${escapeText(line)}</text>`,
    );
    const definition =
      `<defs><image id="canvas${row}" width="${short(width)}" height="${short(height)}" ` +
      `style="image-rendering:pixelated" href="data:image/png;base64,${image}"/></defs>`;
    return definition + drawn.join('') + lines.join('');
  });
  const size = [left(panels.length) + kCaption, top(maps.length)].map(Math.ceil) as [number, number];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" viewBox="0 0 ${size.join(' ')}" ` +
    'font-family="Helvetica, Arial, sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>' +
    `<text x="${kGap}" y="${kTitle - 7}" font-size="15" font-weight="bold">${escapeText(title)}</text>` +
    `${titles.join('')}${rows.join('\n')}</svg>\n`
  );
}
