import { createReadStream, createWriteStream, mkdtempSync, readlinkSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { StoreError } from './errors.js';

/** What the process has open already: it is written to as it is, never replaced. */
const kOpenFile = /^\/(dev\/(stdin|stdout|stderr|fd\/\d+)|proc\/[^/]+\/(task\/\d+\/)?fd\/\d+)$/;
const kNoRoom = /^E(NOSPC|DQUOT|FBIG)$/;
/** As many links as Linux follows. */
const kMostLinks = 40;

/** The path that symbolic links lead to, whether or not there is anything; `path` itself, made absolute, if it is no link. */
export function followLinks(path: string): string {
  let current = resolve(path);
  for (let links = 0; links < kMostLinks && !kOpenFile.test(current); ++links) {
    let target: string;
    try {
      target = readlinkSync(current);
    } catch {
      return current;
    }
    current = resolve(dirname(current), target);
  }
  return current;
}

/** Whether writing to a path means to write into something that is there: a device, a pipe, an open file. */
export function isStream(path: string): boolean {
  if (kOpenFile.test(path)) return true;
  const status = statSync(path, { throwIfNoEntry: false });
  return status !== undefined && !status.isFile() && !status.isDirectory();
}

/** What an error of the system while `out` is written means: that there is no room for it, or the error itself. */
export function outputError(out: string, cause: unknown): unknown {
  const { code } = cause as { code?: unknown };
  return typeof code === 'string' && kNoRoom.test(code)
    ? new StoreError(`${out}: cannot be written (${code}: is the disk full, or a quota reached?)`, { cause })
    : cause;
}

/**
 * Write a file that is complete or as it was before: `write` gets the path of a new file, which then takes the place of `out`. Where `out`
 * is a symbolic link it is what it leads to that is replaced; a device or a pipe gets the contents, after everything that it has got.
 *
 * @throws {@link StoreError} if `out` is a directory or its directory does not exist, or if there is no room.
 */
export async function writeOutput(out: string, write: (file: string) => Promise<void>): Promise<void> {
  const target = followLinks(out);
  if (isStream(target)) {
    const directory = mkdtempSync(join(tmpdir(), 'prompt-attention-'));
    try {
      const file = join(directory, 'output');
      await write(file);
      await pipeline(createReadStream(file), createWriteStream(target, { flags: 'a' }));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
    return;
  }
  if (statSync(target, { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError(`${out}: is a directory, not a file`);
  if (!statSync(dirname(target), { throwIfNoEntry: false })?.isDirectory())
    throw new StoreError(`${out}: there is no directory ${dirname(target)}`);
  const unfinished = `${target}.unfinished`;
  try {
    await write(unfinished);
    await rename(unfinished, target);
  } catch (error) {
    throw outputError(out, error);
  } finally {
    await rm(unfinished, { force: true });
  }
}
