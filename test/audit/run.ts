// npm run audit: the package's numbers against references that share no kernel with it.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type Case, markdownOf, tabulate, zOf } from './calibration.js';
import { descentLaws, reusedDescentLaws, threeStepLaws } from './dynamics.js';
import {
  type Extent,
  headsOnFeatures,
  knownPromptLaws,
  noisyTestErrors,
  sampleComplexities,
  testErrors,
  trialHeads,
} from './parts.js';

const kParts: Readonly<Record<string, (extent: Extent) => AsyncGenerator<Case>>> = {
  'test-error': testErrors,
  'noisy-test-error': noisyTestErrors,
  'known-prompt': knownPromptLaws,
  'three-step': threeStepLaws,
  'gradient-descent': descentLaws,
  'reused-descent': reusedDescentLaws,
  'sample-complexity': sampleComplexities,
  heads: headsOnFeatures,
  trials: trialHeads,
};

const kUsage = `npm run audit -- [--part ${Object.keys(kParts).join(',')}] [--settings 400] [--seeds 100] [--threads 2]
  [--seed 1] [--draws N] [--minutes M] [--json FILE] [--read FILE,FILE] [--worst 10] [--write]
--draws: draws of the package's calls (default: its defaults); --json: every setting with what came and what is right;
--read: takes such files in the place of running;
--minutes: ends a part after so long, with what it has; --worst: prints so many settings that miss most; --write: renews the tables of docs/trust.md.`;

const { values } = parseArgs({
  options: {
    part: { type: 'string', default: Object.keys(kParts).join(',') },
    settings: { type: 'string', default: '400' },
    seeds: { type: 'string', default: '100' },
    threads: { type: 'string', default: '2' },
    seed: { type: 'string', default: '1' },
    draws: { type: 'string' },
    minutes: { type: 'string', default: '100000' },
    json: { type: 'string' },
    read: { type: 'string' },
    worst: { type: 'string', default: '10' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(kUsage);
  process.exit(0);
}

function integer(name: 'settings' | 'seeds' | 'threads' | 'seed' | 'worst' | 'draws' | 'minutes'): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`--${name} must be an integer ≥ 0`);
  return value;
}

const extent: Extent = {
  settings: integer('settings'),
  seeds: integer('seeds'),
  threads: Math.max(1, integer('threads')),
  seed: integer('seed'),
  draws: values.draws === undefined ? undefined : integer('draws'),
};

const machine = `${cpus().length} cores of ${cpus()[0]?.model ?? 'an unknown processor'}, Node.js ${process.versions.node}`;
const commands: string[] = [];
const cases: Case[] = [];
for (const file of values.read?.split(',') ?? []) {
  const { command, cases: read } = JSON.parse(readFileSync(file, 'utf8')) as { command: string; cases: Case[] };
  commands.push(command);
  cases.push(...read);
}
if (values.read === undefined) {
  const files = /^--(json|write|worst)$/;
  const told = process.argv
    .slice(2)
    .filter((word, i, all) => !files.test(word) && !/^--(json|worst)$/.test(all[i - 1] ?? ''));
  commands.push(`npm run audit -- ${told.join(' ')}`);
}
for (const part of values.read === undefined ? values.part.split(',') : []) {
  const run = kParts[part];
  if (run === undefined) throw new RangeError(`--part: ${part} is none of ${Object.keys(kParts).join(', ')}`);
  const before = cases.length;
  const end = Date.now() + 60_000 * integer('minutes');
  for await (const entry of run(extent)) {
    cases.push(entry);
    if (Date.now() > end) break;
  }
  console.log(`${markdownOf(tabulate(cases.slice(before)))}\n`);
}

const misses = cases
  .map((entry) => {
    const sizes = entry.runs.filter(({ reliable }) => reliable).map((run) => Math.abs(zOf(run, entry)));
    return { entry, mean: sizes.reduce((sum, z) => sum + Math.min(z, 1e6), 0) / sizes.length };
  })
  .filter(({ mean }) => mean > 2)
  .sort((a, b) => b.mean - a.mean)
  .slice(0, integer('worst'));
for (const { entry, mean } of misses) {
  const { part, setting, truth, truthError, runs } = entry;
  const got = runs.slice(0, 3).map(({ value, standardError }) => `${value} ± ${standardError}`);
  console.log(`${part}: mean |z| ${mean.toFixed(1)}, right ${truth} ± ${truthError}, got ${got.join('; ')}`);
  console.log(`  ${JSON.stringify(setting)}`);
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ command: commands.join(', '), cases }, null, 1)}\n`);

if (values.write) {
  const page = new URL('../../docs/trust.md', import.meta.url);
  const text = readFileSync(page, 'utf8');
  const name = values.draws === undefined ? 'default' : values.draws;
  const block = new RegExp(`(<!-- audit ${name} -->\\n)[^]*?(<!-- end -->)`);
  if (!block.test(text)) throw new RangeError(`docs/trust.md has no table for draws: ${name}`);
  const table = `${commands.map((command) => `\`${command}\``).join(', ')} (${machine}):\n\n${markdownOf(tabulate(cases))}\n`;
  writeFileSync(
    page,
    text.replace(block, (_, start: string, end: string) => `${start}\n${table}\n${end}`),
  );
}
