/**
 * How much a page slows the study that it watches: `run` with `explore` and a browser looking on, beside `run` alone, in turns. Run with
 * `npx tsx benchmarks/study-watched.ts [pairs, default 3] [trials of each of 48 cells, default 4000]` after `npm run build:ts`; needs
 * Chromium and Linux.
 *
 * Two numbers, since on a busy machine time passes for everybody: by how much the study takes longer, and the processor time of page and
 * server beside that of the study, which has all processors. Browser and server are started before the study.
 *
 * Checks: both runs have the same rows, and the page shows that all cells are finished.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { study } from '../lib/index.js';
import { launchChromium } from '../test/support/browser.js';
import { check, record } from './support/harness.js';

const pairs = Number(process.argv[2] ?? 3);
const trials = Number(process.argv[3] ?? 4000);
const kCells = 48;
/** Ticks of /proc are hundredths of a second. */
const kTick = 0.01;
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const options = {
  name: 'watched',
  seed: 1,
  experiment: {
    kind: 'known-prompt',
    mixture: { tokens: 32, dimension: 200, relevantTokens: 8, contextNorm: 2, signalNorm: 0.6 },
    head: { kind: 'least-squares' },
  },
  factors: { inverseTemperature: { linspace: [0, 1, 6] }, examples: { logspace: [250, 2000, 8], integer: true } },
  trials,
} as const;

/** Processor seconds by process, and the parents of processes. */
function processes(): ReadonlyMap<number, { readonly parent: number; readonly seconds: number }> {
  const found = new Map<number, { parent: number; seconds: number }>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      // Behind the name of the program, which may hold anything.
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
        .map(Number);
      const [, parent = 0] = fields;
      found.set(Number(name), { parent, seconds: kTick * ((fields[11] ?? 0) + (fields[12] ?? 0)) });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** Adds up the processor time of processes that this one started, apart for the study and for all others, until it is told to stop. */
function meter(studyPid: number) {
  const first = processes();
  const last = new Map<number, number>();
  const look = () => {
    const now = processes();
    const isOurs = (pid: number): boolean => {
      const parent = now.get(pid)?.parent ?? 0;
      return parent === process.pid || (parent > 1 && isOurs(parent));
    };
    for (const [pid, { seconds }] of now)
      if (isOurs(pid)) last.set(pid, seconds - (pid === studyPid ? 0 : (first.get(pid)?.seconds ?? 0)));
  };
  const timer = setInterval(look, 100);
  return () => {
    clearInterval(timer);
    const others = [...last].filter(([pid]) => pid !== studyPid).reduce((sum, [, seconds]) => sum + seconds, 0);
    return { study: last.get(studyPid) ?? 0, others };
  };
}

/** Runs the study; the seconds it takes, and its processor time beside that of who watches. */
async function run(file: string, out: string) {
  const begin = performance.now();
  const child = spawn(process.execPath, [main, 'run', file, '--out', out, '--figure', `${out}.svg`], {
    stdio: 'ignore',
  });
  const stop = meter(child.pid as number);
  const [code] = await once(child, 'close');
  check(code === 0, `the study ended with ${code}`);
  return { seconds: (performance.now() - begin) / 1000, processor: stop() };
}

async function watchedRun(file: string, out: string) {
  // The page needs a file to look at: that of a study with its first trials.
  await study.run({ ...options, trials: 2 }, { out });
  const server = spawn(process.execPath, [main, 'explore', out], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = await once(server.stdout, 'data');
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(/page: (\S+)/.exec(String(text))?.[1] as string);
    await page.waitForSelector('#now');
    const result = await run(file, out);
    await page.waitForSelector(`.cells .finished:nth-child(${kCells})`);
    return result;
  } finally {
    await browser.close();
    server.kill('SIGINT');
  }
}

const directory = mkdtempSync(join(tmpdir(), 'study-watched-'));
try {
  const file = join(directory, 'watched.json');
  writeFileSync(file, JSON.stringify(options));
  const [alone, watched] = [[], []] as [number[], number[]];
  let [own, others] = [0, 0];
  for (let pair = 0; pair < pairs; ++pair) {
    const [a, b] = ['alone', 'watched'].map((name) => join(directory, `${name}-${pair}.sqlite`)) as [string, string];
    // As the watched one begins.
    await study.run({ ...options, trials: 2 }, { out: a });
    alone.push((await run(file, a)).seconds);
    const { seconds, processor } = await watchedRun(file, b);
    watched.push(seconds);
    own += processor.study;
    others += processor.others;
    const means = async (path: string) => (await study.open(path)).rows.map(({ meanError }) => meanError);
    check(JSON.stringify(await means(a)) === JSON.stringify(await means(b)), 'rows of both runs');
  }
  const workload = `a study of ${kCells} cells × ${trials} trials that a page watches`;
  const [least, slowed] = [Math.min(...alone), Math.min(...watched)];
  record({ workload, value: least, unit: 's alone' });
  record({ workload, value: 100 * (slowed / least - 1), unit: '% longer', bar: { atMost: 3 } });
  record({
    workload,
    value: (100 * others) / own,
    unit: '% of its processor time for page and server',
    bar: { atMost: 3 },
  });
} finally {
  rmSync(directory, { recursive: true });
}
