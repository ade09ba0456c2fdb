#include "core/models/matrix_attention.h"

#include <algorithm>

#include "core/attention/attention.h"
#include "core/base/blas.h"

namespace prompt_attention {

namespace {

// The groups of θ, or of its gradient.
template <class Number>
struct Groups {
  Groups(const Model& model, Number* theta)
      : P(theta), B(theta + model.promptSize()), U(theta + model.promptSize() + model.weightSize()) {}
  Number* P;
  Number* B;
  Number* U;  // w[K×d] with a pooled head
};

// XB of the block, if tokens are queries, and PB: all that the examples share a product for.
void project(const Model& model, const Groups<const double>& parameters, const ExampleBlock& block,
             ModelWorkspace& workspace) {
  const int d = model.dimension;
  const int rows = block.rows(model);
  if (model.hasTokenQueries()) {
    workspace.projected.resize(static_cast<size_t>(rows) * d);
    multiply(false, false, rows, d, d, 1.0, block.X, parameters.B, 0.0, workspace.projected.data());
  }
  const size_t promptNumbers = static_cast<size_t>(model.prompts) * d;
  workspace.promptRows.resize(2 * promptNumbers);
  multiply(false, false, model.prompts, d, d, 1.0, parameters.P, parameters.B, 0.0,
           workspace.promptRows.data());
}

// Φ[M×T] of example i of a projected block.
void attentionOf(const Model& model, const ExampleBlock& block, int i, const ModelWorkspace& workspace,
                 double* attention) {
  const int T = block.length(model, i);
  const int d = model.dimension;
  const size_t example = block.row(model, i) * d;
  const double* X = block.X + example;
  multiply(false, true, model.prompts, T, d, 1.0, workspace.promptRows.data(), X, 0.0, attention);
  if (model.hasTokenQueries())
    multiply(false, true, T, T, d, 1.0, workspace.projected.data() + example, X, 0.0,
             attention + static_cast<size_t>(model.prompts) * T);
  softmaxRows(attention, model.queries(T), T);
}

// Scores f[K] of example i from its Φ; leaves O, or its mean row with a pooled head, in the workspace.
void scoresOf(const Model& model, const Groups<const double>& parameters, const ExampleBlock& block, int i,
              ModelWorkspace& workspace, double* f) {
  const int T = block.length(model, i);
  const int d = model.dimension;
  const int M = model.queries(T);
  const double* X = block.X + block.row(model, i) * d;
  const double* Phi = workspace.attention.data();
  if (model.pooledHead) {
    workspace.pooled.assign(T, 0.0);
    for (int s = 0; s < M; ++s)
      for (int t = 0; t < T; ++t) workspace.pooled[t] += Phi[static_cast<size_t>(s) * T + t];
    workspace.outputs.assign(d, 0.0);
    addTransposedProduct(1.0 / M, X, T, d, workspace.pooled.data(), workspace.outputs.data());
    product(parameters.U, model.outputs, d, workspace.outputs.data(), f);
    return;
  }
  const size_t numbers = static_cast<size_t>(M) * d;
  workspace.outputs.resize(numbers);
  multiply(false, false, M, d, T, 1.0, Phi, X, 0.0, workspace.outputs.data());
  if (T == model.tokens)
    multiply(false, false, model.outputs, 1, static_cast<int>(numbers), 1.0, parameters.U,
             workspace.outputs.data(), 0.0, f);
  else
    multiplyVector(false, 1.0, parameters.U, model.outputs, static_cast<int>(numbers), model.queries() * d,
                   workspace.outputs.data(), 0.0, f);
}

// Mean over the prompt rows of Φ, or over all rows if there is no prompt, of the mass on relevant tokens.
double relevantMass(const Model& model, const double* Phi, const uint8_t* mask, int T) {
  const int rows = model.prompts > 0 ? model.prompts : T;
  double sum = 0.0;
  for (int s = 0; s < rows; ++s)
    for (int t = 0; t < T; ++t)
      if (mask[t]) sum += Phi[static_cast<size_t>(s) * T + t];
  return sum / rows;
}

// Adds scale · ∂loss/∂U of the example whose scores came last, given g = scale · ∂loss/∂f.
void addHeadGradient(const Model& model, const double* g, const ModelWorkspace& workspace,
                     double* gradientU) {
  const int numbers = static_cast<int>(workspace.outputs.size());
  const size_t stride = model.headSize() / model.outputs;
  if (static_cast<size_t>(numbers) == stride) {
    multiply(false, false, model.outputs, numbers, 1, 1.0, g, workspace.outputs.data(), 1.0, gradientU);
    return;
  }
  for (int c = 0; c < model.outputs; ++c)
    addScaled(g[c], workspace.outputs.data(), numbers, gradientU + c * stride);
}

// D of example i: its token rows into the block's, its prompt rows added to the sum over examples.
void addScoreGradient(const Model& model, const Groups<const double>& parameters, const ExampleBlock& block,
                      int i, const double* g, ModelWorkspace& workspace) {
  const int T = block.length(model, i);
  const int d = model.dimension;
  const int m = model.prompts;
  const int rows = model.trainsWeights ? model.queries(T) : m;
  const size_t example = block.row(model, i) * d;
  const double* X = block.X + example;
  const double* Phi = workspace.attention.data();
  workspace.sensitivity.resize(static_cast<size_t>(rows) * T);
  double* dS = workspace.sensitivity.data();
  if (model.pooledHead) {
    workspace.headRows.assign(d, 0.0);
    addTransposedProduct(1.0 / model.queries(T), parameters.U, model.outputs, d, g,
                         workspace.headRows.data());
    workspace.pooled.resize(T);
    product(X, T, d, workspace.headRows.data(), workspace.pooled.data());
    for (int s = 0; s < rows; ++s) std::copy_n(workspace.pooled.data(), T, dS + static_cast<size_t>(s) * T);
  } else {
    const size_t numbers = static_cast<size_t>(rows) * d;
    workspace.headRows.assign(numbers, 0.0);
    for (int c = 0; c < model.outputs; ++c) {
      const double* U = parameters.U + static_cast<size_t>(c) * model.queries() * d;
      for (size_t j = 0; j < numbers; ++j) workspace.headRows[j] += g[c] * U[j];
    }
    multiply(false, true, rows, T, d, 1.0, workspace.headRows.data(), X, 0.0, dS);
  }
  for (int s = 0; s < rows; ++s) {
    double* row = dS + static_cast<size_t>(s) * T;
    const double* phi = Phi + static_cast<size_t>(s) * T;
    const double mean = dot(phi, row, T);
    for (int t = 0; t < T; ++t) row[t] = phi[t] * (row[t] - mean);
  }
  multiply(false, false, m, d, T, 1.0, dS, X, 1.0, workspace.promptRows.data() + static_cast<size_t>(m) * d);
  if (model.trainsWeights && model.hasTokenQueries())
    multiply(false, false, T, d, T, 1.0, dS + static_cast<size_t>(m) * T, X, 0.0,
             workspace.tokenRows.data() + example);
}

}  // namespace

void matrixAttentionScores(const Model& model, const double* theta, const ExampleBlock& block, double* f,
                           ModelWorkspace& workspace) {
  const Groups<const double> parameters(model, theta);
  project(model, parameters, block, workspace);
  workspace.attention.resize(model.attentionSize());
  for (int i = 0; i < block.count; ++i, f += model.outputs) {
    attentionOf(model, block, i, workspace, workspace.attention.data());
    scoresOf(model, parameters, block, i, workspace, f);
  }
}

void matrixAttentionWeights(const Model& model, const double* theta, const ExampleBlock& block,
                            double* weights, ModelWorkspace& workspace) {
  project(model, Groups<const double>(model, theta), block, workspace);
  for (int i = 0; i < block.count; ++i) {
    attentionOf(model, block, i, workspace, weights);
    weights += model.attentionSize(block.length(model, i));
  }
}

void addMatrixAttentionLoss(const Model& model, LossKind loss, const double* theta, const ExampleBlock& block,
                            double scale, LossSums& sums, double* gradient, ModelWorkspace& workspace) {
  const Groups<const double> parameters(model, theta);
  const int d = model.dimension;
  const int K = model.outputs;
  const bool attentionGradient = gradient != nullptr && model.trainsAttention;
  project(model, parameters, block, workspace);
  workspace.attention.resize(model.attentionSize());
  workspace.scores.resize(2 * static_cast<size_t>(K));
  double* promptSums = workspace.promptRows.data() + static_cast<size_t>(model.prompts) * d;
  std::fill(promptSums, promptSums + static_cast<size_t>(model.prompts) * d, 0.0);
  if (attentionGradient && model.trainsWeights && model.hasTokenQueries())
    workspace.tokenRows.resize(workspace.projected.size());

  for (int i = 0; i < block.count; ++i) {
    double* f = workspace.scores.data();
    double* g = f + K;
    attentionOf(model, block, i, workspace, workspace.attention.data());
    scoresOf(model, parameters, block, i, workspace, f);
    addLoss(loss, K, f, block.y[i], sums, g);
    if (block.relevance != nullptr)
      sums.relevant += relevantMass(model, workspace.attention.data(), block.relevance + block.row(model, i),
                                    block.length(model, i));
    if (gradient == nullptr) continue;
    for (int c = 0; c < K; ++c) g[c] *= scale;
    addHeadGradient(model, g, workspace, Groups<double>(model, gradient).U);
    if (attentionGradient) addScoreGradient(model, parameters, block, i, g, workspace);
  }
  if (!attentionGradient) return;
  const Groups<double> gradients(model, gradient);
  multiply(false, true, model.prompts, d, d, 1.0, promptSums, parameters.B, 1.0, gradients.P);
  if (!model.trainsWeights) return;
  multiply(true, false, d, d, model.prompts, 1.0, parameters.P, promptSums, 1.0, gradients.B);
  if (model.hasTokenQueries())
    multiply(true, false, d, d, block.rows(model), 1.0, block.X, workspace.tokenRows.data(), 1.0,
             gradients.B);
}

}  // namespace prompt_attention
