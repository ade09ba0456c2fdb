import { availableParallelism } from 'node:os';
import { type LawPoint, type LawRequest, lawPoints } from './law-points.js';

/** Where to look: one τ and some λ, ∞ for averaging, on `draws` draws of one stream. */
export interface Look extends Pick<LawRequest, 'inverseTemperature' | 'draws' | 'stream' | 'threads'> {
  readonly ridges: readonly number[];
}

/** What the search over prompts and ridges looks at. */
export interface LandscapeOptions extends Pick<LawRequest, 'mixture' | 'head' | 'draws' | 'seed' | 'signal'> {
  readonly threads: number | undefined;
  readonly sampleRatio: number;
  /** n, if it was given in place of the sample ratio. */
  readonly examples: number | undefined;
}

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

  async at({ ridges, ...look }: Look): Promise<readonly (LawPoint | undefined)[]> {
    const { sampleRatio, examples, head } = this.options;
    const request = { ...this.options, ...look };
    const isAveraging = (ridge: number) => head === 'averaging' || ridge === Number.POSITIVE_INFINITY;
    const learned = await lawPoints(
      request,
      ridges.filter((ridge) => !isAveraging(ridge)).map((ridge) => ({ sampleRatio, examples, ridge })),
    );
    const [averaged] = ridges.some(isAveraging)
      ? await lawPoints({ ...request, head: 'averaging' }, [{ sampleRatio, examples, ridge: 0 }])
      : [];
    let next = 0;
    const points = ridges.map((ridge) => (isAveraging(ridge) ? averaged : learned[next++]));
    this.evaluated += points.length;
    this.skipped += points.filter((point) => point === undefined).length;
    return points;
  }
}
