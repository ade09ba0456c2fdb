// Trials of the gradient-descent experiment without dimension for self-attention that starts from 0 (Gaussian
// noise on irrelevant tokens; gradient descent, normalized or not, or momentum), exact in distribution.
//
// From B = 0 and w = 0 gradients never leave what the tokens X_j of the training examples span:
//
//   B = Σ_j X_jᵀ M_j X_j,   w = Σ_j X_jᵀ c_j
//   scores  S_i = X_i B X_iᵀ = Σ_j G_ij M_j G_ijᵀ,   values  a_i = X_i w = Σ_j G_ij c_j,   G_ij = X_i X_jᵀ
//   step    with f = κᵀΦa/T, Φ = softmax(S) with the weights κ, g = ∂loss/∂f:
//           c_i ← c_i − (η/n) g Φᵀκ/T,   M_i ← M_i − (η/n) g diag(κ/T) (Φ ∘ (1aᵀ − Φa1ᵀ))
//
// where κ counts equal tokens, so that a trial is a function of the Gram matrix of its tokens
// (token_gram.h), and a test example one of its products with them. The norms of gradients and parameters
// are ‖B‖² = Σ_i ⟨M_i, S_i⟩ and ‖w‖² = Σ_i ⟨c_i, a_i⟩.
//
// Not so: a random start, which every token, those of the test among them, looks at in a direction of its
// own; and Adam, whose rule depends on the coordinates.
//
// Cost, with N different tokens, T' of them an example: that of the Gram matrix, 4 N² T' per step, and per
// record and test example 4 N T'² beside its products. With fresh examples every step has other ones, and N
// counts those of all steps. Memory: gramDescentBytes.
#pragma once

#include "core/trials/descent.h"

namespace prompt_attention {

// Different tokens N of a trial.
double gramDescentTokens(const DescentSpec& spec);

double gramDescentBytes(const DescentSpec& spec);

// As runDescentTrial. gramDescentTokens(spec) must be below 2³¹.
TrialStatus runGramDescentTrial(const DescentSpec& spec, uint64_t trial, const std::atomic<bool>& cancelled,
                                DescentMetrics* records);

}  // namespace prompt_attention
