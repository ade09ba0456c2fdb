import test from 'ava';
import { firstCrossing, ladderOf } from '../../lib/complexity/crossing.js';
import { OptionRangeError, risk, simulate } from '../../lib/index.js';
import { meanAndError } from '../support/statistics.js';

const readme = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
const rich = {
  tokens: 16,
  relevantTokens: 4,
  dimension: 200,
  contextNorm: 1.2,
  signalNorm: 0.9,
  correlation: 0.4,
  noiseLevel: 0.8,
  positiveRate: 0.35,
  confusion: [
    { deltaQ: 0.3, deltaW: -0.4, probability: 0.6 },
    { deltaQ: -0.2, deltaW: 0.5, probability: 0.4 },
  ],
};

test('the answer is the first n whose error is at most the target, or there is none', async (t) => {
  for (const head of [
    { kind: 'averaging' },
    { kind: 'least-squares', ridge: 0.05 },
    { kind: 'logistic', ridge: 0.02 },
    { kind: 'hinge', ridge: 0.05 },
  ] as const) {
    const common = { mixture: rich, inverseTemperature: 0.7, head, draws: 2000 };
    const { inverseTemperature } = common;
    const experiment = { kind: 'known-prompt', mixture: rich, inverseTemperature, head } as const;
    const far = (await risk.knownPrompt({ ...common, sampleRatio: 1e8 })).error;
    const targetError = Math.max(far + 0.01, (await risk.knownPrompt({ ...common, examples: 300 })).error);
    const answer = await risk.sampleComplexity({ experiment, targetError, draws: 2000 });
    if (!('examples' in answer)) return t.fail(JSON.stringify(answer));
    t.true((await risk.knownPrompt({ ...common, examples: answer.examples })).error <= targetError);
    t.true((await risk.knownPrompt({ ...common, examples: answer.examples - 1 })).error > targetError);
    t.true(Math.abs(answer.sampleRatio - answer.examples / 200) <= 1 / 200 && answer.standardError > 0);
    t.true(answer.reliable && answer.lasting && answer.examples >= answer.smallestExamples);
    const never = await risk.sampleComplexity({ experiment, targetError: 0.5 * far, draws: 2000 });
    t.true('unreachable' in never && Math.abs(never.limit - far) < 1e-6);
  }
});

test('three steps: the answer is a crossing of the law', async (t) => {
  const experiment = {
    kind: 'three-step',
    mixture: { tokens: 20, dimension: 100, relevantFraction: 0.2, contextNorm: 2, signalNorm: 1 },
    stepSizes: [1, 5, 1],
  } as const;
  const answer = await risk.sampleComplexity({ experiment, targetError: 0.1, draws: 500 });
  if (!('examples' in answer)) return t.fail(JSON.stringify(answer));
  const errorAt = async (examples: number) => (await risk.threeStep({ ...experiment, examples, draws: 500 })).error;
  t.true((await errorAt(answer.examples)) <= 0.1 && (await errorAt(answer.examples - 1)) > 0.1);
  t.true('unreachable' in (await risk.sampleComplexity({ experiment, targetError: 1e-9, draws: 500 })));
});

test('below the n where the law holds there is no answer, and it is not far off where there is one', async (t) => {
  const experiment = {
    kind: 'known-prompt',
    mixture: readme,
    inverseTemperature: 0.5,
    head: { kind: 'least-squares' },
  } as const;
  const answer = await risk.sampleComplexity({ experiment, targetError: 0.05, draws: 5000 });
  // Formerly n = 10, where simulation has .146.
  if (!('outOfRange' in answer)) return t.fail(JSON.stringify(answer));
  const { smallestExamples, error } = answer;
  const { metrics } = await simulate({ ...experiment, examples: smallestExamples }, { trials: 200, seed: 1 });
  const simulated = meanAndError(metrics.error);
  t.true(error <= 0.05 && simulated.mean < 0.05, `${simulated.mean}`);
  t.true(Math.abs(simulated.mean / error - 1) < 0.15, `${simulated.mean} ${error}`);
  t.is(answer.outOfRange, true);
});

test('answers are certified by simulation at their neighbours', async (t) => {
  const head = { kind: 'least-squares', ridge: 0.1 } as const;
  const experiment = { kind: 'known-prompt', mixture: readme, inverseTemperature: 0.5, head } as const;
  const certified = await risk.sampleComplexity({
    experiment,
    targetError: 0.0125,
    draws: 4000,
    certify: { trials: 400 },
  });
  if (!('examples' in certified)) return t.fail(JSON.stringify(certified));
  const { certificate, examples } = certified;
  t.is(certificate?.verdict, 'confirmed', JSON.stringify(certificate));
  const [before, at, after] = certificate?.points ?? [];
  t.deepEqual(
    [before?.examples, at?.examples, after?.examples],
    [Math.floor(0.8 * examples), examples, Math.ceil(1.25 * examples)],
  );
  for (const point of [before, at, after])
    t.true(Math.abs((point?.error ?? 0) / (point?.lawError ?? 1) - 1) < 0.1 && point?.failed === 0);
  const few = await risk.sampleComplexity({
    experiment,
    targetError: 0.0125,
    draws: 4000,
    certify: { trials: 2, seed: 3 },
  });
  t.true('examples' in few && few.certificate?.points[1].standardError !== at?.standardError);
  t.false('certificate' in (await risk.sampleComplexity({ experiment, targetError: 0.0125, draws: 1000 })));
});

test('of a double descent the first crossing is the answer, and does not last', async (t) => {
  const mixture = { ...readme, dimension: 800 };
  const head = { kind: 'least-squares' } as const;
  const experiment = { kind: 'known-prompt', mixture, inverseTemperature: 0.5, head } as const;
  const answer = await risk.sampleComplexity({ experiment, targetError: 0.028, draws: 4000, certify: { trials: 100 } });
  if (!('examples' in answer)) return t.fail(JSON.stringify(answer));
  t.true(answer.examples > answer.smallestExamples && answer.examples < 400 && !answer.lasting, JSON.stringify(answer));
  // The neighbour after the answer is before the error rises again.
  const after = answer.certificate?.points[2];
  t.true((after?.lawError ?? 1) <= 0.028 && (after?.examples ?? 0) <= Math.ceil(1.25 * answer.examples));
  const peak = await risk.knownPrompt({ ...experiment, examples: 800, draws: 2000 });
  t.true(Math.abs(peak.error - 0.5) < 1e-12);
});

test('without noise of the draws the limit decides', async (t) => {
  // At τ = 0 nothing is drawn: the limit is exact.
  const head = { kind: 'averaging' } as const;
  const experiment = { kind: 'known-prompt', mixture: readme, inverseTemperature: 0, head } as const;
  const { error: limit } = await risk.knownPrompt({ ...experiment, sampleRatio: 1e8 });
  const never = await risk.sampleComplexity({ experiment, targetError: limit * (1 - 1e-6) });
  t.true('unreachable' in never && never.limit === limit && never.standardError === 0);
  const late = await risk.sampleComplexity({ experiment, targetError: limit * 1.001 });
  t.true('examples' in late && late.examples > 1e4 && late.standardError === 0);
  // With noise a target within it of the limit is not decided.
  const noisy = { ...experiment, inverseTemperature: 0.5 };
  const law = await risk.knownPrompt({ ...noisy, sampleRatio: 1e8, draws: 64 * 16 });
  const close = await risk.sampleComplexity({
    experiment: noisy,
    targetError: law.error - 0.01 * law.standardError,
    draws: 64,
  });
  t.false('unreachable' in close && close.limit - 1.96 * close.standardError <= law.error - 0.01 * law.standardError);
});

test('crossings of known functions', async (t) => {
  const law = (f: (n: number) => number) => async (examples: readonly number[]) =>
    examples.map((n) => ({ error: f(n), standardError: 0.01 * f(n), effectiveDraws: 1, reliable: true }));
  const crossing = async (f: (n: number) => number, target: number, screen = f) => {
    const ladder = ladderOf(10, 1e12, { dense: 1e4, perDecade: 8, perDecadeAbove: 4 });
    return (await firstCrossing({ screen: law(screen), law: law(f), lanes: 2 }, ladder, target)).found;
  };
  const found = await crossing((n) => 1 / n, 1 / 777.5);
  t.true(typeof found === 'object' && found.at.examples === 778 && Math.abs(found.examples - 777.5) < 1e-3);
  t.true(typeof found === 'object' && Math.abs(found.standardError - 7.8) < 0.1 && found.lasting);
  const far = await crossing((n) => 1 / n, 1e-10);
  t.true(typeof far === 'object' && Math.abs(far.examples - 1e10) < 100);
  const screened = await crossing(
    (n) => 1 / n,
    1 / 777.5,
    (n) => 1 / n / (1 + 100 / n),
  );
  t.true(typeof screened === 'object' && screened.at.examples === 778 && screened.before.examples === 777);
  t.is(await crossing((n) => 1 / n, 0.2), 'first');
  t.is(await crossing((n) => 0.1 + 1 / n, 0.1), 'none');
  // A dip between rungs: a parabola in the logarithms, 0.15 wide where rungs are 0.29 apart.
  const rung = Math.log(100);
  const dip = (n: number) => 0.2 + (Math.log(n) - rung - 0.13) ** 2;
  const dipped = await crossing(dip, 0.201);
  t.true(typeof dipped === 'object' && !dipped.lasting && dip(dipped.at.examples) <= 0.201);
  t.true(typeof dipped === 'object' && dip(dipped.at.examples - 1) > 0.201);
});

test('options are validated', async (t) => {
  const head = { kind: 'averaging' } as const;
  const experiment = { kind: 'known-prompt', mixture: readme, inverseTemperature: 0.5, head } as const;
  const certify = { trials: 1 };
  await t.throwsAsync(risk.sampleComplexity({ experiment, targetError: 0.1, certify }), {
    instanceOf: OptionRangeError,
    message: /^certify\.trials/,
  });
});
