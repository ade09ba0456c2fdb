import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type DatabaseConnection, Kysely, SqliteDialect, SqliteDriver } from 'kysely';
import type Database from 'libsql';
import { StoreError } from '../base/errors.js';
import { installCommand } from '../base/optional-packages.js';
import { filePath, parseOptions } from '../base/options.js';
import { followLinks } from '../base/output.js';
import type { StudyCells } from './cells.js';
import type { StudySpec } from './definition/study-options.js';
import { type StudyHeader, StudyStore } from './store.js';
import type { Tables } from './tables.js';

/** How long a statement waits for another process's write before it gives up. */
const kBusyMilliseconds = 5000;

const kNotAResult = 'is not a result file of a study';
const kWithoutLocks =
  'lies on a file system without file locks, which result files need; use a local disk (out, or --out), and copy the file when nobody ' +
  'writes to it any more';
const kUnwritable =
  'cannot be written (is the disk full, a quota reached, or the file read-only?); what was stored before is kept, and the same ' +
  'command continues the study once there is room';

/** What SQLite's error codes mean for the user of a result file. */
const kReasons: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_NOTADB/, kNotAResult],
  [/^SQLITE_(FULL|READONLY|IOERR_(WRITE|FSYNC|TRUNCATE|SHMSIZE|SHMOPEN))/, kUnwritable],
  [/^SQLITE_CORRUPT/, 'is damaged; restore it from a copy, or delete it and run the study again'],
  [/^SQLITE_IOERR/, 'cannot be read or written: the file system reports an error'],
];

/** Whether an error says that a file cannot be written. */
export const isUnwritable = (error: unknown, file: string): boolean =>
  error instanceof StoreError && error.message === `${file}: ${kUnwritable}`;

/**
 * Whether files beside this one can be locked. SQLite reports the ENOLCK of a file system without locks as busy, which a new file that
 * nobody else knows tells apart. True if that cannot be found out.
 */
function canLockBeside(file: string): boolean {
  let directory: string;
  try {
    directory = mkdtempSync(join(dirname(resolve(file)), '.prompt-attention-'));
  } catch {
    return true;
  }
  try {
    const connection = new (loadLibsql())(join(directory, 'probe'));
    try {
      connection.exec('BEGIN EXCLUSIVE');
    } finally {
      connection.close();
    }
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code !== 'SQLITE_BUSY';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function reasonOf(file: string, error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && code.startsWith('SQLITE_BUSY'))
    return canLockBeside(file) ? 'is in use by another process' : kWithoutLocks;
  const known = kReasons.find(([pattern]) => typeof code === 'string' && pattern.test(code));
  if (known !== undefined) return known[1];
  const text = String(message ?? error);
  if (/disk I\/O error|database or disk is full|readonly database/.test(text)) return kUnwritable;
  if (/malformed/.test(text)) return 'is damaged; restore it from a copy, or delete it and run the study again';
  if (!text.startsWith('ConnectionFailed')) return text.split('\n', 1)[0] as string;
  const directory = dirname(resolve(file));
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) return 'is a directory, not a file';
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return `there is no directory ${directory}`;
  return 'cannot be opened or created';
}

/** Loaded when a result file is opened: computations alone need neither libsql nor its binary. */
function loadLibsql(): typeof Database {
  try {
    // Named so that tools which look for the files of a program see it.
    const require = createRequire(import.meta.url);
    return require('libsql') as typeof Database;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    throw new StoreError(
      `result files need libsql, with its binary for ${process.platform}-${process.arch} (an optional dependency of it): ` +
        `${installCommand(['libsql'])} (${reason})`,
      { cause },
    );
  }
}

function connect(file: string, mode: 'ro' | 'rwc'): Database.Database {
  const Database = loadLibsql();
  try {
    return new Database(`${pathToFileURL(file)}?mode=${mode}`, { timeout: kBusyMilliseconds });
  } catch (cause) {
    throw new StoreError(`${file}: ${reasonOf(file, cause)}`, { cause });
  }
}

/**
 * Keep other processes from running a study into the same file, until `release`. The lock is the kernel's lock on a small file
 * beside it, which goes with the process however it ends; a file left behind by a killed process locks nothing.
 */
function lock(file: string): { release(): void } {
  // Whatever link leads to the file: there is one lock.
  const path = `${followLinks(file)}-lock`;
  for (;;) {
    const connection = connect(path, 'rwc');
    try {
      connection.pragma('busy_timeout = 0');
      // Nothing is written: no journal file beside the lock.
      connection.pragma('journal_mode = MEMORY');
      connection.exec('BEGIN EXCLUSIVE');
    } catch (cause) {
      connection.close();
      const isBusy = (cause as { code?: unknown }).code === 'SQLITE_BUSY' && canLockBeside(file);
      const reason = isBusy ? 'another process is running this study into the same file' : reasonOf(file, cause);
      if (reason === kWithoutLocks) {
        rmSync(path, { force: true });
        // What was made by opening it.
        if (statSync(file, { throwIfNoEntry: false })?.size === 0) rmSync(file);
      }
      throw new StoreError(`${file}: ${reason}`, { cause });
    }
    // A process that finishes removes the file first: a lock on a removed file keeps nobody out.
    if (statSync(path, { throwIfNoEntry: false }) === undefined) {
      connection.close();
      continue;
    }
    return {
      release() {
        rmSync(path, { force: true });
        connection.close();
      },
    };
  }
}

/** Kysely's driver, which rolls back after every failed statement; SQLite has done so by itself where the disk was full. */
class Driver extends SqliteDriver {
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.rollbackTransaction(connection);
    } catch (error) {
      if (!/no transaction is active/.test(String(error))) throw error;
    }
  }
}

class Dialect extends SqliteDialect {
  constructor(private readonly connection: Database.Database) {
    super({ database: connection });
  }

  override createDriver(): Driver {
    return new Driver({ database: this.connection });
  }
}

function storeOn(file: string, connection: Database.Database, close: () => void): StudyStore {
  const database = new Kysely<Tables>({ dialect: new Dialect(connection) });
  return new StudyStore({
    database,
    blob: 'blob',
    where: file,
    now: Date.now,
    reasonOf: (error) => reasonOf(file, error),
    async close() {
      try {
        close();
      } finally {
        await database.destroy();
      }
    },
  });
}

/**
 * Where the latest results of a file are if not in the file: in its write-ahead log, which could not be emptied into it because someone
 * was reading. Undefined if the file is complete by itself.
 */
export function pendingLog(file: string): string | undefined {
  const log = `${followLinks(file)}-wal`;
  return (statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0 ? log : undefined;
}

/** What to know about a file that is not complete by itself. */
export function pendingWarning(file: string): readonly string[] {
  const log = pendingLog(file);
  if (log === undefined) return [];
  return [
    `another program was reading ${file} when the run ended, so that some results are still in ${log} beside it: copy both together, or ` +
      'give the same command again when nobody reads it, which puts everything into the one file',
  ];
}

/** The one study of a result file. */
async function onlyStudy(store: StudyStore): Promise<StudyHeader> {
  const names = await store.tableNames();
  if (names.length === 0) throw new StoreError(`${store.where}: holds no study yet`);
  if (!names.includes('batch') || !names.includes('study')) throw new StoreError(`${store.where}: ${kNotAResult}`);
  const [header] = await store.readStudies();
  if (header === undefined) throw new StoreError(`${store.where}: holds no study yet`);
  return header;
}

/** An open result file. */
export interface OpenStudy {
  readonly store: StudyStore;
  readonly header: StudyHeader;
}

/**
 * Open the result file of a study for running it; make it if there is none. While it is open the file is in write-ahead mode, so
 * that others can read it; after `close()` it is a single file again, unless someone is reading it right then ({@link pendingLog}).
 *
 * @throws {@link StoreError} if the file cannot be made or written, is something else, holds another study, or if another
 * process is running a study into it.
 */
export async function openForRun(file: string, spec: StudySpec, cells: StudyCells): Promise<OpenStudy> {
  const connection = connect(file, 'rwc');
  const held = (() => {
    try {
      return lock(file);
    } catch (error) {
      connection.close();
      throw error;
    }
  })();
  const store = storeOn(file, connection, () => {
    try {
      connection.pragma('wal_checkpoint(TRUNCATE)');
      connection.pragma('journal_mode = DELETE');
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error;
    } finally {
      held.release();
    }
  });
  try {
    if ((await store.tableNames()).length === 0) {
      // In one transaction: a process killed here leaves an empty database, which counts as new.
      await store.transaction(async (inside) => {
        await inside.createTables();
        await inside.insertStudy(spec, cells);
      });
    }
    await store.continueStudy(await onlyStudy(store), spec);
    connection.pragma('journal_mode = WAL');
    connection.pragma('synchronous = NORMAL');
    return { store, header: await onlyStudy(store) };
  } catch (error) {
    held.release();
    connection.close();
    const reason = error instanceof StoreError ? error.message : `${file}: ${reasonOf(file, error)}`;
    if (reason.endsWith(kNotAResult))
      throw new StoreError(`${reason}; choose another one (out, or --out)`, { cause: error });
    throw error instanceof StoreError ? error : new StoreError(reason, { cause: error });
  }
}

/** Refuses what is not there, or cannot be looked at. */
function requireFile(file: string): void {
  let found: object | undefined;
  try {
    found = statSync(file, { throwIfNoEntry: false });
  } catch (cause) {
    throw new StoreError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
  if (found === undefined) throw new StoreError(`${file}: there is no such file`);
}

/**
 * Open a result file for reading, also while the study runs.
 *
 * @throws {@link StoreError} if there is no such file or it is not a result file.
 */
export async function openForReading(file: string): Promise<OpenStudy> {
  parseOptions(filePath, file, 'file');
  requireFile(file);
  const store = storeOn(file, connect(file, 'ro'), () => {});
  try {
    return { store, header: await onlyStudy(store) };
  } catch (error) {
    await store.close();
    throw error;
  }
}
