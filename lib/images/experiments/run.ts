/** Metrics of one trial by name. */
export type ImageTrial = Readonly<Record<string, number>> & { readonly error: number };

/** What a trial runs with. */
export interface TrialContext {
  readonly seed: number | bigint;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
}
