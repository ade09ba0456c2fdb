import { ConvergenceError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { runJob } from '../base/job.js';
import { native } from '../base/native.js';
import type { Head } from '../heads/head.js';
import { toNativeMixture } from '../mixture/mixture.js';
import type { ResolvedKnownPromptRisk, RiskPoint } from './known-prompt.js';

/** The law at one point. */
export interface LawPoint {
  readonly error: number;
  readonly standardError: number;
  readonly effectiveDraws: number;
  readonly reliable: boolean;
}

/** Which law is looked at, on how many draws of which stream. */
export interface LawRequest
  extends Pick<ResolvedKnownPromptRisk, 'mixture' | 'inverseTemperature' | 'seed' | 'signal'> {
  readonly head: Head['kind'];
  /** Whether the head's intercept is free. Default false. */
  readonly intercept?: boolean | undefined;
  readonly draws: number;
  readonly threads: number;
  /** Requests of one stream share their draws; those of another have independent ones. Default: the draws of {@link knownPrompt}. */
  readonly stream?: string | undefined;
}

/** The law at several points for searches, which go on where its equations were not solved: `undefined`. */
export async function lawPoints(
  { mixture, inverseTemperature, head, intercept, draws, seed, threads, signal, stream }: LawRequest,
  points: readonly RiskPoint[],
): Promise<readonly (LawPoint | undefined)[]> {
  if (points.length === 0) return [];
  try {
    const { error, standardError, effectiveDraws, reliable, converged } = await runJob(
      () =>
        native.knownPromptRisk({
          mixture: toNativeMixture(mixture),
          sampleRatios: Float64Array.from(points, ({ sampleRatio }) => sampleRatio),
          ridges: Float64Array.from(points, ({ ridge }) => ridge),
          examples: Float64Array.from(points, ({ examples }) => examples ?? 0),
          inverseTemperature,
          head,
          intercept,
          draws,
          threads,
          seed: BigInt(seed),
          cellKey: hashKey({ risk: 'known-prompt', ...(stream === undefined ? {} : { stream }) }),
        }),
      { signal },
    );
    return points.map((_, i) =>
      converged[i] === 1
        ? {
            error: error[i] as number,
            standardError: standardError[i] as number,
            effectiveDraws: effectiveDraws[i] as number,
            reliable: reliable[i] === 1,
          }
        : undefined,
    );
  } catch (error) {
    if (!(error instanceof ConvergenceError)) throw error;
    return points.map(() => undefined);
  }
}
