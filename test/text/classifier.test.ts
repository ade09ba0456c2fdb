import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { DataError, OptionRangeError, OptionTypeError, promptAttention, text } from '../../lib/index.js';
import { command } from '../cli/support.js';
import { temporaryFolder, writeLabelled } from './support.js';

const vectors = { kind: 'learned', dimension: 8 } as const;
const training = { steps: 150, attentionRates: [0.1], headRates: [0.03] };

function learn(
  t: Parameters<typeof temporaryFolder>[0],
  options: Partial<text.ClassifierExperiment> = {},
  texts = 200,
) {
  const path = writeLabelled(temporaryFolder(t), 'labelled.jsonl', texts);
  return text.learnClassifier({ data: { kind: 'json-lines', path }, vectors, training, testExamples: 80, ...options });
}

test('a classifier says the class, and the attention that the model has', async (t) => {
  const classifier = await learn(t);
  t.deepEqual(classifier.classes, ['no', 'yes']);
  t.is(classifier.experiment.examples, 120);
  const documents = await text.testDocuments(classifier);
  t.is(documents.length, 80);
  const found = await text.classifyTexts(
    classifier,
    documents.map((document) => document.text),
  );
  const wrong = found.filter(({ label }, i) => label !== documents[i]?.label).length;
  t.true(wrong < 8, `${wrong}`);
  const [own] = await text.classifyTexts(classifier, ['Good1, unknown; topic2!']);
  t.deepEqual(
    own?.words.map(({ word, read }) => [word, read]),
    [
      ['good1', true],
      ['unknown', false],
      ['topic2', true],
    ],
  );
  const { data } = text.embedTexts([['good1', 'topic2']], classifier.vectors);
  const parameters = classifier.after as { prompt: Float64Array; head: Float64Array };
  const attention = await promptAttention.attention(parameters, data);
  t.deepEqual(
    [own?.words[0]?.attention, own?.words[1]?.attention, own?.words[2]?.attention],
    [attention[0], 0, attention[1]],
  );
  t.is(own?.score, (await promptAttention.scores(parameters, data))[0]);
  for (const { words } of found) {
    for (const state of ['attention', 'attentionBefore'] as const) {
      const sum = words.reduce((total, word) => total + word[state], 0);
      t.true(Math.abs(sum - 1) < 1e-9);
    }
  }
  // Words that tell the class get more than those that do not.
  const shares = text.attendedWords(found, { most: 100 });
  const meanOf = (kind: RegExp) => {
    const own = shares.filter(({ word }) => kind.test(word));
    return (
      own.reduce((sum, { attention: each, count }) => sum + each * count, 0) /
      own.reduce((sum, { count }) => sum + count, 0)
    );
  };
  t.true(meanOf(/^(good|bad)/) > 2 * meanOf(/^topic/), `${meanOf(/^(good|bad)/)} ${meanOf(/^topic/)}`);
  t.true(Math.abs(shares.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9);
});

test('the layer averages the attention over its prompts', async (t) => {
  const classifier = await learn(t, { model: 'prompt-tuned-layer', prompts: 3 });
  const [own, other] = await text.classifyTexts(classifier, ['good1 bad2 topic1', 'topic1 topic2']);
  for (const found of [own, other])
    t.true(Math.abs((found?.words.reduce((sum, { attention }) => sum + attention, 0) ?? 0) - 1) < 1e-9);
  const [alone] = await text.classifyTexts(classifier, ['topic1 topic2']);
  t.deepEqual(alone, other);
});

test('removing attended words hurts more than removing random ones', async (t) => {
  const classifier = await learn(t, { testExamples: 280 }, 400);
  const documents = await text.testDocuments(classifier);
  const { removed, attended, random, differenceStandardError } = await text.erasureCurve(classifier, documents, {
    removed: [0, 8, 1000],
  });
  t.deepEqual(removed, [0, 8, 1000]);
  t.is(attended[0], random[0]);
  t.is(differenceStandardError[0], 0);
  const found = await text.classifyTexts(
    classifier,
    documents.map((document) => document.text),
  );
  t.is(attended[0], found.filter(({ label }, i) => label === documents[i]?.label).length / 280);
  const gap = (random[1] as number) - (attended[1] as number);
  t.true(gap > 4 * (differenceStandardError[1] as number) && gap > 0.1, `${gap} ± ${differenceStandardError[1]}`);
  t.deepEqual(
    await text.erasureCurve(classifier, documents, { removed: [8] }),
    await text.erasureCurve(classifier, documents, { removed: [8], threads: 1 }),
  );
});

test('a saved classifier is the same; a damaged file is refused', async (t) => {
  const classifier = await learn(t, { model: 'prompt-tuned-layer', prompts: 2 });
  const folder = temporaryFolder(t);
  const file = join(folder, 'a.classifier');
  await text.saveClassifier(file, classifier);
  const loaded = await text.loadClassifier(file);
  t.deepEqual(loaded.experiment, JSON.parse(JSON.stringify(classifier.experiment)));
  t.is(loaded.seed, classifier.seed);
  const texts = ['good1 bad2 topic1', 'topic1 topic2'];
  t.deepEqual(await text.classifyTexts(loaded, texts), await text.classifyTexts(classifier, texts));
  t.deepEqual(await text.testDocuments(loaded), await text.testDocuments(classifier));
  const bytes = readFileSync(file);
  const refused = async (content: Uint8Array, message: RegExp) => {
    const other = join(folder, 'b.classifier');
    writeFileSync(other, content);
    await t.throwsAsync(async () => text.loadClassifier(other), { instanceOf: DataError, message });
  };
  await refused(new Uint8Array(), /holds no classifier/);
  await refused(Buffer.from('prompt-attention word vectors 1\n and more'), /holds no classifier/);
  for (const length of [40, 60, 100]) await refused(bytes.subarray(0, length), /ends within/);
  await refused(bytes.subarray(0, bytes.length - 8), /is damaged/);
  const changed = Uint8Array.from(bytes);
  changed[bytes.length - 1] = (changed[bytes.length - 1] as number) ^ 1;
  await refused(changed, /is damaged/);
});

test('what is no classifier or no text is refused by name', async (t) => {
  const classifier = await learn(t);
  const refused = (run: () => Promise<unknown>, message: RegExp) =>
    t.throwsAsync(run, { message, any: true }).then((error) => {
      t.true(error instanceof OptionRangeError || error instanceof OptionTypeError);
    });
  await refused(async () => text.classifyTexts({ ...classifier }, ['a']), /^classifier must be what text\.learn/);
  await refused(async () => text.classifyTexts(classifier, ['good1', '?']), /^texts\[1\] must be a text with a word/);
  await refused(async () => text.classifyTexts(classifier, []), /^texts must be an array with at least one/);
  const documents = [
    { text: 'good1', label: 1 },
    { text: '?', label: 0 },
  ];
  await refused(async () => text.erasureCurve(classifier, documents), /^documents\[1\] must be a text with a word/);
  await refused(async () => text.erasureCurve(classifier, documents.slice(1)), /^documents must be an array with/);
  const { data } = classifier.experiment;
  await refused(
    async () => text.learnClassifier({ data, model: 'mean-pooling' as never }),
    /^experiment\.model must be/,
  );
});

test('views show words as text, whatever they are', (t) => {
  const words = ['<b>&"', '\u202eevil\x1b[31m', 'plain'].map((word, i) => ({
    word,
    read: i < 2,
    attention: [0.99, 0.01, 0][i] as number,
    attentionBefore: i < 2 ? 0.5 : 0,
  }));
  const shown = [{ caption: 'a<script>\x07', words }];
  const page = text.attentionHtml(shown, { title: '<i>' });
  t.regex(page, /^<!doctype html>/);
  t.true(page.includes('&lt;b&gt;&amp;&quot;') && page.includes('title="99.0 %"') && page.includes('<i>plain</i>'));
  t.false(/<script|<b>|<i><\/i>|https?:/.test(page));
  const svg = text.attentionSvg(shown);
  t.regex(svg, /^<svg xmlns/);
  t.true(svg.includes('&lt;b&gt;&amp;'));
  const colour = new RegExp(`${'\x1b'}\\[(48;5;\\d+|38;5;16|0)m`, 'g');
  const [plain, coloured] = [text.attentionTerminal(shown), text.attentionTerminal(shown, { colours: true })];
  for (const output of [page, svg, plain, coloured.replaceAll(colour, '')])
    t.false(/[\p{Cc}\p{Cf}]/u.test(output.replaceAll('\n', '')));
  t.regex(plain, /\[<b>&" 99%\] {2}evil \[31m plain/);
  t.true(coloured.includes('\x1b[48;5;202m\x1b[38;5;16m<b>&"\x1b[0m'));
  t.true(text.attentionHtml(shown, { mostWords: 1 }).includes('…'));
});

test('the command line checks, learns, tries, looks, lists and erases', async (t) => {
  const folder = temporaryFolder(t);
  writeLabelled(folder, 'own.jsonl', 200);
  writeLabelled(folder, 'other.jsonl', 60, 180);
  const run = async (...args: string[]) => {
    const result = await command(['text', ...args], folder);
    t.is(result.code, 0, result.stderr);
    return result.stdout;
  };
  const checked = await run('check', 'own.jsonl', 'other.jsonl');
  t.regex(checked, /^200 texts: 100 no, 100 yes; left out: none; 0 come again\n60 texts/);
  t.regex(checked, /20 of the latter are among the former, 0 of them with another label/);
  writeFileSync(
    join(folder, 'learn.yaml'),
    `data: { kind: json-lines, path: own.jsonl }\nvectors: { kind: learned, dimension: 8 }\ntestExamples: 80\ntraining: ${JSON.stringify(training)}\n`,
  );
  t.regex(await run('learn', 'learn.yaml', '--out', 'a.classifier'), /learned from 120 texts; \d of 80 test texts/);
  writeFileSync(join(folder, 'mail.txt'), 'Subject: Good1 good2\n\ntopic1 good3');
  const tried = await run('try', 'a.classifier', 'mail.txt', '--format', 'mail');
  t.regex(tried, /^mail\.txt: yes, score \d+\.\d\d\n {2}before tuning:\n.*good1.*\n {2}after tuning:\n.*good1/);
  t.false(tried.includes('\x1b'));
  await run('try', 'a.classifier', 'mail.txt', '--out', 'page.html');
  t.regex(readFileSync(join(folder, 'page.html'), 'utf8'), /^<!doctype html>[\s\S]*good3/);
  t.regex(await run('look', 'a.classifier', '--correct', '2', '--wrong', '0', '--out', '-'), /^<svg/);
  t.regex(
    await run('words', 'a.classifier', '--most', '3'),
    /^called no: \d+ texts\n {2}\w+: \d+\.\d\d % of the attention, \d+ times/,
  );
  t.regex(
    await run('erase', 'a.classifier', '--removed', '0,4'),
    /^0 removed: accuracy 0?[.\d]+ without[\s\S]*\n4 removed/,
  );
  for (const [args, message] of [
    [['try', 'a.classifier', 'none.txt'], /none\.txt: cannot be read/],
    [['try', 'a.classifier', 'learn.yaml', '--out', 'x.pdf'], /out must be the path of a file that ends with/],
    [['check', 'learn.yaml'], /source must be spam-assassin/],
    [['look', 'a.classifier', '--correct', 'x'], /correct must be an integer/],
  ] as const) {
    const result = await command(['text', ...args], folder);
    t.not(result.code, 0);
    t.regex(result.stderr, message);
  }
});
