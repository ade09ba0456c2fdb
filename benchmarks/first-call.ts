/**
 * What a fresh process pays before its first answer: the import of the package and a first small `simulate`, beside two packages with
 * native code that many programs have: sharp and better-sqlite3, if the folder of a project that has them is given. Run with
 * `npx tsx benchmarks/first-call.ts [folder]` after `npm run build:ts`.
 *
 * Each in a process of its own, in turns, the package from `dist/`; a time is the least of fifteen. Neither the start of Node nor reading
 * from a cold disk is in it. better-sqlite3 loads its addon when a database is opened, sharp when it is imported.
 *
 * Checks: every program gives its answer.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, record, skip } from './support/harness.js';

const kRepetitions = 15;

interface Subject {
  readonly name: string;
  /** What is imported. */
  readonly module: string;
  /** The first use of what was imported, `module`: an expression, and what comes of it. */
  readonly use: string;
  readonly answer: string;
}

const mixture = { tokens: 4, dimension: 10, relevantTokens: 1, contextNorm: 1, signalNorm: 1 };
const experiment = { kind: 'known-prompt', mixture, examples: 20, inverseTemperature: 1, head: { kind: 'averaging' } };
const own: Subject = {
  name: 'prompt-attention',
  module: fileURLToPath(new URL('../dist/index.js', import.meta.url)),
  use: `(await module.simulate(${JSON.stringify(experiment)}, { trials: 10, seed: 1 })).metrics.error.length`,
  answer: '10',
};
const peers: readonly Omit<Subject, 'module'>[] = [
  {
    name: 'sharp',
    use: "(await module.default({ create: { width: 8, height: 8, channels: 3, background: 'red' } }).png().toBuffer()).length > 0",
    answer: 'true',
  },
  {
    name: 'better-sqlite3',
    use: "new module.default(':memory:').prepare('SELECT 1 AS one').get().one",
    answer: '1',
  },
];

interface Times {
  readonly import: number;
  readonly use: number;
}

/** Milliseconds of one process. */
function timesOf({ name, module, use, answer }: Subject): Times {
  const script = `
    const begin = performance.now();
    const module = await import(${JSON.stringify(module)});
    const imported = performance.now();
    const answer = String(${use});
    console.log(JSON.stringify({ import: imported - begin, use: performance.now() - imported, answer }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  check(stdout !== '', `${name}: ${stderr}`);
  const times = JSON.parse(stdout) as Times & { readonly answer: string };
  check(times.answer === answer, `${name}: ${times.answer}`);
  return times;
}

const folder = resolve(process.argv[2] ?? '.');
const { resolve: resolveThere } = createRequire(join(folder, 'package.json'));
const subjects = [own];
for (const peer of peers)
  try {
    subjects.push({ ...peer, module: resolveThere(peer.name) });
  } catch {
    skip(`first call of ${peer.name}`, `it is not installed in ${folder}`);
  }
const runs = Array.from({ length: kRepetitions }, () => subjects.map(timesOf));
const least = (index: number, part: keyof Times) =>
  Math.min(...runs.map((times) => times[index]?.[part] ?? Number.NaN));
const kParts = { import: 'import', use: 'first call after it' } as const;
for (const [index, { name }] of subjects.entries())
  for (const [part, words] of Object.entries(kParts) as [keyof Times, string][]) {
    record({ workload: `${name}: ${words}`, value: least(index, part), unit: 'ms' });
    if (index > 0)
      record({
        workload: `${own.name}: ${words}`,
        value: least(0, part) / least(index, part),
        unit: `× the time of ${name}`,
      });
  }
