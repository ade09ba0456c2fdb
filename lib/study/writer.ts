import type { Batch } from './batches.js';
import type { StudyRun } from './provenance.js';
import type { Results, StudyStore, TheoryResult } from './store.js';

/** Results wait at most this long before they are stored … */
const kWaitMilliseconds = 200;
/** … and at most so many bytes of them. */
const kWaitBytes = 4 * 2 ** 20;

/**
 * Stores results in groups, each in one transaction: a transaction costs as much as a small batch, and a process that is killed
 * loses a fraction of a second.
 */
export class ResultWriter {
  private batches: Batch[] = [];
  private theories: TheoryResult[] = [];
  private finished: number[] = [];
  private bytes = 0;
  private flushed = performance.now();
  private writing: Promise<void> = Promise.resolve();
  private begun = false;

  constructor(
    private readonly store: StudyStore,
    private readonly study: string,
    private readonly run: StudyRun,
  ) {}

  addBatch(batch: Batch): Promise<void> {
    this.batches.push(batch);
    for (const values of Object.values(batch.metrics)) this.bytes += values.byteLength;
    return this.flushIfDue();
  }

  addTheory(theory: TheoryResult): Promise<void> {
    this.theories.push(theory);
    return this.flushIfDue();
  }

  /** A cell has reached its stopping rule. */
  addFinished(cell: number): Promise<void> {
    this.finished.push(cell);
    return this.flushIfDue();
  }

  private async flushIfDue(): Promise<void> {
    if (performance.now() - this.flushed > kWaitMilliseconds || this.bytes > kWaitBytes) await this.flush();
  }

  private flush(): Promise<void> {
    const results: Results = { batches: this.batches, theories: this.theories, finished: this.finished };
    this.batches = [];
    this.theories = [];
    this.finished = [];
    this.bytes = 0;
    this.flushed = performance.now();
    this.writing = this.writing.then(async () => {
      if (Object.values(results).every(({ length }) => length === 0)) return;
      await this.store.transaction(async (store) => {
        // A run that computes nothing leaves no trace.
        if (!this.begun) await store.addRun(this.study, this.run);
        await store.writeResults(this.study, results);
      });
      this.begun = true;
    });
    return this.writing;
  }

  /** Store what is left, and that the run is over. */
  async finish(): Promise<void> {
    await this.flush();
    if (this.begun) await this.store.finishRun(this.run.id);
  }
}
