import { kMarkText, type ReliabilityMark } from '../study/reliability.js';
import type { StudyAgreement, StudyRow } from '../study/rows.js';

/** A number with its sign, for a reader. */
export const signed = (value: number) => value.toFixed(2).replace('-', '−');

/** A probability as `p = 0.12` or `p < 0.0001`. */
export function probabilityText(probability: number): string {
  return probability < 1e-4 ? 'p < 0.0001' : `p = ${Number(probability.toPrecision(2))}`;
}

const kVerdicts: Readonly<Record<StudyAgreement['verdict'], string>> = {
  agrees: 'agrees',
  'finite-size gap': 'finite-size gap: they differ, by no more than a law of n, d → ∞ may be off at these n and d',
  disagrees: 'disagrees',
};

/** How simulation and theory compare, on one line. */
export function agreementText(agreement: StudyAgreement): string {
  const { cells, markedCells, meanZ, meanZProbability, meanSquareZ, meanSquareZProbability, verdict } = agreement;
  const marked = markedCells === 0 ? '' : `, without ${markedCells} that are not reliable`;
  return (
    `simulation and theory: ${kVerdicts[verdict]} (${cells} cells${marked}; mean z ${signed(meanZ)}, ` +
    `${probabilityText(meanZProbability)}; mean z² ${meanSquareZ.toFixed(2)}, ${probabilityText(meanSquareZProbability)})`
  );
}

/** What the marks of some rows mean, one line for each that occurs. */
export function markLines(rows: readonly Pick<StudyRow, 'marks'>[]): readonly string[] {
  const present = new Set(rows.flatMap(({ marks }) => marks));
  return [...present].map((mark: ReliabilityMark) => `not reliable, ${mark}: ${kMarkText[mark]}`);
}
