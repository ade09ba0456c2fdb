import { ConvergenceError, OptionRangeError } from '../../base/errors.js';
import type { Estimate, ExperimentKind, KeyedTrialRequest } from '../../base/kind.js';
import { native } from '../../base/native.js';
import {
  type CustomExperiment,
  type CustomMetrics,
  customSchema,
  definitionOf,
  type ResolvedCustom,
  type TrialRandom,
} from '../../experiments/custom.js';
import { runTrials, type TrialContext, type TrialOutcome } from '../../real-data/trials.js';

/** Streams of one trial. */
const kNormals = 0;
const kUniforms = 1;
const kSeed = 2;

/** Numbers of a stream, each once. */
class Numbers implements TrialRandom {
  private readonly taken = [0, 0];

  constructor(
    private readonly key: Uint32Array,
    private readonly masterSeed: bigint,
    private readonly trial: number,
  ) {}

  private draw(kind: 'normal' | 'uniform', purpose: number, first: number, count: number): Float64Array {
    return native.randomNumbers({
      ...{ seed: this.masterSeed, cellKey: this.key, trial: this.trial },
      ...{ kind, purpose, first, count },
    });
  }

  private next(kind: 'normal' | 'uniform', purpose: number, count: number): Float64Array {
    if (!Number.isInteger(count) || count < 0) throw new OptionRangeError('count', 'an integer ≥ 0', count);
    const first = this.taken[purpose] as number;
    this.taken[purpose] = first + count;
    return this.draw(kind, purpose, first, count);
  }

  normals(count: number): Float64Array {
    return this.next('normal', kNormals, count);
  }

  uniforms(count: number): Float64Array {
    return this.next('uniform', kUniforms, count);
  }

  get seed(): number {
    const [high, low] = this.draw('uniform', kSeed, 0, 2) as unknown as [number, number];
    return Math.floor(high * 2 ** 21) * 2 ** 32 + Math.floor(low * 2 ** 32);
  }
}

/** What a trial returned, checked. */
function checkedMetrics(
  names: readonly string[],
  found: CustomMetrics<string>,
  { name }: ResolvedCustom,
  trial: number,
): TrialOutcome {
  const where = `of trial ${trial} of '${name}'`;
  if (typeof found !== 'object' || found === null)
    throw new OptionRangeError(`metrics ${where}`, 'an object of numbers', found);
  for (const metric of names) {
    const value = found[metric];
    if (typeof value !== 'number' || !Number.isFinite(value) || (metric === 'error' && value < 0))
      throw new OptionRangeError(
        `${metric} ${where}`,
        `a finite number${metric === 'error' ? ' ≥ 0' : ''}; a trial that fails throws a ConvergenceError`,
        value,
      );
  }
  const surplus = Object.keys(found).find((metric) => !names.includes(metric));
  if (surplus !== undefined)
    throw new OptionRangeError(`${surplus} ${where}`, `one of its metrics, ${names.join(', ')}`, found[surplus]);
  return found;
}

async function runTrial(
  experiment: ResolvedCustom,
  key: Uint32Array,
  names: readonly string[],
  { seed, trial, signal }: TrialContext,
): Promise<TrialOutcome> {
  const random = new Numbers(key, BigInt(seed), trial);
  const { options } = experiment;
  const given = { options, random, trial, signal: signal ?? new AbortController().signal };
  try {
    const found = await definitionOf(experiment).trial(given);
    return checkedMetrics(names, found, experiment, trial);
  } catch (error) {
    if (error instanceof ConvergenceError) return 'not-converged';
    throw error;
  }
}

const metricsOf = (experiment: ResolvedCustom): readonly string[] => ['error', ...definitionOf(experiment).metrics];

/** Experiments that users define. */
export const customKind: ExperimentKind<CustomExperiment, ResolvedCustom, string> = {
  schema: customSchema,
  example: { kind: 'custom', name: 'example' },
  methodOptions: [],
  whyDense: () => 'for an experiment of your own',
  metrics: metricsOf,
  recordedSteps: () => new Float64Array(),
  isCounted: () => false,
  async simulate(experiment: ResolvedCustom, request: KeyedTrialRequest) {
    const names = metricsOf(experiment);
    const results = await runTrials(names, request, (context) => runTrial(experiment, request.cellKey, names, context));
    // The test error of a trial is what its experiment says it is.
    const each = (ok: number) => Float64Array.from(results.status, (code) => (code === 0 ? ok : Number.NaN));
    return {
      ...results,
      testError: {
        standardError: each(0),
        effectiveDraws: each(Number.POSITIVE_INFINITY),
        reliable: Uint8Array.from(results.status, (code) => Number(code === 0)),
      },
    };
  },
  async theory(experiment) {
    const known = await definitionOf(experiment).theory(experiment.options);
    return known as Readonly<Record<string, Estimate>> | null;
  },
  risk: undefined,
};
