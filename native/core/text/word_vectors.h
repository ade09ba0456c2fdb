// Vectors of words learned from unlabelled texts: the leading left singular vectors of their PPMI matrix,
// column i times σ_i^p (cooccurrence.h, truncated_svd.h; Levy, Goldberg, Dagan 2015).
#pragma once

#include <atomic>
#include <vector>

#include "core/random/random.h"
#include "core/text/cooccurrence.h"

namespace prompt_attention {

struct WordVectorOptions {
  int dimension;  // d, 1 ≤ d ≤ V
  int window;     // L ≥ 1
  double shift;
  double smoothing;
  double power;  // p ∈ [0, 1]
  StreamKey key;
};

struct WordVectors {
  std::vector<double> vectors;  // [V×d]
  std::vector<double> values;   // σ, [d], descending
  size_t entries = 0;           // of the PPMI matrix that are not 0
};

// Returns early, with a useless result, once `cancelled`.
WordVectors learnWordVectors(const WordSequence& texts, const WordVectorOptions& options, PartRunner& runner,
                             const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
