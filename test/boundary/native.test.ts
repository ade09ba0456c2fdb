import test from 'ava';
import fc from 'fast-check';
import { native } from '../../lib/native.js';

// Requests that work; the test replaces one field at a time by something else and expects a typed error or an answer.
const key = { seed: 1n, cellKey: new Uint32Array(4) };
const mixture = {
  tokens: 4,
  relevantTokens: 1,
  dimension: 3,
  contextNorm: 1,
  signalNorm: 1,
  correlation: 0,
  noiseLevel: 1,
  noise: 'gaussian',
  positiveRate: 0.5,
  confusion: Float64Array.of(0, 0, 1),
  randomRelevance: true,
} as const;
const head = { kind: 'least-squares', ridge: 0.1 } as const;
const threeStep = { stepSizes: Float64Array.of(1, 1, 1), head: 'restarted', intercept: true } as const;
const given = { tokens: new Float64Array(24), labels: Float64Array.of(1, -1) };
const size = { tokens: 2, dimension: 3 };
const model = {
  kind: 'matrix-attention',
  ...size,
  prompts: 1,
  outputs: 1,
  pooledHead: false,
  trainsAttention: true,
  trainsWeights: true,
} as const;
const examples = {
  examples: 2,
  tokens: new Float64Array(12),
  labels: Float64Array.of(1, -1),
  relevance: Uint8Array.of(1, 0, 0, 1),
};
// P, B, U
const parameters = new Float64Array(3 + 9 + 9);
const optimizer = { kind: 'adam', momentum: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 } as const;
const requests = {
  simulateKnownPrompt: {
    ...key,
    mixture,
    examples: 5,
    inverseTemperature: 1,
    head,
    solver: 'iterative',
    memory: 1e9,
    method: 'projected',
    firstTrial: 0,
    trials: 2,
    testDraws: 3,
    threads: 1,
  },
  simulateThreeStep: {
    ...key,
    mixture: { ...mixture, dimension: 6 },
    examples: Uint32Array.of(5, 5, 5),
    ...threeStep,
    method: 'projected',
    firstTrial: 0,
    trials: 2,
    testDraws: 3,
    threads: 1,
  },
  threeStepDescent: { ...threeStep, tokens: 4, dimension: 3, first: given, second: given, third: given },
  threeStepRisk: {
    ...key,
    mixture: { ...mixture, dimension: 6 },
    examples: Uint32Array.of(5, 5, 5),
    ...threeStep,
    fluctuations: true,
    draws: 32,
  },
  populationGradient: { mixture, head: new Float64Array(3) },
  sampleExamples: {
    ...key,
    mixture,
    sample: 2,
    trial: 0,
    firstExample: 0,
    examples: 2,
    contextVector: Float64Array.of(1, 0, 0),
    signalVector: Float64Array.of(0, 1, 0),
    noiseFactor: new Float64Array(9),
    relevance: Uint8Array.of(1, 0, 0, 0, 0, 1, 0, 0),
  },
  testError: { ...key, mixture, prompt: new Float64Array(3), head: new Float64Array(3), intercept: 0.5, draws: 3 },
  knownPromptRisk: {
    ...key,
    mixture,
    sampleRatios: Float64Array.of(2),
    ridges: Float64Array.of(0.1),
    inverseTemperature: 1,
    head: 'logistic',
    draws: 64,
    threads: 1,
  },
  proximalOperator: { head: 'logistic', margins: Float64Array.of(0.5), scales: Float64Array.of(2) },
  longContextRisk: { mixture, sampleRatio: 2, inverseTemperature: 1, head },
  simulateDescent: {
    ...key,
    mixture,
    examples: 5,
    model: { kind: 'prompt-attention', tokens: 4, dimension: 3 },
    loss: 'logistic',
    optimizer,
    steps: 2,
    promptStep: 0.1,
    headStep: 0.1,
    initialScale: 1,
    freshExamples: true,
    recordEvery: 1,
    memory: 1e9,
    method: 'dense',
    firstTrial: 0,
    trials: 2,
    testDraws: 3,
    threads: 1,
  },
  modelScores: { model, examples, parameters, threads: 1 },
  modelAttention: { model, examples, parameters, threads: 1 },
  modelGradient: { model, examples, parameters, threads: 1, loss: 'logistic' },
  fitModel: {
    ...key,
    model,
    examples,
    validation: examples,
    parameters,
    threads: 1,
    loss: 'square',
    optimizer,
    learningRates: Float64Array.of(0.1, 0.1, 0.1),
    schedule: { kind: 'cosine', warmUp: 1, final: 0, every: 1, factor: 1 },
    steps: 3,
    transfer: false,
    batchSize: 1,
    recordEvery: 2,
    patience: 1,
  },
  fitGivenHead: {
    examples: 2,
    dimension: 3,
    features: Float64Array.of(1, 2, 3, -1, 0, 1),
    labels: Float64Array.of(1, -1),
    head: { kind: 'hinge', ridge: 0.1 },
  },
  imageTokens: {
    ...key,
    layout: { height: 4, width: 4, patchHeight: 2, patchWidth: 4, imageHeight: 3, imageWidth: 3 },
    canvases: 2,
    firstCanvas: 5,
    imageCount: 2,
    images: new Uint8Array(18),
    // An image in the first canvas; noise in the second.
    pieces: Uint32Array.of(0, 1, 0, 0, 3, 3, 1, 1, 1, 1, 2 ** 32 - 1, 0, 0, 2, 2, 0, 0, 0),
    stages: [
      { outputs: 2, weights: new Float64Array(16), offset: new Float64Array(2), rectified: true },
      { outputs: 3, weights: new Float64Array(6), offset: new Float64Array(3), rectified: false },
    ],
    positions: new Float64Array(2),
    positionSize: 1,
    threads: 2,
  },
  principalComponents: { count: 3, dimension: 2, rows: new Float64Array(6) },
  holdTokens: { tokens: Float64Array.of(1, 2, 3) },
  dropTokens: { held: 1 },
  measureLimit: { kind: 'triad', rows: 64, columns: 1, milliseconds: 1, threads: 1 },
  randomNumbers: { ...key, kind: 'normal', purpose: 0, trial: 0, first: 0, count: 3 },
} as const;

type Entry = keyof typeof requests;
const call = async (entry: Entry, request: object): Promise<unknown> => {
  const result = (native[entry] as (request: object) => unknown)(request);
  return (result as { promise?: Promise<unknown> } | undefined)?.promise ?? result;
};

function detached(): Float64Array {
  const array = new Float64Array(3);
  structuredClone(array, { transfer: [array.buffer] });
  return array;
}

const hostile = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    '',
    'text',
    1n,
    -1n,
    1n << 70n,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -0,
    -1,
    0.5,
    2 ** 31,
    2 ** 53,
    Symbol('s'),
  ),
  fc.constantFrom<unknown>(
    new Float64Array(0),
    new Float64Array(2),
    new Float32Array(3),
    new Uint32Array(3),
    new Uint8Array(8),
    new ArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    [],
    [1, 2, 3],
    {},
    () => 1,
    new Proxy({}, {}),
  ),
  fc.constant(null).map(detached),
  fc.constant(null).map(() => new Float64Array(new SharedArrayBuffer(24))),
  fc.double(),
);

/** Every path to a field of the request, one level of nesting deep. */
function paths(request: object): string[][] {
  return Object.entries(request).flatMap(([name, value]) =>
    value !== null && typeof value === 'object' && !ArrayBuffer.isView(value)
      ? [[name], ...Object.keys(value).map((inner) => [name, inner])]
      : [[name]],
  );
}

const withValue = (request: object, [first, second]: string[], value: unknown): object => ({
  ...request,
  [first as string]:
    second === undefined ? value : { ...(request as Record<string, object>)[first as string], [second]: value },
});

test('the requests themselves work', async (t) => {
  for (const [entry, request] of Object.entries(requests)) await t.notThrowsAsync(call(entry as Entry, request), entry);
});

test('a hostile value in any field of any request gives a typed error or an answer', async (t) => {
  // Sizes that are right but large would be answered after a long time: they are not hostile.
  const tooLarge = (value: unknown) => typeof value === 'number' && value > 1000;
  const cases = Object.entries(requests).flatMap(([entry, request]) =>
    paths(request).map((path) => ({ entry: entry as Entry, path })),
  );
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...cases), hostile, async ({ entry, path }, value) => {
        fc.pre(!tooLarge(value));
        try {
          await call(entry, withValue(requests[entry], path, value));
        } catch (error) {
          if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
        }
      }),
      { seed: 7, numRuns: 6000 },
    ),
  );
});

test('getters that throw pass their error on; arguments that are no request are refused', async (t) => {
  const marker = new Error('from a getter');
  for (const [entry, request] of Object.entries(requests)) {
    const trap = {
      ...request,
      get mixture() {
        throw marker;
      },
      get kind() {
        throw marker;
      },
      get stepSizes() {
        throw marker;
      },
      get model() {
        throw marker;
      },
      get head() {
        throw marker;
      },
      get layout() {
        throw marker;
      },
      get rows() {
        throw marker;
      },
      get tokens() {
        throw marker;
      },
      get held() {
        throw marker;
      },
    };
    t.is(await t.throwsAsync(call(entry as Entry, trap)), marker);
    for (const value of [undefined, null, 3, 'text'])
      await t.throwsAsync(call(entry as Entry, value as unknown as object), { instanceOf: TypeError });
  }
  for (const value of [undefined, [1], new Float32Array(1), detached(), new Float64Array(new SharedArrayBuffer(8))])
    t.throws(() => native.firstNonFinite(value as Float64Array), { instanceOf: TypeError });
  t.throws(() => native.philox4x32(new Uint32Array(3), new Uint32Array(2)), { instanceOf: RangeError });
  t.throws(() => native.philox4x32(undefined as unknown as Uint32Array, new Uint32Array(2)), { instanceOf: TypeError });
});
