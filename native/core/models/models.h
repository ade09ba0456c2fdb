// Models of theory.md §2 on real arrays: scores, attention weights, loss and gradient, in blocks of examples.
//
//   prompt attention   f = ⟨w, Xᵀφ(Xq)⟩
//   linear attention   f = (1/T)⟨w, XᵀXq⟩
//   mean pooling       f = (1/T)⟨w, Xᵀ1⟩
//   matrix attention   f_c = ⟨U_c, φ([P;X] B Xᵀ) X⟩, φ row-wise, U_c ∈ R^{M×d}, M = m_p + T, c = 1 … K
//
// Self-attention is matrix attention without prompts and with K = 1. A pooled head reads the mean of the
// prompts' rows, or of all rows where there is no prompt: U_c = (1/M) 1 w_cᵀ, and the rows that it does not
// read are never computed: M = m_p for m_p > 0, else T. The parameters are one array θ of three groups, in
// this order (a group that a model lacks is empty):
//
//   prompts   q[d], or P[m_p×d]
//   weights   B[d×d], row-major
//   head      w[d], or U[K×M×d], or w[K×d] for a pooled head
//
// An example's attention is φ[T] (Xq/T for linear attention, 1/T for mean pooling), or Φ[M×T], prompt rows
// first.
//
// Examples may have fewer tokens than T, which are then all there are in memory: an example of T_i tokens is
// one of T tokens of which those behind T_i have the score −∞ and, as queries, do not exist. T_i stands for T
// in everything above, and of U only the first m_p + T_i rows are read.
//
// Losses, with their derivative by the score: square ½(y−f)², f − y; logistic log(1+e^{−yf}),
// −y/(1+e^{yf}); cross-entropy log Σ_c e^{f_c} − f_y, softmax(f) − e_y.
//
// Cost per example: 2Td multiplications for the scores of a vector model and 2Td for its gradient (each a
// matrix–vector product over the tokens of the block, which stays in cache between the two: the tokens are
// read from memory once); Td² + 2MTd for matrix attention and about twice that for its gradient, all in level
// 3. The softmax is shifted by the largest score, and scores are kept within ±1.8e308: finite tokens whose
// products overflow to infinity of one sign still give weights in [0, 1] that sum to 1. Failure: an overflow
// of both signs inside one product is NaN, as is the loss that follows from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/named.h"

namespace prompt_attention {

enum class ModelKind { kPromptAttention, kLinearAttention, kMeanPooling, kMatrixAttention };
constexpr Named<ModelKind> kModels[] = {
    {ModelKind::kPromptAttention, "prompt-attention"},
    {ModelKind::kLinearAttention, "linear-attention"},
    {ModelKind::kMeanPooling, "mean-pooling"},
    {ModelKind::kMatrixAttention, "matrix-attention"},
};
static_assert(inOrder(kModels));

// How a test error under Gaussian noise is computed: from the pooled noise of irrelevant tokens, from the
// moments of linear attention, or by counting errors.
enum class TestErrorForm { kPooled, kLinear, kCounted };

// As what lazy_descent.cpp trains a model and descent_law.h has its law; kNone: neither does.
enum class DescentForm { kNone, kSoftmax, kLinear, kMean };

// What there is of a model. Its formulas are switches over its kind.
struct ModelTraits {
  bool hasPrompt;       // one vector q
  bool isMatrix;        // tokens attend to each other, by weights B
  bool isDistribution;  // attention is ≥ 0 and sums to 1
  DescentForm descent;
  TestErrorForm testError;
};

constexpr ModelTraits traitsOf(ModelKind kind) {
  switch (kind) {
    case ModelKind::kPromptAttention:
      return {.hasPrompt = true,
              .isMatrix = false,
              .isDistribution = true,
              .descent = DescentForm::kSoftmax,
              .testError = TestErrorForm::kPooled};
    case ModelKind::kLinearAttention:
      return {.hasPrompt = true,
              .isMatrix = false,
              .isDistribution = false,
              .descent = DescentForm::kLinear,
              .testError = TestErrorForm::kLinear};
    case ModelKind::kMeanPooling:
      return {.hasPrompt = false,
              .isMatrix = false,
              .isDistribution = true,
              .descent = DescentForm::kMean,
              .testError = TestErrorForm::kPooled};
    case ModelKind::kMatrixAttention:
      break;
  }
  return {.hasPrompt = false,
          .isMatrix = true,
          .isDistribution = true,
          .descent = DescentForm::kNone,
          .testError = TestErrorForm::kCounted};
}

enum class LossKind { kSquare, kLogistic, kCrossEntropy };
constexpr Named<LossKind> kLosses[] = {
    {LossKind::kSquare, "square"},
    {LossKind::kLogistic, "logistic"},
    {LossKind::kCrossEntropy, "cross-entropy"},
};
static_assert(inOrder(kLosses));

struct Model {
  ModelKind kind;
  int tokens;            // T ≥ 1, the most that an example has
  int dimension;         // d ≥ 1
  int prompts;           // m_p ≥ 0; matrix attention only, else 0
  int outputs;           // K ≥ 1; 1 unless matrix attention
  bool pooledHead;       // matrix attention with U_c = (1/M) 1 w_cᵀ, M = m_p, or T without prompts
  bool trainsAttention;  // gradients of prompts and weights are wanted; matrix attention only
  bool trainsWeights;    // … of the weights; matrix attention only

  bool hasTokenQueries() const { return !pooledHead || prompts == 0; }
  int queries(int length) const { return prompts + (hasTokenQueries() ? length : 0); }  // M for T_i
  int queries() const { return queries(tokens); }
  ModelTraits traits() const { return traitsOf(kind); }
  size_t promptSize() const;
  size_t weightSize() const;
  size_t headSize() const;
  size_t parameters() const { return promptSize() + weightSize() + headSize(); }
  size_t attentionSize(int length) const;  // weights of an example of T_i tokens
  size_t attentionSize() const { return attentionSize(tokens); }
};

struct ExampleBlock {
  int count;
  const double* X;           // [rows×d], rows = count·T or Σ T_i
  const double* y;           // [count]; ±1, or 0 … K−1; not read for scores and attention
  const uint8_t* relevance;  // [rows], or null
  // [count+1] for examples of different length: example i has the rows first[i] − first[0] … of X; else null
  const size_t* first = nullptr;

  size_t row(const Model& model, int i) const {
    return first == nullptr ? static_cast<size_t>(i) * model.tokens : first[i] - first[0];
  }
  int length(const Model& model, int i) const {
    return first == nullptr ? model.tokens : static_cast<int>(first[i + 1] - first[i]);
  }
  int rows(const Model& model) const { return static_cast<int>(row(model, count)); }
};

// Sums over examples.
struct LossSums {
  double loss = 0.0;
  double errors = 0.0;    // misclassified examples; a tie between c classes counts 1 − 1/c
  double relevant = 0.0;  // attention on relevant tokens; mean over the prompt rows of Φ, over all without
};

// Scratch of one thread.
struct ModelWorkspace {
  std::vector<double> products;     // Xq and Xw, [2×rows]
  std::vector<double> projected;    // XB, [rows×d]
  std::vector<double> promptRows;   // PB, then Σ dS_p X, each [m_p×d]
  std::vector<double> attention;    // Φ of one example, [M×T]
  std::vector<double> outputs;      // ΦX of one example, [M×d]; its mean row [d] for a pooled head
  std::vector<double> headRows;     // Σ_c g_c U_c, [M×d]; Σ_c g_c w_c, [d], for a pooled head
  std::vector<double> sensitivity;  // ∂f/∂S of one example, [M×T]
  std::vector<double> tokenRows;    // dS X of the block, [rows×d]
  std::vector<double> scores;       // [K], and its derivative [K]
  std::vector<double> pooled;       // Φᵀ1/M, then X Σ_c g_c w_c, [T]
  std::vector<double> gathered;     // tokens of a block of a mini-batch
  std::vector<double> gatheredLabels;
  std::vector<uint8_t> gatheredRelevance;
  std::vector<size_t> gatheredFirst;
};

// Examples of T tokens which fit the second-level cache together with what is made of them; at least 1.
int examplesPerBlock(const Model& model);

// The same for the examples position, position + 1, … before `end`, of indices[position] or of the position
// itself if that is null; `first` as in ExampleBlock, of all examples.
int examplesInBlock(const Model& model, const size_t* first, const int* indices, int position, int end);

// f[count×K]
void blockScores(const Model& model, const double* theta, const ExampleBlock& block, double* f,
                 ModelWorkspace& workspace);

// weights[Σ attentionSize(T_i)]
void blockAttention(const Model& model, const double* theta, const ExampleBlock& block, double* weights,
                    ModelWorkspace& workspace);

// Adds the block's losses to `sums` and, unless `gradient` is null, scale · Σ ∂loss/∂θ to
// gradient[parameters].
void addBlockLoss(const Model& model, LossKind loss, const double* theta, const ExampleBlock& block,
                  double scale, LossSums& sums, double* gradient, ModelWorkspace& workspace);

// Loss and error of one example with scores f[K] and label y, added to `sums`; g[K] = ∂loss/∂f.
void addLoss(LossKind loss, int K, const double* f, double y, LossSums& sums, double* g);

// Position of the first NaN or infinity in x[count], or −1.
int64_t indexOfNonFinite(const double* x, size_t count);

}  // namespace prompt_attention
