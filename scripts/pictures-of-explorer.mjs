// Pictures of the explorer, wide and narrow, and of a study that it shows. Needs Chromium.
// node scripts/pictures-of-explorer.mjs STUDY.sqlite WIDE.png NARROW.png STUDY.png
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const [study, wide, narrow, picture] = process.argv.slice(2);
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
if (executablePath === undefined) throw new Error('Chromium is not installed (apt-get install chromium)');

/** Starts a page; its address and its end. */
function serve(...parameters) {
  const child = spawn(process.execPath, ['dist/cli/main.js', 'explore', ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => child.kill('SIGINT');
  return new Promise((resolve, reject) => {
    child.once('close', (code) => reject(new Error(`it ended with ${code}`)));
    child.stdout.once('data', (text) => resolve({ url: /page: (\S+)/.exec(String(text))[1], end }));
  });
}

// As root Chromium has no sandbox.
const browser = await chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0 });
const explorer = await serve();
const watched = await serve(study);
try {
  for (const [path, url, ready, width, height, colorScheme] of [
    [wide, explorer.url, '#error[data-drawn$="fine 14 896"]', 1280, 1000],
    [narrow, explorer.url, '#error[data-drawn$="fine 14 896"]', 390, 844, 'dark'],
    [picture, watched.url, '#now', 1120, 1000],
  ]) {
    const tab = await browser.newPage({ viewport: { width, height }, colorScheme: colorScheme ?? 'light' });
    await tab.goto(url);
    await tab.waitForSelector(ready, { timeout: 300_000 });
    await tab.screenshot({ path });
    await tab.close();
  }
} finally {
  explorer.end();
  watched.end();
  await browser.close();
}
