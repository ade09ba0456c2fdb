import test from 'ava';
import { risk, simulate } from '../../lib/index.js';
import { Stream } from '../audit/reference/random.js';
import { meanAndError } from '../support/statistics.js';

const settings = [
  { mixture: { tokens: 8, dimension: 100, relevantTokens: 2, contextNorm: 2, signalNorm: 1 }, examples: 1500 },
  {
    mixture: { tokens: 4, dimension: 50, relevantTokens: 1, contextNorm: 1.5, signalNorm: 1.2, correlation: 0.3 },
    ...{ examples: 800, loss: 'logistic' as const },
  },
  {
    mixture: { tokens: 6, dimension: 40, relevantTokens: 3, contextNorm: 1, signalNorm: 0.8 },
    ...{ examples: 3000, optimizer: { kind: 'momentum' as const, momentum: 0.5 } },
  },
];

for (const [i, setting] of settings.entries())
  test(`no random step sizes and numbers of steps are better, setting ${i}`, async (t) => {
    const best = await risk.optimalSteps({ ...setting, mostSteps: 6 });
    t.true(best.reliable);
    t.true(best.error > 0 && best.error < 0.4);
    t.true(best.bySteps.some(({ steps }) => steps === best.steps));
    t.is(best.examplesPerStep, Math.floor(setting.examples / best.steps));
    const stream = new Stream(20 + i);
    for (let tried = 0; tried < 40; tried++) {
      const steps = stream.pick([1, 2, 3, 4, 5, 6]);
      const stepSizes = { head: stream.logBetween(0.02, 3), prompt: stream.logBetween(0.1, 30) };
      const { error, standardError, reliable } = await risk.gradientDescent({
        ...{ ...setting, data: 'fresh', model: 'prompt-attention', examples: Math.floor(setting.examples / steps) },
        ...{ steps, stepSizes, recordEvery: steps, seed: 9 },
      });
      const z = ((error[1] as number) - best.error) / Math.hypot(standardError[1] as number, best.standardError);
      // Refined to a factor of 2^(1/8): a percent of the error may be left.
      t.true(
        !reliable[1] || z > -4 || (error[1] as number) > 0.97 * best.error,
        `${z} at ${steps} ${JSON.stringify(stepSizes)}`,
      );
    }
  });

test('simulation has the error that is promised', async (t) => {
  for (const setting of settings) {
    const { steps, stepSizes, examplesPerStep, error, standardError } = await risk.optimalSteps({
      ...{ ...setting, mostSteps: 4 },
    });
    const experiment = {
      ...{ ...setting, kind: 'gradient-descent' as const, data: 'fresh' as const, model: 'prompt-attention' as const },
      ...{ steps, stepSizes, examples: examplesPerStep },
    };
    const { metrics } = await simulate(experiment, { trials: 1000, seed: 4, testDraws: 500 });
    const simulated = meanAndError(metrics.error);
    const z = (simulated.mean - error) / Math.hypot(simulated.standardError, standardError);
    t.true(Math.abs(z) < 4, `z = ${z}: ${simulated.mean} for ${error}`);
  }
});

test('more examples and more steps to choose from are no worse', async (t) => {
  const { mixture } = settings[0] as (typeof settings)[0];
  const at = (examples: number, mostSteps: number) => risk.optimalSteps({ mixture, examples, mostSteps });
  const few = await at(200, 6);
  const more = await at(900, 3);
  const most = await at(900, 6);
  const noise = (a: typeof few, b: typeof few) => 4 * Math.hypot(a.standardError, b.standardError);
  t.true(more.error < few.error - noise(more, few), `${more.error} and ${few.error}`);
  t.true(most.error < more.error + noise(most, more), `${most.error} and ${more.error}`);
  t.deepEqual(await at(200, 6), few);
});

test('mean pooling: no prompt to move', async (t) => {
  const { mixture } = settings[0] as (typeof settings)[0];
  const pooled = await risk.optimalSteps({ mixture, examples: 1500, model: 'mean-pooling', mostSteps: 3, draws: 4096 });
  t.is(pooled.stepSizes.prompt, 0);
  t.true(pooled.error > 0.1 && pooled.error < 0.5);
});

test('refuses what it has no law for', async (t) => {
  const good = {
    mixture: { tokens: 8, dimension: 100, relevantTokens: 2, contextNorm: 2, signalNorm: 1 },
    examples: 100,
  };
  const cases: readonly [object, RegExp][] = [
    [{ examples: 0 }, /^examples must be/],
    [{ mostSteps: 0 }, /^mostSteps must be/],
    [{ model: 'linear-attention' }, /^model must be/],
    [{ optimizer: 'adam' }, /^optimizer/],
    [{ steps: 3 }, /^steps must be left out/],
    [{ mixture: { ...good.mixture, dimension: 5 } }, /dimension below 8/],
    [{ mixture: { ...good.mixture, noise: 'uniform' } }, /^mixture/],
  ];
  for (const [change, message] of cases)
    await t.throwsAsync(risk.optimalSteps({ ...good, ...change } as Parameters<typeof risk.optimalSteps>[0]), {
      message,
    });
  const aborted = AbortSignal.abort(new Error('enough'));
  await t.throwsAsync(risk.optimalSteps({ ...good, signal: aborted }), { message: 'enough' });
});
