import { availableParallelism } from 'node:os';
import { ConvergenceError } from '../errors.js';
import { hashKey } from '../experiment.js';
import { runJob } from '../job.js';
import { native, toNativeMixture } from '../native.js';
import type { ResolvedKnownPromptRisk } from './known-prompt.js';

/** The law at one (τ, λ). */
export interface Height {
  readonly error: number;
  readonly standardError: number;
  readonly effectiveDraws: number;
  readonly reliable: boolean;
}

/** Where to look: one τ and some λ, ∞ for averaging, on `draws` draws of one stream. */
export interface Look {
  readonly inverseTemperature: number;
  readonly ridges: readonly number[];
  readonly draws: number;
  /** Looks of one stream have common draws, those of different ones independent draws. */
  readonly stream: string;
  readonly threads: number;
}

/** What the search over prompts and ridges looks at. */
export interface LandscapeOptions extends Omit<ResolvedKnownPromptRisk, "inverseTemperature" | "head" | "kind" | "solver"> {
  readonly kind: 'averaging' | 'least-squares' | 'logistic' | 'hinge';
  readonly sampleRatio: number;
}

/** The stream of {@link knownPrompt}'s own draws. */
export const kLawStream = 'law';

/**
 * The law's error as a function of (τ, λ) that has no value where the equations were not solved: such points are counted, not
 * thrown.
 */
export class Landscape {
  /** Points asked for, and those among them that have no value. */
  evaluated = 0;
  skipped = 0;

  constructor(readonly options: LandscapeOptions) {}

  get threads(): number {
    return this.options.threads ?? availableParallelism();
  }

  async at(look: Look): Promise<readonly (Height | undefined)[]> {
    const averaging = look.ridges.map((ridge) => this.options.kind === 'averaging' || ridge === Number.POSITIVE_INFINITY);
    const learned = await this.#curve(look, look.ridges.filter((_, i) => !averaging[i]), this.options.kind);
    const averaged = averaging.includes(true) ? (await this.#curve(look, [0], 'averaging'))[0] : undefined;
    let next = 0;
    const heights = averaging.map((isAveraging) => (isAveraging ? averaged : learned[next++]));
    this.evaluated += heights.length;
    this.skipped += heights.filter((height) => height === undefined).length;
    return heights;
  }

  async #curve(
    { inverseTemperature, draws, stream, threads }: Look,
    ridges: readonly number[],
    head: LandscapeOptions['kind'],
  ): Promise<readonly (Height | undefined)[]> {
    if (ridges.length === 0) return [];
    const { mixture, sampleRatio, seed, signal } = this.options;
    try {
      const { error, standardError, converged } = await runJob(
        () =>
          native.knownPromptRisk({
            mixture: toNativeMixture(mixture),
            sampleRatios: new Float64Array(ridges.length).fill(sampleRatio),
            ridges: Float64Array.from(ridges),
            inverseTemperature,
            head,
            draws,
            threads,
            seed: BigInt(seed),
            cellKey: hashKey(stream === kLawStream ? { risk: 'known-prompt' } : { risk: 'known-prompt', stream }),
          }),
        { signal },
      );
      return ridges.map((_, i) =>
        converged[i] === 1
          ? {
              error: error[i] as number,
              standardError: standardError[i] as number,
              effectiveDraws: draws,
              reliable: true,
            }
          : undefined,
      );
    } catch (error) {
      if (!(error instanceof ConvergenceError)) throw error;
      return ridges.map(() => undefined);
    }
  }
}

/** `tasks` with `lanes` of them under way at a time, results in their order. */
export async function inLanes<Result>(
  lanes: number,
  tasks: readonly (() => Promise<Result>)[],
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < tasks.length; i = next++) results[i] = await (tasks[i] as () => Promise<Result>)();
  };
  await Promise.all(Array.from({ length: Math.min(lanes, tasks.length) }, lane));
  return results;
}
