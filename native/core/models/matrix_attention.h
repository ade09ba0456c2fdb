// Attention whose queries are the rows of Z = [P;X] (theory.md §2, last three models): per example
//
//   S = Z B Xᵀ  [M×T],   Φ = φ(S) row-wise,   O = Φ X,   f_c = ⟨U_c, O⟩
//
// and with g_c = ∂loss/∂f_c, R = (Σ_c g_c U_c) Xᵀ, dS = Φ ∘ (R − rowsum(Φ ∘ R)), D = dS X,
//
//   ∂/∂U_c = g_c O,   ∂/∂B = Zᵀ D,   ∂/∂P = (rows of D that belong to prompts) Bᵀ.
//
// XB and Zᵀ D are one product per block of examples. With a pooled head f_c = ⟨w_c, o⟩, o = Xᵀa, a = Φᵀ1/M,
// ∂/∂w_c = g_c o, and every row of R is (X Σ_c g_c w_c)ᵀ/M; with prompts the token rows are left out, so that
// the cost of an example falls to O(m_p T d). With frozen weights only the prompt rows of R and D are
// computed; with frozen prompts and weights none. Memory per thread: three times the tokens of a block and
// three M×T or M×d matrices.
#pragma once

#include "core/models/models.h"

namespace prompt_attention {

// As blockScores, blockAttention and addBlockLoss of models.h.
void matrixAttentionScores(const Model& model, const double* theta, const ExampleBlock& block, double* f,
                           ModelWorkspace& workspace);
void matrixAttentionWeights(const Model& model, const double* theta, const ExampleBlock& block,
                            double* weights, ModelWorkspace& workspace);
void addMatrixAttentionLoss(const Model& model, LossKind loss, const double* theta, const ExampleBlock& block,
                            double scale, LossSums& sums, double* gradient, ModelWorkspace& workspace);

}  // namespace prompt_attention
