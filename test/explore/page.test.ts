// The pages in a browser: the built ones, as they are installed.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import anyTest, { type ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { run } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory } from '../study/support.js';
import { hasChromium, launchChromium } from '../support/browser.js';

const test = hasChromium() ? anyTest.serial : anyTest.skip;
const kMain = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Starts a command that serves a page; its address. */
async function serve(t: ExecutionContext, directory: string, ...args: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [kMain, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data) => {
        text += data;
        const [, found] = /page: (\S+)/.exec(text) ?? [];
        if (found !== undefined) resolve(found);
      });
    child.once('close', () => reject(new Error(text)));
  });
  return { url, child, ended };
}

interface Opened {
  readonly page: Page;
  readonly complaints: string[];
}

/** A page whose console is listened to and which may load nothing but what its server has. */
async function opened(
  t: ExecutionContext,
  url: string,
  viewport = { width: 1280, height: 900 },
  colorScheme: 'light' | 'dark' = 'light',
): Promise<Opened> {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  // A busy machine is no defect.
  page.setDefaultTimeout(120_000);
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const asked = request.url();
    if (!asked.startsWith(url.split('#', 1)[0] as string) && !/^(data|blob):/.test(asked))
      complaints.push(`asked for ${asked}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/**
 * Waits until a state has been drawn that says these things: its name tells. Selectors are all that the page's policy lets a test wait for.
 */
const drawn = (page: Page, ...parts: readonly string[]) =>
  page.waitForSelector(`#error${parts.map((part) => `[data-drawn*="${part}"]`).join('')}`, { state: 'attached' });
/** A part of a state, as it is in that name. */
const says = (text: string) => encodeURIComponent(text);
/** Waits until simulation of all points has been drawn. */
const whole = (page: Page, points: number, ...parts: readonly string[]) => drawn(page, ` fine ${points} `, ...parts);

/** Serious violations of what makes a page usable for everybody. */
async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  const found = (await page.evaluate(
    `axe.run().then(({ violations }) => violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`,
  )) as readonly string[];
  return found;
}

/** The path of the curve of a setting, in order of settings. */
const curves = (page: Page) =>
  page.locator('#error .mark-line path').evaluateAll((paths) => paths.map((path) => path.getAttribute('d')));

const address = (state: object) => `#${encodeURIComponent(JSON.stringify(state))}`;
const setting = {
  kind: 'known-prompt',
  mixture: { tokens: 8, relevantTokens: 2, dimension: 20, contextNorm: 2, signalNorm: 1 },
  examples: 60,
  inverseTemperature: 0.5,
  head: { kind: 'least-squares' },
};

test('a slider moves the curves, the address holds the state, and nothing is complained of', async (t) => {
  const { url, child, ended } = await serve(t, '.', 'explore');
  const { page, complaints } = await opened(t, `${url}`);
  await whole(page, 14);
  t.is((await curves(page)).length, 2);
  t.is(await page.locator('#error .mark-symbol path').count(), 14);
  const before = await curves(page);
  await page.locator('input[type=range][aria-label^="τ"]').fill('1');
  await whole(page, 14, says('"inverseTemperature":1,'));
  const after = await curves(page);
  t.not(after[0], before[0]);
  await page.waitForURL((now) => decodeURIComponent(now.hash).includes('"inverseTemperature":1,'));
  // The same address shows the same, in another tab.
  const again = await page.context().newPage();
  again.setDefaultTimeout(120_000);
  await again.goto(page.url());
  await whole(again, 14);
  t.deepEqual(await curves(again), after);
  t.is(await again.locator('#field-inverseTemperature').inputValue(), '1');
  t.deepEqual(complaints, []);
  child.kill('SIGINT');
  t.is(await ended, 0);
  await page.locator('#field-inverseTemperature').fill('0.5');
  await page.locator('#field-inverseTemperature').blur();
  await page.waitForSelector('[role=alert]');
  t.regex((await page.locator('[role=alert]').textContent()) ?? '', /has ended/);
});

test('an answer for an older state of a slider is given up, however late it comes', async (t) => {
  const { url } = await serve(t, '.', 'explore');
  const { page, complaints } = await opened(t, url);
  await whole(page, 14);
  const drawn: string[] = [];
  await page.exposeFunction('noteDrawn', (version: string) => drawn.push(version));
  await page.evaluate(
    `new MutationObserver(([{ target }]) => noteDrawn(target.dataset.drawn)).observe(document.querySelector('#error'), { attributeFilter: ['data-drawn'] })`,
  );
  // The fine curves of the first place are asked for and not answered until those of the last one have been drawn.
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const isFine = (body: string | null, scale: number) =>
    body?.includes('"quick":false') === true && body.includes(`"inverseTemperature":${scale},`);
  await page.route('**/laws', async (route) => {
    if (isFine(route.request().postData(), 0.6)) await held;
    await route.continue().catch(() => {});
  });
  const slider = page.locator('input[type=range][aria-label^="τ"]');
  const asked = page.waitForRequest((request) => isFine(request.postData(), 0.6));
  await slider.fill('0.6');
  await asked;
  for (const value of [0.7, 0.8, 1]) await slider.fill(String(value));
  await whole(page, 14, says('"inverseTemperature":1,'));
  release();
  await slider.fill('1.1');
  await whole(page, 14, says('"inverseTemperature":1.1,'));
  const scaleOf = (version: string) => Number(/"inverseTemperature":([\d.]+)/.exec(decodeURIComponent(version))?.[1]);
  const scales = drawn.map(scaleOf);
  t.deepEqual(
    scales,
    scales.toSorted((a, b) => a - b),
  );
  t.false(drawn.some((version) => version.includes(' fine ') && scaleOf(version) === 0.6));
  t.deepEqual(complaints, []);
});

test('every kind and axis is drawn; what a setting does not have is said', async (t) => {
  const { url } = await serve(t, '.', 'explore');
  const { page, complaints } = await opened(t, `${url}${address({ trials: 4, settings: [setting] })}`);
  await whole(page, 7);
  t.is((await page.locator('#tokens .mark-symbol path').count()) > 100, true);
  for (const along of [
    'inverseTemperature',
    'fraction',
    'tokens',
    'ridge',
    'contextNorm',
    'signalNorm',
    'correlation',
    'noiseLevel',
  ]) {
    await page.selectOption('#along', along);
    await drawn(page, says(`"along":"${along}"`), ' fine ');
    t.is((await curves(page)).length, 1, along);
  }
  const relevantNoise = page.locator('[id="field-mixture.relevantNoiseLevel"]');
  const without = await curves(page);
  await page.locator('input[type=range][aria-label^="σ_R"]').fill('1');
  await drawn(page, says('"relevantNoiseLevel":1'), ' fine ');
  t.notDeepEqual(await curves(page), without);
  t.is(await relevantNoise.inputValue(), '1');
  for (const [kind, along] of [
    ['three-step', 'ratio'],
    ['gradient-descent', 'steps'],
  ] as const) {
    await page.selectOption('#along', along);
    await page.selectOption('#kind', kind);
    await drawn(page, says(`"kind":"${kind}"`), ' fine ');
    t.is((await curves(page)).length, 1, kind);
    t.true((await page.locator('#metric-contextOverlap svg').count()) === 1);
    // Of known prompts only.
    t.is(await relevantNoise.count(), 0);
    t.false((await page.locator('#error').getAttribute('data-drawn'))?.includes('relevantNoiseLevel') ?? true);
  }
  await page.selectOption('#along', 'inverseTemperature');
  // After what was said of the trials of the setting before.
  await page.locator('.warning', { hasText: 'A has no τ.' }).waitFor();
  t.is(await page.locator('.warning').count(), 1);
  t.deepEqual(complaints, []);
});

test('settings are added, compared and taken away; files and texts are what is shown', async (t) => {
  const { url } = await serve(t, '.', 'explore');
  const { page, complaints } = await opened(t, `${url}${address({ trials: 4, settings: [setting] })}`);
  await whole(page, 7);
  await page.getByRole('button', { name: 'Add a copy of A' }).click();
  await page.locator('input[type=range][aria-label^="τ"]').fill('0');
  await whole(page, 14);
  await page.getByLabel('what changes').check();
  await drawn(page, says('"difference":true'));
  t.is((await curves(page)).length, 1);
  await page.getByLabel('what changes').uncheck();
  await page.getByRole('button', { name: 'B as a study file' }).click();
  await page.waitForSelector('dialog[open]');
  t.regex(await page.locator('textarea').inputValue(), /^name: explored\n/);
  await page.getByRole('button', { name: 'Close' }).click();
  for (const [name, begins] of [
    ['SVG', '<svg'],
    ['PNG', '\u0089PNG'],
    ['CSV', 'setting,source,n/d,error,low,high,trials,reliable\nA,law,'],
  ] as const) {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name, exact: true }).click(),
    ]);
    const content = readFileSync(await download.path(), 'latin1');
    t.true(content.startsWith(begins), `${name}: ${content.slice(0, 60)}`);
  }
  await page.getByRole('button', { name: 'Remove B' }).click();
  await page.waitForSelector('.setting:only-of-type');
  t.deepEqual(complaints, []);
});

for (const [width, height] of [
  [1280, 900],
  [768, 1024],
  [390, 844],
] as const)
  for (const scheme of ['light', 'dark'] as const)
    test(`the explorer at ${width} pixels, ${scheme}: nothing scrolls sideways, and everybody can use it`, async (t) => {
      const { url } = await serve(t, '.', 'explore');
      const { page, complaints } = await opened(
        t,
        `${url}${address({ trials: 4, settings: [setting] })}`,
        { width, height },
        scheme,
      );
      await whole(page, 7);
      t.is(await page.evaluate('document.documentElement.scrollWidth'), width);
      t.deepEqual(await violations(page), []);
      const ground = scheme === 'dark' ? 'rgb(21, 25, 30)' : 'rgb(255, 255, 255)';
      t.is(await page.evaluate(`getComputedStyle(document.querySelector('#error svg')).backgroundColor`), ground);
      t.deepEqual(complaints, []);
    });

test('a study is shown while it runs and after, in the state it is in', async (t) => {
  const directory = temporaryDirectory(t);
  const out = join(directory, 'x.sqlite');
  await run(smallStudy, { out, shard: { index: 1, count: 2 } });
  const { url, child, ended } = await serve(t, directory, 'explore', 'x.sqlite');
  const { page, complaints } = await opened(t, url);
  await page.waitForSelector('#now');
  t.is(await page.locator('.cell.finished').count(), 2 + 1);
  t.regex((await page.locator('#now [role=status]').textContent()) ?? '', /^2 of 4 cells finished/);
  await page
    .locator('#results th', { hasText: /^error$/ })
    .locator('button')
    .click();
  await run(smallStudy, { out });
  await page.waitForSelector('.cells .finished:nth-child(4)');
  t.is(await page.locator('#results tbody tr').count(), 4);
  t.is(await page.locator('#results th', { hasText: /^error$/ }).getAttribute('aria-sort'), 'ascending');
  t.deepEqual(await violations(page), []);
  t.deepEqual(complaints, []);
  child.kill('SIGTERM');
  t.is(await ended, 0);
  await page.waitForSelector('#complaint:not([hidden])');
});

test('several studies are in one figure, each with a page of its own', async (t) => {
  const directory = temporaryDirectory(t);
  await run(smallStudy, { out: join(directory, 'a.sqlite') });
  await run({ ...smallStudy, name: 'other', seed: 8 }, { out: join(directory, 'b.sqlite') });
  const { url } = await serve(t, directory, 'explore', 'a.sqlite', 'b.sqlite');
  const { page, complaints } = await opened(t, url);
  await page.waitForSelector('.overlaid svg');
  await page.getByRole('link', { name: 'b.sqlite' }).click();
  await page.waitForSelector('#now');
  t.is(await page.locator('h1').textContent(), 'other');
  t.deepEqual(complaints, []);
});

test('run --open shows the study of the command', async (t) => {
  const directory = temporaryDirectory(t);
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(directory, 'small.yaml'), JSON.stringify(smallStudy));
  const { url, child, ended } = await serve(t, directory, 'run', 'small.yaml', '--open');
  const { page } = await opened(t, url);
  await page.waitForSelector('.cells .finished:nth-child(4)');
  child.kill('SIGINT');
  t.is(await ended, 0);
});
