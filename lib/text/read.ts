import { createReadStream, type Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { DataError } from '../base/errors.js';
import { filePath, integerFrom, oneOf, parseOptions } from '../base/options.js';
import { type Corpus, CorpusBuilder, decode, Unreadable } from './corpus.js';
import { linesOf } from './lines.js';
import { textOfMail } from './mail.js';

/** Options of {@link readCsv} and {@link readJsonLines}. */
export interface ReadRecordsOptions {
  /** Column or field of the text. Default `'text'`. */
  readonly textField?: string | undefined;
  /** Column or field of the label. Default `'label'`. */
  readonly labelField?: string | undefined;
  /** Most bytes of a line of JSON, most characters of a record of CSV: an integer in [1, 2²⁵]. Default 2²². */
  readonly mostBytes?: number | undefined;
}

/** Options of {@link readFolder}. */
export interface ReadFolderOptions {
  /** What a file is: plain text in UTF-8, or a mail as it was sent. Default `'plain'`. */
  readonly format?: 'plain' | 'mail' | undefined;
  /** Most bytes of a file: an integer in [1, 2²⁵]. Default 2²². */
  readonly mostBytes?: number | undefined;
}

const mostBytes = integerFrom(1, 2 ** 25).default(2 ** 22);
const fieldName = z.string({ error: 'a name' }).min(1, { error: 'a name' });
const recordsSchema = z.strictObject({
  textField: fieldName.default('text'),
  labelField: fieldName.default('label'),
  mostBytes,
});
const folderSchema = z.strictObject({ format: oneOf(['plain', 'mail']).default('plain'), mostBytes });

function unreadableFile(file: string, cause: unknown): DataError {
  return cause instanceof DataError
    ? cause
    : new DataError(`${file}: cannot be read: ${(cause as Error).message}`, { cause });
}

/** A label as text: what JSON has for one. */
function labelText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Where a column stands in the header of a CSV file. */
function columnOf(file: string, header: readonly string[], name: string): number {
  const column = header.indexOf(name);
  if (column < 0 || header.includes(name, column + 1))
    throw new DataError(
      `${file}: has ${column < 0 ? 'no column' : 'two columns'} ${JSON.stringify(name)}; its header is: ${header.join(', ')}`,
    );
  return column;
}

/** What {@link readCsv} reads, whatever the classes. */
export async function collectCsv(file: string, options: ReadRecordsOptions = {}): Promise<CorpusBuilder> {
  const path = parseOptions(filePath, file, 'file');
  const { textField, labelField, mostBytes } = parseOptions(recordsSchema, options, '');
  const { parse } = await import('csv-parse');
  const builder = new CorpusBuilder(path);
  let columns: { readonly text: number; readonly label: number } | undefined;
  try {
    await pipeline(
      createReadStream(path),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        const decoder = new TextDecoder('utf-8', { fatal: true });
        for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
        yield decoder.decode();
      },
      parse({ info: true, max_record_size: mostBytes }),
      async (
        rows: AsyncIterable<{ readonly record: readonly string[]; readonly info: { readonly lines: number } }>,
      ) => {
        for await (const { record, info } of rows)
          if (columns === undefined)
            columns = { text: columnOf(path, record, textField), label: columnOf(path, record, labelField) };
          else {
            const [text, label] = [record[columns.text], record[columns.label]] as [string, string];
            await builder.addOrCount(() => builder.add(`${path}:${info.lines}`, text, label));
          }
      },
    );
  } catch (error) {
    throw unreadableFile(path, error);
  }
  return builder;
}

/**
 * Read a CSV file with a header, one text to a row. The file is streamed through csv-parse.
 *
 * @throws {@link DataError} if the file cannot be read, is not UTF-8, lacks a column, has a row with another number of fields, a quote
 * that does not end, or a record longer than `mostBytes`; or if what is left are not at least two classes.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 */
export async function readCsv(file: string, options: ReadRecordsOptions = {}): Promise<Corpus> {
  return (await collectCsv(file, options)).build();
}

/** Text and label of one line of JSON. */
function readObject(line: Uint8Array, textField: string, labelField: string): { text: string; label: string } {
  const json = decode(line);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Unreadable('malformed');
  }
  const fieldOf = (name: string) =>
    value !== null && typeof value === 'object' && Object.hasOwn(value, name)
      ? (value as Record<string, unknown>)[name]
      : undefined;
  const text = fieldOf(textField);
  if (typeof text !== 'string') throw new Unreadable('malformed');
  return { text, label: labelText(fieldOf(labelField)) };
}

/** What {@link readJsonLines} reads, whatever the classes. */
export async function collectJsonLines(file: string, options: ReadRecordsOptions = {}): Promise<CorpusBuilder> {
  const path = parseOptions(filePath, file, 'file');
  const { textField, labelField, mostBytes } = parseOptions(recordsSchema, options, '');
  const builder = new CorpusBuilder(path);
  let number = 0;
  try {
    for await (const line of linesOf(createReadStream(path), mostBytes)) {
      ++number;
      if (line === null) builder.exclude('tooLong');
      else if (!line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d))
        await builder.addOrCount(() => {
          const { text, label } = readObject(line, textField, labelField);
          builder.add(`${path}:${number}`, text, label);
        });
    }
  } catch (error) {
    throw unreadableFile(path, error);
  }
  return builder;
}

/**
 * Read a file of JSON objects, one to a line (JSON Lines). Labels are strings, numbers or booleans. The file is streamed; a line longer
 * than `mostBytes` is passed over without being kept, one that cannot be read is counted, blank lines are neither.
 *
 * @throws {@link DataError} if the file cannot be read, or what is left are not at least two classes.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 */
export async function readJsonLines(file: string, options: ReadRecordsOptions = {}): Promise<Corpus> {
  return (await collectJsonLines(file, options)).build();
}

/** Names in a directory in a fixed order. */
async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    throw unreadableFile(directory, cause);
  }
}

/** Adds the files of one folder, not those of folders in it, whose names `wanted` accepts. */
export async function addFiles(
  builder: CorpusBuilder,
  directory: string,
  label: string,
  { format, mostBytes }: { readonly format: 'plain' | 'mail'; readonly mostBytes: number },
  wanted: (name: string) => boolean = () => true,
): Promise<void> {
  for (const entry of await entriesOf(directory)) {
    if (!entry.isFile() || !wanted(entry.name)) continue;
    const path = join(directory, entry.name);
    let bytes: Uint8Array;
    try {
      if ((await stat(path)).size > mostBytes) {
        builder.exclude('tooLong');
        continue;
      }
      bytes = await readFile(path);
    } catch (cause) {
      throw unreadableFile(path, cause);
    }
    await builder.addOrCount(async () => {
      builder.add(path, format === 'mail' ? await textOfMail(bytes) : decode(bytes), label);
    });
  }
}

/** What {@link readFolder} reads, whatever the classes. */
export async function collectFolder(directory: string, options: ReadFolderOptions = {}): Promise<CorpusBuilder> {
  const path = parseOptions(filePath, directory, 'directory');
  const parsed = parseOptions(folderSchema, options, '');
  const builder = new CorpusBuilder(path);
  for (const entry of await entriesOf(path))
    if (entry.isDirectory()) await addFiles(builder, join(path, entry.name), entry.name, parsed);
  return builder;
}

/**
 * Read a folder that has a folder for every class, with a file for every text. Symbolic links and folders below those of the classes are
 * passed over.
 *
 * @throws {@link DataError} if something cannot be read, or what is left are not at least two classes.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { text } from 'prompt-attention';
 * const folder = mkdtempSync(join(tmpdir(), 'texts-'));
 * for (const [name, content] of [['ham', 'See you at noon.'], ['spam', 'You have won!']] as const) {
 *   mkdirSync(join(folder, name));
 *   writeFileSync(join(folder, name, '1.txt'), content);
 * }
 * const { classes, documents } = await text.readFolder(folder);
 * console.log(classes.join(), documents.length); // ham,spam 2
 * ```
 */
export async function readFolder(directory: string, options: ReadFolderOptions = {}): Promise<Corpus> {
  return (await collectFolder(directory, options)).build();
}
