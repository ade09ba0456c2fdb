import { z } from 'zod';
import { canonicalJson } from '../base/hash.js';
import { integerFrom, parseOptions, seedSchema } from '../base/options.js';
import { simulate } from '../simulation/simulate.js';
import { CellAccumulator, intervalFactor, storedResults } from '../study/statistics.js';
import { experimentAt, pointSchema } from './laws.js';

/** Trials of one point. */
const kMostTrials = 100_000;
/** Points whose trials are kept, for when a slider comes back. */
const kMostKept = 2000;

const schema = z.strictObject({
  experiment: z.looseObject({}, { error: 'an experiment' }),
  point: pointSchema,
  trials: integerFrom(2, kMostTrials),
  seed: seedSchema.default(1),
  testDraws: integerFrom(1, 100_000).default(300),
});

/** The trials of a point so far. */
interface Kept {
  readonly accumulator: CellAccumulator;
  /** When those that are being run are done. */
  busy: Promise<void>;
}

/** Runs trials of points, and keeps what they said: asked for more, it runs what is missing. */
export class TrialsAtPoints {
  private readonly kept = new Map<string, Kept>();

  private at(key: string): Kept {
    const known = this.kept.get(key) ?? { accumulator: new CellAccumulator(), busy: Promise.resolve() };
    // The last one to be asked for is the last one to be forgotten.
    this.kept.delete(key);
    this.kept.set(key, known);
    const [oldest] = this.kept.keys();
    if (this.kept.size > kMostKept && oldest !== undefined) this.kept.delete(oldest);
    return known;
  }

  /** Means with 95 % intervals over at least so many trials. */
  async answer(question: unknown, signal: AbortSignal): Promise<unknown> {
    const { experiment, point, trials, seed, testDraws } = parseOptions(schema, question, '');
    const resolved = experimentAt(experiment, point, 'experiment');
    const at = this.at(canonicalJson({ resolved, seed: String(seed), testDraws }));
    const before = at.busy;
    const run = async () => {
      await before;
      const done = at.accumulator.trials;
      if (done >= trials) return;
      const more = await simulate(resolved, { trials: trials - done, firstTrial: done, seed, testDraws, signal });
      at.accumulator.add(storedResults({ metrics: more.metrics, status: more.status, testError: more.testError }));
    };
    const work = run();
    at.busy = work.catch(() => {});
    await work;
    const { failed, marks, intervalLow, intervalHigh, meanError, metrics, ...rest } = at.accumulator.statistics();
    const factor = intervalFactor(rest.trials - failed);
    return {
      trials: rest.trials,
      failed,
      marks,
      metrics: {
        error: { mean: meanError, low: Math.max(0, intervalLow), high: Math.min(1, intervalHigh) },
        ...Object.fromEntries(
          Object.entries(metrics).map(([name, { mean, standardError }]) => [
            name,
            { mean, low: mean - factor * standardError, high: mean + factor * standardError },
          ]),
        ),
      },
    };
  }
}
