import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { fitExponents } from '../../lib/complexity/exponents.js';
import { simulate, study } from '../../lib/index.js';

const mixture = { tokens: 8, dimension: 40, relevantTokens: 3, contextNorm: 1.5, signalNorm: 1 } as const;
const knownPrompt = {
  kind: 'known-prompt',
  mixture,
  inverseTemperature: 0.6,
  head: { kind: 'weighted-averaging' },
} as const;
const threeStep = { kind: 'three-step', mixture, stepSizes: [1, 5, 1] } as const;
const folder = mkdtempSync(join(tmpdir(), 'complexity-'));
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Mean error at n, to far below the searches' own noise. */
async function errorAt(experiment: typeof knownPrompt | typeof threeStep, examples: number): Promise<number> {
  const { metrics } = await simulate({ ...experiment, examples }, { trials: 20_000, seed: 99, testDraws: 200 });
  return metrics.error.reduce((sum, error) => sum + error, 0) / metrics.error.length;
}

for (const [name, experiment, targetError] of [
  ['known prompt', knownPrompt, 0.06],
  ['three steps', threeStep, 0.15],
] as const)
  test(`intervals hold the n at which the mean error is the target: ${name}`, async (t) => {
    const answers: study.SimulatedComplexity[] = [];
    for (let seed = 0; seed < 40; ++seed)
      answers.push(
        await study.sampleComplexity(experiment, {
          targetError,
          precision: 0.15,
          seed,
          testDraws: 200,
          confidence: 0.95,
        }),
      );
    const cells = answers.map((answer) => answer.cells[0] as study.SimulatedComplexityCell);
    t.true(cells.every(({ status }) => status === 'found'));
    const middle = cells.map(({ examples }) => examples).sort((a, b) => a - b)[20] as number;
    // The truth between two n, on a line.
    const [low, high] = [Math.floor(middle * 0.94), Math.ceil(middle * 1.06)];
    const [below, above] = [await errorAt(experiment, low), await errorAt(experiment, high)];
    t.true(below > targetError && above < targetError, `${below} at ${low}, ${above} at ${high}`);
    const truth = low + ((high - low) * (below - targetError)) / (below - above);
    const late = cells.filter(({ interval: [from] }) => from > truth).length;
    const early = cells.filter(({ interval: [, to] }) => to < truth).length;
    // P(more than 6 of 40 at 5 %) is 0.3 %, P(more than 5 at 2.5 %) 0.03 %.
    t.true(
      early + late <= 6 && early <= 5 && late <= 5,
      `of 40 intervals ${early} end below ${truth}, ${late} begin above it`,
    );
    for (const { interval, examples } of cells) {
      t.true(interval[0] <= examples && examples <= interval[1]);
      t.true(interval[1] - interval[0] <= 0.15 * examples + 3);
    }
  });

test('over factors, with exponents, the same when resumed', async (t) => {
  const out = join(folder, 'batches.jsonl');
  const options = {
    targetError: 0.1,
    precision: 0.3,
    over: { 'mixture.dimension': [40, 80, 160], 'mixture.signalNorm': [1, 1.4] },
    testDraws: 50,
  };
  const fresh = await study.sampleComplexity(threeStep, options);
  t.is(fresh.cells.length, 6);
  t.deepEqual(fresh.cells[1]?.factors, { 'mixture.dimension': 40, 'mixture.signalNorm': 1.4 });
  const found = fresh.cells.map(({ examples }) => examples);
  for (const signal of [0, 1]) {
    const [first, second, third] = [0, 2, 4].map((i) => found[i + signal] as number) as [number, number, number];
    t.true(first < second && second < third);
  }
  const { exponent, standardError } = fresh.exponents['mixture.dimension'] as study.FittedExponent;
  const rough = Math.log((found[4] as number) / (found[0] as number)) / Math.log(4);
  t.true(Math.abs(exponent - rough) < 8 * standardError, `${exponent} ± ${standardError}, ${rough}`);
  t.is(fresh.exponents['mixture.signalNorm'], undefined);
  const controller = new AbortController();
  const interrupted = study.sampleComplexity(threeStep, { ...options, out, signal: controller.signal });
  setTimeout(() => controller.abort(), 150);
  const reason: unknown = await interrupted.catch((error: unknown) => error);
  t.is((reason as Error).name, 'AbortError');
  appendFileSync(out, '{"key":"cut o');
  const resumed = await study.sampleComplexity(threeStep, { ...options, out });
  t.deepEqual(resumed, fresh);
  const size = readFileSync(out, 'utf8').length;
  t.deepEqual(await study.sampleComplexity(threeStep, { ...options, out }), fresh);
  t.is(readFileSync(out, 'utf8').length, size);
});

test('targets that no n or one example reaches', async (t) => {
  const never = await study.sampleComplexity(knownPrompt, { targetError: 1e-6, largestExamples: 500, testDraws: 50 });
  t.is(never.cells[0]?.status, 'unreachable');
  t.true(Number.isNaN(never.cells[0]?.examples));
  const still = { ...knownPrompt, mixture: { ...mixture, noiseLevel: 0.01 } };
  const one = await study.sampleComplexity(still, { targetError: 0.3, testDraws: 50 });
  t.deepEqual([one.cells[0]?.status, one.cells[0]?.examples], ['one', 1]);
  const separable = { ...knownPrompt, head: { kind: 'logistic', ridge: 0 } } as const;
  const failed = await study.sampleComplexity(separable, { targetError: 0.1, largestExamples: 8, testDraws: 50 });
  t.is(failed.cells[0]?.status, 'failed');
  t.true(failed.cells[0]?.points.every(({ failed, trials }) => failed === trials));
  const few = await study.sampleComplexity(knownPrompt, {
    targetError: 0.06,
    precision: 0.001,
    mostTrials: 500,
    testDraws: 50,
  });
  t.is(few.cells[0]?.status, 'undecided');
});

test('an exponent is the slope of n, with the other factors held', (t) => {
  const cells = [1, 2, 4, 8].flatMap((d) =>
    [1, 3].map((w) => {
      const examples = 100 * d ** 1.5 * w ** -2;
      return { factors: { d, w }, examples, interval: [examples * 0.98, examples * 1.02] as const };
    }),
  );
  const { d, w } = fitExponents({ d: [1, 2, 4, 8], w: [1, 3] }, cells, 1.96);
  t.true(Math.abs((d?.exponent as number) - 1.5) < 1e-12 && (d?.standardError as number) > 0);
  t.is(w, undefined);
});

test('command complexity', (t) => {
  const file = join(folder, 'complexity.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      experiment: knownPrompt,
      targetError: 0.06,
      precision: 0.3,
      testDraws: 50,
      over: { 'mixture.signalNorm': [1, 1.2] },
    }),
  );
  const drawn = join(folder, 'n.svg');
  const flags = ['--threads', '2', '--figure', drawn];
  const result = JSON.parse(execFileSync('node', [main, 'complexity', file, ...flags], { encoding: 'utf8' }));
  t.regex(readFileSync(drawn, 'utf8'), /Examples for an error of/);
  t.is(result.cells.length, 2);
  t.true(result.cells[0].examples > result.cells[1].examples);
  const fails = (...given: string[]) => {
    const error = t.throws(() => execFileSync('node', [main, 'complexity', ...given], { stdio: 'pipe' })) as Error & {
      stderr: Buffer;
    };
    return String(error.stderr);
  };
  t.regex(fails('{ "targetError": 0.1 }'), /experiment/);
  t.regex(fails(JSON.stringify({ experiment: knownPrompt })), /targetError must be/);
  t.regex(fails(file, '--figure', 'n.pdf'), /figure must be/);
  t.regex(fails(file, '--figure', '-'), /figure must be a file/);
});

test('a figure has n against a factor, and the law; what cannot be drawn is named', async (t) => {
  const cell = (d: number, q: number, examples: number, law: number | null) => ({
    factors: { 'mixture.dimension': d, 'mixture.contextNorm': q, loss: 'square' },
    status: 'found' as const,
    examples,
    interval: [examples - 1, examples + 1] as const,
    law,
    points: [],
  });
  const cells = [cell(10, 1, 20, 19), cell(20, 1, 40, 41), cell(40, 1, 80, null), cell(10, 2, Number.NaN, null)];
  const exponents = { 'mixture.dimension': { exponent: 1, standardError: 0.25 } };
  const result = { targetError: 0.1, confidence: 0.95, cells, exponents };
  const text = JSON.stringify(study.complexityFigure(result).spec);
  t.regex(text, /Examples for an error of 0\.1: d to the power 1\.00 ± 0\.25/);
  t.regex(text, /"value":80/);
  t.regex(text, /"theory":41/);
  t.regex(JSON.stringify(study.complexityFigure(result, 'mixture.contextNorm').spec), /norm of the context vector/);
  t.throws(() => study.complexityFigure(result, 'loss'), { message: /^along must be/ });
  t.throws(() => study.complexityFigure({ ...result, cells: cells.slice(3) }), { message: /^cells must be/ });
});

test('bad options are named', async (t) => {
  const fails = async (experiment: object, options: object, message: RegExp) =>
    t.regex(
      (await t.throwsAsync(study.sampleComplexity(experiment as typeof threeStep, { targetError: 0.1, ...options })))
        .message,
      message,
    );
  await fails(threeStep, { targetError: 0.6 }, /^targetError/);
  await fails(threeStep, { confidence: 1 }, /^confidence/);
  await fails(threeStep, { over: { examples: [1] } }, /over\.examples/);
  await fails(threeStep, { over: { 'mixture.dimensions': [1] } }, /did you mean/);
  await fails({ ...threeStep, kind: 'image-bag' }, {}, /^experiment\.kind/);
  await fails({ ...threeStep, mixture: undefined }, {}, /^experiment\.mixture/);
  await fails({ ...threeStep, stepSizes: [1] }, {}, /^experiment\.stepSizes/);
  const broken = join(folder, 'broken.jsonl');
  writeFileSync(broken, 'nothing\n');
  await fails(threeStep, { out: broken }, /line 1 is no batch/);
});
