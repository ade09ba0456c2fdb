// What the goldens cover: experiments of every kind, head, model, loss, optimizer, noise and method, and every law, all small
// and well conditioned.
import { existsSync } from 'node:fs';
import {
  type Experiment,
  fitHead,
  type GradientDescentExperiment,
  type HeadOptions,
  type KnownPromptExperiment,
  linearAttention,
  type Model,
  meanPooling,
  promptAttention,
  promptTunedLayer,
  risk,
  type SimulationMethod,
  sampleExamples,
  selfAttention,
  selfAttentionFullHead,
  type ThreeStepExperiment,
  testError,
  fit as train,
  trialFeatures,
} from '../../lib/index.js';

const confusion = [
  { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
  { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
] as const;
const plain = { tokens: 6, dimension: 9, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 } as const;
const rich = {
  ...plain,
  correlation: 0.4,
  noiseLevel: 0.9,
  positiveRate: 0.6,
  confusion,
  relevance: 'random',
} as const;

const heads: readonly HeadOptions[] = [
  { kind: 'averaging' },
  { kind: 'least-squares' },
  { kind: 'least-squares', ridge: 0.3 },
  { kind: 'logistic', ridge: 0.2 },
  { kind: 'hinge', ridge: 0.3 },
  { kind: 'weighted-averaging' },
  { kind: 'least-squares', ridge: 0.3, intercept: true },
  { kind: 'logistic', ridge: 0.2, intercept: true },
  { kind: 'hinge', ridge: 0.3, intercept: true },
];
const known: Omit<KnownPromptExperiment, 'head'> = {
  kind: 'known-prompt',
  mixture: rich,
  examples: 40,
  inverseTemperature: 0.7,
};
const threeSteps: ThreeStepExperiment = {
  kind: 'three-step',
  mixture: rich,
  examples: [30, 40, 50],
  stepSizes: [1, 2, 1],
};
const descent: GradientDescentExperiment = {
  kind: 'gradient-descent',
  mixture: rich,
  examples: 15,
  model: 'prompt-attention',
  steps: 5,
  recordEvery: 2,
  stepSizes: { head: 0.2, prompt: 0.3 },
  initial: { scale: 0.3 },
};
const descents: readonly Partial<GradientDescentExperiment>[] = [
  ...(['prompt-attention', 'linear-attention', 'mean-pooling', 'self-attention'] as const).flatMap((model) =>
    (['square', 'logistic'] as const).map((loss) => ({ model, loss })),
  ),
  { data: 'fresh' },
  { initial: 'zero' },
  { optimizer: 'momentum' },
  { optimizer: 'adam', model: 'self-attention' },
  { initial: 'zero', model: 'self-attention', examples: 6 },
  { optimizer: 'adam' },
  { optimizer: 'normalized-gradient-descent' },
];

interface GoldenTrials {
  readonly experiment: Experiment;
  /** Both for what has a projected form. */
  readonly methods: readonly SimulationMethod[];
}

const both = ['projected', 'dense'] as const;
const denseOnly = ['dense'] as const;

/** By name. */
export const trials: Readonly<Record<string, GoldenTrials>> = Object.fromEntries<GoldenTrials>([
  ...heads.map((head): [string, GoldenTrials] => [
    `known-prompt ${JSON.stringify(head)}`,
    { experiment: { ...known, head, solver: 'direct' }, methods: both },
  ]),
  ...([heads[2], heads[3]] as HeadOptions[]).map((head): [string, GoldenTrials] => [
    `known-prompt iterative ${JSON.stringify(head)}`,
    { experiment: { ...known, head, solver: 'iterative' }, methods: ['projected'] },
  ]),
  ...(['rademacher', 'uniform'] as const).flatMap((noise): [string, GoldenTrials][] =>
    [{ ...known, head: heads[2] as HeadOptions }, threeSteps, descent].map((experiment) => [
      `${experiment.kind} ${noise}`,
      { experiment: { ...experiment, mixture: { ...rich, noise } }, methods: denseOnly },
    ]),
  ),
  ...(['fresh', 'restarted', 'continued'] as const).flatMap((head) =>
    (['none', 'intercept'] as const).map((debias): [string, GoldenTrials] => [
      `three-step ${head} ${debias}`,
      { experiment: { ...threeSteps, head, debias }, methods: both },
    ]),
  ),
  ...descents.map((change): [string, GoldenTrials] => [
    `gradient-descent ${JSON.stringify(change)}`,
    {
      experiment: { ...descent, ...change },
      methods:
        (change.model === 'self-attention' && change.initial !== 'zero') || change.optimizer === 'adam'
          ? denseOnly
          : both,
    },
  ]),
]);

const training = { steps: 10, learningRates: [0.05] };
const bags = { kind: 'bag', tokens: 6, relevantTokens: 1, context: [5, 7], others: [0, 1, 2, 3] } as const;
const embedding = { kind: 'random-features', dimension: 16, images: 100 } as const;

/** Experiments on the images of Debian's dataset-fashion-mnist. */
export const imageTrials: Readonly<Record<string, Experiment>> = {
  'image-bag': {
    kind: 'image-bag',
    task: bags,
    embedding,
    model: 'prompt-attention',
    examples: 60,
    training,
    testExamples: 60,
  },
  'image-transfer': {
    kind: 'image-transfer',
    task: {
      kind: 'partial-tiled',
      tiles: 2,
      patch: 14,
      relevantTiles: 2,
      filler: { kind: 'data-set', name: 'fashion-mnist' },
      classes: [1, 5, 8],
    },
    embedding,
    pretraining: { examples: 100, ...training },
    method: 'prompts',
    prompts: 2,
    examples: 60,
    training,
    testExamples: 60,
  },
  'image-risk': {
    kind: 'image-risk',
    task: bags,
    embedding,
    prompt: { examples: 60, ...training },
    examples: 60,
    estimationExamples: 200,
    testExamples: 60,
  },
};
export const hasImages = existsSync('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz');

const options = { draws: 400, seed: 3 } as const;
const lawOf = { mixture: rich, inverseTemperature: 0.7, ...options };
const vector = (seed: number, length = plain.dimension) =>
  Float64Array.from({ length }, (_, i) => Math.fround(Math.sin(seed + i * i)));

/** Laws and estimates, by name. */
export const laws: Readonly<Record<string, () => unknown>> = {
  ...Object.fromEntries(
    heads.map((head) => [
      `knownPrompt ${JSON.stringify(head)}`,
      () => risk.knownPrompt({ ...lawOf, head, sampleRatio: 4 }),
    ]),
  ),
  knownPromptCurve: () =>
    risk.knownPromptCurve({ ...lawOf, head: { kind: 'least-squares', ridge: 0.1 }, sampleRatios: [2, 3, 5] }),
  ...Object.fromEntries(
    [heads[0] as { kind: 'averaging' }, { kind: 'least-squares', ridge: 0.1 } as const].map((head) => [
      `longContext ${head.kind}`,
      () => risk.longContext({ mixture: plain, sampleRatio: 3, inverseTemperature: 0.5, head }),
    ]),
  ),
  threeStep: () => risk.threeStep({ ...threeSteps, ...options, fluctuations: true }),
  'threeStep in the limit': () => risk.threeStep({ ...threeSteps, ...options, fluctuations: false }),
  populationGradient: () => risk.populationGradient({ mixture: rich, head: vector(1) }),
  separation: () => risk.separation({ mixture: plain }),
  testError: () => testError({ mixture: rich, prompt: vector(1), head: vector(2), intercept: 0.1, ...options }),
};

const layer = promptTunedLayer({ prompts: 2, trained: ['prompts', 'weights', 'head'] });
const classes = promptTunedLayer({ prompts: 2, outputs: 3, trained: ['prompts', 'weights', 'head'] });
const models: Readonly<Record<string, Model<string>>> = {
  promptAttention,
  linearAttention,
  meanPooling,
  selfAttention,
  selfAttentionFullHead,
  layer,
  classes,
};
const sample = { examples: 24, seed: 5 } as const;

async function trainedModel(model: Model<string>) {
  const { tokens, labels, relevance } = await sampleExamples(rich, sample);
  const data = {
    tokens,
    labels: model.outputs === 1 ? labels : Float64Array.from(labels, (_, i) => i % model.outputs),
    relevance,
    dimension: plain.dimension,
  };
  const settings = { steps: 6, seed: 1, batchSize: 10, initial: { scale: 0.2 }, threads: 1 };
  const loss = model.outputs === 1 ? 'logistic' : 'cross-entropy';
  const { parameters, history } = await train(model, data, { loss, learningRate: 0.1, ...settings });
  return {
    parameters,
    history,
    scores: await model.scores(parameters, data),
    attention: await model.attention(parameters, data),
    gradient: await model.gradient(parameters, data, { loss: model.outputs === 1 ? 'square' : 'cross-entropy' }),
    adam: await train(model, data, { loss, optimizer: 'adam', learningRate: 0.05, ...settings }),
  };
}

/** Samples, heads and models on given arrays, by name. */
export const arrays: Readonly<Record<string, () => unknown>> = {
  sampleExamples: () => sampleExamples(rich, { ...sample, examples: 3 }),
  ...Object.fromEntries(
    heads.map((head) => [
      `fitHead ${JSON.stringify(head)}`,
      async () => {
        const { features, labels } = await trialFeatures({ ...known, head }, { seed: 4 });
        if (head.kind !== 'weighted-averaging') return fitHead(features, labels, head);
        return fitHead(features, labels, { ...head, weights: labels.map((label, i) => i + label + 1) });
      },
    ]),
  ),
  ...Object.fromEntries(Object.entries(models).map(([name, model]) => [name, () => trainedModel(model)])),
};
