import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import * as library from '../../lib/index.js';
import { documents, root } from './markdown.js';

const byFile = new Map(documents.map((document) => [document.file, document]));

test('every relative link of a document leads to a file, and to a heading where it names one', (t) => {
  let checked = 0;
  for (const { file, links } of documents) {
    for (const link of links) {
      if (/^[a-z]+:/.test(link)) continue;
      const [path = '', anchor] = decodeURI(link).split('#');
      const target = path === '' ? file : normalize(join(dirname(file), path));
      t.true(existsSync(join(root, target)), `${file}: ${link}`);
      if (anchor !== undefined) t.true(byFile.get(target)?.anchors.has(anchor), `${file}: no heading for ${link}`);
      checked += 1;
    }
  }
  t.true(checked > 50);
});

const kFolders = /^(?:\.ci|benchmarks|docs|examples|lib|native|scripts|test)\/[\w./*-]*$/;
const kRootFiles =
  /^(?:[\w-]+\.md|CMakeLists\.txt|binding\.gyp|package(?:-lock)?\.json|tsconfig(?:\.\w+)?\.json|typedoc\.json|biome\.json)$/;

test('every path of the repository that a document names exists', (t) => {
  const missing: string[] = [];
  for (const { file, codes } of documents) {
    // A command names its paths too.
    for (const word of codes.flatMap((code) => code.split(/\s+/))) {
      if (!kFolders.test(word) && !kRootFiles.test(word)) continue;
      const path = word.replace(/\/[^/]*\*.*$/, '');
      if (!existsSync(join(root, path)) && !existsSync(join(root, dirname(file), path)))
        missing.push(`${file}: ${word}`);
    }
  }
  t.deepEqual(missing, []);
});

test('every npm script that a document names exists', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const missing: string[] = [];
  let checked = 0;
  for (const { file, codes, blocks } of documents) {
    const commands = [...codes, ...blocks.filter(({ language }) => language === 'sh').map(({ code }) => code)];
    for (const [, name] of commands.join('\n').matchAll(/npm run ([\w:-]+)/g)) {
      if (!Object.hasOwn(scripts, name as string)) missing.push(`${file}: npm run ${name}`);
      checked += 1;
    }
  }
  t.deepEqual(missing, []);
  t.true(checked > 10);
});

test('the guide to the functions names every one of them', (t) => {
  const namespaces = Object.entries(library).filter(
    ([, value]) => Object.prototype.toString.call(value) === '[object Module]',
  );
  const isError = (value: unknown) => typeof value === 'function' && value.prototype instanceof Error;
  const names = [
    ...Object.entries(library)
      .filter(
        ([name, value]) => !isError(value) && name !== 'TrialStatus' && !namespaces.some(([other]) => other === name),
      )
      .map(([name]) => name),
    ...namespaces.flatMap(([name, members]) => Object.keys(members).map((member) => `${name}.${member}`)),
  ];
  t.true(names.length > 40);
  const named = new Set(byFile.get('docs/questions.md')?.codes);
  t.deepEqual(
    names.filter((name) => !named.has(name)),
    [],
  );
});
