import type { Email } from 'postal-mime';
import { DataError } from '../base/errors.js';
import { arrayOf, parseOptions } from '../base/options.js';
import { Unreadable } from './corpus.js';

/** What a reader of mail sees of it. */
export interface Mail {
  /** The subject, decoded; empty if there is none. */
  readonly subject: string;
  /** The plain text, or where a mail has none the text of its HTML. */
  readonly body: string;
}

/** Most bytes of a mail, attachments included. */
const kMostMailBytes = 2 ** 25;
const kMostHeaderBytes = 2 ** 20;
const kMostNestedParts = 64;
/** Characters of HTML that are read. */
const kMostHtml = 2 ** 22;
/** Elements inside each other, children of one element. */
const kHtmlLimits = { maxInputLength: kMostHtml, maxDepth: 64, maxChildNodes: 2 ** 16, ellipsis: '' };

async function textOfHtml(html: string): Promise<string> {
  const { convert } = await import('html-to-text');
  return convert(html.slice(0, kMostHtml), {
    wordwrap: false,
    limits: kHtmlLimits,
    selectors: [
      { selector: 'a', options: { ignoreHref: true } },
      { selector: 'img', format: 'skip' },
    ],
  });
}

/** The same without a name for errors: what cannot be parsed is thrown as {@link Unreadable}. */
export async function mailOf(bytes: Uint8Array): Promise<Mail> {
  if (bytes.length > kMostMailBytes) throw new Unreadable('tooLong');
  const { default: PostalMime } = await import('postal-mime');
  let email: Email;
  try {
    email = await PostalMime.parse(bytes, {
      maxHeadersSize: kMostHeaderBytes,
      maxNestingDepth: kMostNestedParts,
    });
  } catch {
    throw new Unreadable('malformed');
  }
  const plain = email.text?.trim() ?? '';
  return { subject: email.subject?.trim() ?? '', body: plain || (await textOfHtml(email.html ?? '')).trim() };
}

/** Subject and body: headers name lists and servers, which would tell the classes of collected mails apart. */
export async function textOfMail(bytes: Uint8Array): Promise<string> {
  const { subject, body } = await mailOf(bytes);
  return `${subject}\n${body}`;
}

/**
 * Parse a mail as it was sent (RFC 5322): encoded headers, MIME parts, quoted-printable, base64 and character sets by postal-mime, HTML
 * without links and pictures by html-to-text. Mail that breaks the rules is read as far as it goes; attachments are not.
 *
 * @param bytes The mail, at most 32 MiB with at most 1 MiB of headers and 64 parts inside each other. Of HTML the first 2²² characters
 * are read, 64 elements deep.
 * @throws {@link OptionTypeError} for what is no Uint8Array; {@link DataError} for a mail beyond these limits.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const source = 'Subject: =?utf-8?q?caf=C3=A9?=\nContent-Type: text/html\n\n<p>Two <b>cups</b></p>';
 * const { subject, body } = await text.parseMail(new TextEncoder().encode(source));
 * console.log(subject, '|', body); // café | Two cups
 * ```
 */
export async function parseMail(bytes: Uint8Array): Promise<Mail> {
  parseOptions(arrayOf('Uint8Array'), bytes, 'bytes');
  try {
    return await mailOf(bytes);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw new DataError(
      error.reason === 'tooLong'
        ? `mail: has ${bytes.length} bytes; at most ${kMostMailBytes} are read`
        : `mail: has more than ${kMostHeaderBytes} bytes of headers or ${kMostNestedParts} parts inside each other`,
    );
  }
}
