import { createHash } from 'node:crypto';
import { OptionRangeError, OptionTypeError, StudyError } from '../errors.js';
import {
  canonicalJson,
  parseExperiment,
  type ResolvedExperiment,
  resolveMethod,
  type SimulationMethod,
} from '../experiment.js';
import { type FactorValue, factorText, withOption } from './factors.js';
import type { StudySpec } from './spec.js';

/** One point of a study's grid: a complete experiment and how its trials are run. */
export interface StudyCell {
  /** SHA-256, in hexadecimal, of the canonical JSON of `{ experiment, method, testDraws }`: the identity of the cell's row. */
  readonly key: string;
  /** The level of every factor, in the order of the study's factors. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /** The experiment with every default filled in; `simulate(experiment, { seed: study.seed, … })` runs the cell's trials. */
  readonly experiment: ResolvedExperiment;
  readonly method: SimulationMethod;
  /** Draws that estimate the test error of each trial. */
  readonly testDraws: number;
}

/** All combinations of levels, the last factor varying fastest. */
function* combinations(
  factors: readonly (readonly [string, readonly FactorValue[]])[],
): Generator<Record<string, FactorValue>> {
  const [first, ...rest] = factors;
  if (first === undefined) {
    yield {};
    return;
  }
  const [path, levels] = first;
  for (const level of levels) {
    for (const others of combinations(rest)) yield { [path]: level, ...others };
  }
}

function makeCell(spec: StudySpec, factors: Record<string, FactorValue>): StudyCell {
  let options: unknown = spec.experiment;
  for (const [path, value] of Object.entries(factors)) options = withOption(options, path, value);
  try {
    const experiment = parseExperiment(options, 'experiment');
    const method = resolveMethod(experiment, spec.method);
    const { testDraws } = spec;
    const key = createHash('sha256').update(canonicalJson({ experiment, method, testDraws })).digest('hex');
    return Object.freeze({ key, factors: Object.freeze(factors), experiment, method, testDraws });
  } catch (error) {
    if (!(error instanceof OptionTypeError || error instanceof OptionRangeError)) throw error;
    const where = factorText(factors);
    throw new StudyError(where === '' ? error.message : `${error.message} (in the cell ${where})`, { cause: error });
  }
}

/**
 * The cells of a study: the full grid of its factors, the last factor varying fastest.
 *
 * @throws {@link StudyError} if the experiment of a cell is not valid (the error names the option and the cell), or if two
 * cells are the same experiment.
 */
export function studyCells(spec: StudySpec): readonly StudyCell[] {
  const cells = new Map<string, StudyCell>();
  for (const factors of combinations(Object.entries(spec.factors))) {
    const cell = makeCell(spec, factors);
    const same = cells.get(cell.key);
    if (same !== undefined)
      throw new StudyError(
        `factors: the cells ${factorText(same.factors)} and ${factorText(cell.factors)} are the same experiment`,
      );
    cells.set(cell.key, cell);
  }
  return Object.freeze([...cells.values()]);
}
