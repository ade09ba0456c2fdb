import { z } from 'zod';
import { OptionRangeError } from '../errors.js';
import type { HeadOptions } from '../experiment.js';
import { type ContextualMixture, type ContextualMixtureOptions, mixtureSchema } from '../mixture.js';
import { finiteNumber, integerFrom, oneOf, parseOptions, positiveNumber } from '../options.js';
import {
  type KnownPromptRiskOptions,
  knownPromptRiskSchema,
  type ResolvedKnownPromptRisk,
  ridgeOf,
  riskAt,
  sampleRatioOf,
} from './known-prompt.js';

/** What {@link optimal} can choose. */
export type OptimalParameter = 'inverseTemperature' | 'ridge';

/** Options of {@link optimal}. */
export interface OptimalOptions extends Pick<KnownPromptRiskOptions, 'kind' | 'draws' | 'seed' | 'threads' | 'signal'> {
  /** The mixture; its noise must be Gaussian. */
  readonly mixture: ContextualMixtureOptions | ContextualMixture;
  /** n; or give `sampleRatio`. */
  readonly examples?: number | undefined;
  /** α = n/d; or give `examples`. */
  readonly sampleRatio?: number | undefined;
  /** The head; its ridge is kept unless `'ridge'` is chosen, which averaging has none of. */
  readonly head: HeadOptions;
  /** τ if it is not chosen. */
  readonly inverseTemperature?: number | undefined;
  /** What is chosen: one of them or both. Default: `'inverseTemperature'`, and `'ridge'` too unless the head is averaging. */
  readonly choose?: readonly OptimalParameter[] | undefined;
}

/** The best choice and its risk. */
export interface Optimum {
  /** τ, chosen or given. */
  readonly inverseTemperature: number;
  /**
   * λ, chosen or given; 0 for averaging. `Infinity` where more ridge is always better: the head is then averaging but for
   * its length.
   */
  readonly ridge: number;
  /** Limit of the test error there, in [0, 1]. */
  readonly error: number;
  /** Standard error of `error`, and hence of the minimum, from the finite number of draws. */
  readonly standardError: number;
}

const schema = z.strictObject({
  kind: knownPromptRiskSchema.kind,
  mixture: mixtureSchema,
  examples: integerFrom(1, 2 ** 31 - 1).optional(),
  sampleRatio: positiveNumber.optional(),
  head: knownPromptRiskSchema.head,
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

/** Ridges of the first look, relative to the noise of a feature: five per factor of ten. */
const kRidgesPerDecade = 5;
const kSmallestRidge = 1e-8;
const kLargestRidge = 1e6;
/** Prompt scales of the first look, relative to 1/(2σ²), the best one at long context. */
const kScales = [0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 5, 8];
/** A search ends when the bracket is this narrow: the error is then within about its square of the least. */
const kBracketWidth = 1e-5;
const kGolden = (Math.sqrt(5) - 1) / 2;

interface Evaluation {
  readonly x: number;
  readonly error: number;
}

/** The least of `f` in [low, high] by golden-section search, on common draws, hence a smooth f. */
async function goldenSection(
  f: (x: number) => Promise<number>,
  low: number,
  high: number,
  width: number,
): Promise<Evaluation> {
  let [a, b] = [low, high];
  let [left, right] = [b - kGolden * (b - a), a + kGolden * (b - a)];
  let [fLeft, fRight] = [await f(left), await f(right)];
  while (b - a > width) {
    if (fLeft <= fRight) {
      [b, right, fRight] = [right, left, fLeft];
      left = b - kGolden * (b - a);
      fLeft = await f(left);
    } else {
      [a, left, fLeft] = [left, right, fRight];
      right = a + kGolden * (b - a);
      fRight = await f(right);
    }
  }
  return fLeft <= fRight ? { x: left, error: fLeft } : { x: right, error: fRight };
}

function leastOf<Value extends { readonly error: number }>(values: readonly Value[]): number {
  return values.reduce((best, value, i) => (value.error < (values[best] as Value).error ? i : best), 0);
}

interface Setting {
  readonly options: ResolvedKnownPromptRisk;
  readonly sampleRatio: number;
}

/** The best ridge at one prompt scale: a ladder in one call, golden section within its best two rungs, and λ → ∞. */
async function bestRidge({ options, sampleRatio }: Setting): Promise<Optimum> {
  const { mixture } = options;
  const { contextNorm, signalNorm, noiseLevel, tokens } = mixture;
  const scale = contextNorm ** 2 + signalNorm ** 2 + (noiseLevel ** 2 * (1 + 1 / sampleRatio)) / tokens;
  const count = Math.round(Math.log10(kLargestRidge / kSmallestRidge) * kRidgesPerDecade);
  const exponents = Array.from(
    { length: count + 1 },
    (_, i) => Math.log(kSmallestRidge) + (i / kRidgesPerDecade) * Math.LN10,
  );
  const at = async (logs: readonly number[]) => {
    const points = logs.map((log) => ({ sampleRatio, ridge: scale * Math.exp(log) }));
    const { error, standardError } = await riskAt(options, points);
    return points.map(({ ridge }, i) => ({
      ridge,
      error: error[i] as number,
      standardError: standardError[i] as number,
    }));
  };
  const ladder = await at(exponents);
  const rung = leastOf(ladder);
  const low = exponents[Math.max(0, rung - 1)] as number;
  const high = exponents[Math.min(count, rung + 1)] as number;
  const inner = await goldenSection(async (log) => (await at([log]))[0]?.error as number, low, high, kBracketWidth);
  const [refined] = await at([inner.x]);
  const averaging = await riskAt({ ...options, head: { kind: 'averaging' } }, [{ sampleRatio, ridge: 0 }]);
  const candidates = [
    refined as (typeof ladder)[number],
    ladder[rung] as (typeof ladder)[number],
    {
      ridge: Number.POSITIVE_INFINITY,
      error: averaging.error[0] as number,
      standardError: averaging.standardError[0] as number,
    },
  ];
  // Where the error only falls towards averaging, the last rungs are averaging to working precision.
  const best = rung === count ? 2 : leastOf(candidates);
  return { inverseTemperature: options.inverseTemperature, ...(candidates[best] as (typeof ladder)[number]) };
}

async function givenRidge({ options, sampleRatio }: Setting): Promise<Optimum> {
  const ridge = ridgeOf(options.head);
  const { error, standardError } = await riskAt(options, [{ sampleRatio, ridge }]);
  return {
    inverseTemperature: options.inverseTemperature,
    ridge,
    error: error[0] as number,
    standardError: standardError[0] as number,
  };
}

/** The best prompt scale: a ladder on both sides of 0, then golden section between the neighbours of its best rung. */
async function bestScale(setting: Setting, at: (setting: Setting) => Promise<Optimum>): Promise<Optimum> {
  const { noiseLevel, contextNorm } = setting.options.mixture;
  const unit = noiseLevel > 0 ? 1 / (2 * noiseLevel ** 2) : 1 / Math.max(contextNorm ** 2, 1e-12);
  const scales = [...kScales.slice(1).map((scale) => -scale), ...kScales]
    .map((scale) => scale * unit)
    .sort((a, b) => a - b);
  const evaluate = (inverseTemperature: number) =>
    at({ ...setting, options: { ...setting.options, inverseTemperature } });
  const rungs: Optimum[] = [];
  for (const scale of scales) rungs.push(await evaluate(scale));
  const rung = leastOf(rungs);
  const low = scales[Math.max(0, rung - 1)] as number;
  const high = scales[Math.min(scales.length - 1, rung + 1)] as number;
  const inner = await goldenSection(async (x) => (await evaluate(x)).error, low, high, 1e-3 * (high - low));
  const refined = await evaluate(inner.x);
  return refined.error <= (rungs[rung] as Optimum).error ? refined : (rungs[rung] as Optimum);
}

/**
 * The prompt scale τ and the ridge λ of least risk, one of them or both, at a given sample ratio: minima of
 * {@link knownPrompt}'s error over ladders (λ from 1e-8 to 1e6 of the size of a feature; τ from −8 to 8 times 1/(2σ²), which
 * is the best scale at long context), refined by golden-section search. All evaluations share their draws, so the
 * error is a smooth function of both.
 *
 * @throws {@link OptionTypeError} or {@link OptionRangeError} for a bad option; {@link ConvergenceError} as
 * {@link knownPrompt}.
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
  const { examples, sampleRatio, choose, inverseTemperature, ...rest } = parseOptions(schema, options, '');
  const averaging = rest.head.kind === 'averaging';
  const chosen = choose ?? (averaging ? ['inverseTemperature'] : ['inverseTemperature', 'ridge']);
  const choosesScale = chosen.includes('inverseTemperature');
  if (averaging && chosen.includes('ridge'))
    throw new OptionRangeError('choose', "without 'ridge' for the averaging head, which has none", choose);
  if (!choosesScale && inverseTemperature === undefined)
    throw new OptionRangeError('inverseTemperature', 'given, because it is not chosen', inverseTemperature);
  const setting = {
    options: { ...rest, inverseTemperature: inverseTemperature ?? 0 },
    sampleRatio: sampleRatioOf({ examples, sampleRatio }, rest.mixture.dimension),
  };
  const ridge = chosen.includes('ridge') ? bestRidge : givenRidge;
  return choosesScale ? bestScale(setting, ridge) : ridge(setting);
}
