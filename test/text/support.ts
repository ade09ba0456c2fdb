import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { native } from '../../lib/base/native.js';

/** A folder that is removed when the test is done. */
export function temporaryFolder(t: Pick<ExecutionContext, 'teardown'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Uniform numbers in [0, 1), the same in every run. */
export function uniforms(count: number, trial: number): Float64Array {
  return native.randomNumbers({
    kind: 'uniform',
    purpose: 200,
    trial,
    first: 0,
    count,
    seed: 11n,
    cellKey: new Uint32Array(4),
  });
}

const word = (list: string, uniform: number, size: number) => `${list}${Math.floor(uniform * size)}`;

/** A text of `length` words: one in four tells the class, the others are of what the text is about. */
function labelledText(positive: boolean, length: number, trial: number): string {
  const numbers = uniforms(2 * length, trial);
  return Array.from({ length }, (_, i) =>
    (numbers[2 * i] as number) < 0.25
      ? word(positive ? 'good' : 'bad', numbers[2 * i + 1] as number, 6)
      : word('topic', numbers[2 * i + 1] as number, 12),
  ).join(' ');
}

/** Texts of two classes about one topic: JSON Lines. */
export function writeLabelled(folder: string, name: string, count: number, first = 0): string {
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ text: labelledText(i % 2 === 1, 40, first + i), label: i % 2 === 1 ? 'yes' : 'no' }),
  );
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

/** Texts about other things, whose words come with each other only. */
export function writeOthers(folder: string, name: string, count: number): string {
  const lines = Array.from({ length: count }, (_, i) => {
    const numbers = uniforms(40, 100_000 + i);
    return JSON.stringify({ text: Array.from(numbers, (uniform) => word('other', uniform, 40)).join(' '), label: 'x' });
  });
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
