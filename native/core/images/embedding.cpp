#include "core/images/embedding.h"

#include <algorithm>

#include "core/base/blas.h"

namespace prompt_attention {

const double* embedRows(const std::vector<EmbeddingStage>& stages, const double* Z, int rows,
                        EmbeddingWorkspace& workspace) {
  const double* from = Z;
  for (size_t i = 0; i < stages.size(); ++i) {
    const EmbeddingStage& stage = stages[i];
    std::vector<double>& to = i % 2 == 0 ? workspace.even : workspace.odd;
    to.resize(static_cast<size_t>(rows) * stage.outputs);
    for (int row = 0; row < rows; ++row)
      std::copy(stage.b.begin(), stage.b.end(), to.begin() + static_cast<ptrdiff_t>(row) * stage.outputs);
    multiply(false, false, rows, stage.outputs, stage.inputs, 1.0, from, stage.A.data(), 1.0, to.data());
    if (stage.rectified)
      for (double& value : to) value = std::max(value, 0.0);
    from = to.data();
  }
  return from;
}

}  // namespace prompt_attention
