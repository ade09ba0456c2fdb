import * as library from '../../lib/index.js';
import { syntheticSet } from '../images/support.js';
import { callOf, cancellation, isOfLanguage, type Target } from './targets.js';

const mixture = {
  tokens: 4,
  relevantTokens: 1,
  dimension: 6,
  contextNorm: 1,
  signalNorm: 1,
  correlation: 0.5,
  noiseLevel: 1,
  relevantNoiseLevel: 0,
  noise: 'gaussian',
  positiveRate: 0.25,
  labelNoise: 0,
  confusion: [
    { deltaQ: 0, deltaW: 0, probability: 0.5 },
    { deltaQ: 1, deltaW: -1, probability: 0.5 },
  ],
  relevance: 'random',
} as const;
const options = { trials: 2, seed: 1, firstTrial: 3, testDraws: 4, threads: 1 };
const examples = { examples: 5, inverseTemperature: 1 };
const head = { kind: 'least-squares', ridge: 0.1 } as const;
const knownPrompt = { kind: 'known-prompt', mixture, ...examples, head } as const;
const stepSizes = [1, 1, 1] as const;
const threeSteps = {
  kind: 'three-step',
  mixture,
  examples: [5, 6, 7],
  stepSizes,
  head: 'continued',
  debias: 'intercept',
};
const descent = {
  kind: 'gradient-descent',
  mixture,
  examples: 5,
  model: 'linear-attention',
  steps: 2,
  stepSizes: { head: 0.1, prompt: 0.1 },
  loss: 'logistic',
  initial: { scale: 0.5 },
  optimizer: { kind: 'momentum', momentum: 0.5 },
  data: 'fresh',
  recordEvery: 1,
};
/** Numbers in [−1, 1] without a pattern. */
const numbers = (count: number) => Float64Array.from({ length: count }, (_, i) => Math.sin(i * i + 1));
const data = {
  tokens: numbers(12),
  labels: Float64Array.of(1, -1),
  examples: 2,
  dimension: 3,
  relevance: Uint8Array.of(1, 0, 0, 1),
};
/** The same of different length. */
const ragged = {
  ...data,
  tokens: numbers(9),
  lengths: Uint32Array.of(2, 1),
  mostTokens: 2,
  relevance: Uint8Array.of(1, 0, 0),
};
const parameters = { prompt: numbers(3), head: numbers(3) };
const call = { loss: 'logistic', threads: 1 };
const training = {
  loss: 'square',
  optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.99, epsilon: 1e-8 },
  schedule: { kind: 'step', every: 1, factor: 0.5, warmUp: 1 },
  learningRate: { prompt: 0.1, head: 0.2 },
  steps: 3,
  batchSize: 1,
  seed: 1,
  initial: { scale: 0.1 },
  recordEvery: 1,
  validation: data,
  patience: 1,
  transfer: false,
  threads: 1,
};

/** The package's own errors; those of the addon, which name the field too; what a hostile value throws by itself. */
const isTyped = (error: unknown): boolean =>
  (error instanceof Error && 'code' in error && /^ERR_(OPTION|STUDY|CONVERGENCE)/.test(String(error.code))) ||
  ((error instanceof RangeError || error instanceof TypeError) &&
    /^(out of memory: |\w+ must be )/.test(error.message)) ||
  isOfLanguage(error);

type Run = (...parameters: never[]) => unknown;

const handOver = (run: Run, request: object, hostile: Record<string, unknown>) =>
  Reflect.apply(
    run,
    undefined,
    Object.keys(request).map((name) => hostile[name]),
  );

/** A target that hands the fields of its request over, in their order. */
function target(run: Run, request: object): Target {
  return {
    request,
    isArgument: false,
    repeatable: true,
    isTyped,
    call: (hostile: Record<string, unknown>) => callOf(() => handOver(run, request, hostile)),
  };
}

/** A target whose last field takes a signal: that of its call, unless the field is such that nothing can be put into it. */
function job(run: Run, request: object): Target {
  const last = Object.keys(request).at(-1) as string;
  return {
    ...target(run, request),
    call: (hostile: Record<string, unknown>) => {
      const controller = new AbortController();
      try {
        Object.assign(hostile[last] as object, { signal: controller.signal });
      } catch {}
      return callOf(
        () => handOver(run, request, hostile),
        () => controller.abort(cancellation),
      );
    },
  };
}

const simulated = (experiment: object) => job(library.simulate, { experiment, options });

/** The functions of the package that take options and numbers. */
export const targets: Readonly<Record<string, Target>> = {
  contextualMixture: target(library.contextualMixture, { mixture }),
  trialFeatures: target(library.trialFeatures, { experiment: knownPrompt, options: { seed: 1, trial: 2 } }),
  sampleExamples: target(library.sampleExamples, {
    mixture,
    options: {
      examples: 2,
      seed: 1,
      contextVector: Float64Array.of(0, 1, 0, 0, 0, 0),
      signalVector: Float64Array.of(0, 0.5, Math.sqrt(0.75), 0, 0, 0),
      noiseFactor: numbers(36).map((number, j) => (j % 6 > Math.floor(j / 6) ? 0 : number)),
      relevance: Uint8Array.of(1, 0, 0, 0, 0, 1, 0, 0),
    },
  }),
  summary: target(library.summary, {
    simulation: {
      trials: 3,
      metrics: { error: Float64Array.of(0.1, 0.2, Number.NaN), headNorm: numbers(3) },
      path: { steps: Float64Array.of(0, 1), metrics: { error: numbers(6) } },
      status: Uint8Array.of(0, 0, 1),
      testError: {
        standardError: numbers(3),
        effectiveDraws: Float64Array.of(10, 20, Number.NaN),
        reliable: Uint8Array.of(1, 0, 0),
      },
    },
    options: { quantiles: [0.1, 0.9], confidence: 0.9, thresholds: { error: 0.15 } },
  }),
  figure: target((...parameters: Parameters<typeof library.figure>) => library.figure(...parameters).spec, {
    source: [
      { x: 1, y: 0.1, low: 0, high: 0.2, name: 'a' },
      { x: 2, y: 0.2, low: 0.1, high: 0.3, name: 'b' },
    ],
    options: { x: 'x', y: 'y', series: 'name', interval: ['low', 'high'], scale: { x: 'log' }, title: 'A figure' },
  }),
  simulateKnownPrompt: simulated({ ...knownPrompt, solver: 'direct' }),
  simulateThreeStep: simulated(threeSteps),
  simulateDescent: simulated(descent),
  knownPrompt: job(library.risk.knownPrompt, { options: { ...knownPrompt, draws: 64, seed: 1, threads: 1 } }),
  knownPromptCurve: job(library.risk.knownPromptCurve, {
    options: { mixture, inverseTemperature: 1, head: { kind: 'averaging' }, sampleRatios: [1, 2], draws: 64, seed: 1 },
  }),
  longContext: target(library.risk.longContext, {
    options: {
      mixture: { tokens: 4, relevantTokens: 1, dimension: 6, contextNorm: 1, signalNorm: 1 },
      sampleRatio: 2,
      inverseTemperature: 0.5,
      head: { kind: 'averaging' },
    },
  }),
  gradientDescentRisk: job(library.risk.gradientDescent, {
    options: {
      mixture: { ...mixture, dimension: 9 },
      examples: 4,
      data: 'fresh',
      model: 'prompt-attention',
      steps: 2,
      stepSizes: { head: [1, 0.5], prompt: 1 },
      fluctuations: true,
      draws: 64,
      seed: 1,
    },
  }),
  reusedDescentRisk: job(library.risk.gradientDescent, {
    options: {
      mixture,
      examples: 4,
      data: 'reused',
      model: 'prompt-attention',
      steps: 2,
      recordEvery: 1,
      stepSizes: { head: 1, prompt: 1 },
      fluctuations: true,
      draws: 128,
      seed: 1,
      threads: 1,
    },
  }),
  oracle: target(library.risk.oracle, {
    options: {
      mixture: { tokens: 4, relevantTokens: 1, dimension: 12, contextNorm: 1, signalNorm: 1, relevantNoiseLevel: 1 },
      examples: 5,
    },
  }),
  bestHead: job(library.risk.bestHead, {
    options: { mixture, inverseTemperature: 1, sampleRatio: 1, draws: 64, seed: 1 },
  }),
  threeStepRisk: job(library.risk.threeStep, { options: { ...threeSteps, draws: 64, seed: 1, fluctuations: true } }),
  populationGradient: target(library.risk.populationGradient, { options: { mixture, head: numbers(6) } }),
  separation: target(library.risk.separation, { options: { mixture: { ...mixture, noiseLevel: 0 } } }),
  sampleComplexity: job(library.risk.sampleComplexity, {
    options: {
      experiment: { kind: 'known-prompt', mixture, inverseTemperature: 1, head: { kind: 'averaging' } },
      targetError: 0.3,
      draws: 64,
      seed: 1,
    },
  }),
  testError: job(library.testError, {
    options: { mixture, prompt: numbers(6), head: numbers(6), draws: 3, seed: 1 },
  }),
  scores: job(library.promptAttention.scores, { parameters, data, call: { threads: 1 } }),
  raggedAttention: job(library.selfAttention.attention, {
    parameters: { weights: numbers(9), head: numbers(3) },
    data: ragged,
    call: { threads: 1 },
  }),
  raggedGradient: job(library.promptTunedLayer({ prompts: 1, trained: ['prompts', 'weights'] }).gradient, {
    parameters: { prompts: numbers(3), weights: numbers(9), head: numbers(9) },
    data: ragged,
    call,
  }),
  raggedFit: job((given: never, how: never) => library.fit(library.promptAttention, given, how), {
    data: ragged,
    options: { ...training, validation: ragged },
  }),
  attention: job(library.selfAttention.attention, {
    parameters: { weights: numbers(9), head: numbers(3) },
    data,
    call: { threads: 1 },
  }),
  gradient: job(library.linearAttention.gradient, { parameters, data, call }),
  tunedGradient: job(library.promptTunedLayer({ prompts: 1, trained: ['prompts', 'weights'] }).gradient, {
    parameters: { prompts: numbers(3), weights: numbers(9), head: numbers(9) },
    data,
    call,
  }),
  promptTunedLayer: target((given: never) => library.promptTunedLayer(given).name, {
    options: { prompts: 2, trained: ['prompts'] },
  }),
  meanPoolingFit: job((given: never, how: never) => library.fit(library.meanPooling, given, how), {
    data,
    options: { loss: 'logistic', optimizer: 'momentum', learningRate: 0.1, steps: 2, threads: 1 },
  }),
  fit: job((given: never, how: never) => library.fit(library.promptAttention, given, how), {
    data,
    options: training,
  }),
  fitHead: target(library.fitHead, {
    features: numbers(6),
    labels: Float64Array.of(1, -1),
    head: { kind: 'hinge', ridge: 0.1 },
  }),
  threeStep: target(library.threeStep, {
    examples: { tokens: numbers(36), labels: Float64Array.of(1, -1, 1), dimension: 3 },
    options: { stepSizes, head: 'restarted', debias: 'intercept', split: [1, 1, 1] },
  }),
  holdExamples: target((given: never) => library.holdExamples(given).release(), { data }),
  defineStudy: target(library.study.define, {
    spec: {
      name: 'fuzz',
      seed: 1,
      experiment: knownPrompt,
      factors: { examples: [5, 10] },
      trials: { minimum: 2, maximum: 4, standardError: 0.1 },
    },
  }),
  contextualImages: target(
    (task: never, how: object) => library.images.contextualImages(task, { images: syntheticSet(12), ...how } as never),
    {
      task: { kind: 'partial-tiled', tiles: 2, patch: 2, relevantTiles: 1, filler: { kind: 'noise' } },
      options: { examples: 2, seed: 1 },
    },
  ),
  wordsOf: target(library.text.wordsOf, { text: "It's free", options: { longestWord: 9, mostWords: 9 } }),
  buildVocabulary: target(library.text.buildVocabulary, {
    texts: [['a', 'b'], ['a']],
    options: { minimumDocuments: 1, mostWords: 2 },
  }),
  learnWordVectors: target(library.text.learnWordVectors, {
    texts: [
      ['a', 'b'],
      ['b', 'a'],
    ],
    options: {
      dimension: 2,
      vocabulary: { words: ['a', 'b'] },
      window: 2,
      shift: 0.5,
      smoothing: 0.5,
      power: 1,
      seed: 1,
      threads: 1,
    },
  }),
  embedTexts: target(
    (texts: never, options: never) =>
      library.text.embedTexts(
        texts,
        library.text.wordVectors(['a', 'b'], { shape: [2, 1], values: numbers(2) }),
        options,
      ),
    { texts: [['a', 'c'], ['b']], options: { labels: [1, -1], mostTokens: 2 } },
  ),
  wordVectors: target(library.text.wordVectors, {
    words: ['a', 'b'],
    vectors: { shape: [2, 3], values: numbers(6) },
  }),
  sharedDocuments: target(library.text.sharedDocuments, {
    train: [{ source: 'a', text: 'a b', label: 0 }],
    test: [{ source: 'b', text: 'A, b', label: 1 }],
  }),
  estimateMixture: target(library.images.estimateMixture, {
    data: {
      ...data,
      tokens: numbers(1200),
      labels: Float64Array.from({ length: 100 }, (_, i) => (i % 2 ? 1 : -1)),
      examples: 100,
      dimension: 3,
      relevance: Uint8Array.from({ length: 400 }, (_, i) => Number(i % 4 === 0)),
    },
    prompt: numbers(3),
  }),
};
