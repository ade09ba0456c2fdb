// What docs/real-text.md shows of mails as they are: a classifier of the SpamAssassin corpus, its error, time, erasure curve, words with most
// attention, and test mails, right and wrong, also as a page; then models and baselines on n mails. Mails are parsed once, into a file of
// JSON Lines in the folder of results.
// Usage: node examples/real-text.mjs [folder of results]
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { simulate, text } from 'prompt-attention';

const [results = 'results'] = process.argv.slice(2);
mkdirSync(results, { recursive: true });
const path = join(results, 'mails.jsonl');
const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

if (!existsSync(path)) {
  const { documents, classes } = await text.readSpamAssassin();
  const lines = documents.map((document) => JSON.stringify({ text: document.text, label: classes[document.label] }));
  writeFileSync(path, `${lines.join('\n')}\n`);
}

const experiment = {
  data: { kind: 'json-lines', path },
  vectors: { kind: 'learned', dimension: 50 },
  mostTokens: 64,
  training: { steps: 200, attentionRates: [0.01, 0.1], headRates: [0.01, 0.1] },
};
let from = performance.now();
const classifier = await text.learnClassifier({ ...experiment, examples: 1000 });
console.log(`learned from 1000 mails in ${seconds(from)}`);
const documents = await text.testDocuments(classifier);
const found = await text.classifyTexts(
  classifier,
  documents.map((document) => document.text),
);
const isRight = (i) => found[i].label === documents[i].label;
console.log(`${documents.filter((_, i) => !isRight(i)).length} of ${documents.length} test mails wrong`);

from = performance.now();
for (const document of documents.slice(0, 200)) await text.classifyTexts(classifier, [document.text], { threads: 1 });
console.log(`one mail: ${((performance.now() - from) / 200).toFixed(2)} ms`);

const curve = await text.erasureCurve(classifier, documents);
for (const [i, k] of curve.removed.entries()) {
  const [attended, random] = [curve.attended[i].toFixed(3), curve.random[i].toFixed(3)];
  console.log(`| ${k} | ${attended} | ${random} | ${curve.differenceStandardError[i].toFixed(3)} |`);
}

for (const [label, name] of classifier.classes.entries()) {
  const called = found.filter((entry) => entry.label === label);
  const words = text
    .attendedWords(called, { most: 20, minimumTexts: 5 })
    .map(({ word, count, attention }) => `${word} (${count}, ${(100 * attention).toFixed(1)} %)`);
  console.log(`called ${name}: ${words.join(', ')}`);
}

const order = [...documents.keys()];
const shown = [...order.filter(isRight).slice(0, 6), ...order.filter((i) => !isRight(i)).slice(0, 6)].map((i) => {
  const [truth, called] = [documents[i].label, found[i].label].map((label) => classifier.classes[label]);
  const caption = `${truth}, called ${called}, score ${found[i].score.toFixed(2)}: ${documents[i].source}`;
  return { caption, words: found[i].words };
});
console.log(text.attentionTerminal(shown, { mostWords: 70 }));
writeFileSync(join(results, 'real-text.html'), text.attentionHtml(shown));

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const meanText = (values) => {
  const centre = mean(values);
  const variance = mean(values.map((value) => (value - centre) ** 2));
  return `${centre.toFixed(3)} ± ${Math.sqrt(variance / (values.length - 1)).toFixed(3)}`;
};
const vectorModels = ['prompt-attention', 'mean-pooling', 'linear-attention', 'prompt-tuned-layer'];
const models = ['naive-bayes', ...vectorModels, 'logistic-regression'];
console.log('| n | model | accuracy | ROC AUC | seconds |\n|--:|---|--:|--:|--:|');
for (const examples of [1000, 100])
  for (const model of models) {
    const from = performance.now();
    const { metrics } = await simulate(
      { kind: 'text-classification', ...experiment, model, examples },
      { trials: 10, seed: 0 },
    );
    const accuracy = meanText(metrics.error.map((error) => 1 - error));
    console.log(`| ${examples} | ${model} | ${accuracy} | ${meanText(metrics.rocAuc)} | ${seconds(from)} |`);
  }
