import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import MarkdownIt from 'markdown-it';

/** The root of the repository, with a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A fenced block. */
export interface Block {
  readonly file: string;
  /** The line of the file on which the code begins, from 1. */
  readonly line: number;
  /** What stands behind the fence. */
  readonly language: string;
  readonly code: string;
}

/** The parts of a document that tests look at. */
export interface Document {
  /** Relative to the root. */
  readonly file: string;
  readonly blocks: readonly Block[];
  /** Targets of links and images, as written. */
  readonly links: readonly string[];
  /** What links to its headings may end with. */
  readonly anchors: ReadonlySet<string>;
  /** Inline code. */
  readonly codes: readonly string[];
}

/** The anchor of a heading as Git forges make it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.startsWith('api/'))
    .map((name) => join(folder, name))
    .sort();
}

/** Read a Markdown file. Front matter is left out, but counts as lines. */
export function readDocument(file: string): Document {
  const text = readFileSync(join(root, file), 'utf8').replace(/^---\n[\s\S]*?\n---\n/, (matter) =>
    matter.replaceAll(/[^\n]/g, ''),
  );
  const tokens = new MarkdownIt().parse(text, {});
  const inline = tokens.flatMap(({ children }) => children ?? []);
  return {
    file,
    blocks: tokens
      .filter(({ type }) => type === 'fence')
      .map(({ content, info, map }) => ({ file, line: (map?.[0] ?? 0) + 2, language: info.trim(), code: content })),
    links: inline.flatMap((token) => token.attrGet('href') ?? token.attrGet('src') ?? []),
    anchors: new Set(
      tokens.flatMap(({ type }, i) => (type === 'heading_open' ? [anchorOf(tokens[i + 1]?.content ?? '')] : [])),
    ),
    codes: inline.filter(({ type }) => type === 'code_inline').map(({ content }) => content),
  };
}

/** Every Markdown file whose blocks, links and names are tested. */
export const documents: readonly Document[] = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...filesUnder('docs', '.md'),
  'benchmarks/README.md',
].map(readDocument);

/** The TypeScript blocks of the doc comments of a source file. */
function commentBlocks(file: string): Block[] {
  const text = readFileSync(join(root, file), 'utf8').replaceAll(/^ \* ?/gm, '');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map((match) => ({
    file,
    line: text.slice(0, match.index).split('\n').length + 1,
    language: match[1] as string,
    code: match[2] as string,
  }));
}

/** The blocks of all documents and of all doc comments. */
export const blocks: readonly Block[] = [
  ...documents.flatMap((document) => document.blocks),
  ...filesUnder('lib', '.ts').flatMap(commentBlocks),
];

/** `docs/tour.md:12`. */
export function placeOf({ file, line }: Block): string {
  return `${file}:${line}`;
}
