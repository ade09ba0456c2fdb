// What the page is told: the same numbers as those of the package.
import test from 'ava';
import type { Estimate } from '../../lib/base/kind.js';
import { parseYaml } from '../../lib/base/yaml.js';
import type { GradientDescentExperiment } from '../../lib/experiments/gradient-descent.js';
import type { KnownPromptExperiment } from '../../lib/experiments/known-prompt.js';
import { answerLaws } from '../../lib/explore/laws.js';
import { answerText } from '../../lib/explore/text.js';
import { answerTokens } from '../../lib/explore/tokens.js';
import { TrialsAtPoints } from '../../lib/explore/trials.js';
import { risk, simulate, study, summary } from '../../lib/index.js';

const mixture = { tokens: 8, relevantTokens: 2, dimension: 30, contextNorm: 2, signalNorm: 1 };
const knownPrompt: KnownPromptExperiment = {
  kind: 'known-prompt',
  mixture,
  examples: 60,
  inverseTemperature: 0.5,
  head: { kind: 'logistic', ridge: 0.1 },
};
const descent: GradientDescentExperiment = {
  kind: 'gradient-descent',
  mixture,
  examples: 100,
  data: 'fresh',
  model: 'prompt-attention',
  steps: 2,
  stepSizes: { head: 1, prompt: 1 },
};
const signal = new AbortController().signal;

type Law = (Readonly<Record<string, Estimate>> & { readonly problem?: string }) | null;

async function laws(experiment: object, points: readonly object[], quick = false): Promise<readonly Law[]> {
  const answer = await answerLaws({ curves: [{ experiment, points }], quick }, signal);
  return (answer as { readonly curves: readonly (readonly Law[])[] }).curves[0] as readonly Law[];
}

test('laws along n, λ and τ are those of risk.knownPrompt', async (t) => {
  const cases = [
    { points: [{ examples: 20 }, { examples: 60 }, { examples: 200 }], at: (n: object) => ({ ...knownPrompt, ...n }) },
    {
      points: [{ inverseTemperature: 0 }, { inverseTemperature: 1 }],
      at: (value: object) => ({ ...knownPrompt, ...value }),
    },
  ];
  for (const { points, at } of cases) {
    const found = await laws(knownPrompt, points);
    for (const [i, point] of points.entries()) {
      const law = await risk.knownPrompt({ ...at(point), draws: 5000 });
      const { error, relevantAttention } = found[i] as Record<string, Estimate>;
      t.deepEqual([error?.mean, error?.standardError, error?.reliable], [law.error, law.standardError, law.reliable]);
      t.is(relevantAttention?.mean, law.relevantAttention);
    }
  }
  const [ridged] = await laws(knownPrompt, [{ 'head.ridge': 1 }]);
  const law = await risk.knownPrompt({ ...knownPrompt, head: { kind: 'logistic', ridge: 1 }, draws: 5000 });
  t.is(ridged?.error?.mean, law.error);
  // While a slider moves: the limit itself.
  const { examples, ...others } = knownPrompt;
  const limit = await risk.knownPrompt({ ...others, sampleRatio: examples / mixture.dimension, draws: 1000 });
  t.is((await laws(knownPrompt, [{}], true))[0]?.error?.mean, limit.error);
});

test('laws along the steps are the path of risk.gradientDescent; what has no law is null', async (t) => {
  const found = await laws(descent, [{ steps: 0 }, { steps: 1 }, { steps: 3 }]);
  const { error } = await risk.gradientDescent({
    ...descent,
    data: 'fresh',
    model: 'prompt-attention',
    steps: 3,
    draws: 4000,
  });
  t.deepEqual(
    found.map((law) => law?.error?.mean),
    [error[0], error[1], error[3]],
  );
  t.deepEqual(await laws({ ...descent, data: 'reused' }, [{ steps: 1 }]), [null]);
});

test('a point whose options are wrong says so for itself', async (t) => {
  const [good, bad, none] = await laws(knownPrompt, [{ examples: 60 }, { examples: 1.5 }, { 'mixture.tokens': 1 }]);
  t.is(good?.problem, undefined);
  t.true((good?.error?.mean ?? 0) > 0);
  t.regex(bad?.problem ?? '', /^examples must be an integer/);
  t.regex(none?.problem ?? '', /^mixture.relevantTokens must be/);
  const noiseless = { ...knownPrompt, mixture: { ...mixture, noiseLevel: 0 }, head: { kind: 'logistic' } };
  t.regex((await laws(noiseless, [{}]))[0]?.problem ?? '', /^head.ridge must be above 0/);
  const many = new Array(9).fill({ experiment: knownPrompt, points: [] });
  for (const question of [undefined, {}, { curves: [{}] }, { curves: [], quick: 1 }, { curves: many }]) {
    const error = await t.throwsAsync(answerLaws(question, signal));
    t.regex((error as { readonly code?: string } | undefined)?.code ?? '', /^ERR_OPTION/, JSON.stringify(question));
  }
});

test('trials at a point are those of simulate, however they were asked for', async (t) => {
  const kept = new TrialsAtPoints();
  const ask = (trials: number, point: object = { examples: 40 }) =>
    kept.answer({ experiment: knownPrompt, point, trials, seed: 3, testDraws: 50 }, signal);
  await Promise.all([ask(5), ask(12)]);
  const found = (await ask(20)) as { readonly trials: number; readonly metrics: Record<string, object> };
  const { metrics } = summary(await simulate({ ...knownPrompt, examples: 40 }, { trials: 20, seed: 3, testDraws: 50 }));
  const { mean, intervalLow, intervalHigh } = metrics.error;
  t.is(found.trials, 20);
  t.deepEqual(found.metrics.error, { mean, low: intervalLow, high: intervalHigh });
  t.deepEqual(Object.keys(found.metrics).sort(), ['error', 'headNorm', 'relevantAttention']);
  // Fewer than there are: those that there are.
  t.is(((await ask(4)) as { readonly trials: number }).trials, 20);
  await t.throwsAsync(ask(4, { examples: 0 }), { message: /^experiment.examples must be an integer ≥ 1/ });
});

test('the attention of the picture is that of the law', async (t) => {
  interface Picture {
    readonly examples: number;
    readonly prompt: readonly number[] | null;
    readonly points: readonly { readonly attention: number | null; readonly relevant: boolean }[];
  }
  const mass = ({ points, examples }: Picture) =>
    points.reduce((sum, { attention, relevant }) => sum + (relevant ? (attention ?? 0) : 0), 0) / examples;
  for (const experiment of [knownPrompt, descent]) {
    const picture = (await answerTokens({ experiment, seed: 1, tokens: 1600 }, signal)) as Picture;
    t.is(picture.examples, 200);
    t.is(picture.points.length, 1600);
    const total = picture.points.reduce((sum, { attention }) => sum + (attention ?? 0), 0);
    t.true(Math.abs(total - picture.examples) < 1e-9);
    const [law] = await laws(experiment, [{}]);
    const expected = law?.relevantAttention?.mean ?? Number.NaN;
    t.true(Math.abs(mass(picture) - expected) < 0.05, `${mass(picture)} ${expected}`);
  }
  const linear = { ...descent, model: 'linear-attention', initial: { scale: 0.1 } };
  const { prompt, points } = (await answerTokens({ experiment: linear }, signal)) as Picture;
  t.is(prompt, null);
  t.is(points[0]?.attention, null);
});

test('what is copied is a study that is valid, and a program that holds it', async (t) => {
  const points = [{ examples: 15 }, { examples: 300 }];
  const { text } = (await answerText({ form: 'study', experiment: knownPrompt, points })) as { readonly text: string };
  const spec = study.define(parseYaml(text) as study.StudyOptions);
  t.deepEqual(spec.factors, { examples: [15, 300] });
  const zipped = [
    { 'mixture.tokens': 4, 'mixture.relevantTokens': 1 },
    { 'mixture.tokens': 8, 'mixture.relevantTokens': 2 },
  ];
  const program = (await answerText({ form: 'typescript', experiment: knownPrompt, points: zipped })) as {
    readonly text: string;
  };
  t.regex(program.text, /^import { study } from 'prompt-attention';/);
  t.true(program.text.includes("'mixture.tokens': [ 4, 8 ]"), program.text);
  await t.throwsAsync(answerText({ form: 'study', experiment: { ...knownPrompt, examples: -1 }, points: [{}] }));
});
