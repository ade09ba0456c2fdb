import test from 'ava';
import {
  type ContextualMixtureOptions,
  images,
  promptAttention,
  risk,
  sampleExamples,
  simulate,
} from '../../lib/index.js';
import { meanAndError } from '../support/statistics.js';

const mixture = {
  tokens: 12,
  dimension: 20,
  relevantTokens: 3,
  contextNorm: 1.8,
  signalNorm: 0.9,
  noiseLevel: 0.8,
  correlation: 0.3,
  relevance: 'random',
} as const;
const uncorrelated = { ...mixture, correlation: 0 };

/** Examples of a mixture as examples made of images are, and its prompt τ q⋆. */
async function sample(of: ContextualMixtureOptions, examples: number, seed: number, inverseTemperature: number) {
  const { tokens, labels, relevance } = await sampleExamples(of, { examples, seed });
  const prompt = new Float64Array(of.dimension);
  prompt[0] = inverseTemperature * of.contextNorm;
  return { data: { tokens, labels, relevance, examples, dimension: of.dimension }, prompt };
}

test('the moments of a mixture give back its parameters', async (t) => {
  const repeats = 24;
  const found = await Promise.all(
    Array.from({ length: repeats }, async (_, seed) => {
      const { data, prompt } = await sample(mixture, 400, seed, 0.7);
      return (await images.estimateMixture(data, prompt)).moments;
    }),
  );
  const expected = { ...mixture, inverseTemperature: 0.7 };
  for (const name of ['contextNorm', 'signalNorm', 'noiseLevel', 'correlation', 'inverseTemperature'] as const) {
    const { mean, standardError } = meanAndError(
      found.map(({ mixture: estimated, inverseTemperature }) => ({ ...estimated, inverseTemperature })[name]),
    );
    // The bias of a square root or a quotient is of the order of the variance, 1/400 of the size of the value.
    t.true(
      Math.abs(mean - expected[name]) < 4 * standardError + expected[name] / 400,
      `${name} ${mean} ± ${standardError}`,
    );
  }
  t.is(found[0]?.mixture.relevantTokens, 3);
});

for (const [name, relevantNoiseLevel] of [
  ['without', 0],
  ['with', 0.5],
] as const)
  test(`on data of a mixture every plug-in predicts the error of a least-squares head: ${name} noise of relevant tokens`, async (t) => {
    const inverseTemperature = 0.6;
    const plain = { ...uncorrelated, relevantNoiseLevel };
    const head = { kind: 'least-squares' } as const;
    const estimates = await Promise.all(
      Array.from({ length: 8 }, async (_, seed) => {
        const { data, prompt } = await sample(plain, 5000, seed, inverseTemperature);
        return images.estimateMixture(data, prompt);
      }),
    );
    const level = meanAndError(estimates.map((estimate) => estimate.relevantNoiseLevel));
    t.true(Math.abs(level.mean - relevantNoiseLevel) <= 4 * level.standardError);
    for (const examples of [12, 60, 200, 2000]) {
      const law = await risk.knownPrompt({ mixture: plain, inverseTemperature, head, examples });
      const near = (name: string, errors: readonly number[]) => {
        const { mean, standardError } = meanAndError(errors.map((error) => Math.log(error / law.error)));
        // The law's own draws leave it uncertain by about 2 % where errors are small.
        t.true(Math.abs(mean) < 4 * standardError + 0.02, `${name} ${examples}: ${mean} ± ${standardError}`);
      };
      const lawOf = async (plugIn: images.PlugIn) => (await risk.knownPrompt({ ...plugIn, head, examples })).error;
      near('moments', await Promise.all(estimates.map(({ moments }) => lawOf(moments))));
      // The head of least norm does see a linear map of its features: the other two are for n > d.
      if (examples < plain.dimension) continue;
      near('effective', await Promise.all(estimates.map(({ effective }) => lawOf(effective))));
      near(
        'measured',
        estimates.map(({ measured }) => images.measuredNoiseRisk(measured, examples / plain.dimension)),
      );
    }
    const { relevantAttention } = await risk.knownPrompt({ mixture: plain, inverseTemperature, head, examples: 100 });
    const masses = meanAndError(estimates.map((estimate) => estimate.relevantAttention));
    t.true(Math.abs(masses.mean - relevantAttention) < 4 * masses.standardError + 0.002);
    const along = meanAndError(estimates.map(({ promptNoiseLevel }) => promptNoiseLevel));
    t.true(Math.abs(along.mean - 0.8) < 4 * along.standardError);
  });

test('the risk with measured noise is the law of a simulation with the same A and s', async (t) => {
  // One relevant token and one other: A and s of the mixture itself, and the simulation of its heads.
  const two = { tokens: 2, dimension: 400, relevantTokens: 1, contextNorm: 1, signalNorm: 1.2, noiseLevel: 1 };
  const { data, prompt } = await sample(two, 20_000, 3, 0.5);
  const attention = await promptAttention.attention({ prompt, head: new Float64Array(400) }, data);
  const masses = Float64Array.from({ length: 20_000 }, (_, i) =>
    data.relevance[2 * i] ? (attention[2 * i] as number) : (attention[2 * i + 1] as number),
  );
  const scales = masses.map((mass) => 1 - mass);
  for (const ratio of [0.4, 1.5, 4]) {
    const law = images.measuredNoiseRisk({ masses, scales, signalNorm: 1.2 }, ratio);
    const { metrics } = await simulate(
      {
        kind: 'known-prompt',
        mixture: two,
        examples: Math.round(400 * ratio),
        inverseTemperature: 0.5,
        head: { kind: 'least-squares' },
      },
      { trials: 60, seed: 2 },
    );
    const { mean, standardError } = meanAndError(metrics.error);
    // Beside the Monte Carlo error, corrections of order 1/d.
    t.true(Math.abs(mean - law) < 4 * standardError + 4 / 400, `${ratio} ${mean} ± ${standardError} ${law}`);
  }
});

test('the risk with measured noise: closed form for equal scales, a half at the threshold, bad ratios refused', (t) => {
  const same = { masses: new Float64Array(10).fill(0.5), scales: new Float64Array(10).fill(1), signalNorm: 3 };
  const snr = 1.5 ** 2;
  const { error } = risk.longContext({
    mixture: { tokens: 100, dimension: 10, relevantFraction: 0.5, contextNorm: 1, signalNorm: Math.sqrt(snr / 50) },
    sampleRatio: 3,
    inverseTemperature: 0,
    head: { kind: 'least-squares' },
  });
  t.true(Math.abs(images.measuredNoiseRisk(same, 3) / error - 1) < 1e-9);
  t.is(images.measuredNoiseRisk(same, 1), 0.5);
  const ratios = [0.01, 0.5, 0.99, 1.01, 2, 100, 1e6].map((ratio) => images.measuredNoiseRisk(same, ratio));
  t.true(ratios.every((value) => value > 0 && value <= 0.5));
  // Q(1.5): everything known.
  t.true(Math.abs((ratios.at(-1) as number) - 0.0668072) < 1e-5);
  for (const ratio of [0, -1, Number.NaN])
    t.throws(() => images.measuredNoiseRisk(same, ratio), { message: /^sampleRatio must be a number > 0/ });
});

test('pooled features are the sums of tokens that attention weighs', async (t) => {
  const { data, prompt } = await sample(mixture, 5, 1, 1);
  const features = await images.pooledFeatures(data, prompt);
  for (let i = 0; i < 5; ++i) {
    const scores = Array.from({ length: 12 }, (_, s) =>
      prompt.reduce((sum, value, j) => sum + value * (data.tokens[(12 * i + s) * 20 + j] as number), 0),
    );
    const weights = scores.map(Math.exp);
    const total = weights.reduce((a, b) => a + b);
    for (let j = 0; j < 20; ++j) {
      const expected = weights.reduce(
        (sum, weight, s) => sum + (weight / total) * (data.tokens[(12 * i + s) * 20 + j] as number),
        0,
      );
      t.true(Math.abs((features[20 * i + j] as number) - expected) < 1e-13);
    }
  }
});

test('estimates need enough examples with equally many relevant tokens', async (t) => {
  const { data, prompt } = await sample(mixture, 200, 1, 1);
  await t.throwsAsync(images.estimateMixture(data, prompt.subarray(1)), {
    message: /^prompt must be of length d = 20/,
  });
  const few = (await sample(mixture, 50, 1, 1)).data;
  await t.throwsAsync(images.estimateMixture(few, prompt), { message: /^examples\.examples must be an integer ≥ 100/ });
  const relevance = data.relevance.slice();
  relevance.fill(1, 0, 12);
  await t.throwsAsync(images.estimateMixture({ ...data, relevance }, prompt), {
    message: /^examples\.relevance must be with the same number of relevant tokens/,
  });
});
