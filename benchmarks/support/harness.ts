/**
 * What every benchmark shares: fair timing, peers in other languages, and records. A record is printed, and appended as a JSON line
 * to the file that the environment variable BENCH_RESULTS names (default `benchmarks/results.jsonl`, which git ignores).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { engineInfo } from '../../lib/index.js';

/** One measured fact. */
export interface BenchmarkRecord {
  /** What was done, as in the table of README.md. */
  readonly workload: string;
  readonly value: number;
  /** Of `value`, for example `ms a trial` or `× PyTorch`. */
  readonly unit: string;
  /** What `value` should be at least or at most. */
  readonly bar?: { readonly atLeast: number } | { readonly atMost: number };
}

const git = (...args: string[]) => spawnSync('git', args, { encoding: 'utf8' }).stdout.trim();
const machine = {
  commit: git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+'),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  simdTarget: engineInfo().simdTarget,
  blasCore: engineInfo().blasCore,
};
const results = process.env.BENCH_RESULTS ?? fileURLToPath(new URL('../results.jsonl', import.meta.url));

export function isMet({ value, bar }: BenchmarkRecord): boolean | undefined {
  if (bar === undefined) return undefined;
  return 'atLeast' in bar ? value >= bar.atLeast : value <= bar.atMost;
}

/** Print a fact and keep it. */
export function record(fact: BenchmarkRecord): void {
  const met = isMet(fact);
  const bar = fact.bar && ('atLeast' in fact.bar ? `≥ ${fact.bar.atLeast}` : `≤ ${fact.bar.atMost}`);
  console.log(
    `${fact.workload}: ${fact.value.toPrecision(3)} ${fact.unit}${bar === undefined ? '' : ` (bar ${bar}: ${met ? 'met' : 'MISSED'})`}`,
  );
  appendFileSync(results, `${JSON.stringify({ ...fact, met, ...machine })}\n`);
}

/** Say that something was left out, and why. */
export function skip(workload: string, reason: string): void {
  console.log(`${workload}: skipped, ${reason}`);
  appendFileSync(results, `${JSON.stringify({ workload, skipped: reason, ...machine })}\n`);
}

/** Fail the benchmark if an answer is wrong. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`wrong answer: ${message}`);
}

/** Seconds that `run` takes: the least of `repetitions`, after one that is not counted. Other work on the machine only adds. */
export async function seconds(run: () => unknown, repetitions = 5): Promise<number> {
  await run();
  let least = Number.POSITIVE_INFINITY;
  for (let repetition = 0; repetition < repetitions; ++repetition) {
    const begin = performance.now();
    await run();
    least = Math.min(least, (performance.now() - begin) / 1000);
  }
  return least;
}

/** Mean and standard error of a sample. */
export function meanAndError(values: ArrayLike<number>): { mean: number; standardError: number } {
  const array = Array.from(values);
  const mean = array.reduce((sum, value) => sum + value, 0) / array.length;
  const variance = array.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (array.length - 1);
  return { mean, standardError: Math.sqrt(variance / array.length) };
}

/** Fail unless two means with their standard errors agree. */
export function checkSameMean(
  name: string,
  a: { readonly mean: number; readonly standardError: number },
  b: { readonly mean: number; readonly standardError: number },
): void {
  const z = (a.mean - b.mean) / Math.hypot(a.standardError, b.standardError);
  check(Math.abs(z) < 5, `${name}: ${a.mean} and ${b.mean}, z = ${z}`);
}

/** Peak of the resident memory so far, or the resident memory now, in bytes (Linux). */
export function memory(field: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return 1024 * Number(line?.[1] ?? Number.NaN);
}

const python = process.env.PYTHON ?? 'python3';

/** What a peer prints: its name, seconds per unit of work, and answers to compare. */
export interface PeerAnswer {
  readonly peer: string;
  readonly seconds: number;
  readonly [answer: string]: unknown;
}

function output(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0 ? text : undefined));
  });
}

/**
 * Run `script` of the folder above with the interpreter that the environment variable PYTHON names, in `processes` processes at once of
 * `threads` threads each. Undefined, with a line that says so, if it cannot import what it needs.
 */
export async function peers(
  script: string,
  args: readonly (number | string)[],
  processes = 1,
  threads = 1,
): Promise<readonly PeerAnswer[] | undefined> {
  const file = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const width = String(threads);
  const environment = { ...process.env, OPENBLAS_NUM_THREADS: width, MKL_NUM_THREADS: width, OMP_NUM_THREADS: width };
  const children = Array.from({ length: processes }, (_, index) =>
    spawn(python, [file, ...args.map(String)], {
      env: { ...environment, PEER_SEED: String(index) },
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const answers = await Promise.all(children.map((child) => output(child).catch(() => undefined)));
  if (answers.some((answer) => answer === undefined)) {
    skip(script, `${python} does not run it: is the library that it imports installed?`);
    return undefined;
  }
  return answers.map((answer) => JSON.parse(answer as string) as PeerAnswer);
}

/** Mean seconds per unit of work of peers that ran side by side. */
export function meanSeconds(answers: readonly PeerAnswer[]): number {
  return answers.reduce((sum, answer) => sum + answer.seconds, 0) / answers.length;
}
