#include "core/models/vector_attention.h"

#include <algorithm>

#include "core/attention/attention.h"
#include "core/base/blas.h"

namespace prompt_attention {

namespace {

// Attention of the scores s = X q in a[rows], in place; the scores are not read where there is no q.
void weigh(const Model& model, const ExampleBlock& block, double* a) {
  if (model.kind == ModelKind::kPromptAttention && block.first == nullptr) {
    softmaxRows(a, block.count, model.tokens);
    return;
  }
  for (int i = 0; i < block.count; ++i) {
    const int T = block.length(model, i);
    switch (model.kind) {
      case ModelKind::kPromptAttention:
        softmaxRows(a, 1, T);
        break;
      case ModelKind::kLinearAttention:
        for (int t = 0; t < T; ++t) a[t] /= T;
        break;
      case ModelKind::kMeanPooling:
        std::fill_n(a, T, 1.0 / T);
        break;
      case ModelKind::kMatrixAttention:
        break;
    }
    a += T;
  }
}

// ∂f/∂s of an example with attention a[T] and h = X w, times g, in place of h; no meaning where there is no
// q.
void differentiateScores(ModelKind kind, int T, const double* a, double f, double g, double* h) {
  switch (kind) {
    case ModelKind::kPromptAttention:
      for (int t = 0; t < T; ++t) h[t] = g * a[t] * (h[t] - f);
      break;
    case ModelKind::kLinearAttention:
      for (int t = 0; t < T; ++t) h[t] *= g / T;
      break;
    case ModelKind::kMeanPooling:
    case ModelKind::kMatrixAttention:
      break;
  }
}

// Attention a[rows].
void attentionOf(const Model& model, const double* theta, const ExampleBlock& block, double* a) {
  if (model.traits().hasPrompt) product(block.X, block.rows(model), model.dimension, theta, a);
  weigh(model, block, a);
}

// Attention a[rows] and h = X w.
void attentionAndProducts(const Model& model, const double* theta, const ExampleBlock& block, double* a,
                          double* h) {
  const int rows = block.rows(model);
  if (model.traits().hasPrompt)
    twoProducts(block.X, rows, model.dimension, theta, theta + model.promptSize(), a, h);
  else
    product(block.X, rows, model.dimension, theta, h);
  weigh(model, block, a);
}

double relevantSum(const double* a, const uint8_t* mask, int T) {
  double sum = 0.0;
  for (int t = 0; t < T; ++t)
    if (mask[t]) sum += a[t];
  return sum;
}

}  // namespace

void vectorAttentionScores(const Model& model, const double* theta, const ExampleBlock& block, double* f,
                           ModelWorkspace& workspace) {
  const size_t rows = block.rows(model);
  workspace.products.resize(2 * rows);
  double* a = workspace.products.data();
  double* h = a + rows;
  attentionAndProducts(model, theta, block, a, h);
  for (int i = 0; i < block.count; ++i) {
    const size_t row = block.row(model, i);
    f[i] = dot(a + row, h + row, block.length(model, i));
  }
}

void vectorAttentionWeights(const Model& model, const double* theta, const ExampleBlock& block,
                            double* weights, ModelWorkspace&) {
  attentionOf(model, theta, block, weights);
}

void addVectorAttentionLoss(const Model& model, LossKind loss, const double* theta, const ExampleBlock& block,
                            double scale, LossSums& sums, double* gradient, ModelWorkspace& workspace) {
  const int d = model.dimension;
  const int rows = block.rows(model);
  workspace.products.resize(2 * static_cast<size_t>(rows));
  double* a = workspace.products.data();
  double* h = a + rows;
  attentionAndProducts(model, theta, block, a, h);
  for (int i = 0, T; i < block.count; ++i, a += T, h += T) {
    T = block.length(model, i);
    const double f = dot(a, h, T);
    double g;
    addLoss(loss, 1, &f, block.y[i], sums, &g);
    if (block.relevance != nullptr) sums.relevant += relevantSum(a, block.relevance + block.row(model, i), T);
    if (gradient == nullptr) continue;
    g *= scale;
    // h becomes the coefficients of ∂/∂q, a those of ∂/∂w.
    differentiateScores(model.kind, T, a, f, g, h);
    for (int t = 0; t < T; ++t) a[t] *= g;
  }
  if (gradient == nullptr) return;
  addTransposedProduct(1.0, block.X, rows, d, workspace.products.data(), gradient + model.promptSize());
  if (model.traits().hasPrompt)
    addTransposedProduct(1.0, block.X, rows, d, workspace.products.data() + rows, gradient);
}

}  // namespace prompt_attention
