/** What a metric of trials is. */
export interface MetricEntry {
  /** What it is called in figures. */
  readonly label: string;
  /** Least and greatest value. */
  readonly range: readonly [number, number];
  /** Whether it says what trained parameters have in common with the directions of the mixture. */
  readonly isOverlap?: true;
}

const kShare = [0, 1] as const;
const kCosine = [-1, 1] as const;
const kNonNegative = [0, Number.POSITIVE_INFINITY] as const;
const kAny = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/** Every metric that a kind of experiment of the package has. All are numbers without a unit; in a browser's pages too. */
export const kMetrics = {
  error: { label: 'test error', range: kShare },
  relevantAttention: { label: 'attention on relevant tokens', range: kShare },
  contextOverlap: { label: 'overlap ⟨q, q⋆⟩', range: kAny, isOverlap: true },
  signalOverlap: { label: 'overlap ⟨q, w⋆⟩', range: kAny, isOverlap: true },
  promptNorm: { label: 'norm of the prompt ‖q‖', range: kNonNegative, isOverlap: true },
  headNorm: { label: 'norm of the head ‖w‖', range: kNonNegative },
  headContextOverlap: { label: 'overlap ⟨w, q⋆⟩', range: kAny, isOverlap: true },
  headSignalOverlap: { label: 'overlap ⟨w, w⋆⟩', range: kAny, isOverlap: true },
  weightNorm: { label: 'norm of the weights ‖B‖', range: kNonNegative },
  trainingLoss: { label: 'training loss', range: kNonNegative },
  trainingError: { label: 'training error', range: kShare },
  solverIterations: { label: 'iterations of the solver', range: kNonNegative },
  solverResidual: { label: 'residual of the solver', range: kNonNegative },
  w1ContextCosine: { label: 'cosine of w1 with q⋆', range: kCosine, isOverlap: true },
  w1SignalCosine: { label: 'cosine of w1 with w⋆', range: kCosine, isOverlap: true },
  q1ContextCosine: { label: 'cosine of q1 with q⋆', range: kCosine, isOverlap: true },
  q1SignalCosine: { label: 'cosine of q1 with w⋆', range: kCosine, isOverlap: true },
  w2ContextCosine: { label: 'cosine of w2 with q⋆', range: kCosine, isOverlap: true },
  w2SignalCosine: { label: 'cosine of w2 with w⋆', range: kCosine, isOverlap: true },
  errorBefore: { label: 'test error before', range: kShare },
  relevantAttentionBefore: { label: 'attention on relevant tokens before', range: kShare },
  trainedParameters: { label: 'trained parameters', range: kNonNegative },
  rocAuc: { label: 'area under the ROC curve', range: kShare },
} as const satisfies Readonly<Record<string, MetricEntry>>;

/** The name of a metric of the package. */
export type MetricName = keyof typeof kMetrics;

/** The entry of a metric; undefined for one that a user defined. */
export function metricEntry(name: string): MetricEntry | undefined {
  return Object.hasOwn(kMetrics, name) ? kMetrics[name as MetricName] : undefined;
}
