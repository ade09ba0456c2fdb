import test from 'ava';
import { OptionRangeError, OptionTypeError, type Simulation, simulate, summary } from '../../lib/index.js';
import { cellStatistics, storedResults } from '../../lib/study/statistics.js';

const mixture = { tokens: 8, dimension: 20, relevantTokens: 2, contextNorm: 1.5, signalNorm: 1 } as const;
const experiment = {
  kind: 'known-prompt',
  mixture,
  examples: 60,
  inverseTemperature: 0.5,
  head: { kind: 'least-squares' },
} as const;

/** A simulation with the given test errors; the last trial failed. */
async function simulationOf(error: readonly number[]): Promise<Simulation> {
  const trials = error.length + 1;
  const { engine } = await simulate(experiment, { trials: 1, seed: 1 });
  const metrics = {
    error: Float64Array.of(...error, Number.NaN),
    // That of a failed trial is left out, also where it is a number.
    solverIterations: Float64Array.of(...error.map((_, i) => i + 1), 1e9),
  };
  const status = new Uint8Array(trials);
  status[trials - 1] = 4;
  return { trials, firstTrial: 0, method: 'projected', metrics, status, effectiveDraws: 0, reliable: true, engine };
}

test('means, standard errors, intervals and quantiles by hand', async (t) => {
  const simulation = await simulationOf([0.4, 0.1, 0.3, 0.2]);
  const { trials, failed, confidence, metrics } = summary(simulation, { quantiles: [0, 0.5, 1] });
  t.deepEqual([trials, failed, confidence], [5, 1, 0.95]);
  const { mean, standardError, intervalLow, intervalHigh, quantiles } = metrics.error;
  const close = (actual: number | undefined, expected: number) =>
    t.true(Math.abs((actual ?? Number.NaN) - expected) < 1e-12, `${actual} ${expected}`);
  close(mean, 0.25);
  close(standardError, Math.sqrt(0.05 / 3 / 4));
  // The 97.5 % quantile of Student's t with three degrees of freedom.
  t.true(Math.abs(intervalHigh - mean - 3.182446305 * standardError) < 1e-9);
  close(intervalLow + intervalHigh, 0.5);
  t.deepEqual(
    quantiles.map(({ level }) => level),
    [0, 0.5, 1],
  );
  for (const [i, expected] of [0.1, 0.25, 0.4].entries()) close(quantiles[i]?.value, expected);
  t.is(metrics.solverIterations?.mean, 2.5);
  t.is(metrics.error.exceedance, undefined);
});

test('other levels of confidence: Student quantiles of tables', async (t) => {
  const simulation = await simulationOf([0.4, 0.1, 0.3, 0.2]);
  for (const [confidence, factor] of [
    [0.9, 2.353363435],
    [0.99, 5.84090931],
  ] as const) {
    const { mean, standardError, intervalHigh } = summary(simulation, { confidence }).metrics.error;
    t.true(Math.abs((intervalHigh - mean) / standardError - factor) < 1e-8);
  }
});

test('the probability to exceed a threshold has an interval that covers, also where it is 0 or 1', async (t) => {
  const simulation = await simulationOf([0.4, 0.1, 0.3, 0.2]);
  const at = (threshold: number) => summary(simulation, { thresholds: { error: threshold } }).metrics.error.exceedance;
  // Clopper and Pearson's intervals of 1, 0 and 4 of 4: a table.
  const one = at(0.3);
  t.is(one?.probability, 0.25);
  t.true(Math.abs((one?.standardError ?? 0) - 0.25) < 1e-12);
  t.true(Math.abs((one?.intervalLow ?? 0) - 0.006309) < 1e-6);
  t.true(Math.abs((one?.intervalHigh ?? 0) - 0.80588) < 1e-6);
  t.deepEqual([at(0.4)?.probability, at(0.4)?.intervalLow], [0, 0]);
  t.true(Math.abs((at(0.4)?.intervalHigh ?? 0) - 0.602365) < 1e-6);
  t.deepEqual([at(0)?.probability, at(0)?.intervalHigh], [1, 1]);
  t.true(Math.abs((at(0)?.intervalLow ?? 0) - 0.397635) < 1e-6);
});

test('a summary has the digits of a row of a study', async (t) => {
  const simulation = await simulate(experiment, { trials: 50, seed: 1 });
  const { metrics, effectiveTrials, marks, failed } = summary(simulation);
  const row = cellStatistics(storedResults({ ...simulation, path: undefined }));
  const { mean, standardError, intervalLow, intervalHigh, quantiles } = metrics.error;
  t.deepEqual(
    [mean, standardError, intervalLow, intervalHigh, effectiveTrials, marks, failed],
    [row.meanError, row.standardError, row.intervalLow, row.intervalHigh, row.effectiveTrials, row.marks, row.failed],
  );
  t.deepEqual(
    quantiles.map(({ value }) => value),
    [row.quantile5, row.quantile50, row.quantile95],
  );
  t.deepEqual(Object.keys(metrics), Object.keys(simulation.metrics));
  t.is(metrics.headNorm?.mean, row.metrics.headNorm?.mean);
});

test('metrics along the training have means and intervals at every record', async (t) => {
  const training = {
    kind: 'gradient-descent',
    mixture,
    examples: 30,
    model: 'prompt-attention',
    steps: 4,
    stepSizes: { head: 0.1, prompt: 0.1 },
    recordEvery: 2,
  } as const;
  const simulation = await simulate(training, { trials: 10, seed: 1 });
  const { path, metrics } = summary(simulation);
  t.deepEqual([...(path?.steps ?? [])], [0, 2, 4]);
  t.is(path?.metrics.error?.mean[2], metrics.error.mean);
  t.is(path?.metrics.error?.intervalHigh[2], metrics.error.intervalHigh);
  t.is(path?.metrics.error?.intervalLow.length, 3);
});

test('without a trial that ran through everything is NaN, with one there is no error bar', async (t) => {
  const none = summary(await simulationOf([]), { thresholds: { error: 0.1 } });
  t.deepEqual([none.trials, none.failed, none.reliable], [1, 1, false]);
  const { mean, standardError, quantiles, exceedance } = none.metrics.error;
  for (const value of [mean, standardError, quantiles[1]?.value, exceedance?.probability, exceedance?.intervalHigh])
    t.is(value, Number.NaN);
  const { metrics } = summary(await simulationOf([0.2]));
  t.deepEqual(
    [metrics.error.mean, metrics.error.standardError, metrics.error.intervalLow],
    [0.2, Number.NaN, Number.NaN],
  );
});

test('functions of the metrics of a trial are summed up like metrics', async (t) => {
  const simulation = await simulationOf([0.4, 0.1, 0.3, 0.2]);
  const seen: number[] = [];
  const { metrics } = summary(simulation, {
    derived: {
      accuracy: ({ error = 9 }) => 1 - error,
      product: ({ error = 9, solverIterations = 9 }) => {
        seen.push(solverIterations);
        return error * solverIterations;
      },
    },
    quantiles: [0.5],
    thresholds: { accuracy: 0.65 },
  });
  t.deepEqual(Object.keys(metrics), ['error', 'solverIterations', 'accuracy', 'product']);
  t.true(Math.abs((metrics.accuracy?.mean ?? 9) - (1 - metrics.error.mean)) < 1e-12);
  t.true(Math.abs((metrics.accuracy?.standardError ?? 9) - metrics.error.standardError) < 1e-12);
  t.is(metrics.accuracy?.exceedance?.probability, 0.75);
  t.true(Math.abs((metrics.product?.mean ?? 9) - (0.4 + 0.2 + 0.9 + 0.8) / 4) < 1e-12);
  // Not that of the failed trial.
  t.deepEqual(seen, [1, 2, 3, 4]);
});

test('what is wrong is named', async (t) => {
  const simulation = await simulationOf([0.1, 0.2]);
  const refused = (options: object, message: RegExp, given: unknown = simulation) => {
    const error = t.throws(() => summary(given as Simulation, options));
    t.true(error instanceof OptionRangeError || error instanceof OptionTypeError);
    t.regex(error?.message ?? '', message);
  };
  refused({ quantiles: [2] }, /^quantiles\[0\] must be a number in \[0, 1\]; got 2/);
  refused({ confidence: 1 }, /^confidence must be a number in \(0, 1\); got 1/);
  refused(
    { thresholds: { eror: 0.1 } },
    /^thresholds must be of metrics of the simulation: error, solverIterations; got/,
  );
  refused({ derived: { error: () => 1 } }, /^derived must be names other than those of the simulation, error, solver/);
  refused(
    { derived: { odd: () => Number.NaN } },
    /^derived\.odd must be a function that returns a finite number for trial 0/,
  );
  refused({ derived: { odd: 1 } }, /^derived\.odd must be a function of the metrics of a trial/);
  refused({ quantile: [0.5] }, /^quantile must be left out: there is no such option; did you mean quantiles\?/);
  refused({}, /^simulation must be /, null);
  refused({}, /^simulation.metrics must be /, { trials: 2 });
  refused({}, /^simulation.status must be an array of length 3/, { ...simulation, status: new Uint8Array(2) });
  const metrics = { ...simulation.metrics, headNorm: new Float64Array(4) };
  refused({}, /^simulation.metrics.headNorm must be an array of length 3/, { ...simulation, metrics });
});
