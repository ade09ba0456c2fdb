import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { documents, root } from './markdown.js';

interface Figure {
  readonly name: string;
  readonly makes: readonly string[];
  readonly from: readonly string[];
  readonly commands: readonly (readonly string[])[];
  readonly seconds: number;
}

const { figures } = (await import(pathToFileURL(join(root, 'scripts/figures.mjs')).href)) as {
  readonly figures: readonly Figure[];
};
const filesOf = (folder: string, pattern: RegExp) =>
  readdirSync(join(root, folder))
    .filter((name) => pattern.test(name))
    .map((name) => `${folder}/${name}`)
    .sort();

test('every figure of the documents is made by one entry of the table, and every entry makes figures that documents show', (t) => {
  const made = figures.flatMap(({ makes }) => makes);
  t.is(new Set(made).size, made.length);
  t.deepEqual([...made].sort(), filesOf('docs', /\.(svg|png)$/));
  const shown = new Set(documents.flatMap(({ links }) => links.map((link) => link.split('/').at(-1))));
  for (const file of made) t.true(shown.has(file.split('/').at(-1)), `no document shows ${file}`);
});

test('figures are made from what is committed, and by commands that name it', (t) => {
  for (const { name, makes, from, commands, seconds } of figures) {
    const [program] = from;
    t.true(seconds > 0, name);
    for (const file of from) t.true(existsSync(join(root, file)), `${name}: there is no ${file}`);
    t.true(
      commands.some((command) => command.includes(program as string)),
      `${name}: no command runs ${program}`,
    );
    // A program that is not given the study reads it by itself.
    const text = commands.flat().join(' ') + readFileSync(join(root, program as string), 'utf8');
    for (const file of [...from, ...makes]) {
      const stem = file.replace(/^.*\//, '').replace(/\.\w+$/, '');
      t.true(text.includes(stem) || text.includes(stem.replace(/^attention-.*/, 'attention-')), `${name}: ${file}`);
    }
  }
});

test('a study or program that says it makes a figure stands in the table', (t) => {
  const sources = new Set(figures.flatMap(({ from }) => from));
  for (const file of filesOf('examples', /\.(yaml|mjs)$/)) {
    const text = readFileSync(join(root, file), 'utf8');
    const claims = /docs\/[\w-]+\.(svg|png)|figure\.svg|folder of figures/.test(text);
    if (claims) t.true(sources.has(file), `${file} claims a figure`);
  }
});

test('the guide to the figures gives the times of the table', (t) => {
  const guide = readFileSync(join(root, 'docs/paper.md'), 'utf8');
  const rows = [...guide.matchAll(/^\|.*\| (`[\w-]+`(?:, `[\w-]+`)*) \| (\d+) (s|min) \|$/gm)];
  t.true(rows.length > 4);
  for (const [row, names, amount, unit] of rows) {
    const total = [...(names as string).matchAll(/`([\w-]+)`/g)].reduce((sum, [, name]) => {
      const figure = figures.find((each) => each.name === name);
      return sum + (figure?.seconds ?? Number.NaN);
    }, 0);
    t.is(Number(amount) * (unit === 'min' ? 60 : 1), total, row);
  }
});
