import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { Command, Option } from 'commander';
import { DataError, OptionRangeError } from '../base/errors.js';
import { writeOutput } from '../base/output.js';
import type { ClassifiedText, CorpusSource, ShownText, TextClassifier, TextDocument } from '../text/index.js';
import { readObject, seedOf } from './arguments.js';
import { checkFigureName, writeFigure } from './figure.js';
import { toFileOrOutput } from './output.js';

interface SeedFlags {
  readonly seed: string;
  readonly trial: string;
}

const loaded = () => import('../text/index.js');

/** The source that an argument names: an object as text, the corpus, or a file or folder. */
async function sourceOf(argument: string): Promise<CorpusSource> {
  if (argument.trimStart().startsWith('{'))
    return (await readObject(argument, 'source', '{ kind, path, … }')) as CorpusSource;
  if (argument === 'spam-assassin') return { kind: 'spam-assassin' };
  const extension = extname(argument).toLowerCase();
  if (extension === '.csv') return { kind: 'csv', path: argument };
  if (extension === '.jsonl' || extension === '.ndjson') return { kind: 'json-lines', path: argument };
  if (statSync(argument, { throwIfNoEntry: false })?.isDirectory()) return { kind: 'folder', path: argument };
  throw new OptionRangeError(
    'source',
    'spam-assassin, a file .csv or .jsonl, a folder, or an object { kind, … }',
    argument,
  );
}

/** `prompt-attention text check SOURCE [OTHER]`. */
function checkCommand(): Command {
  return new Command('check')
    .description('read texts and print what is in them: classes, what was left out and why, texts that come again')
    .argument(
      '<source>',
      'spam-assassin, a file .csv or .jsonl, a folder with a folder per class, or text beginning with {',
    )
    .argument('[other]', 'texts to test on: those that the first ones have too are counted')
    .action(async (...sources: (string | undefined)[]) => {
      const { readCorpus, distinctDocuments, sharedDocuments } = await loaded();
      const [corpus, other] = await Promise.all(
        sources.slice(0, 2).map(async (source) => source && readCorpus(await sourceOf(source))),
      );
      for (const read of [corpus, other]) {
        if (!read) continue;
        const { documents, classes, excluded } = read;
        const counts = classes.map(
          (name, label) => `${documents.filter((entry) => entry.label === label).length} ${name}`,
        );
        const reasons = Object.entries(excluded).filter(([, count]) => count > 0);
        process.stdout.write(
          `${documents.length} texts: ${counts.join(', ')}; left out: ${reasons.map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none'}; ` +
            `${documents.length - distinctDocuments(documents).length} come again\n`,
        );
      }
      if (!corpus || !other) return;
      const { pairs, contradicting } = sharedDocuments(corpus.documents, other.documents);
      process.stdout.write(
        `${pairs.length} of the latter are among the former, ${contradicting} of them with another label\n`,
      );
    });
}

/** The test texts of a classifier as it classifies them. */
async function testOf(classifier: TextClassifier) {
  const { testDocuments, classifyTexts } = await loaded();
  const documents = await testDocuments(classifier);
  const found = await classifyTexts(
    classifier,
    documents.map(({ text }) => text),
  );
  return documents.map((document, i) => ({ document, found: found[i] as ClassifiedText }));
}

/** `prompt-attention text learn EXPERIMENT`. */
function learnCommand(): Command {
  return new Command('learn')
    .description('learn to classify texts by the words that a prompt attends to, and save the classifier')
    .argument('<experiment>', 'of the kind text-classification: JSON or YAML file, or JSON text beginning with {')
    .requiredOption('--out <file>', 'file to write')
    .option('--seed <number>', 'seed, as of a study of the experiment', '0')
    .option('--trial <number>', 'which trial of such a study', '0')
    .action(async (argument: string, { out, seed, trial }: SeedFlags & { readonly out: string }) => {
      const { learnClassifier, saveClassifier } = await loaded();
      const experiment = await readObject(argument, 'experiment', '{ data, model, examples, … }');
      const classifier = await learnClassifier(experiment as never, { seed: seedOf(seed), trial: Number(trial) });
      await saveClassifier(out, classifier);
      const tests = await testOf(classifier);
      const wrong = tests.filter(({ document, found }) => document.label !== found.label).length;
      process.stdout.write(
        `${out}: learned from ${classifier.experiment.examples} texts; ${wrong} of ${tests.length} test texts are classified wrong\n`,
      );
    });
}

/** Text of a file, as the classifier's own texts were read. */
async function textOf(file: string, format: 'plain' | 'mail'): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(file));
  } catch (cause) {
    throw new DataError(`${file}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (format === 'mail') {
    const { subject, body } = await (await loaded()).parseMail(bytes);
    return `${subject}\n${body}`;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${file}: is not UTF-8`, { cause });
  }
}

/** Show texts: on the terminal, or as a page or picture by the ending of `out`. */
async function show(out: string | undefined, title: string, texts: readonly ShownText[]): Promise<void> {
  const { attentionHtml, attentionSvg, attentionTerminal } = await loaded();
  if (out === undefined) {
    // hasColors, which streams of terminals have, knows NO_COLOR.
    const colours = process.stdout.isTTY === true && process.stdout.hasColors(256);
    process.stdout.write(`${attentionTerminal(texts, { colours })}\n`);
  } else if (/\.html?$/i.test(out))
    await toFileOrOutput(out, (path) =>
      writeOutput(path, async (file) => writeFileSync(file, attentionHtml(texts, { title }))),
    );
  else await writeFigure(out, attentionSvg(texts, { title }));
}

/** Refuse a name that {@link show} cannot write before anything is computed. */
async function checkShown(out: string | undefined): Promise<void> {
  if (out !== undefined && !/\.html?$/i.test(out)) await checkFigureName(out, 'out');
}

const kShowOption = 'HTML, SVG or PNG file to write, by its ending, in place of the terminal';

/** `prompt-attention text try CLASSIFIER FILE…`. */
function tryCommand(): Command {
  return new Command('try')
    .description('classify files and show the attention on their words before and after tuning')
    .argument('<file>', 'classifier that text learn has written')
    .argument('<files...>', 'texts to classify, one to a file')
    .addOption(new Option('--format <format>', 'what a file is').choices(['plain', 'mail']).default('plain'))
    .option('--out <file>', kShowOption)
    .action(
      async (
        path: string,
        files: readonly string[],
        { format, out }: { readonly format: 'plain' | 'mail'; readonly out?: string },
      ) => {
        await checkShown(out);
        const { loadClassifier, classifyTexts } = await loaded();
        const classifier = await loadClassifier(path);
        const texts: ShownText[] = [];
        for (const file of files) {
          const [found] = await classifyTexts(classifier, [await textOf(file, format)]).catch((error: unknown) => {
            if (!(error instanceof OptionRangeError)) throw error;
            throw new DataError(`${file}: has no word that the classifier knows`, { cause: error });
          });
          const { label, score, words } = found as ClassifiedText;
          texts.push({ caption: `${file}: ${classifier.classes[label]}, score ${score.toFixed(2)}`, words });
        }
        await show(out, 'Attention on words', texts);
      },
    );
}

/** `prompt-attention text look CLASSIFIER`. */
function lookCommand(): Command {
  return new Command('look')
    .description('show test texts of a classifier with the attention on their words before and after tuning')
    .argument('<file>', 'classifier that text learn has written')
    .option('--correct <number>', 'texts that are classified correctly', '6')
    .option('--wrong <number>', 'texts that are classified wrong', '6')
    .option('--out <file>', kShowOption)
    .action(
      async (
        path: string,
        { correct, wrong, out }: { readonly correct: string; readonly wrong: string; readonly out?: string },
      ) => {
        await checkShown(out);
        const counts = { correct: Number(correct), wrong: Number(wrong) };
        for (const [name, count] of Object.entries(counts))
          if (!(Number.isInteger(count) && count >= 0 && count <= 1000))
            throw new OptionRangeError(name, 'an integer in [0, 1000]', count);
        if (counts.correct + counts.wrong === 0) throw new OptionRangeError('wrong', 'above 0 if correct is 0', 0);
        const classifier = await (await loaded()).loadClassifier(path);
        const tests = await testOf(classifier);
        const isRight = ({ document, found }: { document: TextDocument; found: ClassifiedText }) =>
          document.label === found.label;
        const chosen = [
          ...tests.filter(isRight).slice(0, counts.correct),
          ...tests.filter((entry) => !isRight(entry)).slice(0, counts.wrong),
        ];
        const texts = chosen.map((entry) => {
          const { document, found } = entry;
          const [truth, called] = [document.label, found.label].map((label) => classifier.classes[label]);
          const verdict = isRight(entry) ? 'correct' : `called ${called}`;
          return {
            caption: `${truth}, ${verdict}, score ${found.score.toFixed(2)}: ${document.source}`,
            words: found.words,
          };
        });
        if (texts.length === 0) throw new DataError(`${path}: no test text is of the kind asked for`);
        await show(out, 'Attention on words of test texts', texts);
      },
    );
}

/** `prompt-attention text words CLASSIFIER`. */
function wordsCommand(): Command {
  return new Command('words')
    .description('print the words with most attention over the test texts of a classifier, with their counts')
    .argument('<file>', 'classifier that text learn has written')
    .option('--most <number>', 'words of each class', '15')
    .option('--texts <number>', 'test texts of the class that a word must be in', '3')
    .action(async (path: string, { most, texts }: { readonly most: string; readonly texts: string }) => {
      const { loadClassifier, attendedWords } = await loaded();
      const classifier = await loadClassifier(path);
      const tests = await testOf(classifier);
      for (const [label, name] of classifier.classes.entries()) {
        const found = tests.filter((entry) => entry.found.label === label).map((entry) => entry.found);
        process.stdout.write(`called ${name}: ${found.length} texts\n`);
        if (found.length === 0) continue;
        const words = attendedWords(found, { most: Number(most), minimumTexts: Number(texts) });
        for (const { word, count, texts: inTexts, share, attention } of words)
          process.stdout.write(
            `  ${word}: ${(100 * share).toFixed(2)} % of the attention, ${count} times in ${inTexts} texts, ${(100 * attention).toFixed(1)} % each\n`,
          );
      }
    });
}

/** `prompt-attention text erase CLASSIFIER`. */
function eraseCommand(): Command {
  return new Command('erase')
    .description('print how accurate a classifier remains when the most attended words are removed, or random ones')
    .argument('<file>', 'classifier that text learn has written')
    .option('--removed <numbers>', 'how many words, separated by commas', '0,1,2,5,10,20')
    .option('--repetitions <number>', 'random choices of words for every text', '10')
    .action(async (path: string, flags: { readonly removed: string; readonly repetitions: string }) => {
      const { loadClassifier, erasureCurve, testDocuments } = await loaded();
      const classifier = await loadClassifier(path);
      const { removed, attended, random, differenceStandardError } = await erasureCurve(
        classifier,
        await testDocuments(classifier),
        { removed: flags.removed.split(',').map(Number), repetitions: Number(flags.repetitions) },
      );
      for (const [i, k] of removed.entries())
        process.stdout.write(
          `${k} removed: accuracy ${attended[i]?.toFixed(4)} without the most attended words, ${random[i]?.toFixed(4)} without random ones, ` +
            `standard error of the difference ${differenceStandardError[i]?.toFixed(4)}\n`,
        );
    });
}

/** `prompt-attention text figure RESULTS`. */
function figureCommand(): Command {
  return new Command('figure')
    .description('draw the results of a study of experiments on text, a panel per share of relevant tokens or corpus')
    .argument('<results>', 'result file')
    .requiredOption('--out <file>', 'SVG or PNG file to write, by its ending; - for SVG on standard output')
    .action(async (results: string, { out }: { readonly out: string }) => {
      await checkFigureName(out, 'out');
      const { open } = await import('../study/index.js');
      const { textFigure } = await loaded();
      await writeFigure(out, await textFigure(await open(results)));
    });
}

/** `prompt-attention text …`. */
export function textCommand(): Command {
  return new Command('text')
    .description('real text: corpora, classifiers that show the words they attend to, and figures')
    .addCommand(checkCommand())
    .addCommand(learnCommand())
    .addCommand(tryCommand())
    .addCommand(lookCommand())
    .addCommand(wordsCommand())
    .addCommand(eraseCommand())
    .addCommand(figureCommand());
}
