import { z } from 'zod';
import { integerFrom, parseOptions } from '../base/options.js';
import type { ClassifiedText } from './classifier.js';

/** A text to show. */
export interface ShownText extends Pick<ClassifiedText, 'words'> {
  /** Written above it. */
  readonly caption: string;
}

/** Options of {@link attentionHtml} and {@link attentionSvg}. */
export interface AttentionViewOptions {
  /** Written above everything. Default `'Attention on words'`. */
  readonly title?: string | undefined;
  /** Most words that are shown of a text, the first ones: an integer ≥ 1. Default 200. */
  readonly mostWords?: number | undefined;
}

const textsSchema = z
  .array(
    z.looseObject({
      caption: z.string({ error: 'a string' }),
      words: z.array(
        z.looseObject({ word: z.string(), read: z.boolean(), attention: z.number(), attentionBefore: z.number() }),
        { error: 'the words that text.classifyTexts returned' },
      ),
    }),
    { error: 'an array of texts { caption, words }' },
  )
  .min(1, { error: 'an array with at least one text' });
const viewSchema = z.strictObject({
  title: z.string({ error: 'a string' }).default('Attention on words'),
  mostWords: integerFrom(1).default(200),
});
const terminalSchema = z.strictObject({
  colours: z.boolean({ error: 'true or false' }).default(false),
  mostWords: integerFrom(1).default(200),
});

type Words = z.output<typeof textsSchema>[number]['words'];
type State = 'attentionBefore' | 'attention';

const kStates: readonly (readonly [State, string])[] = [
  ['attentionBefore', 'before tuning'],
  ['attention', 'after tuning'],
];
/** The colour of attention, and its opacity on the word that gets most of a text. */
const kAttention = '213, 94, 0';
const kStrongest = 0.85;

/** Without characters that control terminals, hide or turn text, or that XML does not have. */
const shown = (text: string) => text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, ' ');
const escaped = (text: string) =>
  shown(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const short = (value: number) => String(Math.round(100 * value) / 100);
/** Opacity of every word, in proportion to its attention. */
function opacities(words: Words, state: State): number[] {
  const largest = words.reduce((most, word) => Math.max(most, word[state]), 0);
  return words.map((word) => (largest > 0 ? (kStrongest * word[state]) / largest : 0));
}
const percent = (attention: number) => `${(100 * attention).toFixed(1)} %`;

/**
 * Texts as a page of HTML, complete in itself: their words before and after tuning, the more orange the more attention they get relative to the
 * word of the text that gets most; words that are not read are grey. The attention stands in the title of each word.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const words = [{ word: 'prize', read: true, attention: 1, attentionBefore: 1 }];
 * console.log(text.attentionHtml([{ caption: 'spam', words }]).includes('prize')); // true
 * ```
 */
export function attentionHtml(texts: readonly ShownText[], options: AttentionViewOptions = {}): string {
  const parsed = parseOptions(textsSchema, texts, 'texts');
  const { title, mostWords } = parseOptions(viewSchema, options, '');
  const sections = parsed.map(({ caption, words }) => {
    const part = words.slice(0, mostWords);
    const states = kStates.map(([state, name]) => {
      const opacity = opacities(words, state);
      const spans = part.map((word, i) => {
        if (!word.read) return `<i>${escaped(word.word)}</i>`;
        const style = `background:rgba(${kAttention},${short(opacity[i] as number)})`;
        return `<span style="${style}" title="${percent(word[state])}">${escaped(word.word)}</span>`;
      });
      return `<h3>${name}</h3>\n<p>${spans.join(' ')}${words.length > part.length ? ' …' : ''}</p>`;
    });
    return `<section>\n<h2>${escaped(caption)}</h2>\n${states.join('\n')}\n</section>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.6 Helvetica, Arial, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin-top: 2.5rem; }
h3 { font-size: .85rem; font-weight: normal; opacity: .7; margin: .5rem 0 0; }
p { margin: 0; }
span { padding: 0 .1em; border-radius: .2em; }
i { font-style: normal; opacity: .45; }
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
${sections.join('\n')}
</body>
</html>
`;
}

const kWidth = 900;
const kMargin = 16;
const kLine = 20;
/** Advance of a letter of the monospaced type, at 12 px, and of a wide one. */
const kLetter = 7.25;

const isWide = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const widthOf = (text: string) => kLetter * [...text].reduce((sum, letter) => sum + (isWide.test(letter) ? 2 : 1), 0);

/**
 * The same as an SVG document.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const words = [{ word: 'prize', read: true, attention: 1, attentionBefore: 1 }];
 * console.log(text.attentionSvg([{ caption: 'spam', words }]).startsWith('<svg')); // true
 * ```
 */
export function attentionSvg(texts: readonly ShownText[], options: AttentionViewOptions = {}): string {
  const parsed = parseOptions(textsSchema, texts, 'texts');
  const { title, mostWords } = parseOptions(viewSchema, options, '');
  const drawn: string[] = [];
  let y = kMargin + kLine;
  const line = (content: string, attributes: string) => {
    drawn.push(`<text x="${kMargin}" y="${y}" ${attributes}>${content}</text>`);
    y += kLine;
  };
  line(escaped(title), 'font-size="15" font-weight="bold"');
  for (const { caption, words } of parsed) {
    y += kLine / 2;
    line(escaped(caption), 'font-weight="bold"');
    const part = words.slice(0, mostWords);
    for (const [state, name] of kStates) {
      const opacity = opacities(words, state);
      line(name, 'fill="#555" font-size="11"');
      let x = kMargin;
      for (const [i, { word, read }] of part.entries()) {
        const width = widthOf(word);
        if (x > kMargin && x + width > kWidth - kMargin) {
          x = kMargin;
          y += kLine;
        }
        if ((opacity[i] as number) >= 0.005)
          drawn.push(
            `<rect x="${short(x - 2)}" y="${y - 13}" width="${short(width + 4)}" height="17" rx="3" ` +
              `fill="rgb(${kAttention})" fill-opacity="${short(opacity[i] as number)}"/>`,
          );
        const grey = read ? '' : ' fill="#888"';
        drawn.push(`<text x="${short(x)}" y="${y}" class="w"${grey}>${escaped(word)}</text>`);
        x += width + kLetter;
      }
      y += kLine;
    }
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${kWidth}" height="${Math.ceil(y)}" viewBox="0 0 ${kWidth} ${Math.ceil(y)}" ` +
    'font-family="Helvetica, Arial, sans-serif" font-size="12"><style>.w{font-family:"DejaVu Sans Mono",monospace}</style>' +
    `<rect width="100%" height="100%" fill="white"/>${drawn.join('\n')}</svg>\n`
  );
}

/** Backgrounds of four levels of attention in the 256 colours of terminals, the weakest first. */
const kTerminalLevels = [223, 216, 209, 202] as const;
/** Without colours, words with at least this share of the attention have it beside them. */
const kMarked = 0.02;

function terminalWord(word: string, opacity: number, attention: number, colours: boolean): string {
  if (!colours) return attention >= kMarked ? `[${word} ${Math.round(100 * attention)}%]` : word;
  const level = kTerminalLevels[Math.ceil((opacity / kStrongest) * 5) - 2];
  return level === undefined ? word : `\x1b[48;5;${level}m\x1b[38;5;16m${word}\x1b[0m`;
}

/**
 * A text for a terminal: its words before and after tuning, the more orange the more attention they get; without colours the words with
 * 2 % of the attention or more have it beside them in brackets.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option.
 * @example
 * ```ts
 * import { text } from 'prompt-attention';
 * const word = (name: string, attention: number) => ({ word: name, read: true, attention, attentionBefore: 0.5 });
 * const shown = text.attentionTerminal([{ caption: 'spam', words: [word('win', 0.99), word('at', 0.01)] }]);
 * console.log(shown.split('\n')[4]); // [win 99%] at
 * ```
 */
export function attentionTerminal(
  texts: readonly ShownText[],
  options: {
    /** Whether to use colours. Default false. */
    readonly colours?: boolean | undefined;
    /** Most words that are shown of a text, the first ones: an integer ≥ 1. Default 200. */
    readonly mostWords?: number | undefined;
  } = {},
): string {
  const parsed = parseOptions(textsSchema, texts, 'texts');
  const { colours, mostWords } = parseOptions(terminalSchema, options, '');
  return parsed
    .flatMap(({ caption, words }) => [
      shown(caption),
      ...kStates.flatMap(([state, name]) => {
        const opacity = opacities(words, state);
        const part = words.slice(0, mostWords);
        const line = part.map((word, i) => terminalWord(shown(word.word), opacity[i] as number, word[state], colours));
        return [`  ${name}:`, line.join(' ') + (words.length > part.length ? ' …' : '')];
      }),
      '',
    ])
    .join('\n');
}
