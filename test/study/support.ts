import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { native } from '../../lib/base/native.js';
import type { StudyOptions, StudyRow } from '../../lib/study/index.js';

/** Four small cells, a second of work. */
export const smallStudy = {
  name: 'small',
  seed: 7,
  experiment: {
    kind: 'known-prompt',
    mixture: { tokens: 8, dimension: 20, relevantFraction: 0.25, contextNorm: 2, signalNorm: 1 },
    head: { kind: 'least-squares' },
  },
  factors: { examples: [40, 80], inverseTemperature: [0, 0.5] },
  testDraws: 100,
  trials: { minimum: 50, maximum: 400, standardError: 0.003 },
} satisfies StudyOptions;

/** Standard normal numbers. */
export function normals(count: number, seed: number): Float64Array {
  const cellKey = new Uint32Array(4);
  return native.randomNumbers({ kind: 'normal', purpose: 200, trial: 0, first: 0, count, seed: BigInt(seed), cellKey });
}

/** A directory of its own for a test, removed afterwards. */
export function temporaryDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Rows without the one thing that differs from run to run. */
export function timeless(rows: readonly StudyRow[]): object[] {
  return rows.map(({ wallSeconds: _, ...row }) => row);
}
