import { z } from 'zod';
import { abortSignal, functionOf, integerFrom, threadCount } from '../base/options.js';
import { clusterUrl } from './session.js';

/** How a worker works. */
export interface WorkOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; what is left out is taken from the variables PGPASSWORD and so on. */
  readonly url: string;
  /** Threads to use: an integer in [1, 1024]. Default `os.availableParallelism()`. */
  readonly threads?: number | undefined;
  /** Return when no study has jobs left. Default false: wait for more. */
  readonly untilDone?: boolean | undefined;
  /**
   * Aborting ends the worker after the batch under way, whose results are stored; the promise then resolves. A batch takes about three
   * seconds, or one trial if that takes longer.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Seconds that the batch under way is given then: an integer in [0, 3600]. After them it is abandoned, what was finished before is
   * stored, and the rest is left to others. If the server is away just then, storing is tried for ten seconds more. Default 10.
   */
  readonly drainSeconds?: number | undefined;
  /** Called after each job, and with the reason while the server is away. */
  readonly onEvent?: ((event: WorkerEvent) => void) | undefined;
}

/** What a worker tells about itself. */
export type WorkerEvent =
  | {
      /** It begins. */
      readonly kind: 'start';
      /** Its id in the list of workers. */
      readonly worker: string;
      /** Name of the machine. */
      readonly host: string;
      /** Fingerprint of its engine. */
      readonly engine: string;
      /** Threads it computes with. */
      readonly threads: number;
    }
  | {
      /** A job was done. */
      readonly kind: 'job';
      /** Name of the study. */
      readonly study: string;
      /** Id of the study. */
      readonly id: string;
      /** Id of the job. */
      readonly job: string;
      /** Trials computed. */
      readonly trials: number;
      /** From taking the job to storing its results. */
      readonly seconds: number;
      /** False if the job was given to another worker, cancelled or removed meanwhile: then nothing was stored. */
      readonly kept: boolean;
    }
  | {
      /** A job could not be done, a study is left alone, or the server does not answer. */
      readonly kind: 'failure' | 'refusal' | 'server-away';
      /** Why. */
      readonly reason: string;
    }
  | {
      /** The server has answered: when the worker tells of itself, every ten seconds. */
      readonly kind: 'heartbeat';
    }
  | {
      /** It was asked to stop. */
      readonly kind: 'stopping';
      /** What the batch under way is given. */
      readonly seconds: number;
    };

/** The options of {@link WorkOptions}, checked. */
export const workSchema = z.strictObject({
  url: clusterUrl,
  threads: threadCount,
  untilDone: z.boolean({ error: 'true or false' }).default(false),
  signal: abortSignal,
  drainSeconds: integerFrom(0, 3600).default(10),
  onEvent: functionOf<NonNullable<WorkOptions['onEvent']>>().optional(),
});
