/**
 * Area under the curve of hits over false alarms: the chance that a text with the label +1 has a larger score than one with −1, ties counted
 * half. NaN where one of the labels is missing.
 *
 * @param scores Length n, finite.
 * @param labels Length n, ±1.
 */
export function rocAuc(scores: Float64Array, labels: Float64Array): number {
  const order = Uint32Array.from(scores.keys()).sort((i, j) => (scores[i] as number) - (scores[j] as number));
  let positives = 0;
  let rankSum = 0;
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && scores[order[end] as number] === scores[order[first] as number]) ++end;
    // Ranks first + 1 … end, each counted as their mean.
    for (let at = first; at < end; ++at)
      if (labels[order[at] as number] === 1) {
        ++positives;
        rankSum += (first + 1 + end) / 2;
      }
    first = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (labels.length - positives));
}
