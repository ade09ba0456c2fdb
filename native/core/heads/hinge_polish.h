// The hinge head of hinge_head.h to full precision: the interior-point method tells which margins are 1 (set
// B), below it (a_i = c_i, set U) or above (a_i = 0); then
//
//   w = (1/λ) (Σ_U c_i y_i v_i + Σ_B a_i y_i v_i),    y_i wᵀv_i = 1 on B
//
// is an augmented system (augmented_system.h) with A = (y_i v_i)_B, s = w, t = −a/λ, f = (1/λ) Σ_U c_i y_i
// v_i, and its solution is optimal if 0 ≤ a_i ≤ c_i on B and the other margins are on their sides. Examples
// that are not change sets, a few times. The head is right to ten digits if that ends; if it does not, the
// interior-point method's is kept where the duality gap bounds its error, ‖w − ŵ‖² ≤ 2 gap/λ, by 1e-6 ‖w‖,
// and is not converged elsewhere.
//
// With a free intercept features are told from an example r whose margin is 1, v_i − v_r in place of v_i, so
// that Σ a_i y_i = 0 gives a_r and y_i wᵀ(v_i − v_r) = 1 − y_i y_r on B; the interior-point method's head is
// kept where that does not end with 0 ≤ a_r ≤ c_r.
//
// Where the interior point cannot tell the sets, or there are margins of which many coincide, an active set
// method finds them from a = 0, one example a time. Without the bounds a_i ≤ c_i the same method decides
// whether features are separable: it finds the hard margin's head, or a combination with a ≥ 0 that is 0.
//
// Cost: a few factorisations of d × |B|. Failure: std::bad_alloc.
#pragma once

#include <atomic>
#include <vector>

#include "core/heads/linear_heads.h"

namespace prompt_attention {

// From what fitHingeHead found on the features V[n×d], or on what they are in the span of the rows: w[d],
// which becomes the exact head, and multipliers[n]; costs 1/n.
LinearHeadResult polishHingeHead(const LinearHeadResult& fitted, const HeadFeatures& features, double ridge,
                                 const std::vector<double>& multipliers, double* w,
                                 const std::atomic<bool>& cancelled);

enum class Separated { kYes, kNo, kUnknown };

// Whether there is a w with y_i wᵀv_i > 0 for all i; unknown where it would take too long.
Separated separated(const HeadFeatures& features, const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
