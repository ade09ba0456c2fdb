// The three models whose attention is one vector per example (theory.md §2): f = a·h with h = Xw and
//
//   prompt attention   a = φ(s),  s = Xq     ∂f/∂s = a ∘ (h − f)
//   linear attention   a = s/T               ∂f/∂s = h/T
//   mean pooling       a = 1/T
//
//   ∂f/∂w = Xᵀ a,   ∂f/∂q = Xᵀ ∂f/∂s
//
// so that a block costs two products of its tokens with a vector for the scores and two transposed ones for
// the gradient. (One product with a two-column matrix was measured slower than two with a vector.)
#pragma once

#include "core/models/models.h"

namespace prompt_attention {

// As blockScores, blockAttention and addBlockLoss of models.h.
void vectorAttentionScores(const Model& model, const double* theta, const ExampleBlock& block, double* f,
                           ModelWorkspace& workspace);
void vectorAttentionWeights(const Model& model, const double* theta, const ExampleBlock& block,
                            double* weights, ModelWorkspace& workspace);
void addVectorAttentionLoss(const Model& model, LossKind loss, const double* theta, const ExampleBlock& block,
                            double scale, LossSums& sums, double* gradient, ModelWorkspace& workspace);

}  // namespace prompt_attention
