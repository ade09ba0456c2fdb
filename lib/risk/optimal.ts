import { z } from 'zod';
import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import { inLanes } from '../base/job.js';
import { finiteNumber, integerFrom, oneOf, parseOptions, positiveNumber } from '../base/options.js';
import { type HeadOptions, headKindSchema, isSum } from '../heads/head.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture/mixture.js';
import {
  type KnownPromptRiskOptions,
  knownPromptRiskSchema,
  requireKnownPromptLaw,
  ridgeOf,
  sampleRatioOf,
} from './known-prompt.js';
import { Landscape } from './landscape.js';
import type { LawPoint } from './law-points.js';
import { compare, placeErrors, replicateErrors } from './optimal-replicates.js';
import {
  type Axes,
  basinsOf,
  descendFrom,
  type FirstLook,
  firstLook,
  kDescentDraws,
  kUnevenness,
  lowestRidge,
  type Place,
} from './optimal-search.js';
import { type RiskHead, riskHeadSchema } from './risk-head.js';

/** What {@link optimal} can choose. */
export type OptimalParameter = 'inverseTemperature' | 'ridge';

/** Options of {@link optimal}. */
export interface OptimalOptions extends Pick<KnownPromptRiskOptions, 'kind' | 'draws' | 'seed' | 'threads' | 'signal'> {
  /** The mixture; its noise must be Gaussian. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** n: the error is that of {@link knownPrompt} with `examples`, label imbalance included; or give `sampleRatio`. */
  readonly examples?: number | undefined;
  /** α = n/d: the error is the limit n, d → ∞; or give `examples`. */
  readonly sampleRatio?: number | undefined;
  /** The head. Its ridge is not read, and need not be given, if `'ridge'` is chosen. */
  readonly head:
    | RiskHead
    | {
        /** The kind of head, whose ridge is chosen. */
        readonly kind: HeadOptions['kind'];
      };
  /** τ if it is not chosen. */
  readonly inverseTemperature?: number | undefined;
  /** What is chosen: one of them or both. Default: `'inverseTemperature'`, and `'ridge'` too unless the head has none. */
  readonly choose?: readonly OptimalParameter[] | undefined;
}

/** The best choice and its risk. */
export interface Optimum {
  /**
   * τ, chosen or given. If `atLimit` contains `'inverseTemperature'`, no finite τ is best: this is the outermost of the
   * range that was looked at, and more in its direction changes the error by less than can be told.
   */
  readonly inverseTemperature: number;
  /** Standard error of a chosen `inverseTemperature` from the finite number of draws; NaN if it is given or at a limit. */
  readonly inverseTemperatureStandardError: number;
  /**
   * λ, chosen or given; 0 for averaging. `Infinity` where no finite ridge is better than the limit λ → ∞ beyond the noise of the draws:
   * the best head is then averaging. 0 where less ridge is always better.
   */
  readonly ridge: number;
  /** Standard error of a chosen `ridge`; NaN if it is given, 0 or `Infinity`. */
  readonly ridgeStandardError: number;
  /** The chosen parameters whose best value is a limit: τ → ±∞, λ → 0 or λ → ∞. */
  readonly atLimit: readonly OptimalParameter[];
  /**
   * Limit of the test error there, in [0, 1]: that of {@link knownPrompt} with the same draws and seed (of its averaging head where
   * `ridge` is `Infinity`). The search has draws of its own, so that the least of noisy values does not flatter it.
   */
  readonly error: number;
  /** Standard error of `error` from the finite number of draws. */
  readonly standardError: number;
  /** Draws behind `error`, as in {@link KnownPromptRisk}. */
  readonly effectiveDraws: number;
  /** Whether `error` ± 1.96 `standardError` can be trusted, as in {@link KnownPromptRisk}. */
  readonly reliable: boolean;
  /** Points (τ, λ) that the search looked at. */
  readonly evaluatedPoints: number;
  /** Those among them whose equations were not solved; they were left out. */
  readonly skippedPoints: number;
}

const schema = z.strictObject({
  kind: knownPromptRiskSchema.kind,
  mixture: mixtureSchema,
  examples: integerFrom(1, 2 ** 31 - 1).optional(),
  sampleRatio: positiveNumber.optional(),
  head: z.unknown(),
  inverseTemperature: finiteNumber.optional(),
  choose: z
    .array(oneOf(['inverseTemperature', 'ridge']), { error: "an array of 'inverseTemperature' and 'ridge'" })
    .min(1, { error: "an array of 'inverseTemperature' and 'ridge'" })
    .optional(),
  draws: knownPromptRiskSchema.draws,
  seed: knownPromptRiskSchema.seed,
  threads: knownPromptRiskSchema.threads,
  signal: knownPromptRiskSchema.signal,
});
const headOnly = z.strictObject({ head: riskHeadSchema });
const headWithoutRidge = z.strictObject({
  head: headKindSchema.transform(({ kind }) => ({ kind })),
});

/** The range of |τ|: from a fraction of the smaller of its natural scales 1/(σQ), 1/Q² to where attention is all or nothing. */
const kSmallScale = 0.05;
const kLargeScale = 300;
/** Ridges relative to the size of a feature: of the first look, and where descents end; beyond are the limits 0 and ∞. */
const kLookedAtRidges = [1e-3, 1e3] as const;
const kRidges = [1e-10, 1e5] as const;
/** Standard errors within which descended basins stay rivals, and the first step of the last descent. */
const kBasinNoise = 3;
const kLastStep = 0.25;
/** Descents that end so close to each other, in u and ln λ, have found the same minimum. */
const kSamePlace = 0.05;

/** A place that can be the answer. */
interface Candidate extends Place {
  readonly averaging: boolean;
  /** Whether it stands for τ → ±∞, and which side then is no better before it than at it. */
  readonly edge: boolean;
  /** For an edge: the u from which on the first look is not above it. */
  readonly plateauFrom: number;
}

function axesOf(
  { mixture, sampleRatio }: Landscape['options'],
  { scale, ridge }: { readonly scale: number | undefined; readonly ridge: number | undefined },
): Axes {
  const { contextNorm: Q, signalNorm: W, noiseLevel, tokens } = mixture;
  const [gap, noise] = [Q * Q, noiseLevel * Q];
  const small = kSmallScale / (gap + noise);
  const fixed = scale !== undefined || Q === 0;
  const size = gap + W * W + (noiseLevel ** 2 * (1 + 1 / sampleRatio)) / tokens;
  const logs = (bounds: readonly [number, number]) =>
    (ridge === undefined ? bounds.map((bound) => Math.log(bound * size)) : [Math.log(ridge), Math.log(ridge)]) as [
      number,
      number,
    ];
  const [least, most] = logs(kRidges);
  return {
    scaleAt: (u) => (fixed ? (scale ?? 0) : small * Math.sinh(u)),
    last: fixed ? 0 : Math.asinh(kLargeScale / (noise > 0 ? noise : gap) / small),
    ridgeAt: (log) => ridge ?? Math.exp(log),
    look: logs(kLookedAtRidges),
    least,
    most,
  };
}

/**
 * Minima of one head on the axes, best first, from every basin that could hold the least and that `other`, the look at another head, does
 * not equal; and its limits τ → ±∞.
 */
async function candidatesOf(
  landscape: Landscape,
  axes: Axes,
  averaging: boolean,
  other?: FirstLook,
): Promise<{ readonly look: FirstLook; readonly candidates: readonly Candidate[] }> {
  const { draws } = landscape.options;
  const look = await firstLook(landscape, axes, draws);
  const coarse = Math.min(draws, kDescentDraws);
  const bottoms = await inLanes(
    landscape.threads,
    basinsOf(look, other).map(
      (basin) => () => descendFrom(landscape, axes, basin, { draws: coarse, step: 1, threads: 1 }),
    ),
  );
  const descended = bottoms.filter((place) => place !== undefined).sort((a, b) => a.value - b.value);
  const ceiling = Math.min(...descended.map(({ value, spread }) => value + kBasinNoise * spread));
  const rivals = descended.filter(
    (place, i) =>
      place.value - kBasinNoise * place.spread <= ceiling &&
      !descended.slice(0, i).some((known) => isSamePlace(known, place)),
  );
  const found: Place[] = [];
  for (const rival of rivals) {
    const settings = { draws, step: kLastStep, threads: landscape.threads };
    const place = coarse === draws ? rival : await descendFrom(landscape, axes, rival, settings);
    if (place !== undefined) found.push(place);
  }
  found.sort((a, b) => a.value - b.value);
  const inner = found.map((place) => ({ ...place, averaging, edge: false, plateauFrom: 0 }));
  return { look, candidates: axes.last > 0 ? [...inner, ...edgesOf(look, averaging)] : inner };
}

/** Where the error does not depend on λ any ridge is the same. */
const isSamePlace = (a: Place, b: Place) =>
  Math.abs(a.u - b.u) < kSamePlace &&
  (a.log === b.log || Math.abs(a.log - b.log) < kSamePlace || Math.abs(a.value - b.value) < kUnevenness);

/** The outermost places of the look on either side of τ = 0, each at its best ridge. */
function edgesOf({ places }: FirstLook, averaging: boolean): readonly Candidate[] {
  const lowest = places
    .map((row) => row.filter((place) => place !== undefined).sort((a, b) => a.value - b.value)[0])
    .filter((place) => place !== undefined);
  return [lowest.filter(({ u }) => u < 0), lowest.filter(({ u }) => u > 0).reverse()].flatMap((side) => {
    const [edge] = side;
    if (edge === undefined) return [];
    const top = edge.value + kBasinNoise * edge.spread + kUnevenness;
    const end = side.findIndex(({ value }) => value > top);
    return [{ ...edge, averaging, edge: true, plateauFrom: (side.at(end < 0 ? -1 : end - 1) as Place).u }];
  });
}

/**
 * The candidates, best first. The limits λ = ∞ and λ = 0 win unless something is better beyond its noise; τ = ±∞ unless a finite τ is better at
 * all.
 */
async function rank(landscape: Landscape, axes: Axes, candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
  const replicates = await replicateErrors(landscape, axes, candidates);
  const differences = candidates.map((_, i) => compare(replicates, i, 0).difference);
  const order = candidates.map((_, i) => i).sort((i, j) => (differences[i] as number) - (differences[j] as number));
  const [first] = order as [number];
  const instead = (of: number, allowed: (candidate: Candidate) => boolean): number =>
    order.find((i) => allowed(candidates[i] as Candidate) && !compare(replicates, i, of).worse) ?? of;
  let best = first;
  if (!(candidates[best] as Candidate).averaging) best = instead(best, ({ averaging }) => averaging);
  const { averaging, u, log, value } = candidates[best] as Candidate;
  if (log === axes.least) best = instead(best, (candidate) => candidate.log === Number.NEGATIVE_INFINITY);
  const reaches = ({ plateauFrom, u: end }: Candidate) => u !== 0 && (end > 0 ? u >= plateauFrom : u <= plateauFrom);
  const inner = best;
  best =
    order.find((i) => {
      const candidate = candidates[i] as Candidate;
      const rival = candidate.edge && candidate.averaging === averaging && reaches(candidate);
      // Neither on the draws of the search nor on the replicates.
      return rival && candidate.value <= value + kUnevenness && !compare(replicates, i, inner).above;
    }) ?? best;
  return [best, ...order.filter((i) => i !== best)].map((i) => candidates[i] as Candidate);
}

async function search(landscape: Landscape, axes: Axes, choosesRidge: boolean, vanishing: boolean): Promise<Optimum> {
  const averagingAxes = { ...axes, least: Infinity, most: Infinity, look: [Infinity, Infinity] as const };
  const averaged = choosesRidge ? await candidatesOf(landscape, averagingAxes, true) : undefined;
  const learned = await candidatesOf(landscape, axes, false, averaged?.look);
  const lowest = [...learned.candidates, ...(averaged?.candidates ?? [])].sort((a, b) => a.value - b.value);
  const [least] = lowest;
  if (least === undefined)
    throw new ConvergenceError('the law was found at no point of the search', { evaluated: landscape.evaluated });
  const reach = least.value + kBasinNoise * least.spread + kUnevenness;
  const candidates: Candidate[] = [];
  for (const candidate of lowest.filter(({ value, spread }) => value - kBasinNoise * spread <= reach)) {
    // Edges come from the first look.
    const settings = { ...candidate, draws: landscape.options.draws, threads: landscape.threads };
    const at = candidate.averaging ? averagingAxes : axes;
    const place = candidate.edge ? await lowestRidge(landscape, at, settings) : candidate;
    if (place !== undefined) candidates.push({ ...candidate, ...place });
  }
  if (choosesRidge && vanishing && candidates.some(({ log }) => log === axes.least))
    candidates.push({ ...least, log: Number.NEGATIVE_INFINITY });
  for (const candidate of await rank(landscape, axes, candidates)) {
    const look = { inverseTemperature: axes.scaleAt(candidate.u), ridges: [axes.ridgeAt(candidate.log)] };
    const { draws } = landscape.options;
    const [height] = await landscape.at({ ...look, draws, threads: landscape.threads });
    if (height !== undefined) return await optimumAt(landscape, axes, candidate, height, choosesRidge);
  }
  throw new ConvergenceError('the law was found at none of the minima of the search', { u: least.u, log: least.log });
}

async function optimumAt(
  landscape: Landscape,
  axes: Axes,
  { u, log, edge }: Candidate,
  height: LawPoint,
  choosesRidge: boolean,
): Promise<Optimum> {
  const chosen = { scale: axes.last > 0 && !edge, ridge: choosesRidge && Number.isFinite(log) };
  const errors = await placeErrors(landscape, axes, { u, log }, chosen);
  const ridge = axes.ridgeAt(log);
  const slope = (axes.scaleAt(u + 1e-4) - axes.scaleAt(u - 1e-4)) / 2e-4;
  return {
    inverseTemperature: axes.scaleAt(u),
    inverseTemperatureStandardError: errors.scale * slope,
    ridge,
    ridgeStandardError: errors.log * ridge,
    atLimit: [
      ...(edge ? (['inverseTemperature'] as const) : []),
      ...(choosesRidge && !Number.isFinite(log) ? (['ridge'] as const) : []),
    ],
    ...height,
    evaluatedPoints: landscape.evaluated,
    skippedPoints: landscape.skipped,
  };
}

/**
 * The prompt scale τ and the ridge λ of least risk, one of them or both, at a given sample ratio: the global minimum of
 * {@link knownPrompt}'s error.
 *
 * A first look at every rung of ladders (τ of both signs, by factors of 1.65 until attention is all or nothing; λ by factors of 3.2, of 1.8 where τ is given)
 * on few common draws finds the basins; every basin whose bottom could be the lowest, given its noise and the steps of the
 * ladders, is descended on more draws, and the rivals are compared on independent replicates. The limits λ → 0, λ → ∞ (averaging) and
 * τ → ±∞ are candidates too. A narrower basin than the ladders' steps can be missed.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; {@link ConvergenceError} if the law was found at
 * no point.
 * @example
 * ```ts
 * import { risk } from 'prompt-attention';
 * const mixture = { tokens: 32, dimension: 200, relevantFraction: 0.25, contextNorm: 2, signalNorm: 0.6 };
 * const best = await risk.optimal({
 *   mixture, sampleRatio: 2, head: { kind: 'least-squares' }, choose: ['inverseTemperature'], draws: 2000,
 * });
 * console.log(best.inverseTemperature, best.error);
 * ```
 */
export async function optimal(options: OptimalOptions): Promise<Optimum> {
  const { examples, sampleRatio, choose, inverseTemperature, head: given, ...rest } = parseOptions(schema, options, '');
  const { kind } = parseOptions(headWithoutRidge, { head: given }, '').head;
  const chosen = choose ?? (isSum({ kind }) ? ['inverseTemperature'] : ['inverseTemperature', 'ridge']);
  const choosesRidge = chosen.includes('ridge');
  const choosesScale = chosen.includes('inverseTemperature');
  if (isSum({ kind }) && choosesRidge)
    throw new OptionRangeError('choose', "without 'ridge' for this head, which has none", choose);
  if (!choosesScale && inverseTemperature === undefined)
    throw new OptionRangeError('inverseTemperature', 'given, because it is not chosen', inverseTemperature);
  const { mixture } = rest;
  const ridge = choosesRidge ? undefined : ridgeOf(parseOptions(headOnly, { head: given }, '').head);
  requireKnownPromptLaw({ mixture, head: kind === 'averaging' ? { kind } : { kind, ridge: ridge ?? 1 } });
  const landscape = new Landscape({
    ...rest,
    head: kind,
    threads: rest.threads,
    examples,
    sampleRatio: sampleRatioOf({ examples, sampleRatio }, mixture.dimension),
  });
  const axes = axesOf(landscape.options, { scale: choosesScale ? undefined : inverseTemperature, ridge });
  const noiseless = mixture.noiseLevel === 0 || mixture.relevantTokens === mixture.tokens;
  return search(landscape, axes, choosesRidge, kind === 'least-squares' || !noiseless);
}
