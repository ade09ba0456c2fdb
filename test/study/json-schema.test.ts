import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { parseYaml } from '../../lib/base/yaml.js';
import { studyJsonSchema } from '../../lib/study/definition/json-schema.js';
import { define, open } from '../../lib/study/index.js';
import { command } from '../cli/support.js';
import { root } from '../documentation/markdown.js';
import { smallStudy, temporaryDirectory } from './support.js';

const schema = z.fromJSONSchema(studyJsonSchema() as never);
const accepts = (study: unknown) => schema.safeParse(study).success;
/** As JSON Schema sees it: integers are integers however large. */
const read = (file: string) => parseYaml(readFileSync(file, 'utf8'));

test('the schema accepts every study of the examples', (t) => {
  const files = readdirSync(join(root, 'examples')).filter(
    (name) => name.endsWith('.yaml') && !name.startsWith('kubernetes') && name !== 'complexity.yaml',
  );
  t.true(files.length > 10);
  for (const name of files) {
    const result = schema.safeParse(read(join(root, 'examples', name)));
    t.true(result.success, `${name}: ${result.error?.message}`);
  }
});

test('the schema accepts the forms of an option and refuses what is misspelt or of the wrong type', (t) => {
  t.true(accepts(smallStudy));
  for (const trials of [5, 'theory-only', { minimum: 1, maximum: 2 }])
    t.true(accepts({ ...smallStudy, trials }), String(trials));
  t.true(
    accepts({
      ...smallStudy,
      seed: '18446744073709551615',
      zip: [{ examples: [1, 2] }],
      linked: { a: '1' },
      exclude: ['a > 1'],
    }),
  );
  t.true(accepts({ ...smallStudy, experiment: {}, factors: { kind: ['known-prompt', 'three-step'] } }));
  const { seed: _, ...withoutSeed } = smallStudy;
  const { experiment } = smallStudy;
  const wrong = [
    withoutSeed,
    { ...smallStudy, seed: 'seven' },
    { ...smallStudy, factor: {} },
    { ...smallStudy, trials: 0 },
    { ...smallStudy, trials: { minimum: 1, maximum: 2, standarderror: 1 } },
    { ...smallStudy, method: 'sparse' },
    { ...smallStudy, experiment: { ...experiment, kind: 'unknown-prompt' } },
    { ...smallStudy, experiment: { ...experiment, mixture: { ...experiment.mixture, contextnorm: 1 } } },
    { ...smallStudy, experiment: { ...experiment, head: { kind: 'least-square' } } },
  ];
  for (const study of wrong) t.false(accepts(study), JSON.stringify(study));
});

test('options are described by what they must be', (t) => {
  const text = JSON.stringify(studyJsonSchema());
  t.true(text.includes('"dimension":{"type":"number","description":"an integer ≥ 1 and ≤ 2147483647"}'));
  t.true(text.includes('"default":1000'));
});

test('init writes a study that runs and names the schema that schema prints', async (t) => {
  const directory = temporaryDirectory(t);
  const init = await command(['init', 'first.yaml'], directory);
  t.is(init.code, 0, init.stderr);
  t.deepEqual(readdirSync(directory).sort(), ['first.schema.json', 'first.yaml']);
  const file = join(directory, 'first.yaml');
  t.regex(readFileSync(file, 'utf8'), /^# yaml-language-server: \$schema=\.\/first\.schema\.json\n/);
  t.true(accepts(read(file)));
  t.is(define(file).name, 'first');
  t.is((await command(['schema'], directory)).stdout, readFileSync(join(directory, 'first.schema.json'), 'utf8'));
  t.is((await command(['run', 'first.yaml', '--progress', 'none'], directory)).code, 0);
  t.is((await open(join(directory, 'first.sqlite'))).finishedCells, 8);
  const again = await command(['init', 'first.yaml'], directory);
  t.is(again.code, 1);
  t.regex(again.stderr, /first.yaml: exists already; choose another name/);
  t.is((await command(['init', 'a study.yaml'], directory)).code, 2);
  t.is((await command(['init', 'study.json'], directory)).code, 2);
});
