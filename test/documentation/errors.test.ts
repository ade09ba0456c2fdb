import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import Database from 'libsql';
import { slowBlasAdvice } from '../../lib/cli/doctor.js';
import {
  cluster,
  fitHead,
  holdExamples,
  images,
  promptAttention,
  sampleExamples,
  simulate,
  study,
  TrialStatus,
  fit as train,
} from '../../lib/index.js';
import type { StudyOptions } from '../../lib/study/index.js';
import { smallStudy, temporaryDirectory } from '../study/support.js';
import { readDocument, root } from './markdown.js';

/** Does what a message of the page is about; the error it ends with, or the text it shows. */
type Provocation = (t: ExecutionContext) => unknown;

const mixture = { tokens: 8, dimension: 20, relevantTokens: 2, contextNorm: 2, signalNorm: 1 };
const descent = {
  kind: 'gradient-descent',
  mixture,
  examples: 10,
  model: 'prompt-attention',
  steps: 2,
  stepSizes: { head: 1, prompt: 1 },
} as const;
const knownPrompt = { kind: 'known-prompt', mixture, examples: 20, inverseTemperature: 0.5 } as const;
const some = { trials: 1, seed: 1 };
const tiny = {
  ...smallStudy,
  factors: { examples: [40, 80] },
  trials: 2,
  experiment: { ...smallStudy.experiment, inverseTemperature: 0 },
};

function fileIn(t: ExecutionContext, name: string, content: string): string {
  const file = join(temporaryDirectory(t), name);
  writeFileSync(file, content);
  return file;
}

async function results(t: ExecutionContext, change: Partial<StudyOptions> = {}): Promise<string> {
  const out = join(temporaryDirectory(t), 'small.sqlite');
  await study.run({ ...tiny, ...change }, { out });
  return out;
}

/** What a program of Node prints on standard error. */
function printed(program: string, ...flags: readonly string[]): Promise<string> {
  const command = [...flags, '--eval', program];
  return new Promise((resolve) =>
    execFile(process.execPath, command, { cwd: root }, (_, __, stderr) => resolve(stderr)),
  );
}

const provocations: Readonly<Record<string, Provocation>> = {
  'The native addon of prompt-attention could not be loaded on …': () =>
    printed(
      `const { Module } = require('node:module');
      const load = Module._load;
      Module._load = (name, ...rest) => { if (name.endsWith('.node')) throw new Error('gone'); return load(name, ...rest); };
      require('./lib/base/native.ts');`,
      '--import',
      import.meta.resolve('tsx'),
    ),
  'OpenBLAS uses its Prescott kernels although this processor has …': () =>
    slowBlasAdvice({ blasCore: 'Prescott', cpuSimd: 'avx512' }),
  ERR_REQUIRE_ESM: () => printed(`require('prompt-attention')`, '--no-experimental-require-module'),
  '… must be left out: there is no such option': () => simulate({ ...knownPrompt, example: 3 } as never, some),
  '… must be such that relevantFraction × tokens is an integer': () =>
    sampleExamples({ ...mixture, relevantTokens: undefined, relevantFraction: 0.3 }, { examples: 1, seed: 1 }),
  "method must be 'dense' for …": () =>
    simulate({ ...descent, optimizer: { kind: 'adam' } }, { ...some, method: 'projected' }),
  "experiment.solver must be 'direct' or 'auto' …": () =>
    simulate({ ...knownPrompt, head: { kind: 'hinge', ridge: 1 }, solver: 'iterative' }, some),
  'experiment.initial must be an object { scale } for linear-attention': () =>
    simulate({ ...descent, model: 'linear-attention' }, some),
  '… over an ArrayBuffer, not a shared or resizable one': () =>
    fitHead(new Float64Array(new SharedArrayBuffer(16)) as never, Float64Array.of(1, -1), { kind: 'averaging' }),
  '… must be a Float64Array': () => fitHead([1, 2] as never, Float64Array.of(1, -1), { kind: 'averaging' }),
  '… must be neither empty nor detached': async () => {
    const data = await sampleExamples(mixture, { examples: 4, seed: 1 });
    const options = { loss: 'square', learningRate: 0.1, steps: 1, transfer: true } as const;
    await train(promptAttention, data, options);
    await train(promptAttention, data, options);
  },
  'data must be examples that have not been released': async () => {
    const held = holdExamples(await sampleExamples(mixture, { examples: 4, seed: 1 }));
    held.release();
    return promptAttention.attention(promptAttention.initial({ tokens: 8, dimension: 20 }), held);
  },
  'out of memory: … bytes could not be allocated': () =>
    sampleExamples({ ...mixture, tokens: 2 ** 20, dimension: 2 ** 20 }, { examples: 2 ** 10, seed: 1 }),
  'the result of … × … bytes does not fit the address space': () =>
    sampleExamples({ ...mixture, tokens: 2 ** 30, dimension: 2 ** 30 }, { examples: 2 ** 30, seed: 1 }),
  'out of memory: a trial needs up to … bytes; … bytes are there': () =>
    simulate({ ...descent, mixture: { ...mixture, tokens: 1000, dimension: 1e6 }, examples: 1e6, steps: 1000 }, some),
  'the study file cannot be read': () => study.define('nowhere.yaml'),
  'not a valid YAML file': (t) => study.define(fileIn(t, 'a.yaml', 'name: [')),
  '… has no option …; its options are …': () => study.define({ ...tiny, factors: { 'mixture.sigma': [1, 2] } }),
  '… are the same experiment': () => study.define({ ...tiny, factors: { examples: [40, 40] } }),
  'exclude: leaves no cell': () => study.define({ ...tiny, exclude: ['true'] }),
  'holds another study': async (t) => study.run({ ...tiny, seed: 8 }, { out: await results(t) }),
  'holds more trials of this study': async (t) => study.run({ ...tiny, trials: 1 }, { out: await results(t) }),
  'another process is running this study into the same file': async (t) => {
    const out = await results(t);
    const other = new Database(`${out}-lock`);
    other.exec('BEGIN EXCLUSIVE');
    t.teardown(() => other.close());
    await study.run(tiny, { out });
  },
  'another program was reading … when the run ended': async (t) => {
    const out = await results(t);
    const reader = new Database(out);
    t.teardown(() => reader.close());
    reader.pragma('journal_mode = WAL');
    reader.exec('BEGIN');
    reader.prepare('SELECT * FROM study').get();
    return (await study.run({ ...tiny, trials: 20 }, { out })).warnings.join();
  },
  'is in use by another process': async (t) => {
    const out = await results(t);
    const writer = new Database(out);
    t.teardown(() => writer.close());
    writer.exec('BEGIN EXCLUSIVE');
    await study.open(out);
  },
  'is not a result file of a study': (t) => study.open(fileIn(t, 'a.sqlite', 'not a database at all'.repeat(50))),
  'holds no study yet': (t) => study.open(fileIn(t, 'a.sqlite', '')),
  'has format …; this version of prompt-attention reads …': async (t) => {
    const out = await results(t);
    const database = new Database(out);
    database.exec('UPDATE study SET format = 1');
    database.close();
    await study.open(out);
  },
  'damaged: trials … of cell … are not what was stored': async (t) => {
    const out = await results(t);
    const database = new Database(out);
    database.exec('UPDATE batch SET data = zeroblob(length(data))');
    database.close();
    await study.open(out);
  },
  'there is no directory …': () => study.run(tiny, { out: '/nowhere/a.sqlite' }),
  '… exists already; choose another file': async (t) => {
    const out = await results(t);
    await study.merge([out], { out });
  },
  'only … of … cells are finished in these files': async (t) => {
    const out = join(temporaryDirectory(t), 'a.sqlite');
    await study.run({ ...tiny, factors: { examples: [40, 80] } }, { out, shard: { index: 1, count: 2 } });
    await study.merge([out], { out: `${out}.merged` });
  },
  'the files were computed by different engines': async (t) => {
    const files = [await results(t), await results(t)];
    const database = new Database(files[1] as string);
    database.exec("UPDATE run SET engine = 'another'");
    database.close();
    await study.merge(files, { out: join(temporaryDirectory(t), 'merged.sqlite') });
  },
  'url must be postgres://USER@HOST:PORT/DATABASE': () => cluster.list({ url: 'http://db/studies' }),
  'no PostgreSQL server answers there': () => cluster.list({ url: 'postgres://me@127.0.0.1:9/studies' }),
  'install it with: …': () => images.loadImages('fashion-mnist', { directory: '/nowhere' }),
};

/** Messages that nothing in a test machine's reach brings about: the files whose code has their text. */
const sources: Readonly<Record<string, string>> = {
  'no PNG files; for them: …': 'lib/report/index.ts',
  'the computation needs more than the process can get': 'native/addon/runtime/environment.cpp',
  'the risk of the … head at sample ratio … was not found': 'lib/risk/known-prompt.ts',
  'lies on a file system without file locks': 'lib/study/sqlite.ts',
  'cannot be written (is the disk full, a quota reached, or the file read-only?)': 'lib/study/sqlite.ts',
  'is damaged; restore it from a copy, or delete it and run the study again': 'lib/study/sqlite.ts',
  'finished trials are kept in …, the same command continues the study': 'lib/cli/run.ts',
  '… need packages that are not installed: …': 'lib/base/optional-packages.ts',
  'the server refuses the user or the password': 'lib/cluster/reasons.ts',
  'there is no such database; create it with createdb': 'lib/cluster/reasons.ts',
  'the owner of the tables grants what a user needs with prompt-attention cluster migrate': 'lib/cluster/reasons.ts',
  'has no tables of prompt-attention': 'lib/cluster/schema.ts',
  'has tables of version …, and this version of prompt-attention uses version …': 'lib/cluster/schema.ts',
  'is computed by the engine …, and this worker has …': 'lib/cluster/worker.ts',
  '… jobs failed, … of … cells are finished and in …': 'lib/cluster/submit.ts',
  '… jobs were cancelled, … of … cells are finished and in …': 'lib/cluster/submit.ts',
  'no job is left, … of … cells are finished and in …': 'lib/cluster/submit.ts',
};

function patternOf(message: string): RegExp {
  const literally = (part: string) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(message.split('…').map(literally).join('.*'), 's');
}

for (const [message, provoke] of Object.entries(provocations))
  test(`the page of troubleshooting quotes an error that occurs: ${message}`, async (t) => {
    let text: unknown;
    try {
      text = await provoke(t);
    } catch (error) {
      text = (error as Error).message;
    }
    t.regex(String(text), patternOf(message));
  });

test('the page of troubleshooting quotes other errors as the code has them', (t) => {
  for (const [message, file] of Object.entries(sources)) {
    // Texts over several lines are one text, and what is put into them is what differs.
    const text = readFileSync(join(root, file), 'utf8')
      .replaceAll(/['`] \+\s+['`]/g, '')
      .replaceAll(/\$\{[^}]*\}/g, '…');
    t.true(text.includes(message) || patternOf(message).test(text), `${file} does not have: ${message}`);
  }
});

test('nothing else is quoted, and nothing is missing', (t) => {
  const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8');
  const tables = page.split(/^\| text .*\n\|.*\n/m).slice(1);
  const quoted = tables.flatMap((table) => [...(/^(?:\|.*\n)+/.exec(table)?.[0] ?? '').matchAll(/^\| `([^`]*)` \|/gm)]);
  t.deepEqual(
    quoted.map((match) => match[1] as string).sort(),
    [...Object.keys(provocations), ...Object.keys(sources)].sort(),
  );
});

test('every status of a trial is explained', (t) => {
  const { codes } = readDocument('docs/troubleshooting.md');
  for (const status of Object.keys(TrialStatus)) if (status !== 'ok') t.true(codes.includes(status), status);
});
