import { createReadStream, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { followLinks, isStream } from '../base/output.js';

/** Stands for standard output where a file is asked for. */
const kStandardOutput = '-';

/** Have `write` write a file, or, where it is `-`, standard output, once everything is known to be right. */
export async function toFileOrOutput(out: string, write: (file: string) => Promise<void>): Promise<void> {
  if (out !== kStandardOutput) return write(out);
  const directory = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
  try {
    const file = join(directory, 'output');
    await write(file);
    try {
      await pipeline(createReadStream(file), process.stdout, { end: false });
    } catch (error) {
      // A reader that has enough.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Say what was written: on standard output, unless it may be that which was written to. */
export function sayWhere(out: string, text: string): void {
  const stream = out === kStandardOutput || isStream(followLinks(out)) ? process.stderr : process.stdout;
  stream.write(text);
}

/** JSON that keeps typed arrays as arrays and infinities as text, which JSON has no number for. */
export function toJson(value: object): string {
  return JSON.stringify(
    value,
    (_key, part: unknown) => {
      if (ArrayBuffer.isView(part)) return [...(part as Float64Array)];
      return typeof part === 'number' && !Number.isFinite(part) ? String(part) : part;
    },
    2,
  );
}
