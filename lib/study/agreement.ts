import { chiSquareTail, normalScore, normalTailQuantile, normalTails } from '../base/distributions.js';
import { cellKey, type ResolvedExperiment } from '../simulation/kinds.js';
import { StudyCells } from './cells.js';
import type { StudySpec } from './definition/study-options.js';
import type { StudyAgreement, StudyRow } from './rows.js';

/** Probabilities below this are improbable: 5 % for the two of them. */
const kImprobable = 0.025;
/** z-scores beyond this count as this: sums must stay finite. */
const kMostScore = 1000;
/**
 * How far n and d may shift the argument x of the error Φ(−x), in units of (1 + |x|)(1/n + 1/d). Chosen from the gaps that
 * docs/laws-and-simulation.md measures.
 */
const kFiniteSize = 3;

/** What a law for n, d → ∞ may be off at the size of an experiment; 0 for experiments that are not of the mixture. */
export function finiteSizeGap(experiment: ResolvedExperiment, error: number): number {
  if (!('mixture' in experiment)) return 0;
  const examples = Math.min(...[experiment.examples].flat());
  const shift = kFiniteSize * (1 / experiment.mixture.dimension + 1 / examples);
  if (!(error > 0 && error < 1)) return error === 0 || error === 1 ? shift : 0;
  const x = normalTailQuantile(error);
  // Φ(−x) falls from x by so much on its steeper side.
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  return Math.min(1, density * (1 + Math.abs(x)) * shift);
}

/** What is summed over the rows of a study. */
interface Score {
  readonly z: number;
  /** Part of the difference that n and d may explain, in standard errors. */
  readonly allowed: number;
  /** Share of the standard error that is the simulation's, and the law's: squares add up to 1. */
  readonly simulated: number;
  readonly drawn: number;
  /** Rows of one group have the same random numbers. */
  readonly group: string;
}

function scoreOf(cells: StudyCells, row: StudyRow): Score {
  const { z, standardError, meanError, trials, failed, index } = row;
  const [theory, theoryError] = [row.theory as number, row.theoryStandardError as number];
  const both = Math.hypot(standardError, theoryError);
  const share = both > 0 ? standardError / both : 1;
  // Welch and Satterthwaite: only the simulation's part has degrees of freedom.
  const degrees = (trials - failed - 1) / share ** 4;
  const score = normalScore(z as number, degrees);
  const { experiment } = cells.at(index);
  const gap = finiteSizeGap(experiment, theory);
  return {
    z: Math.sign(score) * Math.min(Math.abs(score), kMostScore),
    allowed: Math.min(1, gap / Math.abs(meanError - theory)) * Math.min(Math.abs(score), kMostScore),
    simulated: share,
    drawn: both > 0 ? theoryError / both : 0,
    group: cellKey(experiment).join(),
  };
}

/**
 * Σ and Σ² of the correlations of all pairs of z, themselves included. Rows with the same random numbers are taken as fully correlated
 * in their trials, and all rows in the draws of their laws, which they share: then no correlation that there is is taken for a
 * disagreement.
 */
function correlations(scores: readonly Score[]): readonly [number, number] {
  const groups = new Map<string, { s: number; ss: number; sd: number; ssss: number; ssdd: number }>();
  let [d, dd, dddd] = [0, 0, 0];
  for (const { simulated: s, drawn, group } of scores) {
    const sums = groups.get(group) ?? { s: 0, ss: 0, sd: 0, ssss: 0, ssdd: 0 };
    groups.set(group, sums);
    sums.s += s;
    sums.ss += s ** 2;
    sums.sd += s * drawn;
    sums.ssss += s ** 4;
    sums.ssdd += (s * drawn) ** 2;
    d += drawn;
    dd += drawn ** 2;
    dddd += drawn ** 4;
  }
  let [sum, squares] = [d ** 2, scores.length + dd ** 2 - dddd];
  for (const { s, ss, sd, ssss, ssdd } of groups.values()) {
    sum += s ** 2;
    squares += ss ** 2 - ssss + 2 * (sd ** 2 - ssdd);
  }
  return [sum, squares];
}

/** How the rows of a study compare with their laws; null if there is nothing to compare. */
export function agreementOf(spec: StudySpec, rows: readonly StudyRow[]): StudyAgreement | null {
  const comparable = rows.filter(({ z }) => z !== null);
  const used = comparable.filter(({ reliable }) => reliable);
  if (used.length === 0) return null;
  const cells = StudyCells.of(spec);
  const scores = used.map((row) => scoreOf(cells, row));
  const [variance, squaredCorrelations] = correlations(scores);
  const sum = scores.reduce((total, { z }) => total + z, 0);
  const squares = scores.reduce((total, { z }) => total + z ** 2, 0);
  // Satterthwaite: correlated squares spread like fewer independent ones.
  const degrees = used.length ** 2 / squaredCorrelations;
  const squareTail = (total: number) => chiSquareTail(degrees, (total * degrees) / used.length);
  const meanZProbability = normalTails(sum / Math.sqrt(variance));
  const meanSquareZProbability = squareTail(squares);
  const agrees = Math.min(meanZProbability, meanSquareZProbability) >= kImprobable;
  const beyond = scores.reduce((total, { z, allowed }) => total + (Math.abs(z) - allowed) ** 2, 0);
  const isGap = scores.some(({ allowed }) => allowed > 0) && squareTail(beyond) >= kImprobable;
  return Object.freeze({
    cells: used.length,
    markedCells: comparable.length - used.length,
    meanZ: sum / used.length,
    meanZProbability,
    meanSquareZ: squares / used.length,
    meanSquareZProbability,
    verdict: agrees ? 'agrees' : isGap ? 'finite-size gap' : 'disagrees',
  });
}
