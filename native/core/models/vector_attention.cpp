#include "core/models/vector_attention.h"

#include <algorithm>

#include "core/attention/attention.h"
#include "core/base/blas.h"

namespace prompt_attention {

namespace {

// Attention of the scores s = X q in a[count×T], in place.
void weigh(const Model& model, int count, double* a) {
  const int T = model.tokens;
  if (model.kind == ModelKind::kPromptAttention)
    softmaxRows(a, count, T);
  else
    for (int t = 0; t < count * T; ++t) a[t] /= T;
}

// Attention a[count×T].
void attentionOf(const Model& model, const double* theta, const ExampleBlock& block, double* a) {
  const int rows = block.count * model.tokens;
  if (model.kind == ModelKind::kMeanPooling) {
    std::fill(a, a + rows, 1.0 / model.tokens);
    return;
  }
  product(block.X, rows, model.dimension, theta, a);
  weigh(model, block.count, a);
}

// Attention a[count×T] and h = X w.
void attentionAndProducts(const Model& model, const double* theta, const ExampleBlock& block, double* a,
                          double* h) {
  const int rows = block.count * model.tokens;
  if (model.kind == ModelKind::kMeanPooling) {
    std::fill(a, a + rows, 1.0 / model.tokens);
    product(block.X, rows, model.dimension, theta, h);
    return;
  }
  twoProducts(block.X, rows, model.dimension, theta, theta + model.promptSize(), a, h);
  weigh(model, block.count, a);
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
  const size_t T = model.tokens;
  const size_t rows = block.count * T;
  workspace.products.resize(2 * rows);
  double* a = workspace.products.data();
  double* h = a + rows;
  attentionAndProducts(model, theta, block, a, h);
  for (int i = 0; i < block.count; ++i) f[i] = dot(a + i * T, h + i * T, model.tokens);
}

void vectorAttentionWeights(const Model& model, const double* theta, const ExampleBlock& block,
                            double* weights, ModelWorkspace&) {
  attentionOf(model, theta, block, weights);
}

void addVectorAttentionLoss(const Model& model, LossKind loss, const double* theta, const ExampleBlock& block,
                            double scale, LossSums& sums, double* gradient, ModelWorkspace& workspace) {
  const int T = model.tokens;
  const int d = model.dimension;
  const int rows = block.count * T;
  workspace.products.resize(2 * static_cast<size_t>(rows));
  double* a = workspace.products.data();
  double* h = a + rows;
  attentionAndProducts(model, theta, block, a, h);
  for (int i = 0; i < block.count; ++i, a += T, h += T) {
    const double f = dot(a, h, T);
    double g;
    addLoss(loss, 1, &f, block.y[i], sums, &g);
    if (block.relevance != nullptr)
      sums.relevant += relevantSum(a, block.relevance + static_cast<size_t>(i) * T, T);
    if (gradient == nullptr) continue;
    g *= scale;
    // h becomes the coefficients of ∂/∂q, a those of ∂/∂w.
    if (model.kind == ModelKind::kPromptAttention)
      for (int t = 0; t < T; ++t) h[t] = g * a[t] * (h[t] - f);
    else
      for (int t = 0; t < T; ++t) h[t] *= g / T;
    for (int t = 0; t < T; ++t) a[t] *= g;
  }
  if (gradient == nullptr) return;
  addTransposedProduct(1.0, block.X, rows, d, workspace.products.data(), gradient + model.promptSize());
  if (model.kind != ModelKind::kMeanPooling)
    addTransposedProduct(1.0, block.X, rows, d, workspace.products.data() + rows, gradient);
}

}  // namespace prompt_attention
