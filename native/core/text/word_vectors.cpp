#include "core/text/word_vectors.h"

#include <cmath>

#include "core/text/truncated_svd.h"

namespace prompt_attention {

WordVectors learnWordVectors(const WordSequence& texts, const WordVectorOptions& options, PartRunner& runner,
                             const std::atomic<bool>& cancelled) {
  const int d = options.dimension;
  const SparseRows M = positiveInformation(countCooccurrences(texts, options.window, runner, cancelled),
                                           options.shift, options.smoothing);
  if (cancelled) return {};
  TruncatedSvd svd = truncatedSvd(M, d, options.key, runner, cancelled);
  if (cancelled) return {};
  const size_t V = M.rows();
  WordVectors result{std::vector<double>(V * d), std::move(svd.values), M.value.size()};
  for (int i = 0; i < d; ++i) {
    const double scale = std::pow(result.values[i], options.power);
    const double* row = svd.left.data() + i * V;
    for (size_t word = 0; word < V; ++word) result.vectors[word * d + i] = scale * row[word];
  }
  return result;
}

}  // namespace prompt_attention
