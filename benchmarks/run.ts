/**
 * `npm run bench`: every workload in a fresh process, one after the other, then the table of what was measured. With `--write` the
 * table replaces the one in README.md beside this file. Fails if a benchmark found a wrong answer; a missed bar is no failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const workloads = [
  'normals',
  'three-step-projected',
  'three-step-dense',
  'known-prompt',
  'risk-curve',
  'risk-point',
  'risk-searches',
  'lazy-noise',
  'study-overhead',
  'threads',
  'softmax-pooling',
  'fit-step',
  'ragged-examples',
  'call-overhead',
  'server-responsiveness',
];
const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
for (const name of positionals)
  if (!workloads.includes(name)) throw new Error(`no workload ${name}; there are ${workloads.join(', ')}`);

interface Line {
  readonly workload: string;
  readonly skipped?: string;
  readonly value: number;
  readonly unit: string;
  readonly bar?: { readonly atLeast?: number; readonly atMost?: number };
  readonly met?: boolean;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly simdTarget: string;
  readonly blasCore: string;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const tsx = fileURLToPath(import.meta.resolve('tsx'));
const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const results = join(folder, 'results.jsonl');
const failed: string[] = [];
const begin = performance.now();
try {
  for (const name of positionals.length > 0 ? positionals : workloads) {
    console.log(`\n== ${name}`);
    const { status } = spawnSync(process.execPath, [`--import=${tsx}`, join(here, `${name}.ts`)], {
      stdio: 'inherit',
      env: { ...process.env, BENCH_RESULTS: results },
    });
    if (status !== 0) failed.push(name);
  }
  const text = existsSync(results) ? readFileSync(results, 'utf8') : '';
  writeFileSync(join(here, 'results.jsonl'), text, { flag: 'a' });
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
  const minutes = (performance.now() - begin) / 60_000;
  const table = report(lines, minutes);
  console.log(`\n${table}`);
  if (values.write) replaceTable(table);
} finally {
  rmSync(folder, { recursive: true });
}
if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`);

/** The lines as a Markdown table under a line that names the machine. */
function report(lines: readonly Line[], minutes: number): string {
  const machine = lines[0];
  const rows = lines.map(({ workload, skipped, value, unit, bar, met }) => {
    if (skipped !== undefined) return `| ${workload} | skipped: ${skipped} | | |`;
    const limit = bar?.atLeast !== undefined ? `≥ ${bar.atLeast}` : bar?.atMost !== undefined ? `≤ ${bar.atMost}` : '';
    const digits = Math.abs(value) >= 1000 ? Math.round(value).toString() : value.toPrecision(3);
    return `| ${workload} | ${digits} ${unit} | ${limit} | ${met === undefined ? '' : met ? 'yes' : '**no**'} |`;
  });
  return [
    `${machine?.cpu}, ${machine?.cores} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.versions.node}; ` +
      `SIMD target ${machine?.simdTarget}, OpenBLAS core ${machine?.blasCore}; commit ${machine?.commit}; ${minutes.toFixed(1)} minutes.`,
    '',
    '| workload | measured | bar | met |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** Put the table between the markers of README.md. */
function replaceTable(table: string): void {
  const file = join(here, 'README.md');
  const [start, end] = ['<!-- table -->', '<!-- end of table -->'];
  const text = readFileSync(file, 'utf8');
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no markers ${start} and ${end}`);
  writeFileSync(file, `${text.slice(0, from + start.length)}\n${table}\n${text.slice(to)}`);
}
