/** 1 for a wrong example, 0 for a right one, and the share of wrong classes of a tie. `y`: −1 or 1 for one score, else the index. */
export function classifiedWrong(scores: Float64Array, y: number): number {
  if (scores.length === 1) {
    const margin = y * (scores[0] as number);
    return margin > 0 ? 0 : margin === 0 ? 0.5 : 1;
  }
  const largest = scores.reduce((a, b) => Math.max(a, b));
  if (scores[y] !== largest) return 1;
  return 1 - 1 / scores.filter((score) => score === largest).length;
}

/** Share of examples misclassified by their scores, row-major examples×outputs. */
export function errorOf(scores: Float64Array, labels: Float64Array): number {
  const K = scores.length / labels.length;
  return labels.reduce((sum, y, i) => sum + classifiedWrong(scores.subarray(i * K, (i + 1) * K), y), 0) / labels.length;
}

/** Attention on relevant tokens of every example, averaged over the rows that `attention` has per example. */
export function relevantMass(
  attention: Float64Array,
  { relevance, examples }: { readonly relevance: Uint8Array; readonly examples: number },
): Float64Array {
  const T = relevance.length / examples;
  const rows = attention.length / relevance.length;
  return Float64Array.from({ length: examples }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < rows * T; ++j) if (relevance[i * T + (j % T)]) sum += attention[i * rows * T + j] as number;
    return sum / rows;
  });
}

export const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
