import { execFile, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import anyTest from 'ava';
import { root } from './markdown.js';
import { projectFolder } from './project.js';

/** A Python that can run notebooks; undefined, with a line, where there is none: see hasPostgres. */
function notebookPython(): string | undefined {
  const modules = 'import nbclient, ipykernel, numpy';
  const found = ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', modules]).status === 0);
  if (found !== undefined) return found;
  const message = 'Python cannot run notebooks (apt-get install python3-nbclient python3-ipykernel python3-numpy)';
  if (process.env.CI) throw new Error(message);
  console.warn(`${message}: the test of examples/notebook.ipynb is skipped`);
  return undefined;
}

interface Output {
  readonly output_type: string;
  readonly text?: readonly string[];
  readonly data?: Readonly<Record<string, readonly string[]>>;
}

interface Notebook {
  readonly cells: readonly { readonly source: readonly string[]; readonly outputs?: readonly Output[] }[];
}

/** What a notebook shows: its cells, their printed lines, and which other kinds of output they have. */
const shownBy = ({ cells }: Notebook) =>
  cells.map(({ source, outputs = [] }) => ({
    source: source.join(''),
    outputs: outputs.map(({ output_type, text, data = {} }) => text?.join('') ?? [output_type, ...Object.keys(data)]),
  }));

const python = notebookPython();
const test = python === undefined ? anyTest.skip : anyTest;

test('the notebook runs in a project with the package and shows what is stored in it', async (t) => {
  const stored = JSON.parse(readFileSync(join(root, 'examples/notebook.ipynb'), 'utf8')) as Notebook;
  const folder = projectFolder(t);
  copyFileSync(join(root, 'examples/notebook.ipynb'), join(folder, 'notebook.ipynb'));
  const { stdout } = await promisify(execFile)(
    python as string,
    [join(root, 'scripts/execute-notebook.py'), 'notebook.ipynb'],
    {
      cwd: folder,
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
      maxBuffer: 2 ** 26,
      timeout: 240_000,
    },
  );
  const executed = JSON.parse(stdout) as Notebook;
  t.deepEqual(shownBy(executed), shownBy(stored));
  const figures = executed.cells.flatMap(({ outputs = [] }) =>
    outputs.flatMap(({ data }) => data?.['image/svg+xml'] ?? []),
  );
  t.regex(figures.join(''), /<svg[\s\S]*prompt scale[\s\S]*<\/svg>/);
});
