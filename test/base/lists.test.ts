// The lists of the core and those of TypeScript: what stands on one side only fails.
import test from 'ava';
import { type NativeAddon, type NativeModel, native } from '../../lib/base/native.js';
import { kVectorModels } from '../../lib/base/native-types.js';
import {
  type FitResult,
  type ModelLoss,
  SolverFallback,
  SolverUsed,
  type ThreeStepHead,
  TrialStatus,
} from '../../lib/index.js';
import { kNoises } from '../../lib/mixture/mixture.js';
import { kOptimizerKinds, kScheduleKinds } from '../../lib/training/optimizer.js';

/** The members of a union: one that is forgotten or too many does not compile. */
const all = <Union extends string>(members: Readonly<Record<Union, true>>) => Object.keys(members);
/** The names of codes, in the order of the codes, which are 0, 1, … */
const byCode = (codes: Readonly<Record<string, number>>) =>
  Object.entries(codes).reduce<string[]>((names, [name, code]) => {
    names[code] = name;
    return names;
  }, []);

test('every list of the core is that of TypeScript', (t) => {
  const { heads: _, ...lists } = native.describe();
  t.deepEqual(lists, {
    noises: [...kNoises],
    models: [...kVectorModels, 'matrix-attention'] satisfies NativeModel['kind'][],
    losses: all<ModelLoss>({ square: true, logistic: true, 'cross-entropy': true }),
    optimizers: kOptimizerKinds,
    schedules: kScheduleKinds,
    threeStepHeads: all<ThreeStepHead>({ fresh: true, restarted: true, continued: true }),
    methods: all<Parameters<NativeAddon['simulateKnownPrompt']>[0]['method']>({ projected: true, dense: true }),
    solvers: all<Parameters<NativeAddon['simulateKnownPrompt']>[0]['solver']>({
      direct: true,
      iterative: true,
      auto: true,
    }),
    limits: all<Parameters<NativeAddon['measureLimit']>[0]['kind']>({
      normals: true,
      exponentials: true,
      products: true,
      'least-squares': true,
      triad: true,
    }),
    trialStatuses: byCode(TrialStatus),
    headSolvers: byCode(SolverUsed),
    fallbacks: byCode(SolverFallback),
    fitStops: all<FitResult<string>['stopped']>({ steps: true, patience: true, diverged: true }),
  });
});
