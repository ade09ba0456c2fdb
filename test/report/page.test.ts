import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import anyTest from 'ava';
import { escapeHtml } from '../../lib/report/page.js';
import { report, run, type StudyOptions } from '../../lib/study/index.js';
import { command } from '../cli/support.js';
import { temporaryDirectory } from '../study/support.js';
import { hasChromium, launchChromium } from '../support/browser.js';

const test = hasChromium() ? anyTest : anyTest.skip;

/** Has everything that a report can show: theory, two heads, overlaps, a map of two numeric factors. */
const study: StudyOptions = {
  name: 'everything',
  seed: 3,
  experiment: {
    kind: 'three-step',
    mixture: { tokens: 10, dimension: 30, contextNorm: 2, signalNorm: 1, relevantTokens: 2 },
    stepSizes: [1, 10, 1],
  },
  factors: {
    'mixture.contextNorm': [1, 2, 3, 4],
    examples: [50, 100, 200, 400],
    head: ['fresh', 'continued'],
  },
  testDraws: 50,
  trials: 20,
  theory: { draws: 200 },
};
const names = [
  'error',
  'phase-diagram',
  'differences',
  'attention',
  'overlaps',
  'overlaps-2',
  'overlaps-3',
  'overlaps-4',
  'z-scores',
];

const viewports = [
  { width: 1280, height: 900 },
  { width: 390, height: 844 },
];

/** The numbers behind a column of the results, in the order they are shown; evaluated in the page. */
const columnScript = (title: string) => `(() => {
  const table = document.querySelector('#results table');
  const at = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === ${JSON.stringify(title)});
  return [...table.tBodies[0].rows].map((row) => Number(row.cells[at].dataset.value));
})()`;

/** The height of the smallest text of the figures that are seen, in pixels of the screen. */
const kSmallestText = `Math.min(...[...document.querySelectorAll('figure svg')]
  .filter((svg) => svg.checkVisibility())
  .flatMap((svg) => {
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    return [...svg.querySelectorAll('text')].map((text) => scale * parseFloat(getComputedStyle(text).fontSize));
  }))`;

/** The colours that the page and its figures are drawn on. */
const kGrounds = `[...new Set([
  getComputedStyle(document.body).backgroundColor,
  ...[...document.querySelectorAll('figure svg > rect')].map((rect) => getComputedStyle(rect).fill),
])]`;

test('the page opens without errors or network, shows every figure and sorts its table, on a desktop and on a phone', async (t) => {
  const directory = temporaryDirectory(t);
  await run(study, { out: join(directory, 'x.sqlite') });
  const { page: path, figures } = await report(join(directory, 'x.sqlite'), { out: join(directory, 'report') });
  t.is(figures.length, names.length);
  const browser = await launchChromium();
  try {
    for (const viewport of viewports) {
      const page = await browser.newPage({ viewport });
      const complaints: string[] = [];
      const requests: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('request', (request) => requests.push(request.url()));
      await page.goto(pathToFileURL(path).href);
      for (const name of names) {
        const box = await page.locator(`#${name} svg:visible`).boundingBox();
        t.true((box?.width ?? 0) > 300 && (box?.height ?? 0) > 150, `${name} ${JSON.stringify(box)}`);
      }
      // Text of figures is as large as that of a caption, or nearly, and nothing on a dark page is drawn on white.
      const smallest = await page.evaluate(kSmallestText);
      t.true((smallest as number) >= 9.5, `${viewport.width}: ${smallest}`);
      await page.emulateMedia({ colorScheme: 'dark' });
      t.deepEqual(await page.evaluate(kGrounds), ['rgb(21, 25, 30)']);
      await page.emulateMedia({ colorScheme: 'light' });
      t.deepEqual(await page.evaluate(kGrounds), ['rgb(255, 255, 255)']);
      // The page itself never scrolls sideways; what is wide scrolls by itself.
      t.is(await page.evaluate('document.documentElement.scrollWidth'), viewport.width);
      const before = (await page.evaluate(columnScript('error'))) as number[];
      t.is(before.length, 32);
      const sorted = [...before].sort((a, b) => a - b);
      const heading = page.locator('#results th', { hasText: /^error$/ });
      await heading.locator('button').click();
      t.deepEqual(await page.evaluate(columnScript('error')), sorted);
      t.is(await heading.getAttribute('aria-sort'), 'ascending');
      await heading.locator('button').click();
      t.deepEqual(await page.evaluate(columnScript('error')), sorted.reverse());
      t.deepEqual(complaints, []);
      t.deepEqual(
        requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:')),
        [],
      );
      await page.close();
    }
  } finally {
    await browser.close();
  }
});

anyTest('the command writes the page and every figure as SVG and PNG, also for an unfinished study', async (t) => {
  const directory = temporaryDirectory(t);
  await run(
    { ...study, trials: 4, theory: false },
    { out: join(directory, 'x.sqlite'), shard: { index: 1, count: 2 } },
  );
  const { code, stdout, stderr } = await command(['report', 'x.sqlite', '--out', 'a/b'], directory);
  t.is(code, 0, stderr);
  t.regex(stdout, /^report: a\/b\/index.html\n\d figures, as SVG and PNG\n$/);
  const files = readdirSync(join(directory, 'a', 'b'));
  t.true(files.includes('error.svg') && files.includes('error.png') && files.includes('index.html'));
  for (const name of files.filter((file) => file.endsWith('.png'))) {
    const png = readFileSync(join(directory, 'a', 'b', name));
    t.is(png.subarray(1, 4).toString(), 'PNG');
    t.true(png.length > 5000, name);
  }
  const html = readFileSync(join(directory, 'a', 'b', 'index.html'), 'utf8');
  t.regex(html, /<dd>16 of 32<\/dd>/);
  t.false(/(src|href)="(https?:)?\/\//.test(html));
});

anyTest('text goes into the page as text', (t) => {
  t.is(
    escapeHtml(`<script>alert("a" & 'b')</script>`),
    '&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;',
  );
});
