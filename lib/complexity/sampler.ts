import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { z } from 'zod';
import { StudyError } from '../errors.js';
import { hashKey, parseExperiment } from '../experiment.js';
import { simulate } from '../simulate.js';

/** What is known of the mean error at one n. */
export interface SampledPoint {
  /** n. */
  readonly examples: number;
  /** Trials, failed ones included. */
  readonly trials: number;
  /** Trials that failed, and are not in the mean. */
  readonly failed: number;
  /** Mean test error. */
  readonly error: number;
  /** Its Monte Carlo standard error; NaN with fewer than two trials. */
  readonly standardError: number;
}

const batchSchema = z.strictObject({
  key: z.string(),
  failed: z.number(),
  count: z.number(),
  mean: z.number(),
  squares: z.number(),
});
type Batch = z.output<typeof batchSchema>;

/** Finished batches by key, in a file of one JSON object per line; a last line that was cut off does not count. */
export class BatchFile {
  private readonly known = new Map<string, Batch>();

  constructor(private readonly path: string | undefined) {
    if (path === undefined || !existsSync(path)) return;
    const text = readFileSync(path, 'utf8');
    const end = text.lastIndexOf('\n') + 1;
    if (end < text.length) truncateSync(path, Buffer.byteLength(text.slice(0, end)));
    const lines = text.slice(0, end).split('\n').slice(0, -1);
    for (const [index, line] of lines.entries()) {
      const batch = batchSchema.safeParse(parsed(line));
      if (!batch.success) throw new StudyError(`${path}: line ${index + 1} is no batch of a sample complexity`);
      this.known.set(batch.data.key, batch.data);
    }
  }

  async of(key: string, compute: () => Promise<Omit<Batch, 'key'>>): Promise<Batch> {
    const found = this.known.get(key);
    if (found !== undefined) return found;
    const batch = { key, ...(await compute()) };
    this.known.set(key, batch);
    if (this.path !== undefined) appendFileSync(this.path, `${JSON.stringify(batch)}\n`);
    return batch;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** How trials are run. */
export interface SamplerOptions {
  readonly seed: number | bigint;
  readonly threads: number | undefined;
  readonly testDraws: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Mean errors of an experiment at any n, from trials that are added batch by batch. */
export class Sampler {
  private readonly points = new Map<
    number,
    { trials: number; failed: number; count: number; mean: number; squares: number }
  >();
  /** Trials in all. */
  trials = 0;

  constructor(
    private readonly experimentAt: (examples: number) => unknown,
    private readonly options: SamplerOptions,
    private readonly file: BatchFile,
  ) {}

  /** Adds trials at n and tells what is known there. */
  async add(examples: number, trials: number): Promise<SampledPoint> {
    const point = this.points.get(examples) ?? { trials: 0, failed: 0, count: 0, mean: 0, squares: 0 };
    const experiment = parseExperiment(this.experimentAt(examples), 'experiment');
    const { seed, ...rest } = this.options;
    const firstTrial = point.trials;
    const identity = { experiment, seed: String(seed), testDraws: rest.testDraws ?? null, firstTrial, trials };
    const batch = await this.file.of([...hashKey(identity)].join('-'), async () => {
      const { metrics, status } = await simulate(experiment as never, { seed, ...rest, firstTrial, trials });
      const errors = metrics.error.filter((_, i) => status[i] === 0);
      const mean = errors.reduce((sum, error) => sum + error, 0) / Math.max(errors.length, 1);
      const squares = errors.reduce((sum, error) => sum + (error - mean) ** 2, 0);
      return { failed: trials - errors.length, count: errors.length, mean, squares };
    });
    const count = point.count + batch.count;
    const change = batch.mean - point.mean;
    if (batch.count > 0) {
      point.squares += batch.squares + (change ** 2 * point.count * batch.count) / count;
      point.mean += (change * batch.count) / count;
      point.count = count;
    }
    point.trials += trials;
    point.failed += batch.failed;
    this.trials += trials;
    this.points.set(examples, point);
    return this.at(examples);
  }

  /** What is known at n. */
  at(examples: number): SampledPoint {
    const { trials, failed, count, mean, squares } = this.points.get(examples) as NonNullable<
      ReturnType<typeof this.points.get>
    >;
    return {
      examples,
      trials,
      failed,
      error: count > 0 ? mean : Number.NaN,
      standardError: count > 1 ? Math.sqrt(squares / (count - 1) / count) : Number.NaN,
    };
  }

  /** All that is known, by n. */
  all(): readonly SampledPoint[] {
    return [...this.points.keys()].sort((a, b) => a - b).map((examples) => this.at(examples));
  }
}
