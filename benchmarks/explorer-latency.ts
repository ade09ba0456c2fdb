/**
 * Milliseconds from a slider that moves to the first curve, in the browser: from the event to the drawing of the laws of the place
 * where the slider is, of two settings at T = 32, for every head. Run with `npx tsx benchmarks/explorer-latency.ts [moves of each head,
 * default 60]` after `npm run build:ts`; needs Chromium.
 *
 * Checks: the curve that is drawn is the one of that place.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '../test/support/browser.js';
import { check, record } from './support/harness.js';

const moves = Number(process.argv[2] ?? 60);
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const mixture = { tokens: 32, relevantTokens: 8, dimension: 200, contextNorm: 2, signalNorm: 0.6 };
const heads = [
  { kind: 'averaging' },
  { kind: 'weighted-averaging' },
  { kind: 'least-squares' },
  { kind: 'logistic', ridge: 0.01 },
  { kind: 'hinge', ridge: 0.01 },
];

const child = spawn(process.execPath, [main, 'explore'], { stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise<string>((resolve) =>
  child.stdout.once('data', (text) => resolve(/page: (\S+)/.exec(String(text))?.[1] ?? '')),
);
const browser = await launchChromium();
try {
  for (const head of heads) {
    const setting = { kind: 'known-prompt', mixture, examples: 400, inverseTemperature: 0.5, head };
    const state = { trials: 0, settings: [setting, { ...setting, inverseTemperature: 0 }] };
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(`${url}#${encodeURIComponent(JSON.stringify(state))}`);
    await page.waitForSelector('#error[data-drawn*=" fine "]');
    const times: number[] = [];
    for (let move = 0; move < moves; ++move) {
      const value = Number((0.02 * (26 + (move % 60))).toPrecision(3));
      const time = await page.evaluate(`new Promise((resolve) => {
        const slider = document.querySelector('input[type=range][aria-label^="τ"]');
        const figure = document.querySelector('#error');
        new MutationObserver((_, observer) => {
          if (!decodeURIComponent(figure.dataset.drawn).includes('"inverseTemperature":${value},')) return;
          observer.disconnect();
          resolve(performance.now() - begin);
        }).observe(figure, { attributeFilter: ['data-drawn'] });
        const begin = performance.now();
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(slider, '${value}');
        slider.dispatchEvent(new Event('input', { bubbles: true }));
      })`);
      times.push(time as number);
      // A slider that moves rests for a frame or two.
      await page.waitForTimeout(30);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] as number;
    check(sorted.length === moves, 'every move is drawn');
    console.log(`${head.kind}: median ${at(0.5).toFixed(1)} ms, p95 ${at(0.95).toFixed(1)} ms`);
    record({ workload: `explorer-latency ${head.kind}`, value: at(0.95), unit: 'ms', bar: { atMost: 50 } });
    await page.close();
  }
} finally {
  await browser.close();
  child.kill('SIGINT');
}
