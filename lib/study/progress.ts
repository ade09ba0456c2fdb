import type { Estimate } from '../base/kind.js';
import type { FactorValue } from './definition/factors.js';
import { expectedTrials, type TrialsRule } from './definition/schedule.js';

/** How far a running study is. */
export interface StudyProgress {
  /** Cells that this run is about: those of the grid, or of the shard. */
  readonly cells: number;
  /** Cells that have reached their stopping rule. */
  readonly finishedCells: number;
  /** Levels of the cell that was worked on last. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /** Trials of that cell that are finished. */
  readonly cellTrials: number;
  /** Trials finished in all cells, those of earlier runs included. */
  readonly completedTrials: number;
  /** Of these, trials that were in the store when this run began. */
  readonly storedTrials: number;
  /** Estimate of what `completedTrials` will be in the end; revised at every look. */
  readonly expectedTrials: number;
}

/** Keeps count of a study's trials and estimates how many there will be. */
export class ProgressEstimate {
  private readonly completed: Float64Array;
  /** Expected trials of the cells looked at so far; NaN for the others. */
  private readonly expected: Float64Array;
  private readonly stored: number;
  private completedTotal: number;
  private expectedTotal = 0;
  private known = 0;
  private finished = 0;

  /** @param stored Trials in the store per cell. */
  constructor(
    private readonly rule: TrialsRule,
    stored: ArrayLike<number>,
  ) {
    this.completed = Float64Array.from(stored);
    this.expected = new Float64Array(stored.length).fill(Number.NaN);
    this.stored = this.completed.reduce((sum, trials) => sum + trials, 0);
    this.completedTotal = this.stored;
  }

  private expect(cell: number, trials: number): void {
    const before = this.expected[cell] as number;
    this.known += Number.isNaN(before) ? 1 : 0;
    this.expectedTotal += trials - (Number.isNaN(before) ? 0 : before);
    this.expected[cell] = trials;
  }

  /** Trials of a cell that are finished. */
  trialsOf(cell: number): number {
    return this.completed[cell] as number;
  }

  /** `trials` trials of a cell are finished. */
  advance(cell: number, trials: number): void {
    this.completedTotal += trials - (this.completed[cell] as number);
    this.completed[cell] = trials;
  }

  /** A cell was looked at after `trials` trials. */
  look(cell: number, trials: number, estimate: Estimate): void {
    this.expect(cell, expectedTrials(this.rule, trials, estimate));
  }

  /** A cell has reached its stopping rule. */
  finish(cell: number): void {
    this.expect(cell, this.completed[cell] as number);
    this.finished += 1;
  }

  snapshot(cell: number, factors: StudyProgress['factors']): StudyProgress {
    // A cell not looked at yet is expected to need what the others need on average.
    const typical = this.known > 0 ? this.expectedTotal / this.known : this.rule.maximum;
    const expected = this.expectedTotal + typical * (this.expected.length - this.known);
    return {
      cells: this.completed.length,
      finishedCells: this.finished,
      factors,
      cellTrials: this.completed[cell] ?? 0,
      completedTrials: this.completedTotal,
      storedTrials: this.stored,
      expectedTrials: Math.round(Math.max(expected, this.completedTotal)),
    };
  }
}
