import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { canonicalJson } from '../base/hash.js';
import type { Estimate } from '../base/kind.js';
import { parseOptions, seedSchema } from '../base/options.js';
import type { ResolvedKnownPrompt } from '../experiments/known-prompt.js';
import { knownPrompt, knownPromptCurve, requireKnownPromptLaw, ridgeOf } from '../risk/known-prompt.js';
import { lawPoints } from '../risk/law-points.js';
import { kindOf, parseExperiment, type ResolvedExperiment } from '../simulation/kinds.js';
import { type FactorValue, withOption } from '../study/definition/factors.js';

/** Settings and points that a question may be about. */
const kMostCurves = 4;
const kMostPoints = 200;

const level = z.union([z.number(), z.string(), z.boolean()], { error: 'a number, a text, true or false' });

/** Options of an experiment by their dotted paths, as in the factors of a study. */
export const pointSchema = z.record(z.string(), level, { error: 'an object with values by dotted paths' });

const schema = z.strictObject({
  curves: z
    .array(
      z.strictObject({
        experiment: z.looseObject({}, { error: 'an experiment' }),
        points: z.array(pointSchema, { error: 'an array of points' }).max(kMostPoints, { error: 'fewer points' }),
      }),
      { error: 'an array of curves { experiment, points }' },
    )
    .max(kMostCurves, { error: `at most ${kMostCurves} curves` }),
  quick: z.boolean({ error: 'true or false' }).default(false),
  seed: seedSchema.default(0),
});

/** What is known of a law at a point: estimates by metric, null if there is no law, or why it could not be had. */
export type PointLaw = Readonly<Record<string, Estimate>> | { readonly problem: string } | null;

/** A complete experiment at a point. */
export function experimentAt(
  experiment: unknown,
  point: Readonly<Record<string, FactorValue>>,
  path: string,
): ResolvedExperiment {
  const complete = Object.entries(point).reduce<unknown>(
    (whole, [option, value]) => withOption(whole, option, value),
    experiment,
  );
  return parseExperiment(complete, path);
}

/** Draws of laws while a slider moves, and when it rests. */
const kDraws = {
  knownPrompt: { quick: 1000, full: 5000 },
  others: { quick: 128, full: 4000 },
} as const;

interface LawOptions {
  /**
   * For a slider that moves: fewer draws, and of known prompts the limit itself, without the average over label imbalance that takes most of
   * the time.
   */
  readonly quick: boolean;
  readonly seed: number | bigint;
  readonly signal: AbortSignal;
}

const drawsOf = (kind: keyof typeof kDraws, quick: boolean) => kDraws[kind][quick ? 'quick' : 'full'];

const kUnsolved = { problem: 'the equations of the law were not solved here' };

/** The limits of experiments that differ in n only. */
async function limitCurve(
  experiments: readonly ResolvedKnownPrompt[],
  shared: Omit<Parameters<typeof knownPromptCurve>[0], 'head' | 'sampleRatios'>,
  head: ResolvedKnownPrompt['head'],
): Promise<readonly PointLaw[]> {
  const sampleRatios = experiments.map(({ examples, mixture }) => examples / mixture.dimension);
  const curve = await knownPromptCurve({ ...shared, head, sampleRatios });
  const relevantAttention = { mean: curve.relevantAttention, standardError: curve.relevantAttentionStandardError };
  return experiments.map((_, i) =>
    curve.converged[i] === true
      ? {
          error: {
            mean: curve.error[i] as number,
            standardError: curve.standardError[i] as number,
            reliable: curve.reliable[i] === true,
          },
          relevantAttention,
        }
      : kUnsolved,
  );
}

/** The laws of experiments that differ in n and λ only, which share their draws and so their cost. */
async function knownPromptLaws(
  experiments: readonly ResolvedKnownPrompt[],
  { quick, seed, signal }: LawOptions,
): Promise<readonly PointLaw[]> {
  const [{ mixture, inverseTemperature, head }] = experiments as readonly [ResolvedKnownPrompt];
  for (const experiment of experiments) requireKnownPromptLaw(experiment);
  const shared = { mixture, inverseTemperature, draws: drawsOf('knownPrompt', quick), seed, signal };
  const [ridge, ...ridges] = experiments.map((experiment) => ridgeOf(experiment.head));
  // In one go, with the attention, where nothing but n differs.
  if (quick && ridges.every((other) => other === ridge)) return limitCurve(experiments, shared, head);
  const laws = await lawPoints(
    { ...shared, head: head.kind, threads: availableParallelism() },
    experiments.map((experiment) => ({
      sampleRatio: experiment.examples / mixture.dimension,
      ridge: ridgeOf(experiment.head),
      examples: quick ? undefined : experiment.examples,
    })),
  );
  // The attention does not depend on the head; this one needs no equations.
  const attention = await knownPrompt({ ...shared, head: { kind: 'averaging' }, sampleRatio: 1 });
  const relevantAttention = {
    mean: attention.relevantAttention,
    standardError: attention.relevantAttentionStandardError,
  };
  return laws.map((law) =>
    law === undefined
      ? kUnsolved
      : { error: { mean: law.error, standardError: law.standardError, reliable: law.reliable }, relevantAttention },
  );
}

async function lawOf(experiment: ResolvedExperiment, options: LawOptions): Promise<PointLaw> {
  const { quick, seed, signal } = options;
  if (experiment.kind === 'known-prompt' && experiment.mixture.noise === 'gaussian')
    return (await knownPromptLaws([experiment], options))[0] as PointLaw;
  return kindOf(experiment).theory(experiment, { draws: drawsOf('others', quick), seed, signal });
}

/** What an error of one point says; the others go on. */
function problemOf(error: unknown, signal: AbortSignal): PointLaw {
  signal.throwIfAborted();
  return { problem: error instanceof Error ? error.message : String(error) };
}

/** Whether two experiments have their law from the same draws: known prompts that differ in n and λ only. */
function sharesDraws(a: ResolvedExperiment, b: ResolvedExperiment): boolean {
  if (a.kind !== 'known-prompt' || b.kind !== 'known-prompt' || a.mixture.noise !== 'gaussian') return false;
  const same = ({ mixture, inverseTemperature, head }: ResolvedKnownPrompt) =>
    canonicalJson({ mixture, inverseTemperature, head: head.kind });
  return same(a) === same(b);
}

async function curveLaws(
  { experiment, points }: { readonly experiment: unknown; readonly points: readonly z.output<typeof pointSchema>[] },
  options: LawOptions,
): Promise<readonly PointLaw[]> {
  const { signal } = options;
  const parsed = points.map((point) => {
    try {
      return { experiment: experimentAt(experiment, point, '') };
    } catch (error) {
      return { law: problemOf(error, signal) };
    }
  });
  const valid = parsed.flatMap((each) => each.experiment ?? []);
  const [first, ...others] = valid;
  if (first?.kind === 'known-prompt' && others.every((other) => sharesDraws(first, other))) {
    const laws = await knownPromptLaws(valid as readonly ResolvedKnownPrompt[], options).catch((error: unknown) =>
      valid.map(() => problemOf(error, signal)),
    );
    const next = laws.values();
    return parsed.map((each) => (each.experiment === undefined ? each.law : (next.next().value ?? null)));
  }
  const laws: PointLaw[] = [];
  for (const each of parsed)
    laws.push(
      each.experiment === undefined
        ? each.law
        : await lawOf(each.experiment, options).catch((error: unknown) => problemOf(error, signal)),
    );
  return laws;
}

/** The laws of some settings along their points; a point that has none, or whose options are wrong, says so for itself. */
export async function answerLaws(question: unknown, signal: AbortSignal): Promise<unknown> {
  const { curves, quick, seed } = parseOptions(schema, question, '');
  return { curves: await Promise.all(curves.map((curve) => curveLaws(curve, { quick, seed, signal }))) };
}
