// Support vector machine on given features V[n×d] (row-major), labels y = ±1, λ > 0:
//
//   w = argmin Σ c_i max(0, 1 − y_i wᵀv_i) + (λ/2)‖w‖²,   c_i = 1/n, or given weights
//
// with ridge on all columns but the free one of linear_heads.h, by a primal-dual interior-point method
// (Mehrotra's predictor and corrector). With slacks ξ_i, s_i = y_i wᵀv_i − 1 + ξ_i and multipliers a_i of the
// margins, c_i − a_i of the slacks,
//
//   λ w = Σ a_i y_i v_i,   a_i s_i = 0,   (c_i − a_i) ξ_i = 0,   all factors ≥ 0,
//
// each iteration solves (λI + Σ D_i v_i v_iᵀ) Δw = …, D_i = 1/(s_i/a_i + ξ_i/(c_i − a_i)), twice with one
// factor. Cost n d² + d³/3 per iteration and 10 to 30 iterations whatever λ; memory 2d² + 9n.
//
// The residual is the larger of ‖λw − Σ a_i y_i v_i‖ / (Σc_i · mean ‖v_i‖) and of the largest
// |a′ − clip(a′ − G, 0, 1)|, a′ = a_i/c_i, G = y_i wᵀv_i − 1, which is 0 at the optimum only; converged at
// kHingeTolerance. What does not get there within kMaximumIterations is not converged.
#pragma once

#include <atomic>

#include "core/heads/linear_heads.h"

namespace prompt_attention {

constexpr double kHingeTolerance = 1e-8;
constexpr double kHingeTarget = 1e-9;  // residual at which iterations end

// Into w[d]; weights[n] or null; the multipliers into a[n] unless null. Stops early once `cancelled`.
LinearHeadResult fitHingeHead(const HeadFeatures& features, const double* weights, double ridge, double* w,
                              const std::atomic<bool>& cancelled, double* a = nullptr,
                              double target = kHingeTarget);

}  // namespace prompt_attention
