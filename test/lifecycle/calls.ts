/** One call of every public function that works on the addon's threads, and the requests that they send to the addon. */

import { native } from '../../lib/base/native.js';
import {
  fitHead,
  holdExamples,
  type JobOptions,
  promptAttention,
  risk,
  sampleExamples,
  selfAttention,
  simulate,
  testError,
  threeStep,
  fit as train,
} from '../../lib/index.js';

export interface CallOptions extends JobOptions {
  /** Whether the call takes much longer than some milliseconds; minutes where it has a size that can be chosen. */
  readonly long?: boolean;
  readonly onProgress?: (() => void) | undefined;
}

const mixture = { tokens: 6, dimension: 12, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 };
const uniform = { ...mixture, noise: 'uniform' } as const;
const knownPrompt = { kind: 'known-prompt', mixture, examples: 60, inverseTemperature: 0.5 } as const;
const threeSteps = { kind: 'three-step', mixture, examples: 100, stepSizes: [1, 1, 1] } as const;
const descent = {
  kind: 'gradient-descent',
  mixture: uniform,
  examples: 40,
  model: 'self-attention',
  steps: 5,
  stepSizes: { head: 0.1, prompt: 0.1 },
} as const;

/** The examples of the calls on held examples. */
export const examples = await sampleExamples(mixture, { examples: 200, seed: 1 });
const manyExamples = await sampleExamples(mixture, { examples: 20_000, seed: 1 });
const held = holdExamples(examples);
const parameters = { prompt: new Float64Array(12).fill(0.3), head: new Float64Array(12).fill(-0.2) };
const trials = (long = false) => ({ trials: long ? 10_000 : 8, testDraws: long ? 1e6 : 500, seed: 3 });

/** Every answer depends on `long` only. */
export const calls: Readonly<Record<string, (options: CallOptions) => Promise<unknown>>> = {
  'simulate known-prompt': ({ long, ...options }) =>
    simulate({ ...knownPrompt, head: { kind: 'least-squares' } }, { ...trials(long), ...options }),
  'simulate known-prompt dense': ({ long, ...options }) =>
    simulate(
      { ...knownPrompt, mixture: uniform, head: { kind: 'hinge', ridge: 0.01 } },
      { ...trials(), testDraws: long ? 2 ** 31 - 1 : 100, ...options },
    ),
  'simulate known-prompt iterative': ({ long, ...options }) =>
    simulate(
      { ...knownPrompt, head: { kind: 'logistic', ridge: 0.1 }, solver: 'iterative' },
      { ...trials(long), ...options },
    ),
  'simulate three-step': ({ long, ...options }) => simulate(threeSteps, { ...trials(long), ...options }),
  'simulate three-step of many examples': ({ long, ...options }) =>
    simulate({ ...threeSteps, examples: long ? 2e9 : 100 }, { ...trials(), ...options }),
  'simulate gradient-descent dense': ({ long, ...options }) => simulate(descent, { ...trials(long), ...options }),
  'simulate gradient-descent projected': ({ long, ...options }) =>
    simulate({ ...descent, mixture, model: 'prompt-attention' }, { ...trials(long), ...options }),
  fit: ({ long, onProgress: onStep, ...options }) =>
    train(promptAttention, held, {
      loss: 'logistic',
      steps: long ? 2 ** 31 - 2 : 20,
      recordEvery: 2 ** 31 - 1,
      learningRate: 0.1,
      batchSize: 50,
      onStep,
      ...options,
    }),
  'fit with transfer': ({ long, onProgress: onStep, ...options }) =>
    train(
      promptAttention,
      { ...examples, tokens: examples.tokens.slice() },
      {
        loss: 'square',
        steps: long ? 2 ** 31 - 2 : 20,
        recordEvery: 2 ** 31 - 1,
        learningRate: 0.1,
        transfer: true,
        onStep,
        ...options,
      },
    ),
  'risk.knownPrompt': ({ long, onProgress: _, ...options }) =>
    risk.knownPrompt({
      ...knownPrompt,
      head: { kind: 'logistic', ridge: 0.1 },
      draws: long ? 1e6 : 1000,
      ...options,
    }),
  'risk.knownPromptCurve': ({ long, onProgress: _, ...options }) =>
    risk.knownPromptCurve({
      mixture,
      inverseTemperature: 0.5,
      head: { kind: 'hinge', ridge: 0.1 },
      sampleRatios: [1, 2, 3, 4],
      draws: long ? 1e6 : 1000,
      ...options,
    }),
  'risk.sampleComplexity': ({ long, onProgress: _, ...options }) =>
    risk.sampleComplexity({
      experiment: { ...knownPrompt, head: { kind: 'logistic', ridge: 0.1 } },
      targetError: 0.2,
      draws: long ? 1e6 : 1000,
      ...options,
    }),
  'risk.optimal': ({ long, onProgress: _, ...options }) =>
    risk.optimal({ mixture, examples: 400, head: { kind: 'least-squares' }, draws: long ? 1e6 : 1000, ...options }),
  'risk.threeStep': ({ long, onProgress: _, ...options }) =>
    risk.threeStep({ ...threeSteps, draws: long ? 5e6 : 2000, ...options }),
  testError: ({ long, onProgress: _, ...options }) =>
    testError({ mixture, ...parameters, draws: long ? 2 ** 31 - 1 : 5000, ...options }),
  'testError by counting': ({ long, onProgress: _, ...options }) =>
    testError({ mixture: uniform, ...parameters, draws: long ? 2 ** 31 - 1 : 500, ...options }),
  sampleExamples: ({ long, onProgress: _, ...options }) =>
    sampleExamples(mixture, { examples: long ? 400_000 : 300, seed: 2, ...options }),
  threeStep: ({ long, onProgress: _, ...options }) =>
    threeStep(long ? manyExamples : examples, { stepSizes: [1, 1, 1], ...options }),
  'model.scores': ({ long, onProgress: _, ...options }) =>
    promptAttention.scores(parameters, long ? manyExamples : held, options),
  'model.attention': ({ long, onProgress: _, ...options }) =>
    promptAttention.attention(parameters, long ? manyExamples : held, options),
  'model.gradient': ({ long, onProgress: _, ...options }) =>
    selfAttention.gradient(
      selfAttention.initial({ tokens: 6, dimension: 12 }, { seed: 1 }),
      long ? manyExamples : held,
      { loss: 'logistic', ...options },
    ),
  fitHead: ({ long, onProgress: _, ...options }) => {
    const n = long ? 10_000 : 100;
    const features = manyExamples.tokens.slice(0, 12 * n);
    return fitHead(features, manyExamples.labels.slice(0, n), { kind: 'hinge', ridge: 0.01 }, options);
  },
};

/** What a call asked the addon to do. */
export interface NativeRequest {
  readonly function: string;
  readonly request: Readonly<Record<string, unknown>>;
}

/** The requests that a call sends to the addon while it alone is under way; other threads can send them too. */
export async function requestsOf(call: () => Promise<unknown>): Promise<NativeRequest[]> {
  const requests: NativeRequest[] = [];
  const addon = native as unknown as Record<string, (request: NativeRequest['request']) => unknown>;
  const original = { ...addon };
  for (const [name, run] of Object.entries(original))
    if (typeof run === 'function')
      addon[name] = (request) => {
        // Before the call, which may detach an array.
        const copy = structuredClone(request);
        const answer = run(request);
        if ((answer as { promise?: unknown } | undefined)?.promise instanceof Promise)
          requests.push({ function: name, request: copy });
        return answer;
      };
  try {
    await call();
  } finally {
    Object.assign(addon, original);
  }
  return requests;
}
