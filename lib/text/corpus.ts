import { DataError } from '../base/errors.js';

/**
 * Why a document was left out.
 *
 * - `empty`: no characters but blanks.
 * - `tooLong`: more bytes than `mostBytes`.
 * - `encoding`: bytes that are not UTF-8. Mails say their encoding themselves.
 * - `binary`: a NUL character.
 * - `malformed`: not JSON, not an object, or without text under its name; a mail whose parts are nested too deep.
 * - `unlabelled`: no label, or an empty one.
 */
export type ExclusionReason = 'empty' | 'tooLong' | 'encoding' | 'binary' | 'malformed' | 'unlabelled';

/** One text with its class. */
export interface TextDocument {
  /** Where it is from: a path, with a line where a file holds many. */
  readonly source: string;
  /** The text; never blank, without NUL characters. */
  readonly text: string;
  /** Its class, an index of `Corpus.classes`. */
  readonly label: number;
}

/** Texts with labels. */
export interface Corpus {
  /** The texts, in the order of the files. */
  readonly documents: readonly TextDocument[];
  /** Names of the classes, sorted by their UTF-16 code units; at least two, each with a document. */
  readonly classes: readonly string[];
  /** How many documents were left out, by reason. */
  readonly excluded: Readonly<Record<ExclusionReason, number>>;
}

/** Characters (UTF-16 code units) of all documents together: one GiB as strings. */
const kMostCharacters = 2 ** 29;

/** A text that cannot be taken, thrown by what decodes it and counted by who reads. */
export class Unreadable extends Error {
  constructor(readonly reason: ExclusionReason) {
    super(reason);
  }
}

/** Bytes as UTF-8, without a byte order mark. */
export function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Unreadable('encoding');
  }
}

/** Collects documents and counts what it refuses. */
export class CorpusBuilder {
  readonly #documents: { readonly source: string; readonly text: string; readonly label: string }[] = [];
  readonly #excluded = { empty: 0, tooLong: 0, encoding: 0, binary: 0, malformed: 0, unlabelled: 0 };
  #characters = 0;

  /** @param source What errors call the corpus. */
  constructor(readonly source: string) {}

  exclude(reason: ExclusionReason): void {
    ++this.#excluded[reason];
  }

  /** To be called within {@link addOrCount}. */
  add(source: string, text: string, label: string): void {
    if (label.trim() === '') throw new Unreadable('unlabelled');
    if (text.includes('\0')) throw new Unreadable('binary');
    if (text.trim() === '') throw new Unreadable('empty');
    this.#characters += text.length;
    if (this.#characters > kMostCharacters)
      throw new DataError(`${this.source}: holds more than ${kMostCharacters} characters; read a part of it`);
    this.#documents.push({ source, text, label: label.trim() });
  }

  /** Runs `add`; what it throws as {@link Unreadable} is counted. */
  async addOrCount(add: () => void | Promise<void>): Promise<void> {
    try {
      await add();
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.exclude(error.reason);
    }
  }

  /** @param leastClasses 2, or 1 where labels are not read. */
  build(leastClasses: 1 | 2 = 2): Corpus {
    const classes = [...new Set(this.#documents.map(({ label }) => label))].sort();
    if (classes.length < leastClasses) {
      const counts = Object.entries(this.#excluded).filter(([, count]) => count > 0);
      const excluded = counts.map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none';
      const held = classes.length === 0 ? 'no document' : `the class ${JSON.stringify(classes[0])} only`;
      const needed = leastClasses === 2 ? 'at least two classes are needed' : 'at least one is needed';
      throw new DataError(`${this.source}: holds ${held}, ${needed}; left out: ${excluded}`);
    }
    const index = new Map(classes.map((name, label) => [name, label]));
    return {
      documents: this.#documents.map((document) => ({ ...document, label: index.get(document.label) as number })),
      classes,
      excluded: this.#excluded,
    };
  }
}
