import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { type JobOptions, runJob } from './job.js';
import { native } from './native.js';
import { abortSignal, parseOptions, threadCount } from './options.js';

/** What the machine can do at most, measured: the engine's time is made of these. */
export interface MachineLimits {
  /** Standard normals as the samplers consume them: nanoseconds per number on one thread. */
  readonly nanosecondsPerNormal: number;
  /** Single-precision exponentials: nanoseconds per number on one thread. */
  readonly nanosecondsPerExponential: number;
  /** Matrix products of OpenBLAS in double precision: 10⁹ operations per second on one thread. */
  readonly gigaflops: number;
  /** Memory traffic of a_i = b_i + s c_i on arrays beyond the caches: 10⁹ bytes per second on all `threads` together. */
  readonly gigabytesPerSecond: number;
}

/** Options of {@link measureLimits}. */
export interface MeasureLimitsOptions extends JobOptions {
  /** Threads that share the memory: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
}

const optionsSchema = z.strictObject({ threads: threadCount, signal: abortSignal });

const kMilliseconds = 200;
/** Numbers in the three arrays of the memory measurement together: 384 MiB. */
const kTriadNumbers = 3 * 2 ** 24;

/**
 * Measure how fast this machine makes normals and exponentials, multiplies matrices and moves memory. Takes about a second; other
 * work on the machine shows in the result.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; the signal's reason if aborted.
 * @example
 * ```ts
 * import { measureLimits } from 'prompt-attention';
 * const { nanosecondsPerNormal, gigaflops } = await measureLimits();
 * console.log(nanosecondsPerNormal, gigaflops);
 * ```
 */
export async function measureLimits(options: MeasureLimitsOptions = {}): Promise<MachineLimits> {
  const { threads = availableParallelism(), signal } = parseOptions(optionsSchema, options, '');
  const fastest = async (kind: 'normals' | 'exponentials' | 'products') => {
    const request = { kind, rows: 768, columns: 768, milliseconds: kMilliseconds, threads: 1 };
    const { fastest } = await runJob(() => native.measureLimit(request), { signal });
    return fastest[0] as number;
  };
  const rows = Math.ceil(kTriadNumbers / 3 / threads);
  const triad = { kind: 'triad', rows, columns: 1, milliseconds: kMilliseconds, threads } as const;
  return Object.freeze({
    nanosecondsPerNormal: 1e9 / (await fastest('normals')),
    nanosecondsPerExponential: 1e9 / (await fastest('exponentials')),
    gigaflops: 1e-9 * (await fastest('products')),
    gigabytesPerSecond:
      1e-9 * (await runJob(() => native.measureLimit(triad), { signal })).mean.reduce((sum, rate) => sum + rate),
  });
}
