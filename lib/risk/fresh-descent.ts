import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { ConvergenceError, OptionRangeError } from '../base/errors.js';
import { hashKey } from '../base/hash.js';
import { runJob } from '../base/job.js';
import { native } from '../base/native.js';
import { abortSignal, integerFrom, nonNegativeNumber, seedSchema, threadCount } from '../base/options.js';
import { gradientDescentSchema, kNeedsScale } from '../experiments/gradient-descent.js';
import { requireScalarNoise, toNativeMixture } from '../mixture/mixture.js';
import { toNativeOptimizer } from '../training/optimizer.js';
import type { GradientDescentRisk } from './descent-risk.js';

const stepSizes = z.union([nonNegativeNumber, z.array(nonNegativeNumber)], {
  error: 'a number ≥ 0, or an array with one for every step',
});
/** Options of a law of gradient descent, whatever the data. */
export const descentRiskShape = {
  ...gradientDescentSchema.shape,
  kind: z.literal('gradient-descent').optional(),
  model: z.enum(['prompt-attention', 'linear-attention', 'mean-pooling'], {
    error: "'prompt-attention', 'linear-attention' or 'mean-pooling'",
  }),
  steps: integerFrom(0, 1_000_000),
  fluctuations: z.boolean({ error: 'true or false' }).default(true),
  draws: integerFrom(64, 2 ** 31 - 1).default(20_000),
  seed: seedSchema.default(0),
  threads: threadCount,
  signal: abortSignal,
};
export const freshDescentSchema = z
  .strictObject({
    ...descentRiskShape,
    data: z.literal('fresh'),
    stepSizes: z.strictObject(
      { head: stepSizes, prompt: stepSizes },
      { error: 'an object { head, prompt } with step sizes ≥ 0' },
    ),
  })
  .refine(kNeedsScale.check, kNeedsScale);

type FreshDescent = z.output<typeof freshDescentSchema>;

/** Below it the directions that fluctuate have no room beside those that the path is told by. */
export const kLeastDescentDimension = 8;

function everyStep(name: string, sizes: number | readonly number[], steps: number): Float64Array {
  if (typeof sizes === 'number') return new Float64Array(steps).fill(sizes);
  if (sizes.length !== steps)
    throw new OptionRangeError(`stepSizes.${name}`, `a number, or ${steps} of them, one per step`, sizes);
  return Float64Array.from(sizes);
}

/** Refuses what no law of gradient descent is for. */
export function requireDescentLaw({ mixture, optimizer }: Pick<FreshDescent, 'mixture' | 'optimizer'>): void {
  requireScalarNoise(mixture, 'mixture', 'a risk');
  if (optimizer.kind === 'adam')
    throw new OptionRangeError(
      'optimizer.kind',
      "'gradient-descent', 'normalized-gradient-descent' or 'momentum' for a law",
      optimizer.kind,
    );
}

/**
 * The law of gradient descent on fresh examples (theory.md §13).
 *
 * @param stream Draws under another name are independent of these.
 */
export async function freshDescent(parsed: FreshDescent, stream?: string): Promise<GradientDescentRisk> {
  const { mixture, model, fluctuations, steps, optimizer, initial, signal } = parsed;
  requireDescentLaw(parsed);
  if (fluctuations && mixture.dimension < kLeastDescentDimension)
    throw new OptionRangeError('fluctuations', `false for a dimension below ${kLeastDescentDimension}`, fluctuations);
  const { reliable, ...law } = await runJob(
    () =>
      native.descentRisk({
        mixture: toNativeMixture(mixture),
        model: { kind: model, tokens: mixture.tokens, dimension: mixture.dimension },
        loss: parsed.loss,
        examples: parsed.examples,
        optimizer: toNativeOptimizer(optimizer),
        promptSteps: everyStep('prompt', parsed.stepSizes.prompt, steps),
        headSteps: everyStep('head', parsed.stepSizes.head, steps),
        initialScale: initial === 'zero' ? 0 : initial.scale,
        recordEvery: parsed.recordEvery ?? 1,
        fluctuations,
        draws: parsed.draws,
        threads: parsed.threads ?? availableParallelism(),
        seed: BigInt(parsed.seed),
        cellKey: hashKey({ risk: 'gradient-descent', ...(stream !== undefined && { stream }) }),
      }),
    { signal },
  );
  const { effectiveDraws: _, ...values } = law;
  const overflows = (record: number) => Object.values(values).some((path) => !Number.isFinite(path[record]));
  const step = law.steps.find((_, record) => overflows(record));
  if (step !== undefined) throw new ConvergenceError(`the training overflows before step ${step}`, { step });
  return { basis: 'equations', sizes: [], ...law, reliable: Array.from(reliable, (value) => value === 1) };
}
