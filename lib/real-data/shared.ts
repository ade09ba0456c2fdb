import { onAbort } from '../base/cancellation.js';
import { canonicalJson } from '../base/hash.js';

/** What is kept of one kind: results of the last few keys, so that neighbouring cells of a study share them. */
const kKept = 6;

interface Kept {
  readonly value: Promise<unknown>;
  /** Stops the work once nobody waits for it any more. */
  readonly work: AbortController;
  waiting: number;
}

const kept = new Map<string, Kept>();

function begin(text: string, make: (signal: AbortSignal) => Promise<unknown>): Kept {
  const work = new AbortController();
  const entry: Kept = { value: make(work.signal), work, waiting: 0 };
  // A failure is not kept.
  entry.value.catch(() => forget(text, entry));
  return entry;
}

function forget(text: string, entry: Kept): void {
  if (kept.get(text) === entry) kept.delete(text);
}

/** Wait for a value that others may wait for too: aborting ends this wait alone, and the work only if it was the last one. */
async function waitFor(text: string, entry: Kept, signal: AbortSignal | undefined): Promise<unknown> {
  let forgetSignal: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    forgetSignal = signal && onAbort(signal, () => reject(signal.reason));
  });
  entry.waiting += 1;
  try {
    return await Promise.race([entry.value, aborted]);
  } finally {
    forgetSignal?.();
    entry.waiting -= 1;
    if (signal?.aborted === true && entry.waiting === 0) {
      // Whoever comes next must not wait for work that is being given up.
      forget(text, entry);
      entry.work.abort(signal.reason);
    }
  }
}

/**
 * The value under a key, made once and kept for a while. Of a cache such as lru-cache this needs the order of a Map alone; what is here is who waits
 * for work under way, and when it stops.
 *
 * @param key Plain JSON.
 * @param signal That of the caller; `make` gets another one, which aborts when no caller is left.
 */
export async function shared<Value>(
  key: unknown,
  signal: AbortSignal | undefined,
  make: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  signal?.throwIfAborted();
  const text = canonicalJson(key);
  const entry = kept.get(text) ?? begin(text, make);
  // Most recent last.
  kept.delete(text);
  kept.set(text, entry);
  for (const oldest of kept.keys()) {
    if (kept.size <= kKept) break;
    kept.delete(oldest);
  }
  return (await waitFor(text, entry, signal)) as Value;
}
