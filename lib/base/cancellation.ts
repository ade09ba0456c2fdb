/** What is to be cancelled when a signal aborts: one listener per signal, however many calls share it. */
const cancellations = new WeakMap<AbortSignal, Set<() => void>>();

function cancelAll(this: AbortSignal): void {
  for (const cancel of cancellations.get(this) ?? []) cancel();
}

/** Call `cancel` when the signal aborts, until the returned function is called. */
export function onAbort(signal: AbortSignal, cancel: () => void): () => void {
  const waiting = cancellations.get(signal) ?? new Set();
  cancellations.set(signal, waiting);
  if (waiting.size === 0) signal.addEventListener('abort', cancelAll);
  waiting.add(cancel);
  return () => {
    if (waiting.delete(cancel) && waiting.size === 0) signal.removeEventListener('abort', cancelAll);
  };
}
