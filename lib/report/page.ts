import type { PairedDifference } from '../study/compare.js';
import type { StudyRun } from '../study/provenance.js';
import type { StudyResult } from '../study/rows.js';
import { markLines, probabilityText, signed } from './agreement.js';
import { kScript, kStyleSheet } from './assets.js';
import { differenceText } from './figures/differences.js';
import { kDarkColors } from './figures/style.js';
import { levelsText } from './labels.js';
import { studyText } from './study-text.js';
import { secondsText, type TableColumn, tableColumns } from './table.js';

/** A page of more rows would not open well on a phone; export has them all. */
const kMostRows = 2000;

const kEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => kEscapes[character] as string);
}

/** The custom property of the style sheet that stands for a colour of figures. */
const colorName = (color: string) => `--figure-${color.replace('#', '').toLowerCase()}`;

/** The colours of figures as custom properties, which are others on a dark page. */
const kFigureColors = `:root { ${Object.keys(kDarkColors)
  .map((color) => `${colorName(color)}: ${color};`)
  .join(' ')} }
@media (prefers-color-scheme: dark) {
  :root { ${Object.entries(kDarkColors)
    .map(([color, dark]) => `${colorName(color)}: ${dark};`)
    .join(' ')} }
}`;

/**
 * An SVG document as a part of a page: the names inside it are made its own, as several figures use the same ones, and its colours are
 * those of the page.
 */
function inlineSvg(svg: string, prefix: string): string {
  return svg
    .replaceAll(/\bid="([^"]+)"/g, `id="${prefix}-$1"`)
    .replaceAll(/url\(#([^)]+)\)/g, `url(#${prefix}-$1)`)
    .replaceAll(/href="#([^"]+)"/g, `href="#${prefix}-$1"`)
    .replaceAll(/\b(fill|stroke)="([^"]+)"/g, (attribute, name: string, color: string) =>
      color in kDarkColors ? `${name}="var(${colorName(color)})"` : attribute,
    );
}

function figureSection({ figure: { name, title, caption }, svg, narrow }: PageFigure, hasFiles: boolean): string {
  const image = (kind: string, content: string) => {
    const width = /\bwidth="([\d.]+)"/.exec(content)?.[1] ?? '600';
    return `<div class="${kind}" style="--width:${width}px" role="img" aria-label="${escapeHtml(title)}">${inlineSvg(content, `${name}-${kind}`)}</div>`;
  };
  const files = hasFiles ? ` Files: <a href="${name}.svg">${name}.svg</a>, <a href="${name}.png">${name}.png</a>.` : '';
  return `<section id="${name}">
<h2>${escapeHtml(title)}</h2>
<figure>
${image('wide', svg)}
${image('narrow', narrow)}
<figcaption>${escapeHtml(caption)}${files}</figcaption>
</figure>
</section>`;
}

interface HtmlCell {
  readonly text: string;
  /** What it is sorted by, if not its text. */
  readonly value?: number | undefined;
  readonly isText?: boolean | undefined;
}

function tableHtml(headings: readonly HtmlCell[], rows: readonly (readonly HtmlCell[])[]): string {
  const css = ({ isText }: HtmlCell) => (isText === true ? ' class="text"' : '');
  const head = headings.map(
    (heading) =>
      `<th scope="col" aria-sort="none"${css(heading)}><button type="button">${escapeHtml(heading.text)}</button></th>`,
  );
  const cell = (one: HtmlCell) => {
    const value = one.value === undefined ? '' : ` data-value="${one.value}"`;
    return `<td${css(one)}${value}>${escapeHtml(one.text)}</td>`;
  };
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`);
  return `<div class="rows" tabindex="0"><table data-sortable>
<thead><tr>${head.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table></div>`;
}

function resultsSection({ rows }: StudyResult): string {
  const columns = tableColumns(rows);
  const shown = rows.slice(0, kMostRows);
  const isText = (column: TableColumn) => shown.every((row) => column.value(row) === undefined) && column.isFactor;
  const headings = columns.map((column) => ({ text: column.title, isText: isText(column) }));
  const cells = shown.map((row) =>
    columns.map((column, i) => ({ text: column.text(row), value: column.value(row), isText: headings[i]?.isText })),
  );
  const note =
    rows.length > shown.length
      ? `The first ${shown.length} of ${rows.length} rows; the command export writes all. `
      : '';
  return `<section id="results">
<h2>Results</h2>
<p class="quiet">${note}Press a heading to sort. ± s.e. is a standard error, effective the number of trials that carry the mean; the quantiles are those of the test error over trials.</p>
${markLines(rows)
  .map((line) => `<p class="quiet">${escapeHtml(line)}.</p>`)
  .join('\n')}
${tableHtml(headings, cells)}
</section>`;
}

function differencesSection(differences: readonly PairedDifference[]): string {
  if (differences.length === 0) return '';
  const number = (value: number) => (Number.isNaN(value) ? '–' : value.toPrecision(3).replace('-', '−'));
  const headings: readonly HtmlCell[] = [
    { text: 'comparison', isText: true },
    { text: 'cells', isText: true },
    ...['pairs', 'difference', '± s.e.', '± s.e. unpaired', '95 % from', 'to'].map((text) => ({ text })),
    { text: 'random numbers', isText: true },
    { text: 'marks', isText: true },
  ];
  const rows = differences
    .slice(0, kMostRows)
    .map((one): readonly HtmlCell[] => [
      { text: differenceText(one), isText: true },
      { text: levelsText(one.factors, Object.keys(one.factors)) || '–', isText: true },
      ...[
        one.pairs,
        one.difference,
        one.standardError,
        one.unpairedStandardError,
        one.intervalLow,
        one.intervalHigh,
      ].map((value, i) => ({ text: i === 0 ? String(value) : number(value), value })),
      { text: one.commonRandomNumbers ? 'common' : 'independent', isText: true },
      { text: one.reliable ? '' : 'a mean is not reliable', isText: true },
    ]);
  return `<section id="difference-table">
<h2>Paired differences of test errors</h2>
${tableHtml(headings, rows)}
</section>`;
}

function runHtml(run: StudyRun): string {
  const facts: readonly (readonly [string, string])[] = [
    ['host', run.host],
    ['time', `${run.started} to ${run.finished ?? 'not finished, or killed'}`],
    ...(run.shard === null ? [] : [['shard', run.shard] as const]),
    ['engine', run.engine],
    ['version', `prompt-attention ${run.version}, Node ${run.node}`],
    ['commit', run.commit ?? 'not in a Git repository'],
    ['compiler', run.compiler],
    ['BLAS', `${run.blasCore}: ${run.blasConfig}`],
    ['processor', `${run.processor}, ${run.platform}`],
  ];
  return `<dl class="details">${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>`;
}

function factsHtml({ rows, cells, finishedCells, agreement }: StudyResult): string {
  const trials = rows.reduce((sum, row) => sum + row.trials, 0);
  const failed = rows.reduce((sum, row) => sum + row.failed, 0);
  const marked = rows.filter(({ reliable }) => !reliable).length;
  const seconds = rows.reduce((sum, row) => sum + row.wallSeconds, 0);
  const facts = [
    ['cells finished', finishedCells === cells ? String(cells) : `${finishedCells} of ${cells}`],
    ['trials', trials.toLocaleString('en')],
    ['failed trials', failed.toLocaleString('en')],
    // That of trials: a study of laws alone has none.
    ...(trials > 0
      ? [['time of trials', seconds < 120 ? `${secondsText(seconds)} s` : `${(seconds / 60).toFixed(1)} min`]]
      : []),
    ...(marked > 0 ? [['cells not reliable', String(marked)]] : []),
    ...(agreement === null
      ? []
      : [
          ['simulation and theory', agreement.verdict],
          ['mean z', `${signed(agreement.meanZ)}, ${probabilityText(agreement.meanZProbability)}`],
          ['mean z²', `${agreement.meanSquareZ.toFixed(2)}, ${probabilityText(agreement.meanSquareZProbability)}`],
        ]),
  ];
  return `<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>`;
}

/** What a page says of a figure. Its specification is not here: public types must not ask for those of an optional package. */
export interface FigureText {
  /** Name of its files, without extension. */
  readonly name: string;
  /** Heading of its section. */
  readonly title: string;
  /** What is to be seen, one or two sentences. */
  readonly caption: string;
}

/** A figure of a page, drawn for wide and for narrow pages. */
export interface PageFigure {
  readonly figure: FigureText;
  readonly svg: string;
  readonly narrow: string;
}

/** What a page is made of. */
export interface PageContent {
  readonly result: StudyResult;
  readonly differences: readonly PairedDifference[];
  readonly figures: readonly PageFigure[];
}

/**
 * What a report says, without the page around it.
 *
 * @param now What is said, as HTML, of a study that is looked at while it runs; its figures are in no files.
 */
export function reportBody({ result, differences, figures }: PageContent, now = ''): string {
  const { spec, specHash, runs, warnings } = result;
  const sections = [
    ...figures.map(({ figure }) => [figure.name, figure.title] as const),
    ['results', 'Results'] as const,
    ['study', 'Study'] as const,
    ['provenance', 'Provenance'] as const,
  ];
  return `<header>
<h1>${escapeHtml(spec.name)}</h1>
<p class="quiet">Study ${specHash.slice(0, 16)}, seed ${spec.seed}, by prompt-attention ${escapeHtml(runs.at(-1)?.version ?? '')}</p>
${factsHtml(result)}
${now}
${warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join('\n')}
<nav aria-label="Sections"><ul>${sections.map(([name, title]) => `<li><a href="#${name}">${escapeHtml(title)}</a></li>`).join('')}</ul></nav>
</header>
${figures.map((figure) => figureSection(figure, now === '')).join('\n')}
${differencesSection(differences)}
${resultsSection(result)}
<section id="study">
<h2>Study</h2>
<pre>${escapeHtml(studyText(result.spec))}</pre>
</section>
<section id="provenance">
<h2>Provenance</h2>
<p class="quiet">Results are bit-identical for one engine fingerprint. Study hash: ${specHash}</p>
${runs.map(runHtml).join('\n')}
</section>`;
}

/** The style sheet of reports, the colours of their figures among it. */
export const kReportStyle = `${kFigureColors}${kStyleSheet}`;

/** A page that needs nothing but itself: it may not load anything, and says so to the browser. */
export function reportPage(content: PageContent): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escapeHtml(content.result.spec.name)}</title>
<meta name="color-scheme" content="light dark">
<style>${kReportStyle}</style>
</head>
<body>
<main>
${reportBody(content)}
</main>
<script>${kScript}</script>
</body>
</html>
`;
}
