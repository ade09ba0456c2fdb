// Heads of the known-prompt experiment by conjugate gradients on lazily drawn noise, exact in distribution at
// a cost without d (Gaussian noise; theory.md §5 last paragraph, §9).
//
// The features are v_i = u_i + s_i h_i with u_i in the plane and h_i ~ N(0, I) on the complement of q̂ = e1:
// with U ∈ R^{n×2} and Z ∈ R^{n×(d−1)} the rows h_i, drawn lazily (lazy_noise.h) over a frame that begins
// with e2,
//
//   V p = U p + s ∘ (Z p)   (a query),       Vᵀr = Uᵀr + Zᵀ(s ∘ r)   (a product).
//
// Least squares, ridge and (λ = 0, n < d) least norm: conjugate gradients on (VᵀV + nλI) w = Vᵀy from w = 0
// in the form of Hestenes and Stiefel that carries the residual r = y − V w (CGLS); iterates stay in the row
// space, so the limit is the interpolator of least norm. Gradients are vectors of few coordinates in the
// frame: they are kept orthogonal to all earlier ones at a cost without n, which keeps rounding from slowing
// convergence. One query and one product per iteration.
//
// Logistic, λ > 0: Newton's method with backtracking on F = (1/n) Σ log(1 + e^{−y_i f_i}) + (λ/2)‖w‖², the
// Newton equation ((1/n) Vᵀ D V + λI) p = −∇F, D = diag(p_i(1 − p_i)), by conjugate gradients to the relative
// residual min(½, √(‖∇F‖/‖∇F(0)‖)) (Eisenstat, Walker 1996). One query and one product per inner iteration,
// one product per Newton step.
//
// Converged: the gradient computed afresh at w is below kHeadTolerance of that at w = 0, and it bounds the
// error of w (5e-7 of ‖w‖) and of V w (1e-8 of ‖y‖) by the least singular value that features with these s_i
// can have (noise_floor.h). Least squares without ridge and n ≤ d − 2: the residual r = y − V w does, row by
// row over s_i. Conjugate gradients are started again from w, to lower tolerances, as long as that is not so
// and the gradient falls. Else, or after kMostIterations in all: status kNotConverged, with the residual
// reached. Features without noise have rank at most 2; the head is then the one of least norm.
//
// Who gives up must go on with the same noise (LazyFeatures::complete), unless it gives up by the scales s_i
// alone, which do not depend on it.
//
// Cost: I iterations O(n I²); I does not grow with n and d at fixed n/d. Memory: lazyHeadBytes.
#pragma once

#include "core/trials/known_prompt.h"
#include "core/trials/lazy_features.h"

namespace prompt_attention {

constexpr double kHeadTolerance = 1e-10;
constexpr int kMostIterations = 512;

// Head coordinates in the frame e1, e2, rest.
struct LazyHead {
  PlaneVector inPlane;
  double rest;
  int iterations;
  double residual;
  bool isHopeless;  // predicted to need more iterations than are worth while, and not tried
};

// Most bytes of a trial.
double lazyHeadBytes(const KnownPromptSpec& spec);

// Most bytes beside those of a direct solver where one goes on with the noise of a trial.
double completionBytes(const KnownPromptSpec& spec);

// Axes that the frame of such a head may need.
int frameCapacity(const KnownPromptSpec& spec);

// Least squares head, or logistic with λ > 0. If the status is not kOk, only iterations and residual are
// results. With `predicts`, gives up before anything is solved where the scales s_i say that it would in the
// end. Throws std::bad_alloc.
TrialStatus fitLazily(const KnownPromptSpec& spec, lazy_head::LazyFeatures& features,
                      const std::atomic<bool>& cancelled, bool predicts, LazyHead& head);

}  // namespace prompt_attention
