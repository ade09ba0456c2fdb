import { OptionRangeError } from '../base/errors.js';
import type { HeadSolver, SimulationMethod } from '../base/kind.js';
import { type Head, isSum, kOnlyDirect } from '../heads/head.js';
import type { ResolvedKnownPrompt } from './known-prompt.js';

/** Conjugate gradients give up after so many iterations. */
const kMostIterations = 512;
/** Newton steps of a logistic head. */
const kNewtonSteps = 8;
/** Relative residual that they reach. */
const kTolerance = 1e-10;
/** Features of examples have different noise, which spreads the spectrum beyond that of equal ones: measured. */
const kSpread = 1.5;
/** The scales of a trial's features bound its iterations from above: more are predicted than are needed, by as much. */
const kPessimism = 1.5;
/** Nanoseconds, one thread of the machine of docs/lazy-noise.md: a normal, an operation of BLAS 3, a number read from memory. */
const kNormal = 2;
const kOperation = 0.025;
const kRead = 0.35;

/**
 * Iterations of conjugate gradients: the singular values of noise n×d lie between |√n − √d| and √n + √d, and the error
 * falls by (κ − 1)/(κ + 1) per iteration, κ the ratio of the ends with the ridge added to both.
 */
function predictedIterations(examples: number, dimension: number, ridge: number): number {
  const penalty = examples * ridge;
  const ends = [Math.sqrt(examples) + Math.sqrt(dimension), Math.sqrt(examples) - Math.sqrt(dimension)] as const;
  // 1/κ, which is 0 at n = d without a ridge.
  const inverse = Math.sqrt((ends[1] ** 2 + penalty) / (ends[0] ** 2 + penalty));
  const iterations = (-kSpread * Math.log(2 / kTolerance)) / Math.log((1 - inverse) / (1 + inverse));
  return Math.min(iterations, examples, dimension);
}

/** Predicted nanoseconds of a trial with so many iterations: each reads all that is stored of n × iterations numbers seven times over. */
function iterativeCost(examples: number, iterations: number): number {
  return 3.5 * kRead * examples * iterations ** 2 + kNormal * examples * iterations;
}

/**
 * Iterations up to which conjugate gradients are worth while beside a factorisation. A trial whose features' scales, known before
 * anything is solved, say that it would need more is solved directly.
 */
export function worthwhileIterations(experiment: ResolvedKnownPrompt): number {
  const { direct } = predictedCost(experiment.examples, experiment.mixture.dimension, experiment.head);
  const quadratic = 3.5 * kRead * experiment.examples;
  const linear = kNormal * experiment.examples;
  const iterations = (Math.sqrt(linear ** 2 + 4 * quadratic * direct) - linear) / (2 * quadratic);
  return Math.min(kMostIterations, Math.floor(kPessimism * iterations));
}

/** Predicted nanoseconds of one trial by each solver. */
function predictedCost(examples: number, dimension: number, head: Head): Readonly<Record<HeadSolver, number>> {
  const isLogistic = head.kind === 'logistic';
  const ridge = 'ridge' in head ? head.ridge : 0;
  // The logistic Hessian is that of least squares with weights p(1 − p) ≤ 1/4, factorised once per Newton step.
  const iterations = predictedIterations(examples, dimension, isLogistic ? 4 * ridge : ridge);
  const normals = kNormal * examples * dimension;
  const smaller = Math.min(examples, dimension);
  const factorisation = kOperation * (examples * dimension * smaller + smaller ** 3 / 3);
  const logistic = kOperation * kNewtonSteps * (examples * dimension ** 2 + dimension ** 3 / 3);
  return {
    direct: normals + (isLogistic ? logistic : factorisation),
    iterative: iterations < kMostIterations ? iterativeCost(examples, iterations) : Number.POSITIVE_INFINITY,
  };
}

/**
 * The solver of a known-prompt experiment's head: the one asked for, or the one of lower predicted cost, a function of the
 * experiment only. Undefined where there is nothing to solve.
 *
 * @throws {@link OptionRangeError} if the experiment asks for a solver that it cannot have.
 */
export function resolveSolver(experiment: ResolvedKnownPrompt, method: SimulationMethod): HeadSolver | undefined {
  const { head, examples, mixture, solver = 'auto' } = experiment;
  if (isSum(head)) return undefined;
  const reason = onlyDirect(head, method);
  if (reason !== undefined) {
    if (solver !== 'iterative') return 'direct';
    throw new OptionRangeError('experiment.solver', `'direct' or 'auto' ${reason}`, solver);
  }
  if (solver !== 'auto') return solver;
  const cost = predictedCost(examples, mixture.dimension, head);
  return cost.iterative < cost.direct ? 'iterative' : 'direct';
}

/** Why conjugate gradients cannot find a head, or undefined if they can. */
function onlyDirect(head: Head, method: SimulationMethod): string | undefined {
  if (method === 'dense') return "with method 'dense'";
  return kOnlyDirect[head.kind]('ridge' in head ? head.ridge : 0);
}
