import { z } from 'zod';

/**
 * How work is cut into jobs. A job is a list of items, each a range of trials of one cell. A worker takes one job, works on
 * it for about {@link kJobSeconds} seconds, and stores in one transaction: the results, that the job is done, and new jobs for what is left of
 * it. So a job lasts seconds whatever its trials cost, nobody has to know beforehand, and the number of jobs is about the
 * seconds of work divided by ten.
 */
export const kJobSeconds = 10;
/** A study of unknown cost begins as at most this many jobs. */
const kFirstJobs = 64;
/** Items of one job; more would make its payload large. */
const kMostItems = 2000;

/** Trials [firstTrial, firstTrial + trials) of a cell; without trials it stands for the law of the cell. */
export interface WorkItem {
  readonly cell: number;
  readonly firstTrial: number;
  readonly trials: number;
}

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What the queue holds: numbers only. */
const payloadSchema = z.strictObject({
  /** [cell, firstTrial, trials] of every item. */
  items: z
    .array(z.tuple([count, count, count]))
    .min(1)
    .max(kMostItems),
});

/** A job as the queue holds it. */
export type JobPayload = z.output<typeof payloadSchema>;

export function toPayload(items: readonly WorkItem[]): JobPayload {
  return { items: items.map(({ cell, firstTrial, trials }) => [cell, firstTrial, trials]) };
}

/** The items of a payload; throws if it is not one of this package. */
export function fromPayload(payload: unknown): readonly WorkItem[] {
  const parsed = payloadSchema.safeParse(payload);
  if (!parsed.success) throw new Error('its payload is not one of prompt-attention');
  return parsed.data.items.map(([cell, firstTrial, trials]) => ({ cell, firstTrial, trials }));
}

/** Cut an item into pieces of at most `trials` trials. */
function* pieces(item: WorkItem, trials: number): Generator<WorkItem> {
  if (item.trials <= trials) yield item;
  else
    for (let done = 0; done < item.trials; done += trials)
      yield { ...item, firstTrial: item.firstTrial + done, trials: Math.min(trials, item.trials - done) };
}

/**
 * Distribute items over jobs of about {@link kJobSeconds} seconds each.
 *
 * @param secondsPerTrial Seconds that one trial of a cell takes a worker; undefined while it is not known.
 */
export function planJobs(
  items: readonly WorkItem[],
  secondsPerTrial: (cell: number) => number | undefined,
): readonly (readonly WorkItem[])[] {
  const jobs: WorkItem[][] = [];
  let current: WorkItem[] = [];
  let seconds = 0;
  const close = () => {
    if (current.length > 0) jobs.push(current);
    current = [];
    seconds = 0;
  };
  const unknown: WorkItem[] = [];
  for (const item of items) {
    const rate = secondsPerTrial(item.cell);
    if (rate === undefined || item.trials === 0) {
      unknown.push(item);
      continue;
    }
    for (const piece of pieces(item, Math.max(1, Math.floor(kJobSeconds / rate)))) {
      const own = piece.trials * rate;
      if (seconds + own > kJobSeconds || current.length >= kMostItems) close();
      current.push(piece);
      seconds += own;
    }
  }
  close();
  const size = Math.min(kMostItems, Math.ceil(unknown.length / kFirstJobs));
  for (let i = 0; i < unknown.length; i += size) jobs.push(unknown.slice(i, i + size));
  return jobs;
}
