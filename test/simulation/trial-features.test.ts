import test from 'ava';
import { fitHead, type KnownPromptExperiment, simulate, trialFeatures } from '../../lib/index.js';

const mixture = { tokens: 8, dimension: 30, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1, correlation: 0.3 };
const heads = [
  { kind: 'averaging' },
  { kind: 'least-squares' },
  { kind: 'least-squares', ridge: 0.1 },
  { kind: 'logistic', ridge: 0.1 },
  { kind: 'hinge', ridge: 0.1 },
] as const;

test('a head fitted on the features of a trial is the head of that trial', async (t) => {
  for (const examples of [20, 70])
    for (const head of heads.slice(1)) {
      const experiment = { kind: 'known-prompt', mixture, examples, inverseTemperature: 0.6, head } as const;
      const { metrics } = await simulate({ ...experiment, solver: 'direct' }, { trials: 2, firstTrial: 3, seed: 9 });
      const { features, labels } = await trialFeatures(experiment, { seed: 9, trial: 4 });
      t.is(features.length, examples * 30);
      const { head: w } = await fitHead(features, labels, head);
      t.is(Math.hypot(...w).toPrecision(12), metrics.headNorm?.[1]?.toPrecision(12) as string);
    }
});

test('features and labels are those of the model, and depend on the trial', async (t) => {
  const experiment = { kind: 'known-prompt', mixture, examples: 4000, inverseTemperature: 0, head: heads[0] } as const;
  const { features, labels } = await trialFeatures(experiment, { seed: 1 });
  // Mean pooling: E[y v] = (k/T) w⋆, and the label is ±1.
  const mean = (j: number) => labels.reduce((sum, y, i) => sum + y * (features[i * 30 + j] as number), 0) / 4000;
  t.true(labels.every((y) => Math.abs(y) === 1));
  t.true(Math.abs(mean(0) - 0.25 * 0.3) < 0.03);
  t.true(Math.abs(mean(1) - 0.25 * Math.sqrt(1 - 0.09)) < 0.03);
  t.true(Math.abs(mean(2)) < 0.03);
  t.deepEqual(await trialFeatures(experiment, { seed: 1, trial: 0 }), { features, labels });
  t.notDeepEqual((await trialFeatures(experiment, { seed: 1, trial: 1 })).features, features);
});

test('refuses other kinds and noise that is not Gaussian', async (t) => {
  const experiment = { kind: 'known-prompt', mixture, examples: 4, inverseTemperature: 0, head: heads[0] } as const;
  await t.throwsAsync(
    trialFeatures({ ...experiment, kind: 'three-step' } as unknown as KnownPromptExperiment, { seed: 1 }),
  );
  await t.throwsAsync(trialFeatures({ ...experiment, mixture: { ...mixture, noise: 'uniform' } }, { seed: 1 }), {
    message: /^experiment\.mixture\.noise must be 'gaussian'/,
  });
});
