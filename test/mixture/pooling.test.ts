import test from 'ava';
import { native } from '../../lib/base/native.js';
import { type ContextualMixtureOptions, contextualMixture } from '../../lib/index.js';
import { toNativeMixture } from '../../lib/mixture/mixture.js';
import { dot, normalTail, softmax } from '../support/reference.js';
import { meanAndError } from '../support/statistics.js';

const key = { seed: 3n, cellKey: Uint32Array.of(9, 8, 7, 6) };

function nativeTestError(options: ContextualMixtureOptions, prompt: number[], head: number[], draws: number) {
  const mixture = toNativeMixture(contextualMixture(options));
  return native.testError({
    mixture,
    ...key,
    prompt: Float64Array.from(prompt),
    head: Float64Array.from(head),
    draws,
  }).promise;
}

interface CoreMixture {
  readonly tokens: number;
  readonly relevantTokens: number;
  readonly dimension: number;
  readonly contextNorm: number;
  readonly signalNorm: number;
}

/** The same from the stream's numbers, one score after the other in double precision; prompt along e1, head in the plane. */
function plainTestError(mixture: CoreMixture, prompt: number, head: [number, number], draws: number) {
  const { tokens, relevantTokens, contextNorm, signalNorm } = mixture;
  const m = tokens - relevantTokens;
  const normals = native.randomNumbers({
    ...key,
    kind: 'single-normal',
    purpose: 8 * 16 + 4,
    trial: 0,
    first: 0,
    count: m * 16 * Math.ceil(draws / 16),
  });
  const errors = Array.from({ length: draws }, (_, i) => {
    // The noise has the sign of the prompt.
    const g = Array.from(
      { length: m },
      (_, t) => Math.sign(prompt) * (normals[(Math.floor(i / 16) * m + t) * 16 + (i % 16)] as number),
    );
    const phi = softmax([...new Array(relevantTokens).fill(contextNorm * prompt), ...g.map((value) => prompt * value)]);
    const irrelevant = phi.slice(relevantTokens);
    const A = phi.slice(0, relevantTokens).reduce((sum, value) => sum + value, 0);
    const deviation = Math.sqrt(dot(irrelevant, irrelevant)) * Math.abs(head[1]);
    const noise = head[0] * dot(irrelevant, g);
    let sum = 0;
    for (const y of [1, -1]) {
      const mean = A * (contextNorm * head[0] + y * signalNorm * head[1]) + noise;
      sum += 0.5 * normalTail((y * mean) / deviation);
    }
    return sum;
  });
  const total = errors.reduce((sum, value) => sum + value, 0);
  return { ...meanAndError(errors), effectiveDraws: total ** 2 / dot(errors, errors) };
}

test('the normal tail is right to a few roundings from −8 to 37 standard deviations', async (t) => {
  // One irrelevant token and a head orthogonal to the prompt: every draw has the same margin, −δw W.
  for (let z = -8; z <= 37; z += 0.21) {
    const mixture = {
      tokens: 1,
      dimension: 3,
      relevantTokens: 0,
      contextNorm: 1,
      signalNorm: Math.abs(z),
      confusion: [{ deltaQ: 0, deltaW: z < 0 ? 1 : -1, probability: 1 }],
    };
    const { error } = await nativeTestError(mixture, [1, 0, 0], [0, 1, 0], 3);
    t.true(Math.abs(error / normalTail(z) - 1) < 4e-13, `z = ${z}: ${error / normalTail(z) - 1}`);
  }
});

test('pooling by sums of scores equals pooling score by score, whatever the length, the scale and the number of examples', async (t) => {
  // A ladder of shifted scores takes over where plain draws would not do: all but a few of these settings are left.
  let plain = 0;
  for (const irrelevantTokens of [1, 3, 31, 32, 33, 100, 1000])
    for (const prompt of [0.05, 1.5, -1.5, 12, 80])
      for (const draws of [256, 271, 512, 700]) {
        const mixture = {
          tokens: irrelevantTokens + 3,
          relevantTokens: 3,
          dimension: 5,
          contextNorm: 1.1,
          signalNorm: 0.8,
        };
        const head: [number, number] = [0.4, -1.3];
        const { error, effectiveDraws } = await nativeTestError(
          mixture,
          [prompt, 0, 0, 0, 0],
          [...head, 0, 0, 0],
          draws,
        );
        const expected = plainTestError(mixture, prompt, head, draws);
        if (Math.abs(effectiveDraws / expected.effectiveDraws - 1) > 1e-3) continue;
        plain++;
        // Exponents of weights that matter are rounded to 2⁻²⁴ of at most 20.
        t.true(
          Math.abs(error / expected.mean - 1) < 3e-6,
          `${[irrelevantTokens, prompt, draws, error, expected.mean]}`,
        );
      }
  // 129 of 140, on AVX-512: a sum that is wrong would leave fewer.
  t.true(plain >= 127, `${plain}`);
});

test('prompts of any finite length give an error between 0 and 1', async (t) => {
  for (const length of [1e-308, 1e-30, 1e10, 1e100, 1e300])
    for (const relevantTokens of [0, 1, 4]) {
      const mixture = { tokens: 6, relevantTokens, dimension: 3, contextNorm: 1, signalNorm: 1 };
      const { error } = await nativeTestError(mixture, [length, 0, 0], [0, 1, 0], 100);
      t.true(error >= 0 && error <= 1, `${length} ${relevantTokens} ${error}`);
    }
});
