/** What the shapes of a model's parameters depend on. */
export interface ModelSize {
  /** T, tokens per example, or the most that one may have: an integer in [1, 2³¹). */
  readonly tokens: number;
  /** d, dimension of a token: an integer in [1, 2³¹). */
  readonly dimension: number;
}
