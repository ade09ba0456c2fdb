import { z } from 'zod';
import { filePath, oneOf, parseOptions } from '../base/options.js';
import type { Corpus, CorpusBuilder } from './corpus.js';
import { collectCsv, collectFolder, collectJsonLines } from './read.js';
import { collectSpamAssassin, kParts, type SpamAssassinPart } from './spam-assassin.js';

/** The SpamAssassin corpus: see {@link text.readSpamAssassin}. */
export interface SpamAssassinSource {
  /** Always `'spam-assassin'`. */
  readonly kind: 'spam-assassin';
  /** Which parts, each once; ham and spam among them where labels are read. Default all. */
  readonly parts?: readonly SpamAssassinPart[] | undefined;
  /** The folder `data` of the npm package. Default: of the package as Node finds it from this one. */
  readonly directory?: string | undefined;
}

/** A file with a text to a row or line: see {@link text.readCsv} and {@link text.readJsonLines}. */
export interface RecordsSource {
  /** What the file is. */
  readonly kind: 'csv' | 'json-lines';
  /** The file; a relative path begins in the working directory. */
  readonly path: string;
  /** Column or field of the text. Default `'text'`. */
  readonly textField?: string | undefined;
  /** Column or field of the label. Default `'label'`. */
  readonly labelField?: string | undefined;
}

/** A folder with a folder for every class: see {@link text.readFolder}. */
export interface FolderSource {
  /** Always `'folder'`. */
  readonly kind: 'folder';
  /** The folder; a relative path begins in the working directory. */
  readonly path: string;
  /** What a file is: plain text in UTF-8, or a mail as it was sent. Default `'plain'`. */
  readonly format?: 'plain' | 'mail' | undefined;
}

/** Where texts with labels are from. Plain JSON. */
export type CorpusSource = SpamAssassinSource | RecordsSource | FolderSource;

const name = z.string({ error: 'a name' }).min(1, { error: 'a name' });
const records = { path: filePath, textField: name.default('text'), labelField: name.default('label') };

export const corpusSourceSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('spam-assassin'),
      parts: z
        .array(oneOf(kParts), { error: 'an array of parts of the corpus' })
        .refine((parts) => new Set(parts).size === parts.length, { error: 'an array that names every part once' })
        .optional(),
      directory: filePath.optional(),
    }),
    z.strictObject({ kind: z.literal('csv'), ...records }),
    z.strictObject({ kind: z.literal('json-lines'), ...records }),
    z.strictObject({ kind: z.literal('folder'), path: filePath, format: oneOf(['plain', 'mail']).default('plain') }),
  ],
  { error: "a corpus: an object whose kind is 'spam-assassin', 'csv', 'json-lines' or 'folder'" },
);

/** A source with every default filled in. */
export type ResolvedCorpusSource = z.output<typeof corpusSourceSchema>;

/** What a source holds, wherever it stands: random choices of texts depend on this, so that results do not change with a folder's name. */
export function withoutPlace(source: ResolvedCorpusSource): object {
  return Object.fromEntries(Object.entries(source).filter(([name]) => name !== 'path' && name !== 'directory'));
}

function collect(source: ResolvedCorpusSource): Promise<CorpusBuilder> {
  switch (source.kind) {
    case 'spam-assassin':
      return collectSpamAssassin({ parts: source.parts, directory: source.directory });
    case 'folder':
      return collectFolder(source.path, { format: source.format });
    default: {
      const { kind, path, ...fields } = source;
      return kind === 'csv' ? collectCsv(path, fields) : collectJsonLines(path, fields);
    }
  }
}

/** Read what a checked source names; of one class alone too where labels are not read. */
export async function readSource(source: ResolvedCorpusSource, leastClasses: 1 | 2 = 2): Promise<Corpus> {
  return (await collect(source)).build(leastClasses);
}

/**
 * Read the corpus that a plain object names, as studies do.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad source; {@link DataError} if it cannot be read or holds less than two
 * classes.
 * @example
 * ```ts
 * import { mkdtempSync, writeFileSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { text } from 'prompt-attention';
 * const path = join(mkdtempSync(join(tmpdir(), 'texts-')), 'two.csv');
 * writeFileSync(path, 'text,label\nSee you at noon.,ham\nYou have won!,spam\n');
 * const { classes } = await text.readCorpus({ kind: 'csv', path });
 * console.log(classes.join()); // ham,spam
 * ```
 */
export async function readCorpus(source: CorpusSource): Promise<Corpus> {
  return readSource(parseOptions(corpusSourceSchema, source, 'source'));
}
