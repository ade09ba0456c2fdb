import { types } from 'node:util';
import { onAbort } from './cancellation.js';
import { ConvergenceError, NativeError } from './errors.js';
import type { NativeJob } from './native.js';

declare global {
  // Declared in full by DOM or @types/node; the package's declarations stand without either.
  interface AbortSignal {}
}

const kProgressMilliseconds = 100;

/** Options of every call that works on the addon's threads. */
export interface JobOptions {
  /**
   * Aborting rejects the promise with the signal's reason. Work that waits is given up at once, work under way stops within a fraction
   * of a second, except that a matrix product or factorisation is not interrupted.
   */
  readonly signal?: AbortSignal | undefined;
}

/** An error of the addon as one of the package's classes; the language's own stay as they are. */
function withClass(error: unknown): unknown {
  // Of whichever realm the caller is in.
  if (!types.isNativeError(error) || error.name === 'TypeError' || error.name === 'RangeError') return error;
  if ('code' in error && error.code === 'ERR_CONVERGENCE') return new ConvergenceError(error.message, {});
  return new NativeError(error.message, { cause: error });
}

/**
 * Wait for native work, obeying an abort signal and reporting progress at most ten times a second. What `onProgress` throws ends the
 * work and rejects the promise: from a timer it would end the process.
 *
 * @param start Starts the work; not called if the signal is already aborted.
 */
export async function runJob<Result>(
  start: () => NativeJob<Result>,
  { signal, onProgress }: JobOptions & { readonly onProgress?: ((completed: number) => void) | undefined },
): Promise<Result> {
  signal?.throwIfAborted();
  const job = start();
  const forget = signal && onAbort(signal, () => job.cancel());
  const thrown: unknown[] = [];
  const report = (listener: (completed: number) => void) => {
    try {
      listener(job.completed());
    } catch (error) {
      clearInterval(timer);
      thrown.push(error);
      job.cancel();
    }
  };
  const timer = onProgress && setInterval(report, kProgressMilliseconds, onProgress);
  try {
    const result = await job.promise;
    if (thrown.length === 0) return result;
  } catch (error) {
    if (thrown.length === 0) {
      signal?.throwIfAborted();
      throw withClass(error);
    }
  } finally {
    clearInterval(timer);
    forget?.();
  }
  throw thrown[0];
}

/** Wait for all of the work, then give its results or throw its first error: none of it goes on after the promise is rejected. */
export async function allFinished<Result>(work: readonly Promise<Result>[]): Promise<readonly Result[]> {
  return (await Promise.allSettled(work)).map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

/**
 * `tasks` with `lanes` of them under way at a time, results in their order. Unlike with p-limit or p-map nothing goes on after the promise
 * is rejected: {@link allFinished}.
 */
export async function inLanes<Result>(
  lanes: number,
  tasks: readonly (() => Promise<Result>)[],
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < tasks.length; i = next++) results[i] = await (tasks[i] as () => Promise<Result>)();
  };
  await allFinished(Array.from({ length: Math.min(lanes, tasks.length) }, lane));
  return results;
}
