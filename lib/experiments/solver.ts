import { OptionRangeError } from '../base/errors.js';
import type { HeadSolver, SimulationMethod } from '../base/kind.js';
import { type Head, isSum, kOnlyDirect } from '../heads/head.js';
import type { ResolvedKnownPrompt } from './known-prompt.js';

/** Conjugate gradients give up after so many iterations. */
const kMostIterations = 512;
/** Factorisations that a logistic head costs as much as: chosen likewise. */
const kNewtonSteps = 16;
/** Relative residual that they reach. */
const kTolerance = 1e-10;
/** How far noise that differs between examples lowers the least singular values, the more the wider scores scatter: chosen by test/audit/head-times.ts. */
const kSpread = 3;
/** Iterations over those of a bound for the worst spectrum between its ends: chosen likewise. */
const kSuperlinear = 0.8;
/** The scales of a trial's features bound its iterations from above: more are predicted than are needed, by as much. */
const kPessimism = 2.5;
/** Nanoseconds, one thread of the machine of docs/lazy-noise.md: a normal, an operation of BLAS 3, a number read from memory. */
const kNormal = 2;
const kOperation = 0.025;
const kRead = 0.23;
/** Nanoseconds that are not worth saving: solved directly, heads have the same features, and their differences are paired. */
const kShort = 250_000;

/**
 * Log of a typical sum of m terms exp(a g), g standard normal: m e^(a²/2), until its largest term rules.
 */
function typicalLogSum(m: number, a: number): number {
  const largest = Math.sqrt(2 * Math.log(Math.max(m, 1)));
  return Math.log(m) + (a <= largest ? a ** 2 / 2 : a * largest - largest ** 2 / 2);
}

/** Typical variance s² of the noise of a feature, Σ φ_t² times that of the tokens; without confusion. */
function typicalVariance({ mixture, inverseTemperature }: ResolvedKnownPrompt): number {
  const { tokens, relevantTokens, contextNorm, noiseLevel, relevantNoiseLevel } = mixture;
  const scatter = Math.abs(inverseTemperature) * contextNorm;
  const squares = [
    { count: tokens - relevantTokens, level: noiseLevel, score: 0 },
    { count: relevantTokens, level: relevantNoiseLevel, score: inverseTemperature * contextNorm ** 2 },
  ].map(({ count, level, score }) => ({
    level,
    sum: score + typicalLogSum(count, scatter * level),
    square: 2 * score + typicalLogSum(count, 2 * scatter * level),
  }));
  const most = Math.max(...squares.map(({ sum }) => sum));
  const total = most + Math.log(squares.reduce((all, { sum }) => all + Math.exp(sum - most), 0));
  return squares.reduce(
    (all, { level, sum, square }) =>
      all + (level === 0 ? 0 : level ** 2 * Math.exp(Math.min(square, 2 * sum) - 2 * total)),
    0,
  );
}

/**
 * Iterations of conjugate gradients: the singular values of noise n×d lie between |√n − √d| and √n + √d, and the error
 * falls by (κ − 1)/(κ + 1) per iteration, κ the ratio of the ends with the ridge, over the noise's variance, added to both.
 */
function predictedIterations(experiment: ResolvedKnownPrompt, ridge: number): number {
  const { examples, mixture, inverseTemperature } = experiment;
  const { dimension } = mixture;
  const variance = typicalVariance(experiment);
  // Without noise there are two directions at most.
  if (variance === 0) return 2;
  const penalty = (examples * ridge) / variance;
  const scatter = inverseTemperature * mixture.contextNorm * mixture.noiseLevel;
  const largest = (Math.sqrt(examples) + Math.sqrt(dimension)) ** 2;
  const least = (Math.sqrt(examples) - Math.sqrt(dimension)) ** 2 / (1 + kSpread * scatter ** 2);
  // 1/κ, which is 0 at n = d without a ridge.
  const inverse = penalty === Number.POSITIVE_INFINITY ? 1 : Math.sqrt((least + penalty) / (largest + penalty));
  const iterations = (kSuperlinear * Math.log(2 / kTolerance)) / Math.log((1 + inverse) / (1 - inverse));
  return Math.min(Math.max(iterations, 1), examples, dimension);
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
  const { direct } = predictedCost(experiment);
  const quadratic = 3.5 * kRead * experiment.examples;
  const linear = kNormal * experiment.examples;
  const iterations = (Math.sqrt(linear ** 2 + 4 * quadratic * direct) - linear) / (2 * quadratic);
  return Math.min(kMostIterations, Math.floor(kPessimism * iterations));
}

/** Predicted nanoseconds of one trial by each solver. */
function predictedCost(experiment: ResolvedKnownPrompt): Readonly<Record<HeadSolver, number>> {
  const { examples, head } = experiment;
  const { dimension } = experiment.mixture;
  const isLogistic = head.kind === 'logistic';
  const ridge = 'ridge' in head ? head.ridge : 0;
  // The logistic Hessian is that of least squares with weights p(1 − p) ≤ 1/4, factorised once per Newton step.
  const iterations = predictedIterations(experiment, isLogistic ? 4 * ridge : ridge);
  const normals = kNormal * examples * dimension;
  const smaller = Math.min(examples, dimension);
  const factorisation = kOperation * (examples * dimension * smaller + smaller ** 3 / 3);
  const logistic = kOperation * kNewtonSteps * (examples * smaller ** 2 + smaller ** 3 / 3);
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
  const { head, solver = 'auto' } = experiment;
  if (isSum(head)) return undefined;
  const reason = onlyDirect(head, method);
  if (reason !== undefined) {
    if (solver !== 'iterative') return 'direct';
    throw new OptionRangeError('experiment.solver', `'direct' or 'auto' ${reason}`, solver);
  }
  if (solver !== 'auto') return solver;
  const cost = predictedCost(experiment);
  return cost.direct > kShort && cost.iterative < cost.direct ? 'iterative' : 'direct';
}

/** Why conjugate gradients cannot find a head, or undefined if they can. */
function onlyDirect(head: Head, method: SimulationMethod): string | undefined {
  if (method === 'dense') return "with method 'dense'";
  return kOnlyDirect[head.kind]('ridge' in head ? head.ridge : 0);
}
