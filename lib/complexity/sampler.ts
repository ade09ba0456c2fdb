import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { z } from 'zod';
import { StudyError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { isInKey } from '../mixture/mixture.js';
import { type Experiment, parseExperiment } from '../simulation/kinds.js';
import { simulate, TrialStatus } from '../simulation/simulate.js';
import { Moments } from '../study/statistics.js';

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

/** The test errors of a batch's trials that ran through. */
const batchSchema = z.strictObject({ key: z.string(), errors: z.array(z.number()) });

/** Finished batches by key, in a file of one JSON object per line; a last line that was cut off does not count. */
export class BatchFile {
  private readonly known = new Map<string, readonly number[]>();

  constructor(private readonly path: string | undefined) {
    if (path === undefined || !existsSync(path)) return;
    const text = readFileSync(path, 'utf8');
    const end = text.lastIndexOf('\n') + 1;
    if (end < text.length) truncateSync(path, Buffer.byteLength(text.slice(0, end)));
    const lines = text.slice(0, end).split('\n').slice(0, -1);
    for (const [index, line] of lines.entries()) {
      const batch = batchSchema.safeParse(parsed(line));
      if (!batch.success) throw new StudyError(`${path}: line ${index + 1} is no batch of a sample complexity`);
      this.known.set(batch.data.key, batch.data.errors);
    }
  }

  /** The errors under a key, computed where the file does not hold them. */
  async errorsOf(key: string, compute: () => Promise<readonly number[]>): Promise<readonly number[]> {
    const found = this.known.get(key);
    if (found !== undefined) return found;
    const errors = await compute();
    if (this.path !== undefined) appendFileSync(this.path, `${JSON.stringify({ key, errors })}\n`);
    return errors;
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

interface Trials {
  total: number;
  failed: number;
  readonly errors: Moments;
}

/** Mean errors of an experiment at any n, from trials that are added batch by batch. */
export class Sampler {
  private readonly points = new Map<number, Trials>();

  constructor(
    private readonly experimentAt: (examples: number) => unknown,
    private readonly options: SamplerOptions,
    private readonly file: BatchFile,
  ) {}

  /** Trials in all. */
  get trials(): number {
    return [...this.points.values()].reduce((sum, { total }) => sum + total, 0);
  }

  /** Adds trials at n and tells what is known there. */
  async add(examples: number, trials: number): Promise<SampledPoint> {
    const point = this.points.get(examples) ?? { total: 0, failed: 0, errors: new Moments() };
    const experiment = parseExperiment(this.experimentAt(examples), 'experiment');
    const { seed, ...rest } = this.options;
    const firstTrial = point.total;
    const identity = { experiment, seed: String(seed), testDraws: rest.testDraws ?? null, firstTrial, trials };
    const errors = await this.file.errorsOf([...hashKey(identity, isInKey)].join('-'), async () => {
      const { metrics, status } = await simulate(experiment as Experiment, { seed, ...rest, firstTrial, trials });
      return [...metrics.error].filter((_, i) => status[i] === TrialStatus.ok);
    });
    for (const error of errors) point.errors.add(error);
    point.total += trials;
    point.failed += trials - errors.length;
    this.points.set(examples, point);
    return sampledPoint(examples, point);
  }

  /** All that is known, by n. */
  all(): readonly SampledPoint[] {
    return [...this.points].sort(([a], [b]) => a - b).map(([examples, point]) => sampledPoint(examples, point));
  }
}

function sampledPoint(examples: number, { total, failed, errors }: Trials): SampledPoint {
  const { mean, standardError } = errors.estimate();
  return { examples, trials: total, failed, error: mean, standardError };
}
