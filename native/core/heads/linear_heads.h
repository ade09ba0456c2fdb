// Heads fitted on given features V[n×d] (row-major) with labels y = ±1, by iteration.
//
//   logistic   w = argmin (1/n) Σ log(1 + e^{−y_i wᵀv_i}) + (λ/2)‖w‖²,      λ ≥ 0
//
// A free intercept is the coefficient of a last column of ones, which has no ridge; ‖v_i‖ below is then that
// of (v_i, 1).
//
// Logistic: Newton's method with backtracking. With p_i = 1/(1 + e^{y_i wᵀv_i}) the gradient is
// −(1/n) Vᵀ(y∘p) + λw and the Hessian (1/n) Vᵀ diag(p(1−p)) V + λI, scaled to unit diagonal for the solve.
// Where that is too ill-conditioned the step is found by an orthogonal factorisation (augmented_system.h), of
// least norm if columns are dependent. Cost n d² + d³ per iteration, memory 2d²; features with n < d are
// better reduced first (fitMarginHead in head.h). Converged: gradient norm ≤ 1e-10 mean ‖v_i‖, and last step
// ≤ 1e-7 ‖w‖. At λ = 0 there is no minimiser if some w has y_i wᵀv_i ≥ 0 for all i, not all 0: found when an
// iterate separates the classes, or when the gradient vanishes while the steps do not.
#pragma once

#include <atomic>

namespace prompt_attention {

enum class LinearHeadStatus { kOk, kSingular, kSeparable, kNotConverged };

struct LinearHeadResult {
  LinearHeadStatus status;
  int iterations;
  double residual;
  double intercept = 0.0;  // what is subtracted from scores wᵀv
};

struct HeadFeatures {
  const double* V;  // [n×d]
  const double* y;  // [n]
  int n;
  int d;
  int free = 0;  // columns without ridge: the last one, of ones, or none
  int penalised() const { return d - free; }
};

// Into w[d]; a useful result with kOk, and an unfinished one with kNotConverged. Stop early once `cancelled`.
LinearHeadResult fitLogisticHead(const HeadFeatures& features, double ridge, double* w,
                                 const std::atomic<bool>& cancelled);

// Gradient norm of the least-squares objective (head.h) at w, over mean ‖v_i‖; 0 if every feature is 0.
double leastSquaresResidual(const HeadFeatures& features, double ridge, const double* w);

}  // namespace prompt_attention
