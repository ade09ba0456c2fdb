import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import fc from 'fast-check';
import {
  DataError,
  type Experiment,
  OptionRangeError,
  simulate,
  study,
  type TextClassificationExperiment,
  type TextDilutionExperiment,
  text,
} from '../../lib/index.js';
import { kindOf, parseExperiment, resolveMethod } from '../../lib/simulation/kinds.js';
import { StudyCells } from '../../lib/study/cells.js';
import { naiveBayes, tfIdfLogistic } from '../../lib/text/baselines.js';
import { rocAuc } from '../../lib/text/evaluation.js';
import { diluteTexts } from '../../lib/text/experiments/dilution.js';
import { classificationPools, dilutionPools, tokenVectors } from '../../lib/text/experiments/pools.js';
import { textClassificationSchema, textDilutionSchema } from '../../lib/text/experiments/schemas.js';
import { meanAndError } from '../support/statistics.js';
import { temporaryFolder, writeLabelled, writeOthers } from './support.js';

const vectors = { kind: 'learned', dimension: 8 } as const;
const training = { steps: 100, attentionRates: [0.1], headRates: [0.03] };

function dilution(t: Parameters<typeof temporaryFolder>[0]): TextDilutionExperiment {
  const folder = temporaryFolder(t);
  return {
    kind: 'text-dilution',
    data: { kind: 'json-lines', path: writeLabelled(folder, 'labelled.jsonl', 160) },
    others: { kind: 'json-lines', path: writeOthers(folder, 'others.jsonl', 80) },
    unrelated: 9,
    excerptWords: 10,
    vectors,
    model: 'prompt-attention',
    examples: 200,
    training,
    testExamples: 300,
  };
}

function classification(t: Parameters<typeof temporaryFolder>[0]): TextClassificationExperiment {
  const folder = temporaryFolder(t);
  return {
    kind: 'text-classification',
    data: { kind: 'json-lines', path: writeLabelled(folder, 'labelled.jsonl', 200) },
    vectors,
    model: 'prompt-attention',
    examples: 60,
    training,
    testExamples: 80,
  };
}

test('a dilution: one excerpt of a labelled text among unrelated ones, the same for more examples', async (t) => {
  const experiment = textDilutionSchema.parse(dilution(t));
  const { vectors: rows, train, test: tested } = await dilutionPools(experiment, { seed: 1, threads: 2 });
  t.is(rows.dimension, 9);
  const isLabelled = (word: string) => /^(good|bad|topic)/.test(word);
  t.true([...train.labelled.flat(), ...tested.labelled.flat()].every((words) => words.every(isLabelled)));
  t.false([...train.others, ...tested.others].some((words) => words.some(isLabelled)));
  // No text is in both.
  const seen = new Set([...train.labelled.flat(), ...train.others].map((words) => words.join(' ')));
  t.false([...tested.labelled.flat(), ...tested.others].some((words) => seen.has(words.join(' '))));
  const context = { seed: 1, trial: 0, examples: 400, part: 'train' } as const;
  const { words, labels, relevance } = diluteTexts(experiment, train, context);
  t.is(relevance.length, 400 * 100);
  const slots = new Set<number>();
  for (const [i, example] of words.entries()) {
    const mask = relevance.subarray(i * 100, (i + 1) * 100);
    t.is(example.length, 100);
    t.true(example.every((word, place) => isLabelled(word) === (mask[place] === 1)));
    slots.add(mask.indexOf(1));
    t.true(example.every((word) => !word.startsWith(labels[i] === 1 ? 'bad' : 'good')));
  }
  t.deepEqual(
    [...slots].sort((a, b) => a - b),
    [0, 10, 20, 30, 40, 50, 60, 70, 80, 90],
  );
  const positives = labels.filter((label) => label === 1).length;
  t.true(Math.abs(positives - 200) < 4 * 10, `${positives}`);
  const fewer = diluteTexts(experiment, train, { ...context, examples: 7 });
  t.deepEqual(fewer.words, words.slice(0, 7));
  t.notDeepEqual(diluteTexts(experiment, train, { ...context, trial: 1 }).words, words);
});

test('diluted by nine, prompt-attention finds the words that count and beats mean pooling', async (t) => {
  const experiment = dilution(t);
  const run = async (model: TextDilutionExperiment['model']) =>
    (await simulate({ ...experiment, model }, { trials: 4, seed: 1 })).metrics;
  const prompt = await run('prompt-attention');
  t.true(prompt.relevantAttentionBefore?.every((mass) => Math.abs(mass - 0.1) < 0.05));
  t.true(
    prompt.relevantAttention?.every((mass) => mass > 0.4),
    `${prompt.relevantAttention}`,
  );
  const pooled = await run('mean-pooling');
  t.true(pooled.relevantAttention?.every((mass) => Math.abs(mass - 0.1) < 1e-12));
  const gain = meanAndError(pooled.error.map((error, trial) => error - (prompt.error[trial] as number)));
  t.true(gain.mean > 4 * gain.standardError && gain.mean > 0.03, `${gain.mean} ± ${gain.standardError}`);
  const layer = await run('prompt-tuned-layer');
  t.true(
    layer.relevantAttention?.every((mass) => mass > 0.3),
    `${layer.relevantAttention}`,
  );
});

test('metrics are those declared; trials depend on seed and index only', async (t) => {
  const [diluted, classified] = [dilution(t), classification(t)];
  const experiments: Experiment[] = [
    ...(['linear-attention', 'self-attention'] as const).map((model) => ({ ...diluted, model, unrelated: 1 })),
    ...(['prompt-attention', 'prompt-tuned-layer', 'naive-bayes', 'logistic-regression'] as const).map((model) => ({
      ...classified,
      model,
    })),
  ];
  for (const experiment of experiments) {
    const whole = await simulate(experiment, { trials: 3, seed: 5, threads: 2 });
    const resolved = parseExperiment(experiment);
    const declared = kindOf(resolved).metrics(resolved, resolveMethod(resolved, undefined));
    t.is(declared[0], 'error');
    t.deepEqual([...declared].sort(), Object.keys(whole.metrics).sort());
    t.deepEqual([...whole.status], [0, 0, 0]);
    const rest = await simulate(experiment, { trials: 2, firstTrial: 1, seed: 5, threads: 1 });
    for (const [name, values] of Object.entries(whole.metrics)) t.deepEqual(rest.metrics[name], values.slice(1), name);
    t.is(await kindOf(resolved).theory(resolved, { seed: 1, draws: 500, signal: undefined }), null);
  }
});

test('results do not depend on where the texts stand', async (t) => {
  for (const experiment of [dilution, classification]) {
    const [here, there] = [experiment(t), experiment(t)];
    t.notDeepEqual(here.data, there.data);
    const [first, second] = await Promise.all([here, there].map((each) => simulate(each, { trials: 2, seed: 9 })));
    t.deepEqual(first?.metrics, second?.metrics);
  }
});

test('texts whose words tell the class are classified, by models and baselines', async (t) => {
  const experiment = classification(t);
  for (const model of ['prompt-attention', 'mean-pooling', 'naive-bayes', 'logistic-regression'] as const) {
    const { metrics } = await simulate({ ...experiment, model }, { trials: 2, seed: 3 });
    t.true(
      metrics.error.every((error) => error < 0.15),
      `${model}: ${metrics.error}`,
    );
    t.true(
      metrics.rocAuc?.every((area) => area > 0.95),
      `${model}: ${metrics.rocAuc}`,
    );
  }
});

test('naive Bayes and tf-idf are what their formulas say', async (t) => {
  const words = [['a', 'a', 'b'], ['b', 'c'], ['c']];
  const score = naiveBayes({ words, labels: Float64Array.of(1, -1, -1) });
  // Counts with 1 added: a 3, b 2, c 1 of 6; a 1, b 2, c 3 of 6. Priors 2/5 and 3/5.
  t.true(Math.abs(score(['a', 'c', 'unseen']) - Math.log(2 / 3)) < 1e-12);
  t.true(Math.abs(score(['a', 'a']) - (Math.log(2 / 3) + 2 * Math.log(3))) < 1e-12);
  const texts = { words: [['x'], ['y'], ['x'], ['y']], labels: Float64Array.of(1, -1, 1, -1) };
  const logistic = await tfIdfLogistic(texts, texts, undefined);
  if (typeof logistic === 'string') return t.fail(logistic);
  // One feature of length 1 a text: the weights of x and y are opposite and the intercept is 0.
  t.true(Math.abs(logistic(['x', 'x']) + logistic(['y'])) < 1e-6 && logistic(['x']) > 1);
  t.true(Math.abs(logistic(['z'])) < 1e-6);
});

test('the area under the curve is the share of pairs in order, ties half', (t) => {
  const cases = fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.boolean()), { minLength: 2, maxLength: 30 });
  const property = fc.property(cases, (pairs) => {
    const [positives, negatives] = [true, false].map((kind) => pairs.filter(([, own]) => own === kind)) as [
      typeof pairs,
      typeof pairs,
    ];
    const found = rocAuc(
      Float64Array.from(pairs, ([score]) => score),
      Float64Array.from(pairs, ([, positive]) => (positive ? 1 : -1)),
    );
    if (positives.length === 0 || negatives.length === 0) return Number.isNaN(found);
    let sum = 0;
    for (const [above] of positives) for (const [below] of negatives) sum += (1 + Math.sign(above - below)) / 2;
    return Math.abs(found - sum / (positives.length * negatives.length)) < 1e-12;
  });
  t.notThrows(() => fc.assert(property, { seed: 1 }));
});

test('vectors of tokens have the length √d and a constant behind; a vector 0 stays', (t) => {
  const given = text.wordVectors(['a', 'b'], { shape: [2, 2], values: Float64Array.of(3, 4, 0, 0) });
  const root = Math.sqrt(2);
  t.deepEqual([...tokenVectors(given).vectors], [(root / 5) * 3, (root / 5) * 4, 1, 0, 0, 1]);
});

test('no text is trained and tested on, neither from one corpus nor from two', async (t) => {
  const folder = temporaryFolder(t);
  const own = writeLabelled(folder, 'own.jsonl', 60);
  const other = writeLabelled(folder, 'other.jsonl', 60, 30);
  const data = { kind: 'json-lines', path: own } as const;
  const resolve = (options: Partial<TextClassificationExperiment>) =>
    textClassificationSchema.parse({ ...classification(t), data, testExamples: 20, ...options });
  const words = ({ documents }: { documents: readonly { text: string }[] }) => documents.map((entry) => entry.text);
  for (const [options, trained, tested] of [
    [{}, 40, 20],
    [{ test: { kind: 'json-lines', path: other }, testExamples: 1000 }, 60, 30],
  ] as const) {
    const pools = await classificationPools(resolve(options), { seed: 1, threads: 1 });
    t.deepEqual([pools.train.labels.length, pools.test.labels.length], [trained, tested]);
    const seen = new Set(words(pools.train));
    t.false(words(pools.test).some((entry) => seen.has(entry)));
  }
});

test('what cannot be run is refused by name', async (t) => {
  const [classified, diluted] = [classification(t), dilution(t)];
  const folder = temporaryFolder(t);
  const write = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return { kind: 'csv', path: join(folder, name) } as const;
  };
  const three = write('three.csv', 'text,label\na b,x\nc d,y\ne f,z\n');
  const others = write('others.csv', 'text,label\na b,no\nc d,maybe\n');
  const refused = async (experiment: Experiment, message: RegExp, type: typeof OptionRangeError | typeof DataError) =>
    t.throwsAsync(async () => simulate(experiment, { trials: 1, seed: 1 }), { instanceOf: type, message });
  await refused({ ...classified, data: three }, /^data must be a corpus of two classes/, OptionRangeError);
  await refused({ ...classified, test: others }, /^test must be a corpus of the classes no and yes/, OptionRangeError);
  await refused(
    { ...classified, examples: 121 },
    /^examples must be at most 120, the number of training/,
    OptionRangeError,
  );
  await refused({ ...classified, testExamples: 200 }, /^testExamples must be below 200/, OptionRangeError);
  const large = { kind: 'learned', dimension: 500 } as const;
  await refused({ ...classified, vectors: large }, /^vectors\.dimension must be at most \d+/, OptionRangeError);
  await refused({ ...diluted, excerptWords: 41 }, /^excerptWords must be small enough/, OptionRangeError);
  await refused({ ...classified, data: { kind: 'csv', path: join(folder, 'none.csv') } }, /cannot be read/, DataError);
  const parse = (experiment: unknown, message: RegExp) => t.throws(() => parseExperiment(experiment), { message });
  parse({ ...classified, data: { kind: 'xml' } }, /^data\.kind must be a corpus: an object whose kind is/);
  parse({ ...diluted, model: 'naive-bayes' }, /^model must be /);
  parse({ ...diluted, unrelated: -1 }, /^unrelated must be an integer/);
  parse({ ...classified, training: { headRates: [] } }, /^training\.headRates must be an array with at least one/);
});

test('a study file runs experiments on text, and their figure is drawn', async (t) => {
  const folder = temporaryFolder(t);
  const { examples: _, model: __, ...experiment } = classification(t);
  const result = await study.run(
    {
      name: 'texts',
      seed: 1,
      experiment: { ...experiment, training: { steps: 20 } } as never,
      factors: { examples: [20, 60], model: ['mean-pooling', 'naive-bayes'] },
      trials: 2,
    },
    { out: join(folder, 'texts.sqlite') },
  );
  t.is(result.rows.length, 4);
  t.regex(await text.textFigure(result), /^<svg[\s\S]*naive-bayes/);
});

test('the studies of the examples are valid', (t) => {
  const studies = ['examples/text-dilution.yaml', 'examples/text-classification.yaml', 'examples/text-shift.yaml'];
  const specs = studies.map((file) => study.define(fileURLToPath(new URL(`../../${file}`, import.meta.url))));
  t.deepEqual(
    specs.map((spec) => [...StudyCells.of(spec)].length),
    [9, 26, 13],
  );
});
