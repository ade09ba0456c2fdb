// Row-wise embedding of patches in stages: z ← a(zA + b), a the identity or the positive part. Principal
// components, random features and whitening are stages. One product per stage and block of rows, cost
// rows·Σ inputs·outputs.
#pragma once

#include <vector>

namespace prompt_attention {

struct EmbeddingStage {
  int inputs;
  int outputs;
  std::vector<double> A;  // [inputs×outputs]
  std::vector<double> b;  // [outputs]
  bool rectified;
};

// Scratch of one thread: between two stages.
struct EmbeddingWorkspace {
  std::vector<double> even;
  std::vector<double> odd;
};

// Z[rows×inputs of the first stage] through all stages, at least one; the result, [rows×outputs of the last],
// lives in the workspace.
const double* embedRows(const std::vector<EmbeddingStage>& stages, const double* Z, int rows,
                        EmbeddingWorkspace& workspace);

}  // namespace prompt_attention
