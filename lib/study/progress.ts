import type { FactorValue } from './factors.js';
import { expectedTrials, type TrialsRule } from './schedule.js';

/** How far a running study is. */
export interface StudyProgress {
  /** Cells of the grid. */
  readonly cells: number;
  /** Cells that have reached their stopping rule. */
  readonly finishedCells: number;
  /** Levels of the cell under way. */
  readonly factors: Readonly<Record<string, FactorValue>>;
  /** Trials of the cell under way that are finished. */
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
  private readonly completed: number[];
  private readonly expected: (number | undefined)[];
  private readonly stored: number;
  private finished = 0;

  /** @param stored Trials in the store per cell, in grid order. */
  constructor(
    private readonly rule: TrialsRule,
    stored: readonly number[],
  ) {
    this.completed = [...stored];
    this.expected = stored.map(() => undefined);
    this.stored = stored.reduce((sum, trials) => sum + trials, 0);
  }

  /** `trials` trials of a cell are finished. */
  advance(cell: number, trials: number): void {
    this.completed[cell] = trials;
  }

  /** The standard error of a cell was looked at after `trials` trials. */
  look(cell: number, trials: number, standardError: number): void {
    this.expected[cell] = expectedTrials(this.rule, trials, standardError);
  }

  /** A cell has reached its stopping rule. */
  finish(cell: number): void {
    this.expected[cell] = this.completed[cell];
    this.finished += 1;
  }

  snapshot(cell: number, factors: StudyProgress['factors']): StudyProgress {
    // A cell not looked at yet is expected to need what the others need on average.
    const known = this.expected.filter((trials) => trials !== undefined);
    const typical =
      known.length > 0 ? known.reduce((sum, trials) => sum + trials, 0) / known.length : this.rule.maximum;
    let expectedTotal = 0;
    for (const [index, trials] of this.expected.entries())
      expectedTotal += Math.max(trials ?? typical, this.completed[index] ?? 0);
    return {
      cells: this.completed.length,
      finishedCells: this.finished,
      factors,
      cellTrials: this.completed[cell] ?? 0,
      completedTrials: this.completed.reduce((sum, trials) => sum + trials, 0),
      storedTrials: this.stored,
      expectedTrials: Math.round(expectedTotal),
    };
  }
}
