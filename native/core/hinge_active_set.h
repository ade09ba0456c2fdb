// The hinge head (hinge_head.h) from a guess of which margins are below, at and above 1.
//
// With B the examples below (multipliers a_i = c_i), F those at 1 and x_i = y_i v_i, optimality is
//
//   λ w = g + X_Fᵀ a_F,   X_F w = 1,   g = Σ_B c_i x_i
//
// and with X_Fᵀ = Q1 R, Q = (Q1 Q2) orthogonal: w = Q1 R⁻ᵀ 1 + Q2 Q2ᵀ g / λ and R a_F = λ R⁻ᵀ1 − Q1ᵀ g:
// nothing of size 1/λ cancels, so that small λ costs no digits. What violates 0 ≤ a_F ≤ c_F or the side of
// its margin changes its set, the worst first, until nothing does; of dependent rows of X_F (equal examples
// at the margin) some are left out of F first. Cost 4 d |F|² per change, memory 2 d |F|. Fails after
// kMostChanges, and three more for each row left out.
#pragma once

#include <atomic>
#include <vector>

namespace prompt_attention {

enum class Side : unsigned char { kAbove, kAt, kBelow };

// Into w[d] and the multipliers a[n]; false, with both untouched, if it failed.
bool solveActiveSet(const double* V, const double* y, const double* cost, int n, int d, double ridge,
                    std::vector<Side> sides, double* w, double* a, const std::atomic<bool>& cancelled);

}  // namespace prompt_attention
