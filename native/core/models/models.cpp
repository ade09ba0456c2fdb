#include "core/models/models.h"

#include <algorithm>
#include <cmath>

#include "core/models/matrix_attention.h"
#include "core/models/vector_attention.h"

namespace prompt_attention {

namespace {

// 256 KiB: any second-level cache holds the tokens and what is made of them.
constexpr size_t kBlockNumbers = size_t{1} << 15;

double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

double crossEntropy(int K, const double* f, int label, double* g) {
  const double largest = *std::max_element(f, f + K);
  double total = 0.0;
  for (int c = 0; c < K; ++c) total += g[c] = std::exp(f[c] - largest);
  for (int c = 0; c < K; ++c) g[c] /= total;
  g[label] -= 1.0;
  return std::log(total) + (largest - f[label]);
}

double classError(int K, const double* f, int label) {
  const double largest = *std::max_element(f, f + K);
  if (!(f[label] == largest)) return 1.0;
  return 1.0 - 1.0 / static_cast<double>(std::count(f, f + K, largest));
}

}  // namespace

size_t Model::promptSize() const {
  const size_t d = dimension;
  return traits().isMatrix ? prompts * d : traits().hasPrompt ? d : 0;
}

size_t Model::weightSize() const {
  return traits().isMatrix ? static_cast<size_t>(dimension) * dimension : 0;
}

size_t Model::headSize() const {
  const size_t d = dimension;
  if (!traits().isMatrix) return d;
  return static_cast<size_t>(outputs) * (pooledHead ? 1 : queries()) * d;
}

size_t Model::attentionSize(int length) const {
  return traits().isMatrix ? static_cast<size_t>(queries(length)) * length : length;
}

int examplesPerBlock(const Model& model) {
  const size_t example = static_cast<size_t>(model.tokens) * model.dimension;
  return static_cast<int>(std::max<size_t>(kBlockNumbers / example, 1));
}

int examplesInBlock(const Model& model, const size_t* first, const int* indices, int position, int end) {
  if (first == nullptr) return std::min(examplesPerBlock(model), end - position);
  const size_t most = kBlockNumbers / model.dimension;
  size_t rows = 0;
  int count = 0;
  for (; position + count < end; ++count) {
    const int i = indices == nullptr ? position + count : indices[position + count];
    rows += first[i + 1] - first[i];
    if (count > 0 && rows > most) break;
  }
  return count;
}

void addLoss(LossKind loss, int K, const double* f, double y, LossSums& sums, double* g) {
  switch (loss) {
    case LossKind::kCrossEntropy:
      sums.loss += crossEntropy(K, f, static_cast<int>(y), g);
      sums.errors += classError(K, f, static_cast<int>(y));
      return;
    case LossKind::kSquare:
      g[0] = f[0] - y;
      sums.loss += 0.5 * g[0] * g[0];
      break;
    case LossKind::kLogistic:
      g[0] = -y / (1.0 + std::exp(y * f[0]));
      sums.loss += softplus(-y * f[0]);
      break;
  }
  sums.errors += y * f[0] > 0.0 ? 0.0 : f[0] == 0.0 ? 0.5 : 1.0;
}

void blockScores(const Model& model, const double* theta, const ExampleBlock& block, double* f,
                 ModelWorkspace& workspace) {
  if (model.traits().isMatrix)
    matrixAttentionScores(model, theta, block, f, workspace);
  else
    vectorAttentionScores(model, theta, block, f, workspace);
}

void blockAttention(const Model& model, const double* theta, const ExampleBlock& block, double* weights,
                    ModelWorkspace& workspace) {
  if (model.traits().isMatrix)
    matrixAttentionWeights(model, theta, block, weights, workspace);
  else
    vectorAttentionWeights(model, theta, block, weights, workspace);
}

void addBlockLoss(const Model& model, LossKind loss, const double* theta, const ExampleBlock& block,
                  double scale, LossSums& sums, double* gradient, ModelWorkspace& workspace) {
  if (model.traits().isMatrix)
    addMatrixAttentionLoss(model, loss, theta, block, scale, sums, gradient, workspace);
  else
    addVectorAttentionLoss(model, loss, theta, block, scale, sums, gradient, workspace);
}

int64_t indexOfNonFinite(const double* x, size_t count) {
  constexpr size_t kGroup = 4096;
  for (size_t first = 0; first < count; first += kGroup) {
    const size_t end = std::min(first + kGroup, count);
    // 0·x is 0 for finite x only; four sums let the additions overlap.
    double sums[4] = {};
    for (size_t i = first; i < end; ++i) sums[i % 4] += 0.0 * x[i];
    if (sums[0] + sums[1] + sums[2] + sums[3] == 0.0) continue;
    for (size_t i = first; i < end; ++i)
      if (!std::isfinite(x[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace prompt_attention
